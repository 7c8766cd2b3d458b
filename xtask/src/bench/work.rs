//! What is measured: so many messages, of a size, written or read, compressed or not.

use std::fmt;

/// What a program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Produce,
    Consume,
    /// One message after the other, each awaited.
    Latency,
}

/// So many messages of a size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) operation: Operation,
    pub(super) count: usize,
    pub(super) size: usize,
    pub(super) codec: Codec,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Lz4,
}

/// A row of the table, and what part of the best peer's time ours may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) work: Work,
    pub(super) goal: f64,
}

impl Row {
    pub(super) const ALL: [Self; 8] = [
        Self::new(Operation::Produce, 2_000_000, 100, Codec::None, 0.40),
        Self::new(Operation::Produce, 500_000, 1000, Codec::None, 0.50),
        Self::new(Operation::Produce, 500_000, 1000, Codec::Lz4, 0.80),
        Self::new(Operation::Produce, 2_000_000, 100, Codec::Lz4, 0.60),
        Self::new(Operation::Consume, 2_000_000, 100, Codec::None, 0.50),
        Self::new(Operation::Consume, 500_000, 1000, Codec::None, 0.80),
        Self::new(Operation::Consume, 500_000, 1000, Codec::Lz4, 0.80),
        Self::new(Operation::Consume, 2_000_000, 100, Codec::Lz4, 0.60),
    ];

    const fn new(operation: Operation, count: usize, size: usize, codec: Codec, goal: f64) -> Self {
        Self { work: Work { operation, count, size, codec }, goal }
    }

    /// The same with this part of the messages, at least one thousand.
    pub(super) fn scaled(self, part: f64) -> Self {
        let count = ((self.work.count as f64 * part) as usize).max(1000);
        Self { work: Work { count, ..self.work }, ..self }
    }
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Latency => "latency",
        }
    }
}

impl Codec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, count, size, codec } = self;
        write!(f, "{} {count} x {size} B", operation.name())?;
        if *codec == Codec::Lz4 { f.write_str(" lz4") } else { Ok(()) }
    }
}
