//! A batch as brokers take it: checked, given its place, kept as bytes.
//!
//! Sans-IO.

use bytes::Bytes;
use kafka_protocol::records::{
    BatchDecoder, ControlRecord, Producer, RecordBatch, stamp_log_append_time, stamp_offset,
};
use kafka_protocol::{DecodeError, DecodeErrorKind, ErrorCode};

/// A batch in a log. Its bytes are shared by the replicas.
#[derive(Clone, Debug)]
pub(crate) struct StoredBatch {
    pub(crate) bytes: Bytes,
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) epoch: i32,
    pub(crate) max_timestamp: i64,
    pub(crate) producer: Producer,
    pub(crate) last_sequence: i32,
    pub(crate) transactional: bool,
    pub(crate) control: bool,
    /// What a control batch says.
    pub(crate) marker: Option<ControlRecord>,
}

impl StoredBatch {
    /// Gives a checked batch its offset, its leader's epoch and, where the topic wants it, its timestamp.
    ///
    /// # Errors
    /// Where the offsets would exceed what there is.
    pub(crate) fn place(
        batch: RecordBatch,
        base: i64,
        epoch: i32,
        log_append_time: Option<i64>,
    ) -> Result<Self, Refusal> {
        let span = batch.last_offset() - batch.base_offset();
        let last = base.checked_add(span).filter(|last| *last < i64::MAX);
        let last = last.ok_or(Refusal::Invalid("the partition has no offsets left"))?;
        let decode = |error| Refusal::Decode(Box::new(error));
        let (producer, last_sequence) = (batch.producer(), batch.last_sequence());
        let (transactional, control) = (batch.is_transactional(), batch.is_control());
        let marker = if control { marker(&batch) } else { None };
        let mut max_timestamp = batch.max_timestamp();
        // A copy of its own: what came is a slice of a frame that would stay with it.
        let mut bytes = Bytes::copy_from_slice(batch.as_bytes());
        if let Some(time) = log_append_time {
            bytes = stamp_log_append_time(bytes, time).map_err(decode)?;
            max_timestamp = time;
        }
        let bytes = stamp_offset(bytes, base, epoch).map_err(decode)?;
        Ok(Self { bytes, base, last, epoch, max_timestamp, producer, last_sequence, transactional, control, marker })
    }

    /// The offset and the timestamp of the first record for which `wanted` says yes.
    pub(super) fn find(&self, decoder: &mut BatchDecoder, wanted: impl Fn(i64, i64) -> bool) -> Option<(i64, i64)> {
        let Ok(kafka_protocol::records::Batch::Records(batch)) = super::only_batch(self.bytes.clone()) else {
            return None;
        };
        let records = batch.records(decoder).ok()?;
        let places = records.map_while(Result::ok).map(|record| (record.offset, record.timestamp));
        places.into_iter().find(|&(offset, time)| wanted(offset, time))
    }
}

fn marker(batch: &RecordBatch) -> Option<ControlRecord> {
    let mut decoder = BatchDecoder::default();
    let record = batch.records(&mut decoder).ok()?.next()?.ok()?;
    ControlRecord::read(record.key, record.value).ok()
}

/// Why a batch is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The bytes are wrong.
    #[error("{0}")]
    Decode(Box<DecodeError>),
    /// A rule is broken.
    #[error("{0}")]
    Invalid(&'static str),
    /// An error with a code of its own.
    #[error("{1}")]
    Code(ErrorCode, String),
}

impl Refusal {
    /// What a broker answers.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Decode(error) => match error.kind() {
                DecodeErrorKind::UnknownCodec(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
                _ => ErrorCode::CORRUPT_MESSAGE,
            },
            Self::Invalid(_) => ErrorCode::INVALID_RECORD,
            Self::Code(code, _) => *code,
        }
    }
}

/// Which timestamps a topic takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimestampRule {
    /// The wall clock.
    pub(crate) now: i64,
    /// How far before it (`message.timestamp.before.max.ms`).
    pub(crate) before: i64,
    /// How far after it (`message.timestamp.after.max.ms`).
    pub(crate) after: i64,
}

impl TimestampRule {
    fn allows(&self, timestamp: i64) -> bool {
        let behind = self.now.saturating_sub(timestamp);
        timestamp < 0 || (behind <= self.before && behind.saturating_neg() <= self.after)
    }
}

/// Checks the records of a batch that a client wants appended, as Kafka's `LogValidator` does.
///
/// # Errors
/// [`Refusal`] with what Kafka would answer.
pub(crate) fn validate(
    batch: &RecordBatch,
    decoder: &mut BatchDecoder,
    times: Option<TimestampRule>,
    keys_required: bool,
) -> Result<(), Refusal> {
    if batch.base_offset() != 0 {
        return Err(Refusal::Invalid("the base offset of a record batch from a client is 0"));
    }
    if batch.is_control() {
        return Err(Refusal::Invalid("clients do not write control records"));
    }
    let producer = batch.producer();
    if producer.producer_id >= 0 && (producer.base_sequence < 0 || producer.producer_epoch < 0) {
        return Err(Refusal::Invalid("a producer id without epoch or sequence"));
    }
    let span = usize::try_from(batch.last_offset()).ok().and_then(|last| last.checked_add(1));
    if batch.count() == 0 || span != Some(batch.count()) {
        return Err(Refusal::Invalid("the count of records does not fit the offsets of the record batch"));
    }
    let records = batch.records(decoder).map_err(|error| Refusal::Decode(Box::new(error)))?;
    for (seen, record) in (0i64..).zip(records) {
        let record = record.map_err(|error| Refusal::Decode(Box::new(error)))?;
        if record.offset != seen {
            return Err(Refusal::Invalid("the records' offsets are not consecutive"));
        }
        if keys_required && record.key.is_none() {
            return Err(Refusal::Invalid("a compacted topic takes no record without key"));
        }
        if times.is_some_and(|rule| !rule.allows(record.timestamp)) {
            let text = format!("timestamp {} of record {seen} is out of the topic's range", record.timestamp);
            return Err(Refusal::Code(ErrorCode::INVALID_TIMESTAMP, text));
        }
    }
    Ok(())
}
