//! Our records.

use bytes::Bytes;
use kafka_protocol::records::{BatchBuilder, BatchDecoder, BatchOptions, Batches, Compression, Compressor, Producer};

use super::{Digest, Encode, Source};
use crate::OURS;

/// Appends records as a writer does, and seals the batch into the buffer of the last one.
pub(super) struct Encoder {
    sources: &'static [Source],
    builder: BatchBuilder,
    compressor: Compressor,
    batch: Bytes,
}

impl Encoder {
    pub(super) fn new(sources: &'static [Source], codec: Compression) -> Self {
        let producer = Producer { producer_id: 4000, producer_epoch: 0, base_sequence: 0 };
        Self {
            sources,
            builder: BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() }),
            compressor: Compressor::new(codec, None).expect("every codec is compiled in"),
            batch: Bytes::new(),
        }
    }

    /// The batch that all decode.
    pub(super) fn batch(mut self) -> Bytes {
        self.encode();
        self.batch
    }
}

impl Encode for Encoder {
    const NAME: &'static str = OURS;

    fn encode(&mut self) -> &[u8] {
        self.builder.recycle(Vec::from(std::mem::take(&mut self.batch)));
        for source in self.sources {
            let (key, value) = (Some(&source.key[..]), Some(&source.value[..]));
            self.builder.append(source.timestamp, key, value, source.headers()).expect("there is room");
        }
        self.batch = self.builder.seal(&mut self.compressor).expect("it compresses");
        &self.batch
    }
}

/// Goes over the records without owning them.
pub(super) fn borrowed(batch: &Bytes) -> impl FnMut() -> Digest + use<> {
    let batch = batch.clone();
    let mut decoder = BatchDecoder::default();
    move || {
        let mut digest = Digest::default();
        for batch in Batches::new(batch.clone()) {
            let batch = batch.expect("it was encoded");
            for record in batch.records(&mut decoder).expect("it decompresses") {
                let record = record.expect("it was encoded");
                digest.record(record.key, record.value);
                for header in record.headers {
                    digest.header(&header.key, header.value);
                }
            }
        }
        digest
    }
}

/// Collects the records, as all others do, before it looks at them.
pub(super) fn owned(batch: &Bytes) -> impl FnMut() -> Digest + use<> {
    let batch = batch.clone();
    let mut decoder = BatchDecoder::default();
    move || {
        let mut digest = Digest::default();
        for batch in Batches::new(batch.clone()) {
            let batch = batch.expect("it was encoded");
            let is_compressed = batch.compression() != Compression::None;
            let mut owned = Vec::with_capacity(batch.as_record_batch().map_or(0, |batch| batch.count()));
            let mut records = batch.owned_records(&mut decoder).expect("it decompresses");
            for record in &mut records {
                owned.push(record.expect("it was encoded"));
            }
            for record in &owned {
                digest.record(record.key.as_deref(), record.value.as_deref());
                for header in record.headers.iter() {
                    digest.header(&header.key, header.value.as_deref());
                }
            }
            // No record is left, so the next batch can be decompressed to where this one was.
            drop(owned);
            if is_compressed {
                decoder.recycle(Vec::from(records.into_buffer()));
            }
        }
        digest
    }
}
