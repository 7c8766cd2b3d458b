//! Our writer and our reader at work: one `send` for each message and every `Delivery` awaited, idempotent, acks=all;
//! `fetch_message`, or `fetch_batch` and the records of each batch, checksums checked.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_conn::{BrokerAddress, Message, Transport, TransportConfig};
use kafka_protocol::records::Compression;
use kafka_reader::{BatchDecoder, EndOffsets, Reader, ReaderConfig};
use kafka_writer::{Delivery, Idempotence, Writer, WriterConfig};
use peer_text::{Text, Work, print_latencies, print_read};
use tokio::sync::mpsc;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let work = Work::from_arguments();
    let bootstrap = BrokerAddress::parse_list(&work.broker)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    match work.operation.as_str() {
        "produce" => produce(transport, &work).await,
        // On a worker, as services send: from outside, each message would wait for another thread to wake up.
        "latency" => tokio::spawn(latency(transport, work)).await?,
        "consume" => consume(transport, &work).await,
        _ => consume_batches(transport, &work).await,
    }
}

fn writer(transport: Transport, work: &Work, linger: Duration) -> Result<Writer> {
    let defaults = WriterConfig::default();
    let config = WriterConfig {
        topic: Some(work.topic.as_str().into()),
        compression: if work.lz4 { Compression::Lz4 } else { Compression::None },
        idempotence: Idempotence::Require,
        linger,
        batch_messages: work.batch_messages.unwrap_or(defaults.batch_messages),
        ..defaults
    };
    Ok(Writer::new(transport, config)?)
}

async fn produce(transport: Transport, work: &Work) -> Result {
    let text = Text::new(work.size);
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let writer = writer(transport, work, Duration::from_millis(5))?;
    let (blocks, mut queued) = mpsc::channel::<Vec<Delivery>>(BLOCKS_AHEAD);
    let settled = tokio::spawn(async move {
        while let Some(block) = queued.recv().await {
            for delivery in block {
                delivery.await?;
            }
        }
        Ok::<_, kafka_writer::Error>(())
    });
    let mut block = Vec::with_capacity(BLOCK);
    for number in 0..work.count {
        let message = Message { value: Some(bytes.slice(text.place(number))), ..Message::default() };
        block.push(writer.send(message).await?);
        if block.len() == BLOCK {
            blocks.send(std::mem::replace(&mut block, Vec::with_capacity(BLOCK))).await?;
        }
    }
    blocks.send(block).await?;
    drop(blocks);
    settled.await??;
    println!("batch {}", writer.stats().batch_size.avg());
    Ok(writer.close().await?)
}

async fn latency(transport: Transport, work: Work) -> Result {
    let text = Text::new(work.size);
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let writer = writer(transport, &work, Duration::ZERO)?;
    let mut latencies = Vec::with_capacity(work.count);
    for number in 0..work.count {
        let message = Message { value: Some(bytes.slice(text.place(number))), ..Message::default() };
        let called = Instant::now();
        writer.send(message).await?.await?;
        latencies.push(called.elapsed());
    }
    print_latencies(latencies);
    Ok(writer.close().await?)
}

async fn reader(transport: Transport, work: &Work) -> Result<(Reader, EndOffsets)> {
    let config = ReaderConfig { topic: work.topic.as_str().into(), ..ReaderConfig::default() };
    let reader = Reader::new(transport, config).await?;
    let end = reader.end_offsets().await?;
    Ok((reader, end))
}

async fn consume(transport: Transport, work: &Work) -> Result {
    let (mut reader, _) = reader(transport, work).await?;
    let (mut messages, mut bytes) = (0, 0);
    while messages < work.count {
        let message = reader.fetch_message().await?;
        messages += 1;
        bytes += message.value.map_or(0, |value| value.len());
    }
    reader.close().await;
    print_read(messages, bytes);
    Ok(())
}

async fn consume_batches(transport: Transport, work: &Work) -> Result {
    let (mut reader, end) = reader(transport, work).await?;
    let mut decoder = BatchDecoder::default();
    let (mut messages, mut bytes) = (0, 0);
    while let Some(batch) = reader.fetch_batch_until(&end).await? {
        for record in batch.records(&mut decoder)? {
            messages += 1;
            bytes += record?.value.map_or(0, <[u8]>::len);
        }
    }
    reader.close().await;
    print_read(messages, bytes);
    Ok(())
}

/// Deliveries that are handed over at a time.
const BLOCK: usize = 1024;
/// Together more small messages than a writer's buffer has room for.
const BLOCKS_AHEAD: usize = 256;
