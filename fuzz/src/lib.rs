//! The bodies of the fuzz targets, and how their corpora are kept.

pub mod bodies;
pub mod packed;
pub mod seeds;
