//! Shows a cluster's brokers and topics: `cargo run -p kafka-conn --example cluster -- HOST:PORT,…`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use kafka_conn::{BrokerAddress, Result, Route, Transport, TransportConfig};
use kafka_protocol::messages::metadata::MetadataRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "localhost".into());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    for broker in transport.cluster().brokers() {
        println!("broker {} is {}", broker.id, broker.address);
    }

    // No list of topics: all of them. Nothing is created by asking.
    let all = MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
    let answer = transport.call(&all, Route::Any).await?;
    for topic in answer.topics.iter().filter_map(|topic| topic.name.as_ref()) {
        // The transport's own view: it waits for leaders that are being elected.
        let described = transport.topic(topic).await?;
        let leaderless = described.partitions.iter().filter(|partition| partition.leader.is_none()).count();
        println!("topic {topic}: {} partitions, {leaderless} without a leader", described.partitions.len());
    }
    transport.close().await;
    Ok(())
}
