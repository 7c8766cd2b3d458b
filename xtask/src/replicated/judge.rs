//! What was sent, what the writer said of it, and whether the log agrees.
//!
//! Sans-IO.

use std::fmt;

use bytes::Bytes;
use kafka_writer::Fate;

use crate::suite::Failure;

/// What the writer said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is written, at this offset if the broker told.
    Written(Option<i64>),
    Failed(Fate),
}

/// What the writer said of each message: of each partition, in the order of sending.
pub(crate) type Outcomes = Vec<Vec<Outcome>>;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: usize,
    pub(crate) offset: i64,
    pub(crate) value: String,
}

/// How the log and what the writer said differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) written: usize,
    /// Messages that failed, and are not in the log for certain.
    pub(crate) not_persisted: usize,
    /// Messages that failed, and may be in the log.
    pub(crate) possibly_persisted: usize,
    /// Written, says the writer, and not in the log.
    lost: usize,
    /// In the log more than once.
    doubled: usize,
    /// Behind a message that was sent later.
    reordered: usize,
    /// Not what anybody sent, or not to this place.
    misdirected: usize,
    /// At another offset than the writer was told.
    misplaced: usize,
    /// Not in the log for certain, says the writer, and there.
    refuted: usize,
    /// The first thing that is wrong.
    first: Option<String>,
}

/// The value of a message: where it belongs, its number there, the checksum of those, and some text.
pub(crate) fn value(topic: &str, partition: usize, number: usize) -> Bytes {
    const TEXT: &str = "a message of ours, as long as the other ones are";
    let place = format!("{topic}/{partition}/{number}");
    let checksum = crc32fast::hash(format!("{place} {TEXT}").as_bytes());
    format!("{place} {TEXT} {checksum:08x}").into()
}

/// The number of a message that somebody sent to this place; `None` for any other value.
fn number(topic: &str, found: &Found) -> Option<usize> {
    let number = found.value.split([' ', '/']).nth(2)?.parse().ok()?;
    (value(topic, found.partition, number) == found.value.as_bytes()).then_some(number)
}

/// Compares the whole log of a topic, each partition in the order of its offsets, with what became of its messages.
pub(crate) fn judge(topic: &str, outcomes: &Outcomes, log: &[Found]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut offsets: Vec<Vec<Option<i64>>> = outcomes.iter().map(|sent| vec![None; sent.len()]).collect();
    let mut last = vec![None; outcomes.len()];
    for found in log {
        let place = number(topic, found).and_then(|number| {
            let offset = offsets.get_mut(found.partition)?.get_mut(number)?;
            Some((number, offset))
        });
        let Some((number, offset)) = place else {
            verdict.misdirected += 1;
            verdict.first.get_or_insert_with(|| format!("nobody sent this there: {found:?}"));
            continue;
        };
        if let Some(before) = offset.replace(found.offset) {
            verdict.doubled += 1;
            verdict.first.get_or_insert_with(|| format!("already at offset {before}: {found:?}"));
        }
        if last[found.partition].replace(number).is_some_and(|last| last > number) {
            verdict.reordered += 1;
            verdict.first.get_or_insert_with(|| format!("behind a later one: {found:?}"));
        }
    }
    for (partition, (sent, offsets)) in outcomes.iter().zip(&offsets).enumerate() {
        for (number, (outcome, offset)) in sent.iter().zip(offsets).enumerate() {
            verdict.compare(*outcome, *offset, || format!("partition {partition}, message {number}"));
        }
    }
    verdict
}

impl Verdict {
    fn compare(&mut self, outcome: Outcome, found: Option<i64>, which: impl Fn() -> String) {
        let wrong = match (outcome, found) {
            (Outcome::Written(_), None) => &mut self.lost,
            (Outcome::Written(Some(told)), Some(found)) if told != found => &mut self.misplaced,
            (Outcome::Failed(Fate::NotPersisted), Some(_)) => &mut self.refuted,
            (Outcome::Written(_), _) => return self.written += 1,
            (Outcome::Failed(Fate::NotPersisted), None) => return self.not_persisted += 1,
            (Outcome::Failed(Fate::PossiblyPersisted), _) => return self.possibly_persisted += 1,
        };
        *wrong += 1;
        self.first.get_or_insert_with(|| format!("{}: {outcome:?}, and in the log at {found:?}", which()));
    }

    /// Fails where the log contradicts the writer.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Self { lost, doubled, reordered, misdirected, misplaced, refuted, .. } = self;
        match lost + doubled + reordered + misdirected + misplaced + refuted {
            0 => Ok(()),
            _ => Err(self.to_string().into()),
        }
    }

    /// The same, and fails too where a message did.
    pub(crate) fn check_all_written(&self) -> Result<(), Failure> {
        self.check()?;
        if self.failed() == 0 { Ok(()) } else { Err(self.to_string().into()) }
    }

    /// How many messages failed.
    pub(crate) fn failed(&self) -> usize {
        self.not_persisted + self.possibly_persisted
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, lost, doubled, reordered, misdirected, misplaced, refuted, .. } = self;
        write!(f, "{written} written, {} failed ({} for certain)", self.failed(), self.not_persisted)?;
        write!(f, "; {lost} lost, {doubled} doubled, {reordered} out of order, {misdirected} misdirected")?;
        write!(f, ", {misplaced} at another offset, {refuted} there that are said not to be")?;
        self.first.iter().try_for_each(|first| write!(f, "\n    first: {first}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(places: &[(usize, i64, usize)]) -> Vec<Found> {
        let text = |partition, number| String::from_utf8(value("t", partition, number).to_vec()).unwrap();
        places
            .iter()
            .map(|(partition, offset, number)| Found {
                partition: *partition,
                offset: *offset,
                value: text(*partition, *number),
            })
            .collect()
    }

    const WRITTEN: Outcome = Outcome::Written(None);

    #[test]
    fn a_log_that_agrees_is_good() {
        let outcomes = vec![
            vec![Outcome::Written(Some(0)), Outcome::Failed(Fate::NotPersisted), WRITTEN],
            vec![Outcome::Failed(Fate::PossiblyPersisted), Outcome::Failed(Fate::PossiblyPersisted)],
        ];
        let verdict = judge("t", &outcomes, &log(&[(0, 0, 0), (0, 1, 2), (1, 0, 1)]));
        verdict.check().unwrap();
        assert_eq!((verdict.written, verdict.not_persisted, verdict.possibly_persisted), (2, 1, 2));
        verdict.check_all_written().unwrap_err();
    }

    #[test]
    fn each_way_to_differ_is_told() {
        let two = vec![vec![WRITTEN, WRITTEN]];
        let count = |outcomes: &Outcomes, places: &[(usize, i64, usize)]| {
            let verdict = judge("t", outcomes, &log(places));
            verdict.check().unwrap_err();
            [verdict.lost, verdict.doubled, verdict.reordered, verdict.misdirected, verdict.misplaced, verdict.refuted]
        };
        assert_eq!(count(&two, &[(0, 0, 0)]), [1, 0, 0, 0, 0, 0]);
        assert_eq!(count(&two, &[(0, 0, 0), (0, 1, 1), (0, 2, 1)]), [0, 1, 0, 0, 0, 0]);
        assert_eq!(count(&two, &[(0, 0, 1), (0, 1, 0)]), [0, 0, 1, 0, 0, 0]);
        assert_eq!(count(&two, &[(0, 0, 0), (0, 1, 1), (0, 2, 2)]), [0, 0, 0, 1, 0, 0]);
        assert_eq!(count(&vec![vec![Outcome::Written(Some(1))]], &[(0, 0, 0)]), [0, 0, 0, 0, 1, 0]);
        assert_eq!(count(&vec![vec![Outcome::Failed(Fate::NotPersisted)]], &[(0, 0, 0)]), [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn what_was_hurt_or_went_elsewhere_is_misdirected() {
        let outcomes = vec![vec![WRITTEN], vec![WRITTEN]];
        let mut found = log(&[(0, 0, 0), (1, 0, 0)]);
        found.swap(0, 1);
        (found[0].partition, found[1].partition) = (0, 1);
        assert_eq!(judge("t", &outcomes, &found).misdirected, 2);
        assert_eq!(judge("other", &outcomes, &log(&[(0, 0, 0)])).misdirected, 1);
        let mut hurt = log(&[(0, 0, 0)]);
        hurt[0].value = hurt[0].value.replace("ours", "hers");
        assert_eq!(judge("t", &outcomes, &hurt).misdirected, 1);
    }
}
