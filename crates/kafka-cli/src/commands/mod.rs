//! The commands: one file for each.

pub(crate) mod consume;
pub(crate) mod embedded;
pub(crate) mod produce;
pub(crate) mod topics;
