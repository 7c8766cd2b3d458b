//! The headers of a record, read when asked for.

use std::borrow::Cow;

use crate::cursor::Cursor;
use crate::{DecodeError, DecodeErrorKind};

/// A name and a value that travel with a record. Names may repeat; `None` and an empty value are different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name. Borrowed, unless it is not UTF-8: then the wrong bytes are replaced by U+FFFD, as Java does, so that a
    /// careless producer cannot make a partition unreadable.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in the order they were written. Their lengths are checked already; going over them
/// allocates nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    pub(super) data: &'a [u8],
    count: u32,
}

impl<'a> Headers<'a> {
    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Goes over the headers.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter { cursor: Cursor::new(self.data), remaining: self.count }
    }

    /// The headers that [`data`](Self::data) and [`len`](Self::len) of checked ones describe.
    pub(super) fn checked(data: &'a [u8], count: u32) -> Self {
        Self { data, count }
    }

    /// Walks over `count` headers, so that nothing is left that could fail, and says where they end.
    pub(super) fn read(start: Cursor<'a>, count: i32) -> Result<(Self, Cursor<'a>), DecodeError> {
        let mut cursor = start;
        let length = |count| start.error(DecodeErrorKind::Length(i64::from(count)));
        let walked = u32::try_from(count).map_err(|_| length(count))?;
        // A header takes two bytes at least.
        if walked as usize > cursor.remaining() / 2 {
            return Err(length(count));
        }
        for _ in 0..walked {
            key(&mut cursor)?;
            nullable(&mut cursor)?;
        }
        let data = { start }.take(cursor.position() - start.position())?;
        Ok((Self { data, count: walked }, cursor))
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = Header<'a>;
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Goes over the headers of a record.
#[derive(Clone, Debug)]
pub struct HeadersIter<'a> {
    cursor: Cursor<'a>,
    remaining: u32,
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        // `Headers::read` has been here, so neither fails.
        let key = key(&mut self.cursor).ok()?;
        let value = nullable(&mut self.cursor).ok()?;
        Some(Header { key: String::from_utf8_lossy(key), value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}

#[inline(always)]
fn key<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
    let len = cursor.varint()?;
    let len = usize::try_from(len).map_err(|_| cursor.error(DecodeErrorKind::Length(i64::from(len))))?;
    cursor.take(len)
}

/// Bytes behind a varint length, of which -1 stands for null.
#[inline(always)]
pub(super) fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let len = cursor.varint()?;
    match usize::try_from(len) {
        Ok(len) => cursor.take(len).map(Some),
        Err(_) if len == -1 => Ok(None),
        Err(_) => Err(cursor.error(DecodeErrorKind::Length(i64::from(len)))),
    }
}
