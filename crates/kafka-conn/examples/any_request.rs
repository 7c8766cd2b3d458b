//! Sends what this family of crates has no call for: a request of the protocol, and one that only the caller knows.
//! `cargo run -p kafka-conn --features client --example any_request -- HOST:PORT,…`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use bytes::BytesMut;
use kafka_conn::{BrokerAddress, CallOptions, Client, Lane, RawRequest, Result, Route, Transport, TransportConfig};
use kafka_protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumRequestPartitionData as PartitionData,
    DescribeQuorumRequestTopicData as TopicData,
};
use kafka_protocol::messages::metadata::MetadataRequest;
use kafka_protocol::{ApiKey, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "localhost".into());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let client = Client::new(transport.clone());

    // Any request of kafka-protocol goes where it belongs.
    let partitions = vec![PartitionData::default()];
    let topics = vec![TopicData { topic_name: "__cluster_metadata".into(), partitions, ..TopicData::default() }];
    let quorum = client.call(&DescribeQuorumRequest { topics, ..DescribeQuorumRequest::default() }).await?;
    let leaders = quorum.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.leader_id);
    println!("quorum: led by {:?}", leaders.collect::<Vec<_>>());

    // What brokers tell of themselves: each its own answer.
    let everything = DescribeLogDirsRequest { topics: None, ..DescribeLogDirsRequest::default() };
    for (broker, answer) in client.send_to_each(&everything).await? {
        match answer {
            Ok(answer) => println!("broker {broker}: {} directories", answer.results.len()),
            Err(error) => println!("broker {broker}: {error}"),
        }
    }

    // Bytes of one's own, for an API that nobody has declared; here one that somebody has.
    let connection = transport.connection(Route::Any, Lane::General).await?;
    let (api_key, version) = (ApiKey::METADATA, 1);
    let mut body = BytesMut::new();
    MetadataRequest { topics: None, ..MetadataRequest::default() }.encode(version, &mut body)?;
    let answer =
        connection.call_raw(RawRequest { api_key, version, body: body.into() }, CallOptions::default()).await?;
    println!("{} bytes of answer", answer.body.len());
    transport.close().await;
    Ok(())
}
