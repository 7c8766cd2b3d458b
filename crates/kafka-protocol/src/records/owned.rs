//! Records that share their batch's buffer, and may outlive everything else.

use bytes::Bytes;
use smol_str::SmolStr;

use crate::DecodeError;
use crate::cursor::Cursor;
use crate::records::iter::Walk;
use crate::records::{Headers, Record};

/// Goes over the records of one batch, whose bytes it shares with the records. After an error it ends.
#[derive(Clone, Debug)]
pub struct OwnedRecords {
    data: Bytes,
    position: usize,
    walk: Walk,
}

impl OwnedRecords {
    pub(super) fn new(data: Bytes, walk: Walk) -> Self {
        Self { data, position: 0, walk }
    }

    /// The (decompressed) bytes that these records and those already taken are slices of.
    pub fn buffer(&self) -> &Bytes {
        &self.data
    }

    /// The next record as what `make` makes of it, and of the [buffer](Self::buffer) that all its slices lie in: an
    /// [`OwnedRecord`] on the way to something else would cost more than reading it.
    ///
    /// # Errors
    /// As the iterator.
    #[inline(always)]
    pub fn next_as<T>(&mut self, make: impl FnOnce(Record<'_>, &Bytes) -> T) -> Option<Result<T, DecodeError>> {
        let mut cursor = Cursor::at(&self.data, self.position);
        let made = self.walk.next(&mut cursor, |record| make(record, &self.data));
        // An error has put the cursor at the end of nothing.
        self.position = if let Some(Err(_)) = made { self.data.len() } else { cursor.position() };
        made
    }

    /// Gives up the buffer. Once no record is left, `Vec::from` makes it a vector again without copying, for
    /// [`BatchDecoder::recycle`](crate::records::BatchDecoder::recycle).
    pub fn into_buffer(self) -> Bytes {
        self.data
    }
}

impl Iterator for OwnedRecords {
    type Item = Result<OwnedRecord, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_as(OwnedRecord::new)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.walk.remaining))
    }
}

impl std::iter::FusedIterator for OwnedRecords {}

/// A record, whose key, value and headers share the buffer of its (decompressed) batch, and keep it alive.
///
/// `None` and an empty slice are different things: a `None` value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, of the producer or of the broker as the batch's timestamp type says. -1 without one.
    pub timestamp: i64,
    /// Its number in the producer's sequence, or -1 without idempotence.
    pub sequence: i32,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers; none in message sets.
    pub headers: OwnedHeaders,
}

impl OwnedRecord {
    #[inline(always)]
    fn new(record: Record<'_>, buffer: &Bytes) -> Self {
        let Record { offset, timestamp, sequence, key, value, headers } = record;
        let share = |slice: &[u8]| share(buffer, slice);
        let data = if headers.is_empty() { None } else { Some(share(headers.data)) };
        let headers = OwnedHeaders { data, count: headers.len() as u32 };
        Self { offset, timestamp, sequence, key: key.map(share), value: value.map(share), headers }
    }
}

/// The headers of an [`OwnedRecord`], in the order they were written, read when asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedHeaders {
    /// Nothing if there is no header: cheaper to make and to drop than empty bytes.
    data: Option<Bytes>,
    count: u32,
}

impl OwnedHeaders {
    /// The same headers, borrowed.
    pub fn as_headers(&self) -> Headers<'_> {
        Headers::checked(self.data.as_deref().unwrap_or_default(), self.count)
    }

    /// Goes over the headers, whose values share the buffer too.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = OwnedHeader> + '_ {
        self.as_headers().iter().map(|header| OwnedHeader {
            key: SmolStr::from(&*header.key),
            value: header.value.map(|value| self.data.as_ref().map_or_else(Bytes::new, |data| data.slice_ref(value))),
        })
    }
}

/// A name and a value that travel with a record. Names may repeat; `None` and an empty value are different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedHeader {
    /// The name; bytes that are not UTF-8 are replaced by U+FFFD.
    pub key: SmolStr,
    /// The value.
    pub value: Option<Bytes>,
}

/// `slice`, which lies within `buffer`, sharing its memory.
#[inline(always)]
fn share(buffer: &Bytes, slice: &[u8]) -> Bytes {
    let start = (slice.as_ptr() as usize).saturating_sub(buffer.as_ptr() as usize);
    buffer.slice(start..start + slice.len())
}
