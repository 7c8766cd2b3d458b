//! What all peers send, and the arguments that they take. The Go programs have the same text from the same generator.

use std::time::Duration;

/// Messages cut from 4 MB of made-up prose, of which codecs make a half to a quarter.
#[derive(Clone, Debug)]
pub struct Text {
    text: Vec<u8>,
    size: usize,
}

impl Text {
    /// For messages of `size` bytes.
    pub fn new(size: usize) -> Self {
        let mut random = Random(12_345);
        let words: Vec<Vec<u8>> = (0..256).map(|_| random.word()).collect();
        let mut text = Vec::with_capacity(LEN + 16);
        while text.len() < LEN {
            text.extend_from_slice(&words[random.below(256) as usize]);
        }
        Self { text, size }
    }

    /// All of it, for clients that send slices of a buffer.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Where message `number` stands in it.
    pub fn place(&self, number: usize) -> std::ops::Range<usize> {
        let at = number % (self.text.len() / self.size - 1) * self.size;
        at..at + self.size
    }

    /// Message `number`.
    pub fn message(&self, number: usize) -> &[u8] {
        &self.text[self.place(number)]
    }
}

/// A linear congruential generator: the same text everywhere.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % bound
    }

    /// 3 to 10 letters and a space.
    fn word(&mut self) -> Vec<u8> {
        let letters = 3 + self.below(8);
        (0..letters).map(|_| b'a' + self.below(26) as u8).chain([b' ']).collect()
    }
}

const LEN: usize = 4 << 20;

/// What a program is asked to do: `OPERATION BROKER TOPIC COUNT BYTES none|lz4 [BATCH_MESSAGES]`.
#[derive(Clone, Debug)]
pub struct Work {
    pub operation: String,
    pub broker: String,
    pub topic: String,
    pub count: usize,
    pub size: usize,
    pub lz4: bool,
    /// Messages in a batch, at most. Only ours is asked for that.
    pub batch_messages: Option<usize>,
}

impl Work {
    /// From the command line.
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let (words, batch_messages) = arguments.split_at(arguments.len().min(6));
        let ([operation, broker, topic, count, size, codec], [] | [_]) = (words, batch_messages) else {
            panic!("arguments: OPERATION BROKER TOPIC COUNT BYTES none|lz4 [BATCH_MESSAGES]")
        };
        let number = |text: &String| text.parse().expect("a number");
        let (count, size, batch_messages) = (number(count), number(size), batch_messages.first().map(number));
        let (operation, broker, topic) = (operation.clone(), broker.clone(), topic.clone());
        Self { operation, broker, topic, count, size, lz4: codec == "lz4", batch_messages }
    }

    /// A group that nobody else has.
    pub fn group(&self) -> String {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
        format!("peer-{}", since.as_nanos())
    }
}

/// Prints how many messages and bytes were read.
pub fn print_read(messages: usize, bytes: usize) {
    println!("read {messages} {bytes}");
}

/// Prints the median and the 99th percentile, in microseconds.
pub fn print_latencies(mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)].as_micros();
    println!("latency {} {}", at(50), at(99));
}
