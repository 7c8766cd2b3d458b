//! Lists consumer groups of all brokers, and describes them at their coordinators:
//! `cargo run -p kafka-conn --features client --example groups -- HOST:PORT,…`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Duration;

use kafka_conn::{BrokerAddress, Client, Result, Transport, TransportConfig};
use kafka_protocol::messages::describe_groups::DescribeGroupsRequest;
use kafka_protocol::messages::list_groups::ListGroupsRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "localhost".into());
    let bootstrap = BrokerAddress::parse_list(&brokers)?;
    let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
    let client = Client::new(transport.clone()).with_timeout(Duration::from_secs(10));

    // Every broker lists the groups that it coordinates.
    let (listed, failures) = client.send(&ListGroupsRequest::default()).await?.into_parts();
    failures.iter().for_each(|failure| println!("{}: {}", failure.item, failure.error));

    let groups = listed.groups.into_iter().map(|group| group.group_id).collect();
    let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
    for group in client.call(&request).await?.groups {
        println!("group {}: {}, {} members", group.group_id, group.group_state, group.members.len());
    }
    transport.close().await;
    Ok(())
}
