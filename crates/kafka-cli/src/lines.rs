//! From bytes, as they are read, to blocks of whole lines: pure.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memrchr};

/// What a reader of lines got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Whole lines, one at least, each with its line feed; only the last line of all may lack it.
    Lines(Bytes),
    /// A line that is longer than allowed. It is not kept.
    TooLong,
}

/// Cuts bytes into blocks of lines, and holds no more than what was read last and one line.
///
/// Ask for [`room`](Self::room), read into it, say how much with [`filled`](Self::filled).
#[derive(Debug)]
pub(crate) struct LineCutter {
    /// The beginning of a line whose end is not here yet, and room behind it.
    buffer: BytesMut,
    /// How much of the buffer is read.
    len: usize,
    max_line: usize,
    skipping: bool,
}

impl LineCutter {
    pub(crate) fn new(max_line: usize) -> Self {
        Self { buffer: BytesMut::new(), len: 0, max_line, skipping: false }
    }

    /// Where to read the next bytes to.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.resize(self.len + READ_BYTES, 0);
        &mut self.buffer[self.len..]
    }

    /// Takes `read` bytes of the room, and returns the lines that they complete.
    pub(crate) fn filled(&mut self, read: usize) -> Option<Block> {
        let new = self.len;
        self.len += read.min(READ_BYTES);
        self.buffer.truncate(self.len);
        if self.skipping {
            self.skip();
            return self.take_lines(0);
        }
        let lines = self.take_lines(new);
        if lines.is_none() && self.len > self.max_line {
            self.skipping = true;
            self.drop_front(self.len);
            return Some(Block::TooLong);
        }
        lines
    }

    /// The last line, where it has no line feed.
    pub(crate) fn finish(mut self) -> Option<Block> {
        self.buffer.truncate(self.len);
        (self.len > 0 && !self.skipping).then(|| Block::Lines(self.buffer.freeze()))
    }

    /// Drops the rest of a line that is too long.
    fn skip(&mut self) {
        match memchr(b'\n', &self.buffer) {
            Some(at) => {
                self.skipping = false;
                self.drop_front(at + 1);
            }
            None => self.drop_front(self.len),
        }
    }

    fn take_lines(&mut self, new: usize) -> Option<Block> {
        let last = new + memrchr(b'\n', self.buffer.get(new..)?)?;
        let lines = self.buffer.split_to(last + 1).freeze();
        self.len = self.buffer.len();
        Some(Block::Lines(lines))
    }

    fn drop_front(&mut self, count: usize) {
        self.buffer.advance(count);
        self.len = self.buffer.len();
    }
}

/// The lines of a block, without their line feeds, and without copying.
pub(crate) fn lines(block: &Bytes) -> impl Iterator<Item = Bytes> {
    let ends = memchr_iter(b'\n', block);
    let unfinished = block.last().filter(|byte| **byte != b'\n').map(|_| block.len());
    let mut start = 0;
    ends.chain(unfinished).map(move |end| {
        let line = block.slice(start..end);
        start = end + 1;
        line
    })
}

/// Bytes that are asked for at a time: what a pipe holds, twice.
const READ_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, read in pieces of `chunk` bytes; `None` for one that is too long.
    fn cut(text: &[u8], chunk: usize, max_line: usize) -> Vec<Option<Vec<u8>>> {
        let mut cutter = LineCutter::new(max_line);
        let mut found = Vec::new();
        let mut take = |block: Option<Block>| match block {
            Some(Block::Lines(block)) => found.extend(lines(&block).map(|line| Some(line.to_vec()))),
            Some(Block::TooLong) => found.push(None),
            None => {}
        };
        for piece in text.chunks(chunk) {
            cutter.room()[..piece.len()].copy_from_slice(piece);
            take(cutter.filled(piece.len()));
            assert!(cutter.buffer.len() <= max_line + READ_BYTES);
        }
        take(cutter.finish());
        found
    }

    #[test]
    fn however_it_is_read_the_lines_are_the_same() {
        for text in ["", "\n", "a", "a\n", "a\nb", "\n\na\n\n", "one\r\ntwo\nthree", "ä\n→\n"] {
            let expected: Vec<_> =
                text.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or(line)).collect();
            for chunk in 1..=text.len().max(1) {
                let found = cut(text.as_bytes(), chunk, 100);
                let found: Vec<_> = found.iter().flatten().map(|line| std::str::from_utf8(line).unwrap()).collect();
                assert_eq!(found, expected, "{text:?} by {chunk}");
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_no_other() {
        let text = [&b"before\n"[..], &[b'x'; 50], b"\nbehind\n\n", &[b'y'; 50], b"\nlast"].concat();
        for chunk in 1..=8 {
            let found = cut(&text, chunk, 20);
            let texts: Vec<_> =
                found.iter().map(|line| line.as_deref().map(|line| str::from_utf8(line).unwrap())).collect();
            assert_eq!(texts, [Some("before"), None, Some("behind"), Some(""), None, Some("last")], "by {chunk}");
        }
        assert_eq!(cut(&[b'x'; 50], 7, 20), [None], "it never ends");
    }

    #[test]
    fn an_interactive_line_does_not_wait_for_the_next() {
        let mut cutter = LineCutter::new(100);
        cutter.room()[..5].copy_from_slice(b"one\nt");
        assert_eq!(cutter.filled(5), Some(Block::Lines(Bytes::from_static(b"one\n"))));
        assert_eq!(cutter.filled(0), None);
        assert_eq!(cutter.finish(), Some(Block::Lines(Bytes::from_static(b"t"))));
    }
}
