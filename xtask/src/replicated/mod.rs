//! What three real brokers, and the network before them, do to our clients.
//!
//! ```text
//!  Load (paced, numbered messages) ──▶ Writer ──▶ Proxy, where asked ──▶ Brokers ◀── blow: kill, terminate, freeze
//!    │ Outcome of each message                                             │
//!    ▼                                                                     ▼
//!  judge: nothing lost, doubled, out of order, misdirected ◀── Found ── LogReader (Java's consumer)
//! ```
//!
//! Short forms of all of it are scenarios of `cargo xtask test`, on a cluster of their own; long ones, with figures and
//! Java's producer beside ours, are `cargo xtask soak`.

mod blow;
mod brokers;
mod closest;
mod gaps;
mod groups;
mod java;
mod judge;
mod load;
mod soak;
mod truncation;
mod writer;

use crate::suite::Scenario;

pub(crate) use groups::rolling_restart;
pub(crate) use soak::WriterSoak;

/// The scenarios for a cluster of three brokers.
pub(crate) fn scenarios() -> Vec<(String, Scenario)> {
    let mut all = writer::scenarios();
    all.extend(truncation::scenarios());
    all.extend(closest::scenarios());
    all.extend(groups::scenarios());
    all.extend(brokers::scenarios());
    all
}
