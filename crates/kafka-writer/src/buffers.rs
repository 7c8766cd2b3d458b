//! Batch builders, and with them their buffers, that are used again.
//!
//! Sans-IO.

use std::fmt;
use std::sync::Mutex;

use bytes::Bytes;
use kafka_protocol::records::{BatchBuilder, BatchOptions};

use crate::lock::lock;

/// Empty builders for batches to come. A fresh buffer of a megabyte must be mapped and zeroed by the kernel, one that
/// was used before need not.
pub(crate) struct Buffers {
    idle: Mutex<Vec<BatchBuilder>>,
    /// How many are kept.
    max: usize,
}

impl Buffers {
    pub(crate) fn new(max: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), max }
    }

    pub(crate) fn take(&self) -> BatchBuilder {
        lock(&self.idle).pop().unwrap_or_else(|| BatchBuilder::new(BatchOptions::default()))
    }

    /// Takes back a builder whose batch was sealed.
    pub(crate) fn put(&self, builder: BatchBuilder) {
        debug_assert!(builder.is_empty(), "a builder with records in it");
        let mut idle = lock(&self.idle);
        if idle.len() < self.max && builder.is_empty() {
            idle.push(builder);
        }
    }

    /// Takes back the bytes of a batch that was written, if nobody else holds them.
    pub(crate) fn recycle(&self, batch: Bytes) {
        let Ok(mut batch) = batch.try_into_mut() else { return };
        batch.clear();
        let mut idle = lock(&self.idle);
        let Some(mut builder) = idle.pop() else { return };
        builder.recycle(batch.into());
        idle.insert(0, builder);
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("idle", &lock(&self.idle).len()).field("max", &self.max).finish()
    }
}
