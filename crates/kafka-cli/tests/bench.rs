//! `kafka bench`: what is written is read again, and counted.

mod common;

use common::{Run, kafka, run};
use kafka_embedded::Cluster;

fn kafka_at(cluster: &Cluster, arguments: &str) -> Run {
    run(kafka(arguments).env("KAFKA_BROKERS", cluster.bootstrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bench_writes_a_bench_reads() {
    let cluster = Cluster::builder().topic("t", 3, 1).start().await.unwrap();
    let written = kafka_at(&cluster, "bench produce --topic t --count 5000 --size 64 --codec lz4");
    assert_eq!(written.status, Some(0), "{}", written.stderr);
    assert!(written.stdout.contains("5000 written, 0 failed"), "{}", written.stdout);

    let all = kafka_at(&cluster, "bench consume --topic t");
    assert_eq!((all.status, all.stderr.as_str()), (Some(0), ""));
    assert!(all.stdout.contains("messages     5000 read"), "{}", all.stdout);
    let some = kafka_at(&cluster, "bench consume --topic t --count 1234");
    assert!(some.status == Some(0) && some.stdout.contains("messages     1234 read"), "{}", some.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_too_few_messages_is_read_to_its_end_and_that_is_told() {
    let cluster = Cluster::builder().topic("t", 1, 1).start().await.unwrap();
    kafka_at(&cluster, "bench produce --topic t --count 10");
    let read = kafka_at(&cluster, "bench consume --topic t --count 11");
    assert_eq!(read.status, Some(1), "{}", read.stdout);
    assert!(read.stdout.contains("10 read"), "{}", read.stdout);
    assert!(read.stderr.contains("the topic ends after 10 of 11 messages"), "{}", read.stderr);
    assert_eq!(kafka_at(&cluster, "bench consume --topic nowhere").status, Some(1));
}
