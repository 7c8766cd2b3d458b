//! The commands: one file for each.

pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod configs;
pub(crate) mod consume;
pub(crate) mod embedded;
pub(crate) mod groups;
pub(crate) mod offsets;
mod places;
pub(crate) mod produce;
pub(crate) mod topics;
