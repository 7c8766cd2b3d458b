//! Bugs that the model test plants, to see that it finds them. Outside of tests none ever is, and the checks for them
//! are compiled away.
//!
//! Sans-IO.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A second batch is sent before the broker knows the producer.
    OvertakeTheFirst,
    /// A batch that expires while it is in flight counts as not written.
    ExpiryIsDefinite,
    /// Several batches of a partition are in flight without sequence numbers.
    FiveWithoutNumbers,
    /// A partition that was idle counts from 0 again.
    ForgetTheCount,
    /// What was unknown of a batch is forgotten with its next definite failure.
    ForgetDoubt,
    /// A broken count starts again without a new epoch.
    KeepTheEpoch,
    /// A lost answer counts as a refusal.
    LossIsDefinite,
    /// A batch that may be in the log is sent again under a new epoch.
    ResendUnderANewEpoch,
    /// A new epoch begins while batches are in flight.
    RestartInFlight,
    /// Two batches have the same sequence numbers.
    ReuseASequence,
    /// `NOT_LEADER_OR_FOLLOWER` counts as a refusal (KAFKA-13574).
    SixIsDefinite,
    /// The second half of a batch that was split is sent last.
    SplitOvertakes,
}

#[cfg(not(test))]
pub(crate) const fn is_planted(_mutation: Mutation) -> bool {
    false
}

#[cfg(test)]
pub(crate) use planting::{is_planted, plant};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static PLANTED: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    pub(crate) fn is_planted(mutation: Mutation) -> bool {
        PLANTED.get() == Some(mutation)
    }

    /// Plants a bug in this thread, or none.
    pub(crate) fn plant(mutation: Option<Mutation>) {
        PLANTED.set(mutation);
    }
}
