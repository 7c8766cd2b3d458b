//! Where all are measured: one broker of Apache Kafka, topics, and what their offsets say.

use kafka_admin::{Admin, Apply, NewTopic, OffsetSpec, TopicPartition};
use kafka_conn::{BrokerAddress, IsolationLevel, Transport, TransportConfig};
use kafka_writer::{Message, SendOptions, Writer, WriterConfig};
use tokio::runtime::Runtime;

use crate::kafka::{Cluster, Config, Folders, IoContext as _, Version};
use crate::suite::{Failure, check};

/// A broker for nothing but this. Programs run while nothing here does.
#[derive(Debug)]
pub(super) struct Field {
    _cluster: Cluster,
    pub(super) brokers: String,
    runtime: Runtime,
    admin: Admin,
}

impl Field {
    pub(super) fn start(folders: &Folders, version: Version) -> Result<Self, Failure> {
        // Gigabytes are written and deleted again: they must not wait for a minute.
        let properties = [("log.segment.delete.delay.ms", "500"), ("log.index.size.max.bytes", "1048576")];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let cluster = Cluster::start(&Config { version, properties, ..Config::default() }, folders)?;
        let runtime = Runtime::new().context(|| "start tokio".to_owned())?;
        let brokers = cluster.bootstrap_servers();
        let bootstrap = BrokerAddress::parse_list(&brokers)?;
        let config = TransportConfig { bootstrap, ..TransportConfig::default() };
        let admin = Admin::new(runtime.block_on(Transport::connect(config))?);
        Ok(Self { _cluster: cluster, brokers, runtime, admin })
    }

    /// A new topic; its name ends in one that no other has.
    pub(super) fn create(&self, about: &str, partitions: i32) -> Result<String, Failure> {
        let name = format!("{}-{:x}", about.replace([' ', ',', '.'], "-"), fastrand::u32(..));
        self.runtime.block_on(async {
            let topic = NewTopic::new(&name, partitions, 1);
            for outcome in self.admin.create_topics(&[topic], Apply::Now).await? {
                outcome.result?;
            }
            self.admin.wait_for_leaders(&[&name]).await?;
            Ok(name)
        })
    }

    /// Writes a message to each partition of a new topic: a broker that leads thousands makes their logs long after it
    /// has said so, and refuses what comes earlier.
    pub(super) fn warm(&self, topic: &str, partitions: i32) -> Result<(), Failure> {
        let config = WriterConfig { topic: Some(topic.into()), ..WriterConfig::default() };
        self.runtime.block_on(async {
            let writer = Writer::new(self.admin.transport().clone(), config)?;
            let mut deliveries = Vec::new();
            for partition in 0..partitions {
                let message = Message { value: Some("warm".into()), ..Message::default() };
                let options = SendOptions { partition: Some(partition), ..SendOptions::default() };
                deliveries.push(writer.send_with(message, options).await?);
            }
            for delivery in deliveries {
                delivery.await?;
            }
            writer.close().await?;
            Ok::<_, Failure>(())
        })?;
        self.check_count(topic, partitions, partitions as usize)
    }

    pub(super) fn delete(&self, topic: &str) -> Result<(), Failure> {
        for outcome in self.runtime.block_on(self.admin.delete_topics(&[topic]))? {
            outcome.result?;
        }
        Ok(())
    }

    /// Fails unless the offsets of the topic say that it holds so many messages.
    pub(super) fn check_count(&self, topic: &str, partitions: i32, expected: usize) -> Result<(), Failure> {
        let ends = self.offsets(topic, partitions, OffsetSpec::Latest)?;
        let found = ends - self.offsets(topic, partitions, OffsetSpec::Earliest)?;
        check(found == expected as i64, || format!("{topic} holds {found} messages, not {expected}"))
    }

    /// The sum of all partitions' offsets at a place.
    fn offsets(&self, topic: &str, partitions: i32, place: OffsetSpec) -> Result<i64, Failure> {
        let places: Vec<_> = (0..partitions).map(|index| (TopicPartition::new(topic, index), place)).collect();
        let listed = self.admin.list_offsets(&places, IsolationLevel::ReadUncommitted);
        let mut sum = 0;
        for outcome in self.runtime.block_on(listed)? {
            sum += outcome.result?.offset.ok_or("a partition without an offset")?;
        }
        Ok(sum)
    }
}
