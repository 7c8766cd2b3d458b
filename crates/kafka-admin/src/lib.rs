//! Administering a Kafka cluster: one file per noun, a typed answer per item.
//!
//! ```text
//!  Admin::create_topics(…) ── request ──► Transport ──► controller ── answer ──► an Outcome for each topic
//!        ▲                                                             │
//!        └──────── the items that another controller must do ◄─────────┘ within the timeout
//! ```
//!
//! Where many things are asked at once, each has an [`Outcome`] of its own: one failure does not hide the others. A whole
//! call fails only where nothing is known of any of them: no broker could be asked, or none answered.
//!
//! This crate keeps no state between calls, and never makes a call again that may have taken effect.

mod admin;
mod answers;
mod attempts;
mod error;
mod outcome;
mod topics;

pub use admin::Admin;
pub use error::{Error, ErrorContext, ErrorKind, Result};
pub use outcome::Outcome;
pub use topics::{Apply, CreateTopicsOptions, CreatedTopic, DeleteTopicsOptions, NewTopic, Replicas, TopicListing};
