//! The commands: one file for each.

pub(crate) mod bench;
pub(crate) mod consume;
pub(crate) mod embedded;
pub(crate) mod produce;
pub(crate) mod topics;
