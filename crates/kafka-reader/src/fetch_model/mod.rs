//! Random schedules of fetching: a fetch session, positions and chunks against a broker that follows Kafka's rules
//! (KIP-227), over a network that loses requests and answers and hurts batches, while partitions come and go, sessions
//! are evicted, and topics are made anew.
//!
//! Whatever happens: what the broker fetches is what is wanted, no more and no less; of each partition exactly the records
//! that are visible are returned, in order, each once, and none after it was given up; and when it is over, all of them
//! were. Each rule is shown to be tested: with a bug planted that breaks it, the same schedules find it.

mod broker;
mod log;
mod world;

use self::world::World;
use crate::schedules;

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    IgnoreAbortedTransactions,
    ReturnAfterRevoke,
    TakeStaleAnswers,
    ForgetNothing,
    NameNothingTwice,
    PassCorruptBatches,
    ReturnBatchesFromTheirStart,
    KeepThePositionInANewTopic,
    CountLostAnswers,
}

const BUGS: [Bug; 9] = [
    Bug::IgnoreAbortedTransactions,
    Bug::ReturnAfterRevoke,
    Bug::TakeStaleAnswers,
    Bug::ForgetNothing,
    Bug::NameNothingTwice,
    Bug::PassCorruptBatches,
    Bug::ReturnBatchesFromTheirStart,
    Bug::KeepThePositionInANewTopic,
    Bug::CountLostAnswers,
];

#[test]
fn whatever_happens_each_visible_record_is_returned_once_and_in_order() {
    schedules::assert_hold(|seed| World::new(seed, None).run());
}

#[test]
fn planted_bugs_are_found_by_the_same_schedules() {
    for bug in BUGS {
        assert!(schedules::find(|seed| World::new(seed, Some(bug)).run()).is_some(), "{bug:?} was not found");
    }
}
