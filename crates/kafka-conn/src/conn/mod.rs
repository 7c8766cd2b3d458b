//! kafka-go's low-level API: one connection to one broker, bound to a partition or to none.
//!
//! ```text
//!  Conn ── position, deadlines, acks ──► Connection (pipelined handle) ──► the connection's task, or socket
//!   ├─ write_messages ──► BatchBuilder ──► Produce
//!   └─ read_batch ──► Fetch ──► Batch ──► Fetched (sans-IO): batches, transactions, records
//! ```

mod batch;
mod cluster;
mod fetched;
mod limits;
mod offsets;
mod position;
mod produce;
mod read;
mod topics;
mod write;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use kafka_protocol::Request;
use kafka_protocol::records::{BatchDecoder, Compressor};
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::acks::RequiredAcks;
use crate::address::BrokerAddress;
use crate::call::CallOptions;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use fetched::Fetched;
use limits::TimeLimits;
use position::Position;

pub use batch::Batch;
pub use cluster::PartitionInfo;
pub(crate) use cluster::Topics;
pub use position::Whence;
pub use read::ReadBatchConfig;
pub use topics::TopicOutcome;
pub use write::Written;

/// A connection to a broker, with a place in a partition: what kafka-go calls `Conn`.
///
/// Bound to a partition ([`Dialer::dial_leader`](crate::Dialer::dial_leader), [`bind`](Self::bind)) it reads and writes
/// that partition, as long as its broker leads it. Bound to none ([`new`](Self::new)) it asks about the cluster, and
/// creates and deletes topics. It does what it is told, once: no retries, no batching in the background, no other
/// broker. Applications mostly want a writer or a reader instead.
///
/// ```no_run
/// # async fn example() -> kafka_conn::Result<()> {
/// use kafka_conn::{Dialer, Message, Whence};
///
/// let mut conn = Dialer::default().dial_leader("localhost", "greetings", 0).await?;
/// let message = Message { value: Some("hello".into()), ..Message::default() };
/// let written = conn.write_messages(&[message]).await?;
/// println!("at offset {:?}", written.offset);
///
/// conn.seek(1, Whence::End).await?;
/// let message = conn.read_message(1 << 20).await?;
/// assert_eq!(message.value.as_deref(), Some(&b"hello"[..]));
/// conn.close().await;
/// # Ok(())
/// # }
/// ```
///
/// # Time
///
/// A call takes no longer than [`set_timeout`](Self::set_timeout) says, and ends at the deadline of its kind
/// ([`set_read_deadline`](Self::set_read_deadline), [`set_write_deadline`](Self::set_write_deadline)). Writing messages,
/// and creating and deleting topics, are writes; all else are reads. The broker is told to be done a little earlier, so
/// that its answer comes in time. When the oldest answer outstanding is late nevertheless, the connection is given up.
///
/// # Cancel safety
///
/// Every future here may be dropped at any time: the connection stays in step, and the position is that of the last
/// message returned. What was being written may be written or not. A read that waits at the broker for messages holds
/// up the next calls on this connection until the broker answers it.
pub struct Conn {
    connection: Connection,
    /// What it is bound to.
    partition: Option<(SmolStr, i32)>,
    position: Position,
    limits: TimeLimits,
    acks: RequiredAcks,
    /// Fetched by [`read_message`](Self::read_message) and its like beyond what they returned.
    ahead: Option<(Fetched, i64)>,
    decoder: BatchDecoder,
    compressor: Compressor,
}

impl Conn {
    /// Of a connection, bound to no partition.
    pub fn new(connection: Connection) -> Self {
        let timeout = connection.call_timeout();
        Self {
            connection,
            partition: None,
            position: Position::Start(0),
            limits: TimeLimits { read_deadline: None, write_deadline: None, timeout },
            acks: RequiredAcks::default(),
            ahead: None,
            decoder: BatchDecoder::default(),
            compressor: Compressor::default(),
        }
    }

    /// Of a connection, which should be to the partition's leader: others refuse to read and write it. It reads from
    /// the first message on, unless told to [`seek`](Self::seek).
    pub fn bind(connection: Connection, topic: impl Into<SmolStr>, partition: i32) -> Self {
        Self { partition: Some((topic.into(), partition)), ..Self::new(connection) }
    }

    /// The topic that it is bound to.
    pub fn topic(&self) -> Option<&str> {
        self.partition.as_ref().map(|(topic, _)| topic.as_str())
    }

    /// The partition that it is bound to.
    pub fn partition(&self) -> Option<i32> {
        self.partition.as_ref().map(|(_, partition)| *partition)
    }

    /// The pipelined handle beneath, for calls that have no method here. Clones of it share the socket.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The broker's address, as it was dialled.
    pub fn address(&self) -> &BrokerAddress {
        self.connection.address()
    }

    /// This side's address of the socket, where there is one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.connection.socket_addresses().map(|addresses| addresses.local)
    }

    /// The broker's address of the socket, where there is one; [`address`](Self::address) is as it was dialled.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.connection.socket_addresses().map(|addresses| addresses.remote)
    }

    /// When all calls have to be over; `None`, the default, for never (kafka-go `SetDeadline`).
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.set_read_deadline(deadline);
        self.set_write_deadline(deadline);
    }

    /// When calls that read have to be over; `None`, the default, for never. A call that is under way has `self`
    /// borrowed: to end it, drop it.
    pub fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.limits.read_deadline = deadline.map(Instant::into_std);
    }

    /// When calls that write have to be over; `None`, the default, for never.
    pub fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.limits.write_deadline = deadline.map(Instant::into_std);
    }

    /// How long each call may take. Default: the dialer's [`call_timeout`](crate::Dialer::call_timeout).
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.limits.timeout = timeout;
    }

    /// Who must have what is written before the broker answers. Default [`All`](RequiredAcks::All).
    pub fn set_required_acks(&mut self, acks: RequiredAcks) {
        self.acks = acks;
    }

    /// Closes the connection for all its handles: waits for calls in flight on clones of
    /// [`connection`](Self::connection), each within its timeout. Dropping does the same without waiting.
    pub async fn close(self) {
        self.connection.close().await;
    }

    fn read_until(&self) -> Instant {
        self.limits.read_until(Instant::now().into_std()).into()
    }

    fn write_until(&self) -> Instant {
        self.limits.write_until(Instant::now().into_std()).into()
    }

    /// What it is bound to.
    fn bound(&self) -> Result<(&SmolStr, i32)> {
        let bound = self.partition.as_ref().map(|(topic, partition)| (topic, *partition));
        bound.ok_or_else(|| {
            self.invalid("the connection is bound to no partition; use Dialer::dial_leader or Conn::bind")
        })
    }

    async fn call_until<R: Request>(&self, request: &R, max: Option<i16>, until: Instant) -> Result<R::Response> {
        let options = CallOptions { timeout: Some(left(until)), max_version: max, ..CallOptions::default() };
        self.connection.call_with(request, options).await
    }

    /// Adds broker and partition.
    fn at(&self, error: Error) -> Error {
        let error = error.with_broker(self.address());
        match &self.partition {
            Some((topic, partition)) => error.with_partition(topic, *partition),
            None => error,
        }
    }

    fn invalid(&self, what: &'static str) -> Error {
        self.at(Error::new(ErrorKind::InvalidRequest(what)).with_unsent())
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("connection", &self.connection)
            .field("partition", &self.partition)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// What a broker adds to an error code, in its own words; shown escaped.
#[derive(Debug, thiserror::Error)]
#[error("it says {0:?}")]
struct Remark(SmolStr);

/// A broker's error code, with its remark where there is one.
fn refusal(code: kafka_protocol::ErrorCode, remark: Option<SmolStr>) -> Error {
    let error = Error::broker(code);
    match remark.filter(|remark| !remark.is_empty()) {
        Some(remark) => error.with_source(Remark(remark)),
        None => error,
    }
}
