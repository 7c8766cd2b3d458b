//! Going over the records of one batch.

use crate::cursor::Cursor;
use crate::records::Record;
use crate::records::entry::EntryBase;
use crate::records::record::Base;
use crate::{DecodeError, DecodeErrorKind};

/// Goes over the records of one batch, and allocates nothing. After an error it ends.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    walk: Walk,
}

impl<'a> Records<'a> {
    pub(super) fn new(data: &'a [u8], walk: Walk) -> Self {
        Self { cursor: Cursor::new(data), walk }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        self.walk.next(&mut self.cursor, |record| record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.walk.remaining))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Where in a batch reading stands, apart from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// How many records are to come.
    pub(super) remaining: usize,
    pub(super) layout: Layout,
}

#[derive(Clone, Debug)]
pub(super) enum Layout {
    Batch(Base),
    MessageSet(EntryBase),
}

impl Walk {
    /// The next record, as what `make` makes of it. That happens right where the record is read, and each arm returns
    /// for itself: a record handed on through memory costs more than all its parsing.
    #[inline(always)]
    pub(super) fn next<'a, T>(
        &mut self,
        cursor: &mut Cursor<'a>,
        make: impl FnOnce(Record<'a>) -> T,
    ) -> Option<Result<T, DecodeError>> {
        if self.remaining == 0 {
            return self.end(cursor).map(Err);
        }
        self.remaining -= 1;
        match &self.layout {
            Layout::Batch(base) => match base.read(cursor, make) {
                Ok(made) => Some(Ok(made)),
                Err(error) => Some(Err(self.stop(cursor, error))),
            },
            Layout::MessageSet(base) => match base.read(cursor) {
                Ok(record) => Some(Ok(make(record))),
                Err(error) => Some(Err(self.stop(cursor, error))),
            },
        }
    }

    /// The count must be exact: records that the header does not know would be lost in silence.
    #[cold]
    fn end(&mut self, cursor: &mut Cursor<'_>) -> Option<DecodeError> {
        if cursor.remaining() == 0 {
            return None;
        }
        let error = cursor.error(DecodeErrorKind::Trailing(cursor.remaining()));
        Some(self.stop(cursor, error))
    }

    #[cold]
    fn stop(&mut self, cursor: &mut Cursor<'_>, error: DecodeError) -> DecodeError {
        self.remaining = 0;
        *cursor = Cursor::default();
        error
    }
}
