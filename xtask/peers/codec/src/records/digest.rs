//! What proves that everyone decodes the same, and that every part of a record is looked at.

use super::Source;

/// Sums over all keys, values and headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    records: usize,
    slices: usize,
    bytes: usize,
    /// Of the first byte of each.
    first_bytes: usize,
}

impl Digest {
    pub(super) fn of_sources(sources: &[Source]) -> Self {
        let mut digest = Self::default();
        for source in sources {
            digest.record(Some(&source.key), Some(&source.value));
            for (name, value) in source.headers() {
                digest.header(name, value);
            }
        }
        digest
    }

    #[inline]
    pub(super) fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.records += 1;
        self.slice(key);
        self.slice(value);
    }

    #[inline]
    pub(super) fn header(&mut self, name: &str, value: Option<&[u8]>) {
        self.slice(Some(name.as_bytes()));
        self.slice(value);
    }

    #[inline]
    fn slice(&mut self, slice: Option<&[u8]>) {
        if let Some(slice) = slice {
            self.slices += 1;
            self.bytes += slice.len();
            self.first_bytes += slice.first().copied().map_or(0, usize::from);
        }
    }
}
