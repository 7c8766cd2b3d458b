//! Buffers of batches of any format: all ways of reading them agree, and what was read can be written again.

use bytes::Bytes;
use kafka_protocol::records::{
    self, Batch, BatchBuilder, BatchDecoder, BatchOptions, Batches, Compression, Compressor, ControlRecord,
    OwnedRecord, Producer, Record, TimestampType, stamp_log_append_time, stamp_offset, stamp_producer,
};
use kafka_protocol::{DecodeError, DecodeErrorKind, Limits};
use serde_json::Value;

use super::{memory, record_batch};

/// Reads the batches of `buffer` in every way there is.
pub fn read(buffer: Vec<u8>) {
    let buffer = Bytes::from(buffer);
    let limits = Limits { max_decompressed_len: MAX_DECOMPRESSED, max_records: 2000, ..Limits::default() };
    let mut decoder = BatchDecoder::new(limits.clone());
    memory::bounded(buffer.len(), 2 * MAX_DECOMPRESSED, || walk(&buffer, &mut decoder));

    let (mut batches, mut at, mut good) = (Batches::new(buffer.clone()), 0, true);
    for batch in batches.by_ref() {
        let Ok(batch) = batch else {
            good = false;
            break;
        };
        let whole = as_bytes(&batch);
        assert_eq!(whole, &buffer[at..at + batch.size_in_bytes()]);
        at += batch.size_in_bytes();
        good &= same_records(&batch, &mut decoder);
        stamps(&batch);
    }
    assert_eq!(batches.trailing(), buffer.len() - at);
    assert!(batches.next().is_none(), "the end, also after an error");

    match records::json::describe(&buffer, &limits) {
        Ok(described) => {
            assert!(good, "described, although not all of it can be read");
            assert_eq!(described["trailing"], batches.trailing());
            written_again(&described, &limits);
            let batches = Batches::new(buffer).map(|batch| batch.expect("it was read before"));
            batches
                .zip(described["batches"].as_array().into_iter().flatten())
                .for_each(|(batch, json)| headers(&batch, json));
        }
        Err(error) => assert!(!good || is_about_control(&buffer, &limits), "{error:?}"),
    }
}

/// What the headers say is what is described.
fn headers(batch: &Batch, json: &Value) {
    assert_eq!(json["magic"], batch.magic());
    assert_eq!(json["sizeInBytes"], batch.size_in_bytes());
    assert_eq!(json["lastOffset"], batch.last_offset());
    assert_eq!(json["maxTimestamp"], batch.max_timestamp());
    assert_eq!(json["compression"], batch.compression().to_string());
    assert_eq!(json["timestampType"] == "LogAppendTime", batch.timestamp_type() == TimestampType::LogAppendTime);
    if let Batch::Records(batch) = batch {
        assert_eq!(json["transactional"] == true, batch.attributes() & 1 << 4 != 0);
        assert_eq!(json["control"] == true, batch.attributes() & 1 << 5 != 0);
    }
}

/// What a reader does: goes over all records, borrowed and owned, and keeps none.
fn walk(buffer: &Bytes, decoder: &mut BatchDecoder) {
    for batch in Batches::new(buffer.clone()).map_while(Result::ok) {
        if let Ok(records) = batch.records(decoder) {
            records.map_while(Result::ok).for_each(|record| drop(record.headers.iter().last()));
        }
        if let Ok(records) = batch.owned_records(decoder) {
            records.map_while(Result::ok).for_each(|record| drop(record.headers.iter().last()));
        }
    }
}

fn as_bytes(batch: &Batch) -> &[u8] {
    match batch {
        Batch::Records(batch) => batch.as_bytes(),
        Batch::Messages(set) => set.as_bytes(),
    }
}

/// Borrowed and owned records are the same, and so is the error that ends them; whether there is none.
fn same_records(batch: &Batch, decoder: &mut BatchDecoder) -> bool {
    let owned = match batch.owned_records(decoder) {
        Ok(mut records) => {
            let found: Vec<_> = records.by_ref().collect();
            assert!(records.next().is_none(), "the end, also after an error");
            Ok((found, records.into_buffer()))
        }
        Err(error) => Err(error),
    };
    let borrowed = batch.records(decoder).map(|mut records| {
        let found: Vec<_> = records.by_ref().collect();
        assert!(records.next().is_none(), "the end, also after an error");
        found
    });
    let (owned, buffer, borrowed) = match (owned, borrowed) {
        (Ok((owned, buffer)), Ok(borrowed)) => (owned, buffer, borrowed),
        (Err(owned), Err(borrowed)) => {
            assert_eq!(owned, borrowed);
            return false;
        }
        (owned, borrowed) => panic!("owned {owned:?}, borrowed {borrowed:?}"),
    };
    assert_eq!(owned.len(), borrowed.len());
    for (owned, borrowed) in owned.iter().zip(&borrowed) {
        match (owned, borrowed) {
            (Ok(owned), Ok(borrowed)) => same_record(owned, borrowed),
            (owned, borrowed) => assert_eq!(owned.as_ref().err(), borrowed.as_ref().err()),
        }
    }
    let good = owned.iter().all(Result::is_ok);
    if let (true, Some(batch)) = (good, batch.as_record_batch()) {
        assert_eq!(owned.len(), batch.count());
        assert!(owned.iter().flatten().all(|record| record.offset >= batch.base_offset()));
        appended(owned.iter().flatten());
        if batch.compression() == Compression::None {
            let longer = Batches::new(record_batch::longer(batch.as_bytes()).into()).next();
            let Some(Ok(longer)) = longer else { panic!("{longer:?}") };
            let mut records = longer.records(decoder).expect("it has no more records than before");
            let last = records.by_ref().find_map(Result::err).expect("a byte that no record takes");
            assert_eq!(last.kind(), &DecodeErrorKind::Trailing(1));
        }
    }
    drop(owned);
    decoder.recycle(buffer.into());
    good
}

/// Each record lengthens a batch by as much as was said before; and it is there when the batch is read.
fn appended<'a>(records: impl Iterator<Item = &'a OwnedRecord> + Clone) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for record in records.clone() {
        let headers: Vec<_> = record.headers.iter().collect();
        let headers = headers.iter().map(|header| (&*header.key, header.value.as_deref()));
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let len = builder.len() + builder.appended_len(record.timestamp, key, value, headers.clone());
        builder.append(record.timestamp, key, value, headers).expect("there is room");
        assert_eq!(builder.len(), len);
        assert!(builder.max_timestamp() >= record.timestamp);
        if let Ok(control) = ControlRecord::read(key, value) {
            assert_eq!(key.and_then(|key| key.get(2..4)), control.control_type.key().get(2..));
        }
    }
    let (count, len) = (builder.count(), builder.len());
    let bytes = builder.seal(&mut Compressor::default()).expect("it is not compressed");
    assert_eq!((bytes.len(), builder.is_empty()), (len, true));
    builder.recycle(Vec::with_capacity(len));
    let Some(Ok(Batch::Records(batch))) = Batches::new(bytes).next() else {
        panic!("a batch that cannot be read");
    };
    let mut decoder = BatchDecoder::default();
    let read: Vec<_> = batch.owned_records(&mut decoder).expect("what we wrote").map(Result::unwrap).collect();
    assert_eq!(read.len(), count);
    for (index, (read, record)) in read.iter().zip(records).enumerate() {
        assert_eq!((read.offset, read.timestamp, read.sequence), (index as i64, record.timestamp, -1));
        assert_eq!((&read.key, &read.value), (&record.key, &record.value));
        assert!(read.headers.iter().eq(record.headers.iter()));
    }
}

fn same_record(owned: &OwnedRecord, borrowed: &Record<'_>) {
    assert_eq!(
        (owned.offset, owned.timestamp, owned.sequence),
        (borrowed.offset, borrowed.timestamp, borrowed.sequence)
    );
    assert_eq!((owned.key.as_deref(), owned.value.as_deref()), (borrowed.key, borrowed.value));
    assert_eq!(owned.headers.iter().len(), borrowed.headers.len());
    let mut count = 0;
    for (owned, borrowed) in owned.headers.iter().zip(borrowed.headers) {
        assert_eq!((&*owned.key, owned.value.as_deref()), (&*borrowed.key, borrowed.value));
        count += 1;
    }
    assert_eq!(count, borrowed.headers.len(), "headers were checked when the record was read");
}

/// What is stamped into a batch is there afterwards, under a checksum that is right.
fn stamps(batch: &Batch) {
    let bytes = Bytes::copy_from_slice(as_bytes(batch));
    let producer = Producer { producer_id: 7_000_000_000, producer_epoch: 7, base_sequence: 70 };
    let stamped = stamp_producer(bytes, producer)
        .and_then(|bytes| stamp_offset(bytes, 77, 7))
        .and_then(|bytes| stamp_log_append_time(bytes, 777));
    if batch.magic() < 2 {
        assert!(stamped.is_err(), "only format 2 can be stamped");
        return;
    }
    let stamped = Batches::new(stamped.expect("a batch of format 2")).next().map(Result::<_, DecodeError>::unwrap);
    let Some(Batch::Records(stamped)) = stamped else {
        panic!("{stamped:?}");
    };
    assert_eq!((stamped.producer(), stamped.base_offset(), stamped.max_timestamp()), (producer, 77, 777));
    assert_eq!((stamped.partition_leader_epoch(), stamped.size_in_bytes()), (7, batch.size_in_bytes()));
    assert_eq!(stamped.compression(), batch.compression());
}

/// A description can be written, and what was written has the same description, but for what compression and canonical
/// numbers change.
fn written_again(described: &Value, limits: &Limits) {
    let written = records::json::encode(described).expect("our own description");
    let again = records::json::describe(&written, limits).expect("what we wrote");
    assert_eq!(comparable(&again), comparable(described));
    let plain = Value::from(Compression::None.to_string());
    let all_plain =
        described["batches"].as_array().is_some_and(|all| all.iter().all(|one| one["compression"] == plain));
    assert_eq!(records::json::rebuild(described), all_plain.then_some(written));
}

/// What comes back of each batch. The first record's timestamp becomes what the others count from; what has no records
/// is not compressed; and the message around others repeats what those say, or contradicts them.
fn comparable(described: &Value) -> Vec<Value> {
    let mut batches = described["batches"].as_array().cloned().unwrap_or_default();
    for batch in batches.iter_mut().filter_map(Value::as_object_mut) {
        let changed = match batch["magic"] == 2 {
            true => &["sizeInBytes", "crc", "baseTimestamp"][..],
            false => &["sizeInBytes", "crc", "lastOffset", "maxTimestamp"],
        };
        batch.retain(|name, _| !changed.contains(&name.as_str()));
        if batch["records"].as_array().is_some_and(Vec::is_empty) {
            batch.remove("compression");
        }
    }
    batches
}

/// Whether a buffer has control batches, whose records must say more than others for a description.
fn is_about_control(buffer: &Bytes, limits: &Limits) -> bool {
    let mut decoder = BatchDecoder::new(limits.clone());
    Batches::new(buffer.clone()).map_while(Result::ok).any(|batch| {
        batch.as_record_batch().is_some_and(|batch| {
            let records = batch.records(&mut decoder).into_iter().flatten();
            batch.is_control() && records.flatten().any(|record| ControlRecord::read(record.key, record.value).is_err())
        })
    })
}

const MAX_DECOMPRESSED: usize = 64 << 10;
