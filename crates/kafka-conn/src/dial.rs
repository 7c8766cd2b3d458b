//! Finding partitions and their leaders through any broker, and connecting to them.

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::{Backoff, Pauses};
use crate::cluster::Broker;
use crate::conn::{Conn, PartitionInfo, Topics};
use crate::connection::Connection;
use crate::deadline::later;
use crate::dialer::Dialer;
use crate::error::{Error, ErrorKind, Result, Step};

/// How [`Dialer::dial_leader_with`] looks for a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupOptions {
    /// Whether the broker may create the topic, if there is none, with as many partitions and replicas as it is set to.
    /// Brokers do that only where they are allowed to (`auto.create.topics.enable`). Default: no
    /// (`allow.auto.create.topics`).
    pub allow_auto_topic_creation: bool,
}

/// Looking up partitions. Nothing here waits longer than the dialer's [`timeout`](Dialer::timeout), nor beyond its
/// [`deadline`](Dialer::deadline), whether or not there is such a topic.
///
/// **Cancel safety:** dropping a future closes whatever was opened.
impl Dialer {
    /// Connects to the leader of a partition, which any broker of the cluster can tell: `address` is that of one, as
    /// [`dial`](Self::dial) takes it. Waits for a topic that was just created, and for an election.
    ///
    /// # Errors
    /// When the timeout is over: [`UnknownTopic`](ErrorKind::UnknownTopic),
    /// [`UnknownPartition`](ErrorKind::UnknownPartition), [`NoLeader`](ErrorKind::NoLeader). At once: what else the
    /// broker says of the topic, and the errors of [`dial`](Self::dial) and
    /// [`Connection::call`](crate::Connection::call).
    pub async fn dial_leader(&self, address: &str, topic: &str, partition: i32) -> Result<Conn> {
        self.dial_leader_with(address, topic, partition, LookupOptions::default()).await
    }

    /// [`dial_leader`](Self::dial_leader), with options.
    ///
    /// # Errors
    /// As [`dial_leader`](Self::dial_leader).
    pub async fn dial_leader_with(
        &self,
        address: &str,
        topic: &str,
        partition: i32,
        options: LookupOptions,
    ) -> Result<Conn> {
        let mut lookup = Lookup::begin(self, address).await?;
        let topics = if options.allow_auto_topic_creation { Topics::Created(topic) } else { Topics::Named(&[topic]) };
        loop {
            let leader = lookup.leader(&topics, topic, partition).await?;
            match lookup.connect(&leader).await {
                Ok(connection) => return Ok(Conn::bind(connection, topic, partition)),
                // A leader that cannot be reached may have just gone down: soon there is another.
                Err(error) => lookup.pause(error).await?,
            }
        }
    }

    /// Connects to the leader of a partition that was looked up.
    ///
    /// # Errors
    /// [`NoLeader`](ErrorKind::NoLeader) where it has none, and those of [`dial_address`](Self::dial_address).
    pub async fn dial_partition(&self, partition: &PartitionInfo) -> Result<Conn> {
        let leader = leader_of(partition)?;
        let connection = self.dial_address(&leader.address).await?;
        Ok(Conn::bind(connection, partition.topic.clone(), partition.partition))
    }

    /// The broker that leads a partition. Waits for a topic that was just created, and for an election.
    ///
    /// # Errors
    /// As [`dial_leader`](Self::dial_leader).
    pub async fn lookup_leader(&self, address: &str, topic: &str, partition: i32) -> Result<Broker> {
        Lookup::begin(self, address).await?.leader(&Topics::Named(&[topic]), topic, partition).await
    }

    /// A partition, and where it is; it may have no leader. Waits for a topic that was just created.
    ///
    /// # Errors
    /// As [`dial_leader`](Self::dial_leader), but for the lack of a leader.
    pub async fn lookup_partition(&self, address: &str, topic: &str, partition: i32) -> Result<PartitionInfo> {
        let mut lookup = Lookup::begin(self, address).await?;
        lookup.until_found(&Topics::Named(&[topic]), topic, |all| find(all, topic, partition)).await
    }

    /// The partitions of a topic, by index, and where they are. Waits for a topic that was just created.
    ///
    /// # Errors
    /// As [`lookup_partition`](Self::lookup_partition).
    pub async fn lookup_partitions(&self, address: &str, topic: &str) -> Result<Vec<PartitionInfo>> {
        Lookup::begin(self, address).await?.until_found(&Topics::Named(&[topic]), topic, Ok).await
    }
}

/// Asking one broker, again and again, until the dialer's timeout is over.
struct Lookup<'a> {
    dialer: &'a Dialer,
    broker: Conn,
    deadline: Instant,
    pauses: Pauses,
}

impl<'a> Lookup<'a> {
    async fn begin(dialer: &'a Dialer, address: &str) -> Result<Self> {
        let end = Instant::from_std(later(Instant::now().into_std(), dialer.timeout));
        let deadline = dialer.deadline.map_or(end, |deadline| deadline.min(end));
        let broker = Conn::new(dialer.dial(address).await?);
        Ok(Self { dialer, broker, deadline, pauses: Backoff::default().pauses() })
    }

    /// The partition's leader, once it has one.
    async fn leader(&mut self, topics: &Topics<'_>, topic: &str, partition: i32) -> Result<Broker> {
        self.until_found(topics, topic, |all| leader_of(&find(all, topic, partition)?).cloned()).await
    }

    /// Asks until what is looked for is there, or will not come.
    async fn until_found<T>(
        &mut self,
        topics: &Topics<'_>,
        topic: &str,
        read: impl Fn(Vec<PartitionInfo>) -> Result<T>,
    ) -> Result<T> {
        loop {
            let found = self.broker.partitions_until(topics, self.deadline).await.and_then(&read);
            match found {
                Ok(found) => return Ok(found),
                Err(error) if is_final(&error) => return Err(error.with_topic(topic)),
                Err(error) => self.pause(error.with_broker(self.broker.address()).with_topic(topic)).await?,
            }
        }
    }

    /// A connection to a broker: the one that is there, if it is the same, else a new one.
    async fn connect(&self, leader: &Broker) -> Result<Connection> {
        if leader.address == *self.broker.address() {
            return Ok(self.broker.connection().clone());
        }
        let timed_out = |_| Error::new(ErrorKind::Timeout { step: Step::Connect, after: Some(self.dialer.timeout) });
        let dialled = timeout_at(self.deadline, self.dialer.dial_address(&leader.address)).await;
        dialled.unwrap_or_else(|elapsed| Err(timed_out(elapsed))).map_err(|error| error.with_broker(&leader.address))
    }

    /// Pauses before another attempt; gives back the error where there is no use, or no time.
    async fn pause(&mut self, error: Error) -> Result<()> {
        let pause = Instant::now() + self.pauses.next_pause();
        if !error.is_retriable() || pause >= self.deadline {
            return Err(error);
        }
        sleep_until(pause).await;
        Ok(())
    }
}

/// Whether asking the same broker again is of no use.
fn is_final(error: &Error) -> bool {
    error.is_connection() || matches!(error.kind(), ErrorKind::Timeout { .. })
}

fn find(partitions: Vec<PartitionInfo>, topic: &str, partition: i32) -> Result<PartitionInfo> {
    let found = partitions.into_iter().find(|info| info.partition == partition);
    found.ok_or_else(|| Error::new(ErrorKind::UnknownPartition).with_partition(topic, partition))
}

fn leader_of(info: &PartitionInfo) -> Result<&Broker> {
    let none = || Error::new(ErrorKind::NoLeader).with_partition(&info.topic, info.partition);
    info.leader.as_ref().ok_or_else(none)
}
