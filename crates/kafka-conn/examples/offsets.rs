//! Shows where each partition of topics ends, from all leaders at once:
//! `cargo run -p kafka-conn --features client --example offsets -- HOST:PORT,… TOPIC…`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use kafka_conn::{BrokerAddress, Client, Result, Transport, TransportConfig};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = BrokerAddress::parse_list(&arguments.next().unwrap_or_else(|| "localhost".into()))?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;

    let mut request = ListOffsetsRequest { replica_id: -1, ..ListOffsetsRequest::default() };
    for name in arguments {
        let topic = transport.topic(&name).await?;
        let partitions = topic.partitions.iter().map(|partition| ListOffsetsPartition {
            partition_index: partition.index,
            timestamp: END,
            ..ListOffsetsPartition::default()
        });
        let name = name.into();
        request.topics.push(ListOffsetsTopic { name, partitions: partitions.collect(), ..Default::default() });
    }

    // One call; the client asks each leader for its partitions, and puts the answers together.
    let client = Client::new(transport.clone());
    let (mut response, failures) = client.send(&request).await?.into_parts();
    for topic in &mut response.topics {
        // Brokers answer in any order.
        topic.partitions.sort_by_key(|partition| partition.partition_index);
        for partition in &topic.partitions {
            match ErrorCode(partition.error_code).check() {
                Ok(()) => println!("{} {}: {}", topic.name, partition.partition_index, partition.offset),
                Err(code) => println!("{} {}: {code}", topic.name, partition.partition_index),
            }
        }
    }
    // A leader that is down takes nothing from the partitions of the others.
    for failure in failures {
        println!("{}: {}", failure.item, failure.error);
    }
    transport.close().await;
    Ok(())
}

/// The `timestamp` that asks for the end of a partition.
const END: i64 = -1;
