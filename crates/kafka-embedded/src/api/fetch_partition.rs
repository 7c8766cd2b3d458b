//! One partition of a fetch: whether this broker can serve it, and what it gives.
//!
//! Sans-IO.

use bytes::Bytes;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, LeaderIdAndEpoch, PartitionData,
};
use smol_str::SmolStr;

use crate::api::fetch_session::Item;
use crate::core::Call;
use crate::log::{Aborted, Log};
use crate::state::{Partition, State};

/// Who reads, and what it is to see.
#[derive(Debug)]
pub(crate) struct Reader {
    broker: i32,
    version: i16,
    committed_only: bool,
    rack: SmolStr,
}

impl Reader {
    pub(crate) fn new(call: &Call, request: &FetchRequest) -> Self {
        let (broker, version, rack) = (call.broker, call.version, request.rack_id.clone());
        Self { broker, version, committed_only: request.isolation_level == 1, rack }
    }
}

/// Where the records of a partition are to be read.
#[derive(Debug)]
pub(crate) struct Place {
    replica: i32,
    /// The offset where the reader has to stop.
    until: i64,
}

impl Place {
    /// How many bytes there are, no more than `enough` counted.
    pub(crate) fn available(&self, state: &State, item: &Item, enough: usize) -> usize {
        let log =
            state.partition(&item.topic, item.request.partition).and_then(|partition| partition.log(self.replica));
        log.map_or(0, |log| log.available(item.request.fetch_offset, self.until, enough))
    }
}

/// Where to read, or what there is to say instead.
pub(crate) fn locate(state: &State, reader: &Reader, item: &Item) -> Result<Place, Box<PartitionData>> {
    let error = |code, partition| Err(Box::new(refusal(reader, item, code, partition)));
    if let Some(code) = item.injected {
        return error(code, state.partition(&item.topic, item.request.partition));
    }
    let Some(partition) = state.partition(&item.topic, item.request.partition) else {
        let unknown_id = reader.version >= 13 && item.topic.is_empty();
        let code = if unknown_id { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        return error(code, None);
    };
    if let Err(code) = partition.check_epoch(item.request.current_leader_epoch) {
        return error(code, Some(partition));
    }
    let leads = partition.leader == reader.broker;
    let Some(log) = partition.log(reader.broker).filter(|_| leads || (reader.version >= 11 && partition.leader >= 0))
    else {
        return error(ErrorCode::NOT_LEADER_OR_FOLLOWER, Some(partition));
    };
    if let Some(replica) = closer_replica(state, reader, item, partition).filter(|_| leads) {
        let preferred = PartitionData { preferred_read_replica: replica, ..with_offsets(partition, log, item) };
        return Err(Box::new(preferred));
    }
    diverging(item, partition, log)?;
    if item.request.fetch_offset < log.start() || item.request.fetch_offset > log.end() {
        return error(ErrorCode::OFFSET_OUT_OF_RANGE, Some(partition));
    }
    let high_watermark = partition.high_watermark.min(log.end());
    let stable = log.transactions().last_stable_offset(high_watermark);
    Ok(Place { replica: reader.broker, until: if reader.committed_only { stable } else { high_watermark } })
}

/// Reads records of at most `max_bytes`; the first batch comes whole if `at_least_one`.
pub(crate) fn read(
    state: &State,
    reader: &Reader,
    place: &Place,
    item: &Item,
    max_bytes: usize,
    at_least_one: bool,
) -> PartitionData {
    let partition = state.partition(&item.topic, item.request.partition);
    let Some((partition, log)) = partition.and_then(|partition| Some((partition, partition.log(place.replica)?)))
    else {
        return refusal(reader, item, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None);
    };
    let from = item.request.fetch_offset;
    let slice = log.read(from, place.until, max_bytes, at_least_one);
    let mut data = with_offsets(partition, log, item);
    if reader.committed_only {
        let aborted = |one: &Aborted| AbortedTransaction {
            producer_id: one.producer_id,
            first_offset: one.first,
            ..Default::default()
        };
        let until = slice.next.max(from);
        data.aborted_transactions = Some(log.transactions().aborted(from, until).map(aborted).collect());
    }
    data.records = Some(slice.records);
    data
}

/// The replica in the reader's rack, if there is one that has what is asked for, and the leader is not in it (KIP-392).
fn closer_replica(state: &State, reader: &Reader, item: &Item, partition: &Partition) -> Option<i32> {
    if !state.config.rack_aware_reads || reader.version < 11 || reader.rack.is_empty() {
        return None;
    }
    let in_rack = |id: &i32| state.brokers.get(id).is_some_and(|broker| broker.rack.as_ref() == Some(&reader.rack));
    if in_rack(&partition.leader) {
        return None;
    }
    let has = |log: &Log| (log.start()..=log.end()).contains(&item.request.fetch_offset);
    let candidates = partition.isr.iter().copied().filter(|id| in_rack(id) && state.is_alive(*id));
    candidates.into_iter().find(|id| partition.log(*id).is_some_and(has))
}

/// Says where the reader's log and this one parted, if they have (KIP-595).
fn diverging(item: &Item, partition: &Partition, log: &Log) -> Result<(), Box<PartitionData>> {
    let last_epoch = item.request.last_fetched_epoch;
    if last_epoch < 0 {
        return Ok(());
    }
    let Some((epoch, end_offset)) = log.epochs().end_of(last_epoch, log.end()) else {
        let error_code = ErrorCode::OFFSET_OUT_OF_RANGE.0;
        return Err(Box::new(PartitionData { error_code, ..no_offsets(item) }));
    };
    if item.request.fetch_offset >= log.start() && (epoch < last_epoch || end_offset < item.request.fetch_offset) {
        let diverging_epoch = EpochEndOffset { epoch, end_offset, ..Default::default() };
        return Err(Box::new(PartitionData { diverging_epoch, ..with_offsets(partition, log, item) }));
    }
    Ok(())
}

/// An error; who asked the wrong broker is told the right one (KIP-951).
fn refusal(reader: &Reader, item: &Item, code: ErrorCode, partition: Option<&Partition>) -> PartitionData {
    let mut data = PartitionData { error_code: code.0, ..no_offsets(item) };
    let moved = matches!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
    if let Some(partition) = partition.filter(|_| moved && reader.version >= 16) {
        let (leader_id, leader_epoch) = (partition.leader, partition.leader_epoch);
        data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
    }
    data
}

fn no_offsets(item: &Item) -> PartitionData {
    PartitionData {
        partition_index: item.request.partition,
        high_watermark: -1,
        aborted_transactions: None,
        records: Some(Bytes::new()),
        ..Default::default()
    }
}

fn with_offsets(partition: &Partition, log: &Log, item: &Item) -> PartitionData {
    let high_watermark = partition.high_watermark.min(log.end());
    PartitionData {
        high_watermark,
        last_stable_offset: log.transactions().last_stable_offset(high_watermark),
        log_start_offset: log.start(),
        ..no_offsets(item)
    }
}
