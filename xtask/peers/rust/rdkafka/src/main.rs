//! librdkafka at work, through rust-rdkafka: idempotent; it does not check checksums when it reads, unless it is told to.

use std::thread;
use std::time::Duration;

use peer_text::{Text, Work, print_read};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message};

fn main() {
    let work = Work::from_arguments();
    match work.operation.as_str() {
        "produce" => produce(&work),
        _ => consume(&work),
    }
}

fn produce(work: &Work) {
    let text = Text::new(work.size);
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &work.broker)
        .set("linger.ms", "5")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "100000")
        .set("queue.buffering.max.messages", "500000")
        .set("enable.idempotence", "true")
        .set("compression.type", if work.lz4 { "lz4" } else { "none" })
        .create()
        .expect("a producer");
    for number in 0..work.count {
        let mut record = BaseRecord::<(), [u8]>::to(&work.topic).payload(text.message(number));
        while let Err((error, back)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            thread::sleep(Duration::from_millis(1));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(120)).expect("all written");
}

fn consume(work: &Work) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &work.broker)
        .set("group.id", work.group())
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[&work.topic]).expect("subscribed");
    let (mut messages, mut bytes) = (0, 0);
    while messages < work.count {
        if let Some(polled) = consumer.poll(Duration::from_millis(100)) {
            let message = polled.expect("a message");
            messages += 1;
            bytes += message.payload().map_or(0, <[u8]>::len);
        }
    }
    print_read(messages, bytes);
}
