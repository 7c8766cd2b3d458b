//! What people read on standard error: errors with their causes, each said once, and what to do about them.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use kafka_conn::ErrorKind;
use kafka_embedded::StartError;
use kafka_protocol::ErrorCode;

use crate::connect::SetupError;
use crate::exit::Outcome;
use crate::parse::topic::is_plain;

/// Reports an error and, where one is known, the command that helps.
pub(crate) fn error(error: &(dyn StdError + 'static)) {
    line(format_args!("error: {}", chain(plainest(error))));
    if let Some(tip) = tip(error) {
        line(format_args!("  tip: {tip}"));
    }
}

/// Says of each item what was done with it, or what went wrong.
pub(crate) fn each<T, K>(items: &[kafka_admin::Outcome<T, K>], done: impl Fn(&K) -> String) -> Outcome {
    for item in items {
        match &item.result {
            Ok(_) => line(format_args!("{}", done(&item.item))),
            Err(failed) => error(failed),
        }
    }
    if items.iter().all(kafka_admin::Outcome::is_ok) { Outcome::Complete } else { Outcome::Incomplete }
}

/// The items that something is known of. The others are reported, and make the outcome incomplete.
pub(crate) fn known<T, K>(items: Vec<kafka_admin::Outcome<T, K>>, outcome: &mut Outcome) -> Vec<(K, T)> {
    let mut known = Vec::with_capacity(items.len());
    for item in items {
        match item.result {
            Ok(result) => known.push((item.item, result)),
            Err(failed) => {
                error(&failed);
                *outcome = Outcome::Incomplete;
            }
        }
    }
    known
}

/// Reports what brokers did not answer, which makes the outcome incomplete.
pub(crate) fn missing(errors: &[kafka_admin::Error], outcome: &mut Outcome) {
    for failed in errors {
        error(failed);
        *outcome = Outcome::Incomplete;
    }
}

/// Reports an error that may pass, and ends nothing.
pub(crate) fn trying_on(error: &(dyn StdError + 'static)) {
    line(format_args!("warning, trying on: {}", chain(error)));
}

/// Reports something that is not data.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut stderr = stderr().lock();
    let over = if IN_PROGRESS.swap(false, Ordering::Relaxed) { WIPE } else { "" };
    // Where nobody reads what went wrong, there is nobody to tell that either.
    let _closed = writeln!(stderr, "{over}{text}");
}

/// Shows a line on a terminal that the next one is written over.
pub(crate) fn progress(text: &str) {
    let mut stderr = stderr().lock();
    IN_PROGRESS.store(true, Ordering::Relaxed);
    let _closed = write!(stderr, "{WIPE}{text}").and_then(|()| stderr.flush());
}

/// The error's text and those of its causes, without what was said already: many errors quote what lies beneath.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Many things of one sort: `1 message`, `2 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// What says it all by itself: that something does not exist is no matter of who was asked, and for what.
fn plainest<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let is_plain = |cause: &&'a (dyn StdError + 'static)| {
        let kind = cause.downcast_ref::<kafka_conn::Error>().map(kafka_conn::Error::kind);
        matches!(kind, Some(ErrorKind::UnknownTopic | ErrorKind::UnknownPartition))
    };
    causes(error).find(is_plain).unwrap_or(error)
}

/// What to type, where that is known.
fn tip(error: &(dyn StdError + 'static)) -> Option<String> {
    causes(error).find_map(|cause| {
        let of_connection = || tip_of_connection(cause.downcast_ref()?);
        let of_embedded = || tip_of_embedded(cause.downcast_ref()?);
        let of_setup = || tip_of_setup(cause.downcast_ref()?);
        let of_admin = || tip_of_admin(cause.downcast_ref()?);
        of_connection().or_else(of_embedded).or_else(of_setup).or_else(of_admin)
    })
}

fn tip_of_connection(error: &kafka_conn::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::UnknownTopic => Some(format!("to create it: kafka topics create {}", topic(error)?)),
        ErrorKind::UnknownPartition => Some(format!("to see those there are: kafka topics describe {}", topic(error)?)),
        ErrorKind::UnprotectedCredentials { .. } => {
            Some("to encrypt: --tls; where nobody else sees the traffic: --sasl-unencrypted".to_owned())
        }
        _ => None,
    }
}

fn tip_of_admin(error: &kafka_admin::Error) -> Option<String> {
    let is_open = error.code() == Some(ErrorCode::SECURITY_DISABLED);
    is_open.then(|| "access rules need brokers with authorizer.class.name".to_owned())
}

fn tip_of_embedded(error: &StartError) -> Option<String> {
    let is_taken = matches!(error, StartError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse);
    is_taken.then(|| "to take any free port: --listen 127.0.0.1:0".to_owned())
}

fn tip_of_setup(error: &SetupError) -> Option<String> {
    let is_lost = matches!(error, SetupError::NoBrokers);
    is_lost.then(|| "where no cluster is, `kafka embedded` runs one in memory, at localhost:9092".to_owned())
}

/// The topic of an error, to be typed. Names that need quotes are no topics' names.
fn topic(error: &kafka_conn::Error) -> Option<&str> {
    error.context().topic.as_deref().filter(|topic| is_plain(topic))
}

/// The error and what lies beneath, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MAX_CAUSES)
}

/// Whether the terminal shows a line that is to be written over.
static IN_PROGRESS: AtomicBool = AtomicBool::new(false);
/// Back to the beginning of the line, and clears it.
const WIPE: &str = "\r\x1b[K";
/// Deeper than any there are; an error that is its own cause ends here.
const MAX_CAUSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn causes_are_told_once() {
        let address = "one".parse().unwrap();
        let refused = kafka_conn::Error::connect(&address, io::ErrorKind::ConnectionRefused.into());
        let text = chain(&Error::from(refused.clone()));
        assert_eq!(text, refused.to_string());
        let input = Error::Input(io::Error::other("no disk"));
        assert_eq!(chain(&input), "standard input cannot be read: no disk");
    }

    #[test]
    fn what_does_not_exist_is_told_by_itself() {
        let unknown = kafka_conn::Error::new(ErrorKind::UnknownPartition).with_topic("t");
        let wrapped = Error::from(unknown.clone());
        assert_eq!(plainest(&wrapped).to_string(), unknown.to_string());
        assert_eq!(tip(&wrapped).as_deref(), Some("to see those there are: kafka topics describe t"));
        let other = Error::Input(io::Error::other("no disk"));
        assert_eq!(plainest(&other).to_string(), other.to_string());
    }

    #[test]
    fn an_unknown_topic_is_easily_made() {
        let unknown = |topic: &str| Error::from(kafka_conn::Error::new(ErrorKind::UnknownTopic).with_topic(topic));
        assert_eq!(tip(&unknown("a.b")).as_deref(), Some("to create it: kafka topics create a.b"));
        assert_eq!(tip(&unknown("a; b")), None);
        assert_eq!(tip(&Error::from(kafka_conn::Error::new(ErrorKind::NotKafka))), None);
        let plain = kafka_conn::Error::new(ErrorKind::UnprotectedCredentials { mechanism: "PLAIN".into() });
        assert!(tip(&Error::from(plain)).unwrap().contains("--sasl-unencrypted"));
    }

    #[test]
    fn one_and_many() {
        assert_eq!((count(1, "message"), count(0, "message")), ("1 message".to_owned(), "0 messages".to_owned()));
    }
}
