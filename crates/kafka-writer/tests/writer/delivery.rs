//! Messages arrive whole, in order, where they belong, and everybody learns where.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kafka_writer::{
    Compression, ErrorKind, Header, Manual, Message, RequiredAcks, RoundRobin, TopicAutoCreation, Writer, WriterConfig,
};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::{config, message};

#[tokio::test(start_paused = true)]
async fn everything_of_a_message_arrives() {
    let cluster = Cluster::new("t", &[1]);
    let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
    let given = Message {
        key: Some("k".into()),
        value: None,
        headers: vec![Header::new("a", "1"), Header { key: "a".into(), value: None }],
        timestamp: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1234)),
        ..Message::default()
    };
    let written = writer.send(given).await.unwrap().await.unwrap();
    assert_eq!((written.partition, written.offset), (0, Some(0)));
    let [record] = &cluster.log("t", 0)[..] else { panic!("not one record") };
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"k"[..]), None));
    assert_eq!(record.headers, [("a".to_owned(), Some(b"1".to_vec())), ("a".to_owned(), None)]);
    assert_eq!(record.timestamp, 1234);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_burst_share_a_request_and_keep_their_order() {
    let cluster = Cluster::new("t", &[1, 1, 1, 1]);
    let balancer = Arc::new(RoundRobin::default());
    let writer = Writer::new(cluster.transport().await, WriterConfig { balancer, ..config("t") }).unwrap();
    let mut deliveries = Vec::new();
    for number in 0..100 {
        deliveries.push(writer.send(message(number.to_string())).await.unwrap());
    }
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let written = delivery.await.unwrap();
        assert_eq!((written.partition, written.offset), (number as i32 % 4, Some(number as i64 / 4)));
    }
    let [request] = &cluster.produced()[..] else { panic!("{:?}", cluster.produced()) };
    assert_eq!((request.version, request.acks, request.partitions.len()), (13, -1, 4));
    let expected: Vec<_> = (0..25).map(|at| (at * 4 + 2).to_string()).collect();
    assert_eq!(cluster.values("t", 2), expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_lingers_and_no_longer() {
    let cluster = Cluster::new("t", &[1]);
    for (linger, at_least, at_most) in [(0, 0, 1), (50, 50, 52)] {
        let linger = Duration::from_millis(linger);
        let writer = Writer::new(cluster.transport().await, WriterConfig { linger, ..config("t") }).unwrap();
        writer.send(message("known now")).await.unwrap().await.unwrap();
        let before = Instant::now();
        writer.send(message("x")).await.unwrap().await.unwrap();
        let took = before.elapsed().as_millis();
        assert!((at_least..=at_most).contains(&took), "{took} ms");
    }
}

#[tokio::test]
async fn every_codec_arrives() {
    for compression in Compression::ALL {
        let cluster = Cluster::new("t", &[1, 2]);
        let config = WriterConfig { compression, batch_bytes: 20_000, buffer_bytes: 100_000, ..config("t") };
        let writer = Writer::new(cluster.transport().await, config).unwrap();
        let text = |number: usize| format!("{number}: {}", "much the same as before ".repeat(10));
        let messages: Vec<_> = (0..1000).map(|number| message(text(number))).collect();
        let written = writer.write_messages(&messages).await.unwrap();
        for (number, written) in written.iter().enumerate() {
            let record = &cluster.log("t", written.partition)[written.offset.unwrap() as usize];
            assert_eq!(record.value.as_deref(), Some(text(number).as_bytes()));
            assert_eq!(record.compression, compression);
        }
        assert!([0, 1].iter().all(|partition| cluster.log("t", *partition).len() == 500));
    }
}

#[tokio::test(start_paused = true)]
async fn without_acks_a_message_is_done_when_it_is_sent() {
    let cluster = Cluster::new("t", &[1]);
    let required_acks = RequiredAcks::None;
    let writer = Writer::new(cluster.transport().await, WriterConfig { required_acks, ..config("t") }).unwrap();
    for number in 0..10 {
        let written = writer.send(message(number.to_string())).await.unwrap().await.unwrap();
        assert_eq!(written.offset, None);
    }
    writer.close().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.log("t", 0).len(), 10);
    assert!(cluster.produced().iter().all(|request| request.acks == 0));
}

#[tokio::test(start_paused = true)]
async fn older_brokers_are_written_to_by_name() {
    for max_produce in [7, 8, 9, 12] {
        let cluster = Cluster::new("t", &[1]);
        cluster.state.lock().unwrap().max_produce = max_produce;
        let writer = Writer::new(cluster.transport().await, config("t")).unwrap();
        writer.send(message("x")).await.unwrap().await.unwrap();
        assert_eq!(cluster.produced()[0].version, max_produce);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_name_their_topics_and_partitions() {
    let cluster = Cluster::new("a", &[1, 2, 3]);
    cluster.state.lock().unwrap().topics.insert("b".to_owned(), vec![3]);
    let config = WriterConfig { balancer: Arc::new(Manual), ..WriterConfig::default() };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    let to = |topic: &str, partition| Message { topic: topic.into(), partition, ..message(topic) };
    let written = writer.write_messages(&[to("a", 2), to("b", 0), to("a", 1)]).await.unwrap();
    assert_eq!(written.iter().map(|written| written.partition).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(cluster.values("b", 0), ["b"]);

    let errors = writer.write_messages(&[to("a", 0), to("a", 3), to("", 0)]).await.unwrap_err();
    let kinds: Vec<_> = errors.errors().map(|(index, error)| (index, error.kind().clone())).collect();
    assert_eq!(kinds, [(1, ErrorKind::UnknownPartition(3)), (2, ErrorKind::NoTopic)]);
    assert!(errors.outcomes()[0].is_ok());
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_are_used() {
    let cluster = Cluster::new("t", &[1]);
    let transport = cluster.transport().await;
    let balancer = Arc::new(RoundRobin::default());
    let writer = Writer::new(transport.clone(), WriterConfig { balancer, ..config("t") }).unwrap();
    writer.send(message("x")).await.unwrap().await.unwrap();
    cluster.state.lock().unwrap().topics.insert("t".to_owned(), vec![1, 2]);
    transport.refresh(&["t"]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let written = writer.write_messages(&[message("1"), message("2")]).await.unwrap();
    assert!(written.iter().any(|written| written.partition == 1));
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_made_where_that_is_wanted() {
    let cluster = Cluster::new("t", &[1]);
    let config = WriterConfig { topic_auto_creation: TopicAutoCreation::Ask, ..config("fresh") };
    let writer = Writer::new(cluster.transport().await, config).unwrap();
    writer.send(message("x")).await.unwrap().await.unwrap();
    assert_eq!(cluster.values("fresh", 0), ["x"]);
}
