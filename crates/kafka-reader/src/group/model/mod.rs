//! Random schedules on virtual time: members against a coordinator that follows Kafka's rules, over a network that loses
//! requests and answers, with crashes, freezes and moves of the coordinator.
//!
//! Whatever happens: no partition is processed by two members of one generation; nobody commits for a partition that it
//! was not assigned; no commit goes back, or ahead of what was processed; and when it is over, everything is processed
//! and committed. Each rule is shown to be tested: with a bug planted that breaks it, the same schedules find it.

mod broker;
mod client;
mod world;

use std::time::Duration;

use self::world::World;
use crate::schedules;

const PARTITIONS: i32 = 4;
/// Messages in each partition.
const END: i64 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    CommitBeforeProcessing,
    ProcessAfterRevoke,
    ProcessAfterLoss,
    StartAtTheEnd,
    StartWhereItOnceWas,
    CommitAfterLoss,
    GiveUpWithoutStopping,
    SkipWhenRefused,
    BelieveEveryCommit,
    CommitTwiceAsFar,
    CommitWithoutGeneration,
}

const BUGS: [Bug; 11] = [
    Bug::CommitBeforeProcessing,
    Bug::ProcessAfterRevoke,
    Bug::ProcessAfterLoss,
    Bug::StartAtTheEnd,
    Bug::StartWhereItOnceWas,
    Bug::CommitAfterLoss,
    Bug::GiveUpWithoutStopping,
    Bug::SkipWhenRefused,
    Bug::BelieveEveryCommit,
    Bug::CommitTwiceAsFar,
    Bug::CommitWithoutGeneration,
];

#[test]
fn whatever_happens_everything_is_processed_and_nothing_by_two() {
    schedules::assert_hold(|seed| World::new(seed, None).run());
}

#[test]
fn planted_bugs_are_found_by_the_same_schedules() {
    for bug in BUGS {
        assert!(schedules::find(|seed| World::new(seed, Some(bug)).run()).is_some(), "{bug:?} was not found");
    }
}
