//! What each item of a request failed with that no broker answered for.

use std::collections::HashMap;

use kafka_conn::{CallOptions, Failure, Item, SendOptions};
use kafka_protocol::Request;
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::TopicPartition;

/// Failures by item.
#[derive(Debug)]
pub(crate) struct Failures(HashMap<Item, kafka_conn::Error>);

impl Failures {
    /// Why there is no answer for a partition.
    pub(crate) fn partition(&self, TopicPartition { topic, partition }: &TopicPartition) -> Error {
        self.of(&Item::Partition { topic: topic.clone(), partition: *partition })
    }

    /// Why there is no answer for a group.
    pub(crate) fn group(&self, id: &SmolStr) -> Error {
        self.of(&Item::Group(id.clone()))
    }

    /// Why there is no answer for a transactional id.
    pub(crate) fn transaction(&self, id: &SmolStr) -> Error {
        self.of(&Item::TransactionalId(id.clone()))
    }

    /// Why there is no answer for what has configurations.
    pub(crate) fn resource(&self, kind: i8, name: &SmolStr) -> Error {
        self.of(&Item::Resource { kind, name: name.clone() })
    }

    fn of(&self, item: &Item) -> Error {
        let failure = self.0.get(item).or_else(|| self.0.get(&Item::Whole));
        failure.cloned().map_or_else(|| Error::new(ErrorKind::NoAnswer), Error::from)
    }
}

impl Admin {
    /// Sends a request to where it belongs, split between brokers where that is several; the answer is merged.
    pub(crate) async fn send<R: Request>(&self, request: &R) -> Result<(R::Response, Failures)> {
        self.send_with(request, CallOptions::default()).await
    }

    /// The same, to brokers with at least this version only: to others, the request would mean something else.
    pub(crate) async fn send_from<R: Request>(&self, least: i16, request: &R) -> Result<(R::Response, Failures)> {
        self.send_with(request, CallOptions { min_version: Some(least), ..CallOptions::default() }).await
    }

    /// Sends a request that is about one thing to where it belongs, in versions within the limits.
    pub(crate) async fn call_with<R: Request>(&self, request: &R, call: CallOptions) -> Result<R::Response> {
        let options = SendOptions { call, ..SendOptions::default() };
        Ok(self.client().send_with(request, options).await?.complete()?)
    }

    async fn send_with<R: Request>(&self, request: &R, call: CallOptions) -> Result<(R::Response, Failures)> {
        let options = SendOptions { call, ..SendOptions::default() };
        let (response, failures) = self.client().send_with(request, options).await?.into_parts();
        Ok((response, Failures(failures.into_iter().map(|Failure { item, error }| (item, error)).collect())))
    }
}
