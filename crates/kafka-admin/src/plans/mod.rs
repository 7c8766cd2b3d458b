//! What cannot be undone, worked out before it is done: a plan is a value that can be printed, and then be applied.
//!
//! ```text
//!   Admin::plan_…(what is asked) ── looks ──► plan ── printed, agreed to ──► Admin::apply_…_plan(&plan)
//! ```
//!
//! Applied, a plan keeps what came after it where Kafka lets it: topics go by their ids, so one that was made anew under
//! the same name is kept; access control entries go one by one, so one that a filter would match by now is kept; records
//! go up to an offset, so later ones are kept. Kafka knows groups, and the topics of records and of moves, by their names
//! only: what a group committed since is forgotten with the rest, and where a group or a topic was made anew under the
//! name, it is that one that is deleted, trimmed or moved.

pub(crate) mod acls;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod reassignments;
pub(crate) mod records;
pub(crate) mod topics;

use std::fmt;

/// Puts each item on a line of its own.
fn lines<I: fmt::Display>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = I>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        let end = if index == 0 { "" } else { "\n" };
        write!(f, "{end}{item}")?;
    }
    Ok(())
}
