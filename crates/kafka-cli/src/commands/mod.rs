//! The commands: one file for each.

pub(crate) mod acls;
pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod configs;
pub(crate) mod consume;
pub(crate) mod elect;
pub(crate) mod embedded;
pub(crate) mod groups;
pub(crate) mod logdirs;
pub(crate) mod offsets;
mod places;
mod plans;
pub(crate) mod produce;
pub(crate) mod quotas;
pub(crate) mod reassign;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod txn;
pub(crate) mod users;
