//! What a test does to a cluster from outside.
//!
//! Sans-IO.

use std::time::Instant;

use bytes::Bytes;
use kafka_protocol::records::Batch;
use smol_str::SmolStr;

use crate::api::transaction::TRANSACTION;
use crate::core::{ConnectionId, Core};
use crate::fault::{Fault, FaultId, Hook};
use crate::log::{StoredBatch, only_batch};
use crate::state::{ElectionError, Status};

impl Core {
    /// Declares a fault, behind those that there are.
    pub fn inject(&mut self, fault: Fault) -> FaultId {
        self.faults.add(fault)
    }

    /// Takes a fault back; whether it was still there.
    pub fn remove_fault(&mut self, id: FaultId) -> bool {
        self.faults.remove(id)
    }

    /// Takes all faults back, the hook too.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.hook = None;
    }

    /// Asks `hook` what is to become of each request, before the declared faults.
    pub fn set_hook(&mut self, hook: Hook) {
        self.hook = Some(hook);
    }

    /// Stops a broker: its connections are closed, others lead what it led, it takes nothing any more.
    pub fn stop_broker(&mut self, now: Instant, broker: i32) {
        self.advance(now);
        self.state.stop(broker);
        self.close_where(|known| known == broker);
        self.settle();
    }

    /// Starts a broker again; what it had is still there.
    pub fn start_broker(&mut self, now: Instant, broker: i32) {
        self.advance(now);
        self.state.start(broker);
        self.settle();
    }

    /// Freezes a broker, as SIGSTOP does: connections stay and can be opened, nothing is answered.
    pub fn freeze_broker(&mut self, now: Instant, broker: i32) {
        self.advance(now);
        if let Some(known) = self.state.brokers.get_mut(&broker).filter(|known| known.is_alive()) {
            known.status = Status::Frozen;
        }
    }

    /// Lets a frozen broker go on with all it was asked meanwhile.
    pub fn thaw_broker(&mut self, now: Instant, broker: i32) {
        self.advance(now);
        if let Some(known) = self.state.brokers.get_mut(&broker).filter(|known| known.status == Status::Frozen) {
            known.status = Status::Running;
        }
        let held: Vec<ConnectionId> = self.connections.keys().copied().collect();
        held.into_iter().for_each(|id| self.resume(id));
        self.settle();
    }

    /// Whether a broker's replicas stop following their leaders. After the lag time they are no longer in sync.
    pub fn set_lagging(&mut self, now: Instant, broker: i32, lags: bool) {
        self.advance(now);
        if let Some(known) = self.state.brokers.get_mut(&broker) {
            known.lags = lags;
        }
        self.state.replicate_all();
        self.settle();
    }

    /// Closes all connections to a broker.
    pub fn cut_connections(&mut self, now: Instant, broker: i32) {
        self.advance(now);
        self.close_where(|known| known == broker);
    }

    /// Makes a broker lead a partition. One that is not in sync takes what it has for the whole: what only others had is
    /// lost (an unclean election).
    ///
    /// # Errors
    /// [`ElectionError`] where the partition or the replica is not there.
    pub fn move_leader(&mut self, now: Instant, topic: &str, partition: i32, broker: i32) -> Result<(), ElectionError> {
        self.advance(now);
        self.state.elect(topic, partition, broker)?;
        self.settle();
        Ok(())
    }

    /// Makes a broker coordinate a group.
    pub fn move_coordinator(&mut self, now: Instant, group: &str, broker: i32) {
        self.advance(now);
        self.state.coordinators.insert((0, SmolStr::new(group)), broker);
        self.state.changed = true;
        self.settle();
    }

    /// Makes a broker coordinate a transactional id.
    pub fn move_coordinator_of_transactions(&mut self, now: Instant, transactional_id: &str, broker: i32) {
        self.advance(now);
        self.state.coordinators.insert((TRANSACTION, SmolStr::new(transactional_id)), broker);
        self.state.changed = true;
        self.settle();
    }

    /// Appends a record batch of format 2 to a partition as it is, control and transactional ones too: what no client
    /// may write, but may have to read. Returns its base offset; `None` where there is no such partition or batch.
    pub fn append(&mut self, now: Instant, topic: &str, partition: i32, batch: Bytes) -> Option<i64> {
        self.advance(now);
        let Ok(Batch::Records(batch)) = only_batch(batch) else {
            return None;
        };
        let leading = self.state.partition_mut(topic, partition)?;
        let epoch = leading.leader_epoch;
        let log = leading.leader_log_mut()?;
        let base = log.end();
        log.append(StoredBatch::place(batch, base, epoch, None).ok()?);
        self.state.replicate(topic, partition);
        self.settle();
        Some(base)
    }

    fn close_where(&mut self, of: impl Fn(i32) -> bool) {
        let known: Vec<_> = self.connections.iter().filter(|(_, known)| of(known.broker)).map(|(id, _)| *id).collect();
        known.into_iter().for_each(|id| self.close(id));
    }
}
