//! What an answer brings: records for the reader, leaders that moved, partitions that cannot be fetched here.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_conn::{Broker, BrokerId, LeaderHint, Transport};
use kafka_protocol::messages::fetch::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, NodeEndpoint, PartitionData,
};
use kafka_protocol::records::{Batch, RecordBatch};
use tokio::time::Instant;

use super::{Fetcher, Planned};
use crate::around::position_from;
use crate::chunk::Chunk;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind};
use crate::position::Outcome;
use crate::session::Wanted;
use crate::shared::{Assigned, Event, Reason};

impl Fetcher {
    pub(super) async fn handle_response(&mut self, response: FetchResponse, planned: &Planned) {
        let (begun, shared) = (Instant::now(), Arc::clone(&self.shared));
        learn(&shared.transport, &response, planned);
        let mut room = response.throttle_time_ms <= 0;
        let mut taken = Taken::default();
        for topic in &response.responses {
            for data in &topic.partitions {
                room &= data.records.as_ref().is_none_or(bytes::Bytes::is_empty);
                self.handle_partition(topic, data, planned, &mut taken);
            }
        }
        let Taken { records, bytes, .. } = taken;
        shared.counters.messages.add(records);
        shared.counters.bytes.add(bytes);
        shared.counters.fetch_size.add(records);
        shared.counters.fetch_bytes.add(bytes);
        shared.counters.read_time.add_time(begun.elapsed());
        self.put_in_order(taken).await;
        if room {
            self.handle_vacancies(planned).await;
        }
        self.throttle(response.throttle_time_ms);
    }

    /// An answer had no record though there was room for some: a partition that goes on may have nothing but a gap there.
    async fn handle_vacancies(&mut self, planned: &Planned) {
        let (mut next, mut vacant) = (0, Vec::new());
        for wanted in &planned.wanted {
            let asked = |assigned: &Assigned| {
                assigned.gauge.partition == wanted.partition && assigned.gauge.topic == wanted.topic
            };
            let Some(at) = position_from(&self.partitions, next, asked) else { continue };
            next = at + 1;
            let Some(assigned) = self.partitions.get_mut(at) else { continue };
            if let Some(end) = assigned.gauge.end().filter(|end| assigned.position.handle_vacancy(*end)) {
                vacant.push((assigned.gauge.slot, Reason::Vacant(end)));
            }
        }
        self.give_back_all(vacant).await;
    }

    /// Takes what an answer says of a partition.
    fn handle_partition(
        &mut self,
        topic: &FetchableTopicResponse,
        data: &PartitionData,
        planned: &Planned,
        taken: &mut Taken,
    ) {
        let named = |assigned: &Assigned| {
            let Assigned { gauge, topic_id, .. } = assigned;
            let same = if topic.topic_id.is_zero() { gauge.topic == topic.topic } else { *topic_id == topic.topic_id };
            same && gauge.partition == data.partition_index
        };
        let Some(at) = position_from(&self.partitions, taken.at, named) else { return };
        let wanted = position_from(&planned.wanted, taken.wanted, |wanted| wanted.is_answered_by(topic, data));
        (taken.at, taken.wanted) = (at + 1, wanted.map_or(taken.wanted, |at| at + 1));
        let (Some(assigned), Some(wanted)) =
            (self.partitions.get_mut(at), wanted.and_then(|at| planned.wanted.get(at)))
        else {
            return;
        };
        // What was asked for at another position says nothing of this one, which is younger than the request.
        if wanted.fetch_offset != assigned.position.offset() {
            return;
        }
        let settings = &self.shared.settings;
        let nearer = BrokerId(data.preferred_read_replica);
        if data.error_code == 0 && nearer.0 >= 0 && nearer != self.broker {
            taken.returned.push((assigned.gauge.slot, Reason::Nearer(nearer)));
            return;
        }
        let reason = match assigned.position.handle_data(data, wanted.max_bytes) {
            Outcome::Nothing => return assigned.answered(data, settings.isolation_level),
            Outcome::Batches { batches, from, size } => {
                assigned.answered(data, settings.isolation_level);
                assigned.otherwise = None;
                // An old message set does not say how many it has.
                let count = |batch: &Batch| batch.as_record_batch().map_or(1, RecordBatch::count);
                let records: usize = batches.iter().map(count).sum();
                let held = assigned.gauge.hold(size.saturating_add(size_of_val(batches.as_slice())), records);
                let aborted = aborted(data, settings.isolation_level);
                let chunk = Chunk::new(held, batches, from, data.high_watermark, aborted);
                taken.read.insert(assigned.gauge.slot);
                (taken.records, taken.bytes) = (taken.records + records as u64, taken.bytes + size as u64);
                let _reader_is_gone = self.shared.events.send(Event::Chunk(Box::new(chunk)));
                return;
            }
            Outcome::NoProgress => again(self.broker, assigned, Error::new(ErrorKind::NoProgress)),
            Outcome::Again(code) => again(self.broker, assigned, Error::new(ErrorKind::Broker(code))),
            Outcome::Unreadable(error) => again(self.broker, assigned, error.into()),
            Outcome::OutOfRange => Reason::OutOfRange,
            Outcome::Corrupt(error) => Reason::Halted(assigned.error(error.into())),
        };
        taken.returned.push((assigned.gauge.slot, reason));
    }

    /// What was read goes behind the others, so that each gets its turn where an answer is cut at `max_bytes`; what is to be
    /// returned goes back.
    async fn put_in_order(&mut self, taken: Taken) {
        if !taken.read.is_empty() {
            self.partitions.sort_by_key(|assigned| taken.read.contains(&assigned.gauge.slot));
        }
        self.give_back_all(taken.returned).await;
    }
}

/// What was taken out of an answer.
#[derive(Debug, Default)]
struct Taken {
    records: u64,
    /// Of their batches.
    bytes: u64,
    /// Slots of the partitions that there are records of.
    read: HashSet<usize>,
    returned: Vec<(usize, Reason)>,
    /// Behind the last partition that was found, and behind what was asked of it: brokers mostly answer in the order of
    /// the request, so there is the next one, and nobody need look through thousands for each.
    at: usize,
    wanted: usize,
}

impl Assigned {
    fn answered(&mut self, data: &PartitionData, isolation_level: IsolationLevel) {
        self.fetched = true;
        self.gauge.set_end(match isolation_level {
            IsolationLevel::ReadUncommitted => data.high_watermark,
            IsolationLevel::ReadCommitted => data.last_stable_offset,
        });
    }
}

/// Why a partition goes back that is to be tried again.
fn again(broker: BrokerId, assigned: &Assigned, error: Error) -> Reason {
    let error = assigned.error(error);
    tracing::debug!(%broker, %error, "partition to be tried again");
    Reason::Failed(error)
}

/// Takes in what an answer tells of leaders that have moved, before their partitions go back (KIP-951).
fn learn(transport: &Transport, response: &FetchResponse, planned: &Planned) {
    let mut leaders = Vec::new();
    for topic in &response.responses {
        for data in topic.partitions.iter().filter(|data| data.current_leader.leader_id >= 0) {
            let asked = planned.wanted.iter().find(|wanted| wanted.is_answered_by(topic, data));
            let hint = |wanted: &Wanted| {
                let leader = &data.current_leader;
                LeaderHint::named(wanted.topic.clone(), wanted.partition, leader.leader_id, leader.leader_epoch)
            };
            leaders.extend(asked.and_then(hint));
        }
    }
    if leaders.is_empty() {
        return;
    }
    let broker = |endpoint: &NodeEndpoint| {
        Broker::advertised(endpoint.node_id, endpoint.host.clone(), endpoint.port, endpoint.rack.clone())
    };
    transport.learn(&leaders, response.node_endpoints.iter().filter_map(broker));
}

/// The aborted transactions in an answer, where they matter.
fn aborted(data: &PartitionData, isolation_level: IsolationLevel) -> Vec<AbortedTransaction> {
    match isolation_level {
        IsolationLevel::ReadUncommitted => Vec::new(),
        IsolationLevel::ReadCommitted => data.aborted_transactions.clone().unwrap_or_default(),
    }
}
