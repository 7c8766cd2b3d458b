//! Batch builders, and with them their buffers, that are used again.
//!
//! Sans-IO.

use std::fmt;
use std::sync::Mutex;

use bytes::Bytes;
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compression};

use crate::lock::lock;

/// Empty builders for batches to come. A fresh buffer of a megabyte must be mapped and zeroed by the kernel, one that
/// was used before need not.
pub(crate) struct Buffers {
    idle: Mutex<Idle>,
    /// How many of each kind are kept.
    max: usize,
    /// Of the batches to come.
    compression: Compression,
}

#[derive(Default)]
struct Idle {
    builders: Vec<BatchBuilder>,
    /// Those of batches that were written. Where nothing is compressed, a builder gives its own buffer away with each
    /// batch, and is in use again before that comes back.
    buffers: Vec<Vec<u8>>,
}

impl Buffers {
    pub(crate) fn new(max: usize, compression: Compression) -> Self {
        Self { idle: Mutex::default(), max, compression }
    }

    pub(crate) fn take(&self) -> BatchBuilder {
        let mut idle = lock(&self.idle);
        let mut builder = idle.builders.pop().unwrap_or_else(|| self.builder());
        if let Some(buffer) = idle.buffers.pop() {
            builder.recycle(buffer);
        }
        builder
    }

    fn builder(&self) -> BatchBuilder {
        let builder = BatchBuilder::new(BatchOptions::default());
        match self.compression {
            Compression::None => builder.with_early_checksum(),
            _ => builder,
        }
    }

    /// Takes back a builder whose batch was sealed.
    pub(crate) fn put(&self, builder: BatchBuilder) {
        debug_assert!(builder.is_empty(), "a builder with records in it");
        let mut idle = lock(&self.idle);
        if idle.builders.len() < self.max && builder.is_empty() {
            idle.builders.push(builder);
        }
    }

    /// Takes back the bytes of a batch that was written, if nobody else holds them.
    pub(crate) fn recycle(&self, batch: Bytes) {
        let Ok(mut batch) = batch.try_into_mut() else { return };
        batch.clear();
        let mut idle = lock(&self.idle);
        if idle.buffers.len() < self.max {
            idle.buffers.push(batch.into());
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = lock(&self.idle);
        f.debug_struct("Buffers")
            .field("builders", &idle.builders.len())
            .field("buffers", &idle.buffers.len())
            .field("max", &self.max)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::Compressor;

    use super::*;

    fn seal(buffers: &Buffers, mut builder: BatchBuilder, compressor: &mut Compressor) -> Bytes {
        let headers = std::iter::empty::<(&str, Option<&[u8]>)>();
        builder.append(0, None, Some(&[b'x'; 1000]), headers).unwrap();
        let batch = builder.seal(compressor).unwrap();
        buffers.put(builder);
        batch
    }

    /// The usual order of things where a partition has always something: when a batch is written, the next one is open.
    #[test]
    fn a_buffer_that_comes_back_late_is_used_again() {
        for compression in Compression::ALL {
            let mut compressor = Compressor::new(compression, None).unwrap();
            let buffers = Buffers::new(2, compression);
            let mut batch = seal(&buffers, buffers.take(), &mut compressor);
            let mut places = Vec::new();
            for _ in 0..6 {
                places.push(batch.as_ptr());
                let open = buffers.take();
                buffers.recycle(std::mem::take(&mut batch));
                assert_eq!(lock(&buffers.idle).buffers.len(), 1, "{compression:?}: it was dropped");
                batch = seal(&buffers, open, &mut compressor);
            }
            assert_eq!(places[2..4], places[4..6], "{compression:?}");
        }
    }
}
