//! What became of each item of a call, over all of its attempts.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::call::is_undone;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;

/// The latest word on each item: the broker's answer, or why there is none.
#[derive(Debug)]
pub(crate) struct Answers<A>(BTreeMap<SmolStr, Result<A>>);

impl<A> Answers<A> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes the answers of an attempt for the items that were `asked` for; returns those to be asked for again, and
    /// their codes. A name's first answer counts, and none of a name that was not asked for.
    pub(crate) fn handle_answers<'a>(
        &mut self,
        asked: impl Iterator<Item = &'a SmolStr>,
        answers: impl Iterator<Item = (SmolStr, A)>,
        code: impl Fn(&A) -> ErrorCode,
    ) -> BTreeMap<SmolStr, ErrorCode> {
        let (mut answered, mut undone) = (BTreeMap::new(), BTreeMap::new());
        for (name, answer) in answers {
            answered.entry(name).or_insert(answer);
        }
        // Each once, as one that is named twice is answered once.
        for name in asked.collect::<BTreeSet<_>>() {
            let answer = answered.remove(name).ok_or_else(|| Error::new(ErrorKind::NoAnswer).with_topic(name));
            if let Some(code) = answer.as_ref().map(&code).ok().filter(|code| is_undone(*code)) {
                undone.insert(name.clone(), code);
            }
            self.0.insert(name.clone(), answer);
        }
        undone
    }

    /// An attempt for the items that were `asked` for failed: that is theirs alone, where others have answers.
    ///
    /// # Errors
    /// The same, where there are no others.
    pub(crate) fn handle_failure<'a>(&mut self, asked: impl Iterator<Item = &'a SmolStr>, error: Error) -> Result<()> {
        asked.for_each(|name| drop(self.0.insert(name.clone(), Err(error.clone().with_topic(name)))));
        if self.0.values().any(Result::is_ok) { Ok(()) } else { Err(error) }
    }

    /// An outcome for each name, in that order; one that is named twice has the same twice over.
    pub(crate) fn outcomes<'a, T>(
        &self,
        names: impl Iterator<Item = &'a SmolStr>,
        read: impl Fn(&A) -> Result<T>,
    ) -> Vec<Outcome<T>> {
        let outcome = |name: &SmolStr| {
            let result = match self.0.get(name) {
                Some(Ok(answer)) => read(answer),
                Some(Err(error)) => Err(error.clone()),
                None => Err(Error::new(ErrorKind::NoAnswer).with_topic(name)),
            };
            Outcome::new(name.clone(), result)
        };
        names.map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_CONTROLLER: ErrorCode = ErrorCode::NOT_CONTROLLER;

    fn handle(answers: &mut Answers<i16>, asked: &[&str], answered: &[(&str, i16)]) -> Vec<SmolStr> {
        let asked: Vec<_> = asked.iter().map(SmolStr::new).collect();
        let answered = answered.iter().map(|(name, code)| (SmolStr::new(name), *code));
        answers.handle_answers(asked.iter(), answered, |code| ErrorCode(*code)).into_keys().collect()
    }

    /// Codes, and -2 for no answer.
    fn codes(answers: &Answers<i16>, names: &[&str]) -> Vec<i16> {
        let names: Vec<_> = names.iter().map(SmolStr::new).collect();
        let outcomes = answers.outcomes(names.iter(), |code| Ok(*code));
        outcomes.into_iter().map(|outcome| outcome.result.unwrap_or(-2)).collect()
    }

    #[test]
    fn each_name_has_an_outcome_in_its_place() {
        let mut answers = Answers::new();
        let undone = handle(&mut answers, &["a", "b", "c", "d", "b"], &[("b", 0), ("a", 41), ("c", 36)]);
        assert_eq!(undone, ["a"]);
        assert_eq!(codes(&answers, &["a", "b", "c", "d", "b"]), [41, 0, 36, -2, 0]);
    }

    #[test]
    fn a_first_answer_counts_and_none_that_was_not_asked_for() {
        let mut answers = Answers::new();
        assert!(handle(&mut answers, &["a"], &[("a", 0), ("a", NOT_CONTROLLER.0), ("x", 41)]).is_empty());
        assert_eq!(codes(&answers, &["a", "x"]), [0, -2]);
    }

    #[test]
    fn what_a_later_attempt_leaves_out_is_not_told_as_undone() {
        let mut answers = Answers::new();
        assert_eq!(handle(&mut answers, &["a"], &[("a", NOT_CONTROLLER.0)]), ["a"]);
        assert!(handle(&mut answers, &["a"], &[]).is_empty());
        assert_eq!(codes(&answers, &["a"]), [-2], "its fate is unknown");
    }

    #[test]
    fn an_attempt_that_fails_hides_no_answer() {
        let mut answers = Answers::new();
        let names = ["a", "b"].map(SmolStr::new);
        assert_eq!(handle(&mut answers, &["a", "b"], &[("a", NOT_CONTROLLER.0), ("b", 0)]), ["a"]);
        answers.handle_failure(names[..1].iter(), Error::new(ErrorKind::TimedOut)).unwrap();
        assert_eq!(codes(&answers, &["a", "b"]), [-2, 0]);
        let outcomes = answers.outcomes(names.iter(), |code| Ok(*code));
        assert_eq!(outcomes[0].result.as_ref().unwrap_err().kind(), &ErrorKind::TimedOut);
        assert!(Answers::<i16>::new().handle_failure(names.iter(), Error::new(ErrorKind::TimedOut)).is_err());
    }
}
