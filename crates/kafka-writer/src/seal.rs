//! Sealing batches: compression and checksum, in the blocking pool where that pays.
//!
//! A codec takes milliseconds for a batch, too long for a worker of the runtime that serves sockets; so it runs in the
//! runtime's blocking pool, which is there anyway, works on a runtime of a single thread too, and leaves no thread of
//! ours behind. As many batches as there are processors are compressed at a time; the others wait in the accumulator.
//! Batches that are small or not compressed are sealed where they are: the way to another thread would cost more.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::records::{CompressError, Compression, Compressor};

use crate::accumulator::Seal;
use crate::buffers::Buffers;
use crate::config::WriterConfig;
use crate::error::Result;
use crate::shared::Shared;

/// A batch that was sealed, or could not be.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    pub(crate) result: Result<Bytes, CompressError>,
    compressor: Option<Compressor>,
}

pub(crate) struct Sealer {
    shared: Arc<Shared>,
    config: Arc<WriterConfig>,
    /// Codecs whose contexts are kept; as many as were ever in use at a time.
    idle: Vec<Compressor>,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = Sealed> + Send>>>,
    max_running: usize,
}

impl Sealer {
    pub(crate) fn new(shared: Arc<Shared>, config: Arc<WriterConfig>) -> Self {
        let max_running = available_parallelism().map_or(1, |count| count.get().min(MAX_RUNNING));
        Self { shared, config, idle: Vec::new(), running: FuturesUnordered::new(), max_running }
    }

    /// Whether another batch can be sealed now.
    pub(crate) fn has_room(&self) -> bool {
        self.running.len() < self.max_running
    }

    /// Seals a batch at once, or begins to.
    pub(crate) fn start(&mut self, seal: Seal) -> Option<Sealed> {
        let Seal { lane, batch, .. } = seal;
        let compressor = match self.idle.pop().map_or_else(|| self.compressor(), Ok) {
            Ok(compressor) => compressor,
            Err(error) => return Some(Sealed { lane, batch, result: Err(error), compressor: None }),
        };
        if compressor.compression() == Compression::None || seal.builder.len() <= MAX_INLINE {
            return Some(self.keep(run(seal, compressor, &self.shared.buffers)));
        }
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || run(seal, compressor, &shared.buffers));
        let compression = self.config.compression;
        self.running.push(Box::pin(async move {
            task.await.unwrap_or_else(|error| {
                let result = Err(CompressError::Codec { compression, reason: error.to_string() });
                Sealed { lane, batch, result, compressor: None }
            })
        }));
        None
    }

    /// The next batch that is sealed; pending while none is under way.
    ///
    /// **Cancel safety:** nothing is lost.
    pub(crate) async fn next(&mut self) -> Sealed {
        match self.running.next().await {
            Some(sealed) => self.keep(sealed),
            None => std::future::pending().await,
        }
    }

    fn compressor(&self) -> Result<Compressor, CompressError> {
        Compressor::new(self.config.compression, self.config.compression_level)
    }

    fn keep(&mut self, mut sealed: Sealed) -> Sealed {
        self.idle.extend(sealed.compressor.take());
        sealed
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("idle", &self.idle.len()).field("running", &self.running.len()).finish()
    }
}

fn run(seal: Seal, mut compressor: Compressor, buffers: &Buffers) -> Sealed {
    let Seal { lane, batch, mut builder } = seal;
    let result = builder.seal(&mut compressor);
    if result.is_ok() {
        buffers.put(builder);
    }
    Sealed { lane, batch, result, compressor: Some(compressor) }
}

/// Compressing so much takes about as long as the way to another thread and back.
const MAX_INLINE: usize = 4 << 10;
/// Each has a codec's context and a buffer.
const MAX_RUNNING: usize = 16;
