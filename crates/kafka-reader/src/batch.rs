//! A batch as it came from a broker, for those who read many records and keep few.

use std::fmt;

use kafka_protocol::records::{Batch, BatchDecoder, Record, Records};
use smol_str::SmolStr;

use crate::error::{Error, ErrorKind, Result};

/// Records of one partition, still as the broker stores them: checked, but neither decompressed nor taken apart.
///
/// It may be sent to another thread and decoded there. No record is copied: iterating borrows from the batch, or from
/// the decoder's buffer where it is compressed. The whole answer that the batch came in stays in memory as long as it.
#[derive(Clone)]
pub struct FetchedBatch {
    topic: SmolStr,
    partition: i32,
    high_watermark: i64,
    from: i64,
    batch: Batch,
}

impl FetchedBatch {
    pub(crate) fn new(topic: SmolStr, partition: i32, high_watermark: i64, from: i64, batch: Batch) -> Self {
        Self { topic, partition, high_watermark, from, batch }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's index.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The partition's high watermark when the batch was fetched.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The first offset to read. Records of the batch that are before it are not iterated.
    pub fn first_offset(&self) -> i64 {
        self.from
    }

    /// The offset of the last record, also if compaction has removed it.
    pub fn last_offset(&self) -> i64 {
        self.batch.last_offset()
    }

    /// The bytes it takes, compressed as it is.
    pub fn size_in_bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    /// Goes over the records; the decoder lends the buffer that compressed ones go to.
    ///
    /// ```no_run
    /// # async fn example(reader: &mut kafka_reader::Reader) -> kafka_reader::Result<()> {
    /// let mut decoder = kafka_reader::BatchDecoder::default();
    /// let batch = reader.fetch_batch().await?;
    /// let mut bytes = 0;
    /// for record in batch.records(&mut decoder)? {
    ///     bytes += record?.value.map_or(0, <[u8]>::len);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CorruptBatch`](crate::ErrorKind::CorruptBatch) where the records cannot be decompressed within the decoder's
    /// limits, or cannot be as many as the batch says; the iterator gives the same error where one cannot be read, or
    /// has an offset that goes back or that the batch does not have.
    pub fn records<'a>(&'a self, decoder: &'a mut BatchDecoder) -> Result<BatchRecords<'a>> {
        let records = self.batch.records(decoder).map_err(|error| self.error(error.into()))?;
        Ok(BatchRecords { batch: self, records, next: Some(self.from) })
    }

    /// The batch beneath, with all that its header says.
    pub fn as_batch(&self) -> &Batch {
        &self.batch
    }

    fn error(&self, error: Error) -> Error {
        error.with_partition(&self.topic, self.partition).with_offset(self.from)
    }
}

impl fmt::Debug for FetchedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedBatch")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offsets", &(self.from..=self.last_offset()))
            .field("compression", &self.batch.compression())
            .field("size_in_bytes", &self.size_in_bytes())
            .finish_non_exhaustive()
    }
}

/// Goes over the records of a [`FetchedBatch`]. After an error it ends.
#[derive(Debug)]
pub struct BatchRecords<'a> {
    batch: &'a FetchedBatch,
    records: Records<'a>,
    /// The least offset that may come; `None` after an error.
    next: Option<i64>,
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = Result<Record<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next?;
        loop {
            let error = match self.records.next()? {
                Ok(record) if record.offset < self.batch.from => continue,
                Ok(record) if (next..=self.batch.last_offset()).contains(&record.offset) => {
                    self.next = Some(record.offset.saturating_add(1));
                    return Some(Ok(record));
                }
                Ok(_) => Error::new(ErrorKind::CorruptBatch),
                Err(error) => error.into(),
            };
            self.next = None;
            return Some(Err(self.batch.error(error)));
        }
    }
}

impl std::iter::FusedIterator for BatchRecords<'_> {}
