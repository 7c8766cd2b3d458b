//! The records of the registry's `kafka-protocol`.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::Compression;
use registry::records::{Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions};

use super::{Digest, Encode};
use crate::REGISTRY;

/// Encodes records that are there already, into one buffer.
pub(super) struct Encoder {
    records: Vec<Record>,
    options: RecordEncodeOptions,
    buffer: BytesMut,
}

impl Encoder {
    pub(super) fn new(batch: &Bytes, codec: Compression) -> Self {
        let compression = match codec {
            Compression::None => registry::records::Compression::None,
            Compression::Gzip => registry::records::Compression::Gzip,
            Compression::Snappy => registry::records::Compression::Snappy,
            Compression::Lz4 => registry::records::Compression::Lz4,
            Compression::Zstd => registry::records::Compression::Zstd,
        };
        let options = RecordEncodeOptions { version: 2, compression };
        Self { records: decode(batch), options, buffer: BytesMut::new() }
    }
}

impl Encode for Encoder {
    const NAME: &'static str = REGISTRY;

    fn encode(&mut self) -> &[u8] {
        self.buffer.clear();
        RecordBatchEncoder::encode(&mut self.buffer, &self.records, &self.options).expect("it compresses");
        &self.buffer
    }
}

pub(super) fn owned(batch: &Bytes) -> impl FnMut() -> Digest + use<> {
    let batch = batch.clone();
    move || {
        let mut digest = Digest::default();
        for record in &decode(&batch) {
            digest.record(record.key.as_deref(), record.value.as_deref());
            for (name, value) in &record.headers {
                digest.header(name, value.as_deref());
            }
        }
        digest
    }
}

fn decode(batch: &Bytes) -> Vec<Record> {
    RecordBatchDecoder::decode(&mut batch.clone()).expect("it was encoded").records
}
