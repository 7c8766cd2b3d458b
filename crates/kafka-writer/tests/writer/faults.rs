//! Brokers refuse, move, hang up and fall silent.

use std::time::Duration;

use kafka_protocol::ErrorCode;
use kafka_writer::{ErrorKind, Fate, Idempotence, Writer, WriterConfig};

use crate::cluster::{Cluster, Reaction};
use crate::{config, message};

#[tokio::test(start_paused = true)]
async fn an_error_that_passes_is_overcome() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Refuse(19), Reaction::HangUp, Reaction::Refuse(5), Reaction::HangUp]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let mut deliveries = Vec::new();
    for number in 0..50 {
        deliveries.push(writer.send(message(number.to_string())).await.unwrap());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for (number, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.unwrap().offset, Some(number as i64));
    }
    assert_eq!(cluster.values("t", 0), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moved_is_followed() {
    let cluster = Cluster::new("t", &[1, 2]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    writer.write_messages(&[message("0"), message("0")]).await.unwrap();
    cluster.lead("t", 0, 3);
    writer.write_messages(&[message("1"), message("1")]).await.unwrap();
    assert_eq!(cluster.values("t", 0), ["0", "1"]);
    assert_eq!(cluster.produced().last().map(|request| request.broker), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_leader_is_waited_for() {
    let cluster = Cluster::new("t", &[-1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let delivery = writer.send(message("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.lead("t", 0, 2);
    assert_eq!(delivery.await.unwrap().offset, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_fails_the_batch_and_no_other() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Refuse(87)]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let error = writer.send(message("bad")).await.unwrap().await.unwrap_err();
    assert_eq!((error.code(), error.fate()), (Some(ErrorCode::INVALID_RECORD), Fate::NotPersisted));
    assert_eq!(error.to_string(), "topic \"t\" partition 0: the broker answered INVALID_RECORD (87)");
    writer.send(message("good")).await.unwrap().await.unwrap();
    assert_eq!(cluster.values("t", 0), ["good"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_fate_open() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::AppendAndHangUp]);
    let writer = Writer::new(cluster.transport().await, WriterConfig { retries: 0, ..config("t") }).unwrap();
    let error = writer.send(message("x")).await.unwrap().await.unwrap_err();
    assert_eq!((error.kind(), error.fate()), (&ErrorKind::Connection, Fate::PossiblyPersisted));
    assert_eq!(cluster.values("t", 0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_delivery_timeout() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::Silence; 20]);
    let (request_timeout, delivery_timeout) = (Duration::from_secs(2), Duration::from_secs(7));
    let config = WriterConfig { request_timeout, delivery_timeout, ..config("t") };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    let before = tokio::time::Instant::now();
    let delivery = writer.send(message("x")).await.unwrap();
    let error = delivery.await.unwrap_err();
    assert_eq!(before.elapsed().as_secs(), 7);
    assert_eq!(
        (error.kind(), error.fate()),
        (&ErrorKind::Expired { after: delivery_timeout }, Fate::PossiblyPersisted)
    );
    assert!(cluster.produced().len() >= 3, "{}", cluster.produced().len());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_an_error_with_its_reason() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("absent")).unwrap();
    let refused = writer.send(message("x")).await.unwrap_err();
    assert_eq!(refused.error().kind(), &ErrorKind::Metadata);
    assert_eq!(refused.message(), &message("x"));
    let source = std::error::Error::source(refused.error()).unwrap().downcast_ref::<kafka_conn::Error>().unwrap();
    assert_eq!(source.kind(), &kafka_conn::ErrorKind::UnknownTopic);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_fell_silent_is_left_for_the_next_one() {
    let cluster = Cluster::new("t", &[1]);
    cluster.state.lock().unwrap().silent = Some(1);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let delivery = writer.send(message("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.lead("t", 0, 2);
    assert_eq!(delivery.await.unwrap().offset, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_is_closed_ends_what_is_written() {
    let cluster = Cluster::new("t", &[1]);
    let transport = cluster.transport().await;
    let writer = Writer::new(transport.clone(), config("t")).unwrap();
    writer.send(message("x")).await.unwrap().await.unwrap();
    transport.close().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = writer.send(message("y")).await.unwrap().await.unwrap_err();
    assert_eq!((error.kind(), error.fate()), (&ErrorKind::Connection, Fate::NotPersisted));
    writer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_doubles_nothing() {
    let cluster = Cluster::new("t", &[1]);
    cluster.react(&[Reaction::AppendAndHangUp; 5]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    for number in 0..10 {
        let written = writer.send(message(number.to_string())).await.unwrap().await.unwrap();
        assert_eq!(written.offset, Some(number));
    }
    assert_eq!(cluster.values("t", 0).len(), 10);
    assert_eq!(writer.stats().retries, 5);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_refuses_idempotence_is_written_to_unless_it_is_required() {
    for (answer, source) in [(Some(31), true), (None, true)] {
        let cluster = Cluster::new("t", &[1]);
        cluster.state.lock().unwrap().init_producer_id = answer;
        let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
        writer.send(message("x")).await.unwrap().await.unwrap();
        assert_eq!(writer.stats().idempotent, Some(false));
        let config = WriterConfig { idempotence: Idempotence::Require, ..config("t") };
        let writer = Writer::new(cluster.transport().await, config).unwrap();
        let error = writer.send(message("y")).await.unwrap().await.unwrap_err();
        assert_eq!((error.kind(), error.fate()), (&ErrorKind::NoProducerId, Fate::NotPersisted));
        assert_eq!(std::error::Error::source(&error).is_some(), source);
        cluster.state.lock().unwrap().init_producer_id = Some(0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        if answer.is_some() {
            writer.send(message("z")).await.unwrap().await.unwrap();
        }
    }
}
