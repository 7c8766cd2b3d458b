//! Lists the topics of a cluster and their partitions, over one connection to any of its brokers:
//! `cargo run -p kafka-conn --example list_topics -- HOST:PORT`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::BTreeMap;

use kafka_conn::{Conn, Dialer, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let broker = std::env::args().nth(1).unwrap_or_else(|| "localhost".into());
    let conn = Conn::new(Dialer::default().dial(&broker).await?);

    // Bound to no topic, and asked for none: all of them.
    let mut topics = BTreeMap::<_, usize>::new();
    for partition in conn.read_partitions(&[]).await? {
        *topics.entry(partition.topic).or_default() += 1;
    }
    for (topic, partitions) in topics {
        println!("{topic}: {partitions} partitions");
    }
    conn.close().await;
    Ok(())
}
