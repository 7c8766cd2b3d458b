//! A request's circumstances: where it came in, from whom, in which version.
//!
//! Sans-IO.

use kafka_protocol::{ApiKey, ErrorCode};
use smol_str::SmolStr;

use crate::fault::InjectedErrors;

/// What a handler knows of a request beside its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: SmolStr,
    pub(crate) client_host: SmolStr,
    /// The broker that was asked.
    pub(crate) broker: i32,
    /// Errors that a test wants answered.
    pub(crate) injected: InjectedErrors,
}

impl Call {
    /// The error that is to be answered for a partition, if any.
    pub(crate) fn injected(&mut self, topic: &str, partition: i32) -> Option<ErrorCode> {
        self.injected.of_partition(topic, partition)
    }

    /// The error that is to be answered for a topic as a whole.
    pub(crate) fn injected_topic(&mut self, topic: &str) -> Option<ErrorCode> {
        self.injected.of_topic(topic)
    }

    /// The error that is to be answered for the request as a whole.
    pub(crate) fn injected_whole(&mut self) -> Option<ErrorCode> {
        self.injected.of_request()
    }
}
