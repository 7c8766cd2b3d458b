//! A writer and a cluster that follows a script, over streams in memory and on virtual time.

mod cluster;
mod delivery;
mod faults;
mod lifecycle;
mod limits;

use kafka_writer::{Message, WriterConfig};

fn message(value: impl Into<String>) -> Message {
    Message { value: Some(value.into().into()), ..Message::default() }
}

fn config(topic: &str) -> WriterConfig {
    WriterConfig { topic: Some(topic.into()), ..WriterConfig::default() }
}
