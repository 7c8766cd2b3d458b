//! Consumer groups: members, what they have, what they commit.
//!
//! ```text
//!  ConsumerGroup ◄── events ── Task ── drives ──► Membership (sans-IO): join, sync, heartbeat, leave
//!       └───────── commands ───►└────── drives ──► Commits (sans-IO): marked, on their way, committed
//! ```

mod activity;
mod calls;
mod commits;
mod config;
mod consumer_group;
mod event;
mod generation;
mod membership;
#[cfg(test)]
mod model;
mod task;

pub(crate) use activity::{Activity, Waiting};
pub use commits::CommitOffset;
pub use config::GroupConfig;
pub(crate) use consumer_group::highest;
pub use consumer_group::{CommitHandle, Committing, ConsumerGroup};
pub use event::{AssignedPartition, GroupEvent, Revoked};
pub use generation::{Ended, Generation, Generations};
pub use membership::LostReason;
