//! What is too large is refused, and who sends too much waits.

use std::time::Duration;

use kafka_writer::{ErrorKind, Header, Message, Writer, WriterConfig};

use crate::cluster::{Cluster, Reaction};
use crate::{config, message};

fn small(topic: &str) -> WriterConfig {
    WriterConfig { batch_bytes: 1000, buffer_bytes: 2000, ..config(topic) }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_fails_alone_and_at_once() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, small("t")).unwrap();
    // 61 bytes of batch header, and 9 of a record with a value of this length.
    let fits = message("x".repeat(1000 - 61 - 9));
    let too_large = message("x".repeat(1000 - 61 - 8));
    let errors = writer.write_messages(&[fits.clone(), too_large.clone(), fits]).await.unwrap_err();
    let [(1, error)] = errors.errors().collect::<Vec<_>>()[..] else { panic!("{errors}") };
    assert_eq!(error.kind(), &ErrorKind::MessageTooLarge { size: 1001, limit: 1000 });
    assert_eq!(cluster.log("t", 0).len(), 2);
    let (message, _) = writer.send(too_large.clone()).await.unwrap_err().into_parts();
    assert_eq!(message, too_large);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_makes_senders_wait() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Silence]);
    let max_block = Duration::from_secs(1);
    let request_timeout = Duration::from_secs(10);
    let config = WriterConfig { max_block, request_timeout, ..small("t") };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    let mut deliveries = Vec::new();
    let refused = loop {
        match writer.send(message("x".repeat(100))).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(refused) => break refused,
        }
        assert!(deliveries.len() <= 20, "the buffer has no bound");
    };
    assert_eq!(refused.error().kind(), &ErrorKind::NoRoom { after: max_block });
    let full = writer.try_send(message("x".repeat(100))).unwrap_err();
    assert_eq!(full.error().kind(), &ErrorKind::Full);
    // The broker is given up, and answers the next time.
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    writer.try_send(message("x")).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_room_comes_back() {
    let cluster = Cluster::new("t", &[1, 2]);
    let writer = Writer::new(cluster.transport().await, small("t")).unwrap();
    for round in 0..20 {
        cluster.react(&[Reaction::Refuse(if round % 2 == 0 { 19 } else { 87 })]);
        let messages: Vec<_> = (0..30).map(|_| message("x".repeat(50))).collect();
        let _some_fail = writer.write_messages(&messages).await;
    }
    let fits = message("x".repeat(850));
    let both = [writer.try_send(fits.clone()), writer.try_send(fits)];
    assert!(both.iter().all(Result::is_ok), "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_must_not_wait_asks_for_metadata() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    assert_eq!(writer.try_send(message("x")).unwrap_err().error().kind(), &ErrorKind::MetadataPending);
    tokio::time::sleep(Duration::from_millis(100)).await;
    writer.try_send(message("x")).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_named_once() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let named = Message { topic: "t".into(), ..message("x") };
    assert_eq!(writer.send(named).await.unwrap_err().error().kind(), &ErrorKind::TwoTopics);
}

#[tokio::test(start_paused = true)]
async fn many_small_headers_fit_where_their_bytes_do() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, small("t")).unwrap();
    let headers = vec![Header { key: "".into(), value: None }; 400];
    writer.try_send(message("x")).unwrap_err();
    tokio::time::sleep(Duration::from_millis(100)).await;
    writer.try_send(Message { headers, ..message("x") }).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_ends_the_lingering_that_holds_it() {
    let cluster = Cluster::new("t", &[1, 2, 3, 1, 2, 3]);
    let (linger, max_block) = (Duration::from_secs(60), Duration::from_secs(1));
    let writer = Writer::new(cluster.transport().await, WriterConfig { linger, max_block, ..small("t") }).unwrap();
    for number in 0..100 {
        drop(writer.send(message(format!("{number:100}"))).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn many_messages_wait_no_longer_than_one() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("absent")).unwrap();
    let messages = vec![message("x"); 1000];
    let before = tokio::time::Instant::now();
    let errors = writer.write_messages(&messages).await.unwrap_err();
    assert_eq!(errors.count(), 1000);
    assert!(before.elapsed() <= Duration::from_secs(61), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_send_that_must_not_wait_is_told_of_a_refusal() {
    let cluster = Cluster::new("t", &[1]);
    cluster.state.lock().unwrap().topic_error = Some(29);
    let writer = Writer::new(cluster.transport().await, config("secret")).unwrap();
    assert_eq!(writer.try_send(message("x")).unwrap_err().error().kind(), &ErrorKind::MetadataPending);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = writer.try_send(message("x")).unwrap_err();
    assert_eq!(refused.error().kind(), &ErrorKind::Metadata);
}
