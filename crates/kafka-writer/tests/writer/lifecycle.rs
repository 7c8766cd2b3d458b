//! Flushing, closing, dropping.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_writer::{Completion, ErrorKind, Fate, SendOptions, Writer, WriterConfig, Written};

use crate::cluster::{Cluster, Reaction};
use crate::{config, message};

fn patient(topic: &str) -> WriterConfig {
    WriterConfig { linger: Duration::from_secs(60), ..config(topic) }
}

#[tokio::test(start_paused = true)]
async fn a_flush_sends_what_is_queued_and_waits() {
    let cluster = Cluster::new("t", &[1, 2]);
    let writer = Writer::new(cluster.transport().await, patient("t")).unwrap();
    for number in 0..10 {
        drop(writer.send(message(number.to_string())).await.unwrap());
    }
    assert!(cluster.produced().is_empty());
    writer.flush().await.unwrap();
    assert_eq!(cluster.log("t", 0).len() + cluster.log("t", 1).len(), 10);
    cluster.react(&[Reaction::Refuse(87)]);
    drop(writer.send(message("bad")).await.unwrap());
    let failed = writer.flush().await.unwrap_err();
    let [(error, 1)] = failed.errors().collect::<Vec<_>>()[..] else { panic!("{failed}") };
    assert_eq!(error.fate(), Fate::NotPersisted);
    writer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_is_queued() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, patient("t")).unwrap();
    let delivery = writer.send(message("x")).await.unwrap();
    writer.close().await.unwrap();
    assert_eq!(delivery.await.unwrap().offset, Some(0));
    assert_eq!(writer.send(message("y")).await.unwrap_err().error().kind(), &ErrorKind::Closed);
    let failed = writer.flush().await.unwrap_err();
    assert_eq!(failed.errors().next().unwrap().0.kind(), &ErrorKind::Closed);
    writer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_ends_in_time() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Silence; 10]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let delivery = writer.send(message("x")).await.unwrap();
    let before = tokio::time::Instant::now();
    let error = writer.close_within(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed().as_secs()), (&ErrorKind::CloseTimedOut, 3));
    let error = delivery.await.unwrap_err();
    assert_eq!((error.kind(), error.fate()), (&ErrorKind::CloseTimedOut, Fate::PossiblyPersisted));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_writes_what_is_queued() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, patient("t")).unwrap();
    let delivery = writer.send(message("x")).await.unwrap();
    drop(writer.clone());
    drop(writer);
    assert_eq!(delivery.await.unwrap().offset, Some(0));
}

#[test]
fn the_end_of_the_runtime_ends_the_waiting() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let cluster = Cluster::new("t", &[1]);
    let (writer, delivery) = first.block_on(async {
        let writer = Writer::new(cluster.transport().await, patient("t")).unwrap();
        let delivery = writer.send(message("x")).await.unwrap();
        (writer, delivery)
    });
    drop(first);
    assert_eq!(second.block_on(delivery).unwrap_err().kind(), &ErrorKind::Closed);
    assert_eq!(second.block_on(writer.send(message("y"))).unwrap_err().error().kind(), &ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_and_a_close_in_their_midst() {
    let cluster = Cluster::new("t", &[1, 2, 3, 1, 2, 3]);
    let config = WriterConfig { batch_messages: 7, linger: Duration::ZERO, ..config("t") };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let writer = writer.clone();
            tokio::spawn(async move {
                let mut deliveries = Vec::new();
                while let Ok(delivery) = writer.send(message("x")).await {
                    deliveries.push(delivery);
                    tokio::task::yield_now().await;
                }
                let mut written = 0;
                for delivery in deliveries {
                    match delivery.await {
                        Ok(_) => written += 1,
                        Err(error) => {
                            assert_eq!((error.kind(), error.fate()), (&ErrorKind::Closed, Fate::NotPersisted))
                        }
                    }
                }
                written
            })
        })
        .collect();
    let in_the_logs = || (0..6).map(|partition| cluster.log("t", partition).len()).sum::<usize>();
    while in_the_logs() < 2000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    writer.close().await.unwrap();
    let mut written = 0;
    for caller in callers {
        written += caller.await.unwrap();
    }
    assert_eq!(in_the_logs(), written);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_before_it_began_closes_nothing() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    // More commands than the sender, which does not run meanwhile, has room for.
    let flushes = futures_util::future::join_all((0..20).map(|_| writer.flush()));
    let both = async { tokio::join!(flushes, writer.close()) };
    assert!(futures_util::FutureExt::now_or_never(both).is_none());
    writer.send(message("x")).await.unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_written_to_is_forgotten_by_the_transport() {
    let cluster = Cluster::new("t", &[1]);
    let transport = cluster.transport().await;
    let writer = Writer::new(transport.clone(), config("t")).unwrap();
    writer.send(message("x")).await.unwrap().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(transport.cluster().topics().len(), 0);
    assert_eq!(writer.send(message("y")).await.unwrap().await.unwrap().offset, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_flush_tells_what_nobody_was_told() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    cluster.react(&[Reaction::Refuse(87), Reaction::Refuse(87)]);
    for told in [true, false] {
        let deliveries = [writer.send(message("x")).await.unwrap(), writer.send(message("y")).await.unwrap()];
        tokio::time::sleep(Duration::from_secs(1)).await;
        let [first, second] = deliveries;
        first.await.unwrap_err();
        if told {
            second.await.unwrap_err();
        }
    }
    let failed = writer.flush().await.unwrap_err();
    assert_eq!((failed.count(), failed.errors().count()), (1, 1), "{failed}");
    writer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_everything_at_once() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Silence; 10]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let under_way = writer.send(message("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let queued = writer.send(message("y")).await.unwrap();
    let before = tokio::time::Instant::now();
    writer.abort().await;
    assert!(before.elapsed().is_zero());
    for (delivery, fate) in [(under_way, Fate::PossiblyPersisted), (queued, Fate::NotPersisted)] {
        let error = delivery.await.unwrap_err();
        assert_eq!((error.kind(), error.fate()), (&ErrorKind::Aborted, fate));
    }
    assert_eq!(writer.send(message("z")).await.unwrap_err().error().kind(), &ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_callback_hears_of_every_message() {
    let cluster = Cluster::new("t", &[1, 1]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let completion = Completion::new(move |completed| {
        let messages = completed.messages().map(|(tag, written)| (completed.partition, tag, written.ok()));
        ears.lock().unwrap().extend(messages);
    });
    let config = WriterConfig { completion: Some(completion), ..config("t") };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    for tag in 1..=3 {
        let options = SendOptions { tag: Some(tag), partition: Some(1) };
        drop(writer.send_with(message("x"), options).await.unwrap());
    }
    writer.flush().await.unwrap();
    cluster.react(&[Reaction::Refuse(87)]);
    let options = SendOptions { partition: Some(0), tag: None };
    drop(writer.send_with(message("bad"), options).await.unwrap());
    writer.close().await.unwrap();
    let written = |offset| Some(Written { partition: 1, offset: Some(offset) });
    let expected = [(1, Some(1), written(0)), (1, Some(2), written(1)), (1, Some(3), written(2)), (0, None, None)];
    assert_eq!(*heard.lock().unwrap(), expected);
    let stats = writer.stats();
    assert_eq!((stats.messages, stats.failed_messages, stats.errors, stats.buffered_bytes), (4, 1, 1, 0));
    assert_eq!((stats.idempotent, stats.is_async, stats.batch_size.max), (Some(true), true, 3));
}
