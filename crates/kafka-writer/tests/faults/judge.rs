//! What the writer said of each message, against the log.

use bytes::Bytes;
use kafka_writer::Fate;

/// What the writer said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written(Option<i64>),
    Failed(Fate),
}

/// How many messages were said to be what; the log agrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) written: usize,
    pub(crate) not_persisted: usize,
    pub(crate) possibly_persisted: usize,
}

/// A message says where it belongs.
pub(crate) fn value(partition: usize, number: usize) -> Bytes {
    format!("{partition}/{number}").into()
}

/// Compares, partition by partition.
pub(crate) fn judge(outcomes: &[Vec<Outcome>], log: &[Vec<Bytes>]) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    for (partition, (outcomes, log)) in outcomes.iter().zip(log).enumerate() {
        let mut records = log.iter().zip(0i64..).peekable();
        for (number, outcome) in outcomes.iter().enumerate() {
            // Whatever is doubled, out of order or misdirected stays in front, and is nobody's.
            let found = records.next_if(|(record, _)| **record == value(partition, number)).map(|(_, offset)| offset);
            match (outcome, found) {
                (Outcome::Written(told), Some(offset)) if told.is_none_or(|told| told == offset) => {
                    verdict.written += 1
                }
                (Outcome::Failed(Fate::NotPersisted), None) => verdict.not_persisted += 1,
                (Outcome::Failed(Fate::PossiblyPersisted), _) => verdict.possibly_persisted += 1,
                _ => {
                    let next = records.peek();
                    return Err(format!(
                        "message {partition}/{number} is {outcome:?}, found at {found:?}; next is {next:?}"
                    ));
                }
            }
        }
        if let Some((record, offset)) = records.next() {
            return Err(format!("partition {partition} has {record:?} at {offset}, which belongs elsewhere"));
        }
    }
    Ok(verdict)
}

impl Verdict {
    pub(crate) fn add(&mut self, other: &Self) {
        self.written += other.written;
        self.not_persisted += other.not_persisted;
        self.possibly_persisted += other.possibly_persisted;
    }
}
