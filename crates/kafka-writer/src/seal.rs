//! Sealing batches: compression and checksum, in the blocking pool where that pays; and splitting those that a broker
//! found too large.
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
use kafka_protocol::records::{
    Batch, BatchBuilder, BatchDecoder, BatchOptions, Batches, CompressError, Compression, Compressor,
};
use kafka_protocol::{DecodeError, Limits};

use crate::accumulator::{Job, Part, Work};
use crate::buffers::Buffers;
use crate::config::WriterConfig;
use crate::error::Result;
use crate::shared::Shared;

/// A batch that was sealed or split, or could not be.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) lane: u64,
    pub(crate) batch: u64,
    pub(crate) result: Result<Vec<Part>, CompressError>,
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
    pub(crate) fn start(&mut self, job: Job) -> Option<Sealed> {
        let Job { lane, batch, .. } = job;
        let compressor = match self.idle.pop().map_or_else(|| self.compressor(), Ok) {
            Ok(compressor) => compressor,
            Err(error) => return Some(Sealed { lane, batch, result: Err(error), compressor: None }),
        };
        let is_quick = match &job.work {
            Work::Seal(builder) => compressor.compression() == Compression::None || builder.len() <= MAX_INLINE,
            Work::Split(_) => false,
        };
        if is_quick {
            return Some(self.keep(run(job, compressor, &self.shared.buffers)));
        }
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || run(job, compressor, &shared.buffers));
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

fn run(job: Job, mut compressor: Compressor, buffers: &Buffers) -> Sealed {
    let Job { lane, batch, work } = job;
    let result = match work {
        Work::Seal(mut builder) => seal(&mut builder, &mut compressor).map(|part| {
            buffers.put(builder);
            vec![part]
        }),
        Work::Split(bytes) => split(bytes, &mut compressor),
    };
    Sealed { lane, batch, result, compressor: Some(compressor) }
}

fn seal(builder: &mut BatchBuilder, compressor: &mut Compressor) -> Result<Part, CompressError> {
    let messages = u32::try_from(builder.count()).unwrap_or(u32::MAX);
    builder.seal(compressor).map(|bytes| Part { bytes, messages })
}

/// Makes two batches of a sealed one, each with about half of the bytes; or leaves it whole if it has one message.
pub(crate) fn split(bytes: Bytes, compressor: &mut Compressor) -> Result<Vec<Part>, CompressError> {
    let limits = Limits { max_decompressed_len: usize::MAX, ..Limits::default() };
    let mut decoder = BatchDecoder::new(limits);
    let [mut front, mut back] = [(); 2].map(|()| BatchBuilder::new(BatchOptions::default()));
    let unreadable = |error: DecodeError| CompressError::Codec {
        compression: Compression::None,
        reason: format!("a batch that is to be split cannot be read: {error}"),
    };
    let too_long = |_| CompressError::TooLong(bytes.len());
    for batch in Batches::new(bytes.clone()) {
        let Batch::Records(batch) = batch.map_err(unreadable)? else { continue };
        let count = batch.count();
        let records = batch.records(&mut decoder).map_err(unreadable)?;
        for (at, record) in records.enumerate() {
            let record = record.map_err(unreadable)?;
            let half = if at < count.div_ceil(2) { &mut front } else { &mut back };
            let headers: Vec<_> = record.headers.iter().collect();
            let headers = headers.iter().map(|header| (header.key.as_ref(), header.value));
            half.append(record.timestamp, record.key, record.value, headers).map_err(too_long)?;
        }
    }
    let halves = [front, back].into_iter().filter(|half| !half.is_empty());
    halves.map(|mut half| seal(&mut half, compressor)).collect()
}

/// Compressing so much takes about as long as the way to another thread and back.
const MAX_INLINE: usize = 4 << 10;
/// Each has a codec's context and a buffer.
const MAX_RUNNING: usize = 16;
