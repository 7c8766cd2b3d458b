//! What cannot be undone, worked out before it is done: a plan is a value that can be printed, and then be applied.
//!
//! ```text
//!   Admin::plan_…(what is asked) ── looks ──► plan ── printed, agreed to ──► Admin::apply_…_plan(&plan)
//! ```
//!
//! A plan does what it says, and no more: records that came later are kept, a topic that was made anew under the same
//! name is kept, an access control entry that a filter would match by now is kept.

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
