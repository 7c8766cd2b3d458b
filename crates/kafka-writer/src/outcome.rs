//! What each error code means for the batch that a broker answers with it.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;

use crate::error::Fate;
use crate::mutation::{Mutation, is_planted};

/// What a broker's answer says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was appended, now or, as a recognised duplicate, by an earlier attempt.
    Written,
    /// It was not, or nobody knows.
    Failed {
        remedy: Remedy,
        /// What this attempt may have left in the log.
        fate: Fate,
        /// Whether what is known of the topic is stale.
        refresh: bool,
    },
}

/// What helps against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same batch again, after a pause.
    Retry,
    /// The same batch again once those before it are settled; where it is the first, its partition starts a new epoch.
    Order,
    /// A producer id of our own: the broker knows a younger owner of this one.
    Identity,
    /// Halves.
    Split,
    /// Nothing.
    Nothing,
}

/// Reads an error code. The table of them all is in `produce-errors.md`, and a test holds it against this.
pub(crate) fn outcome(code: ErrorCode) -> Outcome {
    use ErrorCode as Code;
    let remedy = match code {
        Code::NONE | Code::DUPLICATE_SEQUENCE_NUMBER => return Outcome::Written,
        Code::OUT_OF_ORDER_SEQUENCE_NUMBER | Code::UNKNOWN_PRODUCER_ID => Remedy::Order,
        Code::INVALID_PRODUCER_EPOCH | Code::INVALID_PRODUCER_ID_MAPPING | Code::PRODUCER_FENCED => Remedy::Identity,
        Code::MESSAGE_TOO_LARGE | Code::RECORD_LIST_TOO_LARGE => Remedy::Split,
        code if code.is_retriable() => Remedy::Retry,
        _ => Remedy::Nothing,
    };
    Outcome::Failed { remedy, fate: fate(code), refresh: code.needs_metadata_refresh() }
}

/// A leader appends first and then waits for the replicas: it may have appended what it did not see replicated (7, 20),
/// or what it held when it ceased to lead (6, KAFKA-13574). An error that it did not expect (-1), or one of its disk
/// (56), says nothing of how far it came, nor does one that is newer than this client. Everything else is refused
/// before the append.
fn fate(code: ErrorCode) -> Fate {
    match code {
        ErrorCode::NOT_LEADER_OR_FOLLOWER if is_planted(Mutation::SixIsDefinite) => Fate::NotPersisted,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::REQUEST_TIMED_OUT
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::UNKNOWN_SERVER_ERROR
        | ErrorCode::KAFKA_STORAGE_ERROR => Fate::PossiblyPersisted,
        code if code.name().is_none() => Fate::PossiblyPersisted,
        _ => Fate::NotPersisted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../produce-errors.md");

    /// The row of a code, as the documentation has it.
    fn row(code: ErrorCode) -> String {
        let name = code.name().unwrap_or("any other");
        let number = if code.name().is_some() { code.0.to_string() } else { "–".to_owned() };
        let (what, after) = match outcome(code) {
            Outcome::Written if code == ErrorCode::NONE => ("written", "in the log"),
            Outcome::Written => ("written, by an earlier attempt; its offset is not known", "in the log"),
            Outcome::Failed { remedy, fate, refresh } => {
                let what = match (remedy, refresh) {
                    (Remedy::Retry, false) => "sent again after a pause",
                    (Remedy::Retry, true) => "sent again after a pause, with fresh metadata",
                    (Remedy::Order, _) => "sent again behind those before it; the first one starts a new epoch",
                    (Remedy::Identity, _) => "sent again with a new producer id",
                    (Remedy::Split, _) => "split and sent again; fails if it is a single message",
                    (Remedy::Nothing, false) => "fails",
                    (Remedy::Nothing, true) => "fails, with fresh metadata for the next",
                };
                (what, if fate == Fate::NotPersisted { "not persisted" } else { "possibly persisted" })
            }
        };
        format!("| {number} | `{name}` | {what} | {after} |").replace("`any other`", "any other")
    }

    #[test]
    fn every_code_does_what_its_row_says() {
        let known = (-1..1000).map(ErrorCode).filter(|code| code.name().is_some());
        let rows: Vec<_> = known.chain([ErrorCode(9999)]).map(row).collect();
        let documented: Vec<_> = TABLE.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        for (ours, documented) in rows.iter().zip(&documented) {
            assert_eq!(ours, documented);
        }
        assert_eq!(rows.len(), documented.len(), "{}", rows.join("\n"));
    }
}
