//! Text to send: varied as real text is, so that codecs have something to do, and not too much.

use bytes::Bytes;

/// Messages cut from some megabytes of words; codecs make them two to four times smaller.
#[derive(Debug)]
pub(super) struct Text {
    text: Bytes,
    size: usize,
}

impl Text {
    /// For messages of `size` bytes, at least one.
    pub(super) fn new(size: usize) -> Self {
        let mut random = Random(20_240_601);
        let words: Vec<Vec<u8>> = (0..WORDS).map(|_| word(&mut random)).collect();
        let len = LEN.max(size);
        let mut text = Vec::with_capacity(len + MAX_WORD);
        while text.len() < len {
            if let Some(word) = words.get(random.below(WORDS)) {
                text.extend_from_slice(word);
            }
        }
        text.truncate(len);
        Self { text: text.into(), size }
    }

    /// Message `number`: a piece that is not copied.
    pub(super) fn message(&self, number: u64) -> Bytes {
        let pieces = (self.text.len() / self.size).max(1);
        let at = usize::try_from(number % pieces as u64).unwrap_or_default() * self.size;
        self.text.slice(at..at + self.size)
    }
}

/// Letters and a space.
fn word(random: &mut Random) -> Vec<u8> {
    let letters = 3 + random.below(MAX_WORD - 3);
    let letter = |_| b'a' + u8::try_from(random.below(26)).unwrap_or_default();
    (1..letters).map(letter).chain([b' ']).collect()
}

/// A linear congruential generator: the same text in each run.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % bound
    }
}

const LEN: usize = 4 << 20;
const WORDS: usize = 256;
const MAX_WORD: usize = 11;

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{BatchBuilder, BatchOptions, Compression, Compressor};

    use super::*;

    #[test]
    fn messages_have_their_size_and_differ() {
        for size in [1, 100, 1000, LEN + 1] {
            let text = Text::new(size);
            assert!([0, 1, 99, u64::MAX].iter().all(|number| text.message(*number).len() == size));
        }
        let text = Text::new(100);
        assert!(text.message(1) != text.message(2) && text.message(7) == text.message(7));
    }

    #[test]
    fn codecs_make_it_two_to_four_times_smaller() {
        let text = Text::new(100);
        for compression in [Compression::Gzip, Compression::Lz4, Compression::Zstd, Compression::Snappy] {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            for number in 0..5000 {
                builder.append(0, None, Some(&text.message(number)), []).unwrap();
            }
            let plain = builder.len() as f64;
            let ratio = plain / builder.seal(&mut Compressor::new(compression, None).unwrap()).unwrap().len() as f64;
            assert!((1.5..4.5).contains(&ratio), "{compression}: {ratio}");
        }
    }
}
