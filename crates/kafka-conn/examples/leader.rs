//! Reaches the leader of each partition of a topic through any broker, and shows what it has:
//! `cargo run -p kafka-conn --example leader -- HOST:PORT TOPIC`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use kafka_conn::{Dialer, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost".into());
    let topic = arguments.next().unwrap_or_else(|| "greetings".into());

    let dialer = Dialer::default();
    for partition in dialer.lookup_partitions(&broker, &topic).await? {
        // `dial_leader` does both in one step, for one partition.
        let conn = dialer.dial_partition(&partition).await?;
        let (first, last) = conn.read_offsets().await?;
        println!("{topic}/{}: {} has offsets {first} to {last}", partition.partition, conn.address());
        conn.close().await;
    }
    Ok(())
}
