//! Our side: the topic, the messages, our writer and our reader.

use kafka_admin::Admin;
use kafka_conn::{BrokerAddress, Header, Message, Transport, TransportConfig};
use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};

use super::lines::Line;
use crate::suite::{self, Failure, Text};

/// Our clients, connected to the cluster.
#[derive(Debug)]
pub(crate) struct Ours {
    transport: Transport,
    text: Text,
}

impl Ours {
    pub(crate) async fn connect(brokers: &str) -> Result<Self, Failure> {
        let bootstrap = BrokerAddress::parse_list(brokers)?;
        let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
        Ok(Self { transport, text: Text::read()? })
    }

    pub(crate) async fn create(&self, topic: &str, partitions: i32) -> Result<(), Failure> {
        suite::create(&Admin::new(self.transport.clone()), topic, partitions).await
    }

    /// Message `number`: what is absent and what is empty, one header and several of one name, all in turn.
    pub(crate) fn message(&self, number: usize) -> Message {
        let mut headers = vec![Header::new("number", number.to_string())];
        if number.is_multiple_of(5) {
            headers.extend([Header::new("again", "a"), Header::new("again", "")]);
        }
        let key = match number {
            _ if number.is_multiple_of(7) => None,
            _ if number.is_multiple_of(11) => Some("".into()),
            _ => Some(format!("key-{}", number % 331).into()),
        };
        let value = match number {
            _ if number.is_multiple_of(13) => None,
            _ if number.is_multiple_of(17) => Some("".into()),
            _ => Some(self.text.line(number)),
        };
        Message { key, value, headers, ..Message::default() }
    }

    /// Writes messages, and awaits every one of them.
    pub(crate) async fn write(
        &self,
        topic: &str,
        compression: Compression,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), Failure> {
        let config = WriterConfig { topic: Some(topic.into()), compression, ..WriterConfig::default() };
        let writer = Writer::new(self.transport.clone(), config)?;
        let mut deliveries = Vec::new();
        for message in messages {
            deliveries.push(writer.send(message).await?);
        }
        writer.flush().await?;
        for delivery in deliveries {
            delivery.await?;
        }
        Ok(writer.close().await?)
    }

    /// Reads the topic from its beginning to its present end.
    pub(crate) async fn read(&self, topic: &str) -> Result<Vec<Line>, Failure> {
        let config = ReaderConfig { topic: topic.into(), ..ReaderConfig::default() };
        let mut reader = Reader::new(self.transport.clone(), config).await?;
        let end = reader.end_offsets().await?;
        let mut lines = Vec::new();
        while let Some(message) = reader.fetch_until(&end).await? {
            lines.push(Line::of(&message));
        }
        reader.close().await;
        Ok(lines)
    }
}
