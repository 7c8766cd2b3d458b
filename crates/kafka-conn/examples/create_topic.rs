//! Creates a topic through the controller, which any broker can tell:
//! `cargo run -p kafka-conn --example create_topic -- HOST:PORT TOPIC [PARTITIONS]`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::error::Error;

use kafka_conn::{Conn, Dialer};
use kafka_protocol::messages::create_topics::CreatableTopic;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost".into());
    let name = arguments.next().unwrap_or_else(|| "greetings".into());
    let num_partitions = arguments.next().map_or(Ok(1), |text| text.parse())?;

    let dialer = Dialer::default();
    let any = Conn::new(dialer.dial(&broker).await?);
    let controller = any.controller().await?;
    any.close().await;

    let conn = Conn::new(dialer.dial_address(&controller.address).await?);
    let topic = CreatableTopic {
        name: name.as_str().into(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    for outcome in conn.create_topics(&[topic]).await? {
        outcome.result?;
        println!("topic {} is there, says broker {}", outcome.name, controller.id);
    }
    conn.close().await;
    Ok(())
}
