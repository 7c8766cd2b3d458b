//! A writer and a cluster that follows a script, over streams in memory and on virtual time.

mod cluster;
mod delivery;
mod faults;
mod lifecycle;
mod limits;

use std::sync::Arc;

use kafka_writer::{Message, RoundRobin, WriterConfig};

fn message(value: impl Into<String>) -> Message {
    Message { value: Some(value.into().into()), ..Message::default() }
}

fn config(topic: &str) -> WriterConfig {
    // In turn, so that tests know where a message goes.
    let balancer = Arc::new(RoundRobin::default());
    WriterConfig { topic: Some(topic.into()), balancer, ..WriterConfig::default() }
}
