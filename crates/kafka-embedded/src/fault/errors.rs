//! The errors that are to be answered to one request.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use smol_str::SmolStr;

use crate::fault::FaultId;

/// Errors, each with what it is for, and whether it was answered.
#[derive(Debug, Default)]
pub(crate) struct InjectedErrors(Vec<Injected>);

#[derive(Debug)]
struct Injected {
    id: Option<FaultId>,
    topic: Option<SmolStr>,
    partition: Option<i32>,
    code: ErrorCode,
    used: bool,
}

impl InjectedErrors {
    pub(super) fn add(&mut self, id: Option<FaultId>, topic: Option<SmolStr>, partition: Option<i32>, code: ErrorCode) {
        self.0.push(Injected { id, topic, partition, code, used: false });
    }

    pub(crate) fn of_partition(&mut self, topic: &str, partition: i32) -> Option<ErrorCode> {
        self.first(|error| {
            error.topic.as_ref().is_none_or(|wanted| wanted == topic)
                && error.partition.is_none_or(|wanted| wanted == partition)
        })
    }

    pub(crate) fn of_topic(&mut self, topic: &str) -> Option<ErrorCode> {
        self.first(|error| error.partition.is_none() && error.topic.as_ref().is_none_or(|wanted| wanted == topic))
    }

    pub(crate) fn of_request(&mut self) -> Option<ErrorCode> {
        self.first(|error| error.topic.is_none() && error.partition.is_none())
    }

    /// The faults whose error was answered.
    pub(super) fn used(&self) -> impl Iterator<Item = FaultId> {
        self.0.iter().filter(|error| error.used).filter_map(|error| error.id)
    }

    fn first(&mut self, is_for: impl Fn(&Injected) -> bool) -> Option<ErrorCode> {
        let error = self.0.iter_mut().find(|error| is_for(error))?;
        error.used = true;
        Some(error.code)
    }
}
