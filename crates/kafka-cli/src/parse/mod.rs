//! What people type, read into what it means. Pure: one file for each kind of text.

pub(crate) mod choice;
pub(crate) mod duration;
pub(crate) mod escape;
pub(crate) mod format;
pub(crate) mod named;
pub(crate) mod pair;
pub(crate) mod partition;
pub(crate) mod place;
pub(crate) mod principal;
pub(crate) mod quota;
pub(crate) mod range;
pub(crate) mod resource;
pub(crate) mod topic;
