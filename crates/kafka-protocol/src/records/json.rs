//! A buffer of batches as JSON, and back: what the golden vectors hold, and what the Java oracle says of a buffer.
//!
//! Keys, values and header values are base64, `null` where there is none. `sizeInBytes` and `crc` are of the bytes as
//! they are; writing them again gives the same if they are not compressed.

#![allow(clippy::indexing_slicing, reason = "a JSON value is indexed, which gives null or, in an object, a new member")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::records::{
    Batch, BatchBuilder, BatchDecoder, BatchOptions, Batches, CompressError, Compression, Compressor, ControlRecord,
    ControlType, MessageFormat, MessageSet, MessageSetBuilder, Producer, Record, RecordBatch, TimestampType,
};
use crate::{DecodeError, EncodeError, Limits};

/// Describes every batch of `buffer` with all its records, and the bytes of a batch cut short behind them.
///
/// ```
/// use kafka_protocol::{Limits, records};
/// let json = records::json::describe(&"cut".into(), &Limits::default())?;
/// assert_eq!(json, serde_json::json!({ "batches": [], "trailing": 3 }));
/// # Ok::<(), kafka_protocol::DecodeError>(())
/// ```
///
/// # Errors
/// The first error of any batch or record: one bad batch condemns the buffer.
pub fn describe(buffer: &Bytes, limits: &Limits) -> Result<Value, DecodeError> {
    let mut decoder = BatchDecoder::new(limits.clone());
    let mut batches = Batches::new(buffer.clone());
    let mut described = Vec::new();
    for batch in batches.by_ref() {
        described.push(match batch? {
            Batch::Records(batch) => describe_batch(&batch, &mut decoder)?,
            Batch::Messages(set) => describe_messages(&set, &mut decoder)?,
        });
    }
    Ok(json!({ "batches": described, "trailing": batches.trailing() }))
}

/// The whole batches that [`describe`] was given, to the byte; nothing if one of them is compressed, since compressed
/// bytes differ between compressors, or if the JSON is no description.
pub fn rebuild(json: &Value) -> Option<Bytes> {
    let batches = array(json, "batches").ok()?;
    let plain = batches.iter().all(|batch| batch["compression"] == Compression::None.to_string());
    if plain { encode(json).ok() } else { None }
}

/// Writes the batches that [`describe`] describes, compressed with this crate's codecs at their default levels.
/// `sizeInBytes`, `crc` and `trailing` are not looked at.
///
/// # Errors
/// If a field is missing or of another kind, or the batch cannot be written.
pub fn encode(json: &Value) -> Result<Bytes, RebuildError> {
    let mut buffer = Vec::new();
    for batch in array(json, "batches")? {
        let sealed = match int::<i8>(batch, "magic")? {
            0 => rebuild_messages(batch, MessageFormat::V0)?,
            1 => rebuild_messages(batch, MessageFormat::V1)?,
            _ => rebuild_batch(batch)?,
        };
        buffer.extend_from_slice(&sealed);
    }
    Ok(Bytes::from(buffer))
}

/// Why a description could not be made into batches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// A field that is missing, or of another kind.
    #[error("field `{0}` is missing or of the wrong kind")]
    Field(&'static str),
    /// A record that cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Records that cannot be compressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

fn describe_batch(batch: &RecordBatch, decoder: &mut BatchDecoder) -> Result<Value, DecodeError> {
    let mut records = Vec::new();
    for record in batch.records(decoder)? {
        let record = record?;
        let mut described = describe_record(&record);
        described["sequence"] = record.sequence.into();
        described["headers"] =
            record.headers.iter().map(|header| json!({ "key": header.key, "value": encoded(header.value) })).collect();
        if batch.is_control() {
            let control = ControlRecord::read(record.key, record.value)?;
            described["controlType"] = control_name(control.control_type).into();
            if let Some(epoch) = control.coordinator_epoch {
                described["coordinatorEpoch"] = epoch.into();
            }
        }
        records.push(described);
    }
    Ok(json!({
        "magic": 2,
        "sizeInBytes": batch.size_in_bytes(),
        "baseOffset": batch.base_offset(),
        "lastOffset": batch.last_offset(),
        "compression": batch.compression().to_string(),
        "crc": batch.crc(),
        "timestampType": timestamp_type_name(batch.timestamp_type()),
        "maxTimestamp": batch.max_timestamp(),
        "baseTimestamp": batch.base_timestamp(),
        "partitionLeaderEpoch": batch.partition_leader_epoch(),
        "producerId": batch.producer().producer_id,
        "producerEpoch": batch.producer().producer_epoch,
        "baseSequence": batch.producer().base_sequence,
        "lastSequence": batch.last_sequence(),
        "transactional": batch.is_transactional(),
        "control": batch.is_control(),
        "deleteHorizonMs": batch.delete_horizon(),
        "records": records,
    }))
}

fn describe_messages(set: &MessageSet, decoder: &mut BatchDecoder) -> Result<Value, DecodeError> {
    let mut records = Vec::new();
    for record in set.records(decoder)? {
        records.push(describe_record(&record?));
    }
    let base_offset = records.first().map(|record| record["offset"].clone());
    Ok(json!({
        "magic": set.magic(),
        "sizeInBytes": set.size_in_bytes(),
        "baseOffset": base_offset,
        "lastOffset": set.last_offset(),
        "compression": set.compression().to_string(),
        "crc": set.crc(),
        "timestampType": timestamp_type_name(set.timestamp_type()),
        "maxTimestamp": set.max_timestamp(),
        "records": records,
    }))
}

fn describe_record(record: &Record<'_>) -> Value {
    json!({
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": encoded(record.key),
        "value": encoded(record.value),
    })
}

fn rebuild_batch(json: &Value) -> Result<Bytes, RebuildError> {
    let base_offset = int(json, "baseOffset")?;
    let last_offset_delta = int::<i64>(json, "lastOffset")?.wrapping_sub(base_offset);
    let max_timestamp = int(json, "maxTimestamp")?;
    let log_append_time = (text(json, "timestampType")? == LOG_APPEND_TIME).then_some(max_timestamp);
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        partition_leader_epoch: int(json, "partitionLeaderEpoch")?,
        producer: Producer {
            producer_id: int(json, "producerId")?,
            producer_epoch: int(json, "producerEpoch")?,
            base_sequence: int(json, "baseSequence")?,
        },
        transactional: flag(json, "transactional")?,
        control: flag(json, "control")?,
        log_append_time,
        delete_horizon: if json["deleteHorizonMs"].is_null() { None } else { Some(int(json, "deleteHorizonMs")?) },
        last_offset_delta: Some(i32::try_from(last_offset_delta).map_err(|_| RebuildError::Field("lastOffset"))?),
        max_timestamp: Some(max_timestamp),
    });
    for record in array(json, "records")? {
        let offset_delta = int::<i64>(record, "offset")?.wrapping_sub(base_offset);
        let offset_delta = i32::try_from(offset_delta).map_err(|_| RebuildError::Field("offset"))?;
        let mut headers = Vec::new();
        for header in array(record, "headers")? {
            headers.push((text(header, "key")?, decoded(header, "value")?));
        }
        let headers = headers.iter().map(|(key, value)| (*key, value.as_deref()));
        let (key, value) = (decoded(record, "key")?, decoded(record, "value")?);
        // With log-append time the records' own timestamps are not told, but the first one's.
        let timestamp = if log_append_time.is_some() { int(json, "baseTimestamp")? } else { int(record, "timestamp")? };
        builder.append_at(offset_delta, timestamp, key.as_deref(), value.as_deref(), headers)?;
    }
    Ok(builder.seal(&mut compressor(json)?)?)
}

fn rebuild_messages(json: &Value, format: MessageFormat) -> Result<Bytes, RebuildError> {
    let mut builder = MessageSetBuilder::new(format);
    if text(json, "timestampType")? == LOG_APPEND_TIME {
        builder = builder.with_log_append_time(int(json, "maxTimestamp")?);
    }
    for record in array(json, "records")? {
        let (key, value) = (decoded(record, "key")?, decoded(record, "value")?);
        builder.append(int(record, "offset")?, int(record, "timestamp")?, key.as_deref(), value.as_deref())?;
    }
    Ok(builder.seal(&mut compressor(json)?)?)
}

fn compressor(json: &Value) -> Result<Compressor, RebuildError> {
    let compression = text(json, "compression")?;
    let compression: Compression = compression.parse().map_err(|_| RebuildError::Field("compression"))?;
    Ok(Compressor::new(compression, None)?)
}

fn encoded(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| BASE64_STANDARD.encode(bytes))
}

fn decoded(json: &Value, field: &'static str) -> Result<Option<Vec<u8>>, RebuildError> {
    match &json[field] {
        Value::Null => Ok(None),
        Value::String(text) => BASE64_STANDARD.decode(text).map(Some).map_err(|_| RebuildError::Field(field)),
        _ => Err(RebuildError::Field(field)),
    }
}

fn int<T: TryFrom<i64>>(json: &Value, field: &'static str) -> Result<T, RebuildError> {
    let number = json[field].as_i64().and_then(|number| T::try_from(number).ok());
    number.ok_or(RebuildError::Field(field))
}

fn text<'a>(json: &'a Value, field: &'static str) -> Result<&'a str, RebuildError> {
    json[field].as_str().ok_or(RebuildError::Field(field))
}

fn flag(json: &Value, field: &'static str) -> Result<bool, RebuildError> {
    json[field].as_bool().ok_or(RebuildError::Field(field))
}

fn array<'a>(json: &'a Value, field: &'static str) -> Result<&'a [Value], RebuildError> {
    json[field].as_array().map(Vec::as_slice).ok_or(RebuildError::Field(field))
}

fn timestamp_type_name(timestamp_type: TimestampType) -> &'static str {
    match timestamp_type {
        TimestampType::None => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => LOG_APPEND_TIME,
    }
}

/// The names of Java's `ControlRecordType`.
fn control_name(control_type: ControlType) -> &'static str {
    match control_type {
        ControlType::Abort => "ABORT",
        ControlType::Commit => "COMMIT",
        ControlType::LeaderChange => "LEADER_CHANGE",
        ControlType::SnapshotHeader => "SNAPSHOT_HEADER",
        ControlType::SnapshotFooter => "SNAPSHOT_FOOTER",
        ControlType::KraftVersion => "KRAFT_VERSION",
        ControlType::KraftVoters => "KRAFT_VOTERS",
        ControlType::Unknown(_) => "UNKNOWN",
    }
}

const LOG_APPEND_TIME: &str = "LogAppendTime";
