//! The records of `krabka-protocol`.

use bytes::{Bytes, BytesMut};
use krabka_compression::CompressionType;
use krabka_protocol::DecodeBorrow;
use krabka_protocol::records::{RecordBatch, RecordBatchBorrowed};

use super::{Digest, Encode};
use crate::KRABKA;

/// Encodes records that are there already: compressed ones into one buffer, others into a fresh one, as that saves it a
/// copy.
pub(super) struct Encoder {
    records: RecordBatch,
    buffer: BytesMut,
    fresh: Bytes,
}

impl Encoder {
    pub(super) fn new(batch: &Bytes) -> Self {
        Self { records: decode(batch), buffer: BytesMut::new(), fresh: Bytes::new() }
    }
}

impl Encode for Encoder {
    const NAME: &'static str = KRABKA;

    fn encode(&mut self) -> &[u8] {
        if self.records.attributes.compression() == CompressionType::None {
            self.fresh = self.records.encode_to_bytes().expect("there is room");
            &self.fresh
        } else {
            self.buffer.clear();
            self.records.encode_batch(&mut self.buffer).expect("it compresses");
            &self.buffer
        }
    }
}

/// Goes over the records without owning them.
pub(super) fn borrowed(batch: &Bytes) -> impl FnMut() -> Digest + use<> {
    let batch = batch.clone();
    move || {
        let mut digest = Digest::default();
        let batch = RecordBatchBorrowed::decode_borrow(&mut &batch[..], 0).expect("it was encoded");
        for record in &batch {
            let record = record.expect("it was encoded");
            digest.record(record.key, record.value);
            for header in &record.headers {
                digest.header(header.key, header.value);
            }
        }
        digest
    }
}

pub(super) fn owned(batch: &Bytes) -> impl FnMut() -> Digest + use<> {
    let batch = batch.clone();
    move || {
        let mut digest = Digest::default();
        for record in &decode(&batch).records {
            digest.record(record.key.as_deref(), record.value.as_deref());
            for header in &record.headers {
                digest.header(&header.key, header.value.as_deref());
            }
        }
        digest
    }
}

fn decode(batch: &Bytes) -> RecordBatch {
    RecordBatch::decode_batch(&mut &batch[..]).expect("it was encoded")
}
