//! Metrics of clients that brokers ask for (KIP-714): what they want, and giving it to them.
//!
//! What they want is set with [`ConfigResource::client_metrics`](crate::ConfigResource::client_metrics). The metrics
//! themselves, in OpenTelemetry's format, are the caller's.

use std::time::Duration;

use bytes::Bytes;
use kafka_conn::Route;
use kafka_protocol::Uuid;
use kafka_protocol::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use kafka_protocol::messages::push_telemetry::PushTelemetryRequest;
use kafka_protocol::records::Compression;
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::{Attempts, duration};
use crate::error::{Error, Result};

/// Which metrics brokers want of a client, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySubscription {
    /// The client instance's id, which the broker gave it or which it had.
    pub client_instance_id: Uuid,
    /// Which set of metrics this is: pushes name it, and are refused once brokers want another.
    pub id: i32,
    /// Prefixes of the names of wanted metrics; one empty prefix stands for all of them, and no prefix for none.
    pub metrics: Vec<SmolStr>,
    /// The codecs that the broker takes, the preferred first. No compression is always taken.
    pub compressions: Vec<Compression>,
    /// How often to push.
    pub push_interval: Duration,
    /// How many bytes a push may have.
    pub max_bytes: usize,
    /// What sums count from.
    pub temporality: TelemetryTemporality,
}

/// What the sums of metrics count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelemetryTemporality {
    /// From the last push on.
    Delta,
    /// From the beginning.
    Cumulative,
}

/// Metrics of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPush {
    /// The client instance.
    pub client_instance_id: Uuid,
    /// The set of metrics: [`TelemetrySubscription::id`].
    pub subscription_id: i32,
    /// `MetricsData` of OpenTelemetry's protocol, version 0.19, compressed with `compression`.
    pub metrics: Bytes,
    /// How they are compressed.
    pub compression: Compression,
    /// Whether the client ends, and this is its last push.
    pub is_last: bool,
}

impl TelemetryPush {
    /// Metrics that are not compressed, for a subscription.
    pub fn new(subscription: &TelemetrySubscription, metrics: impl Into<Bytes>) -> Self {
        Self {
            client_instance_id: subscription.client_instance_id,
            subscription_id: subscription.id,
            metrics: metrics.into(),
            compression: Compression::None,
            is_last: false,
        }
    }
}

impl Admin {
    /// What brokers want to know of a client instance; `None` for a new one, which is given an id
    /// (GetTelemetrySubscriptions). Brokers without a reporter for the metrics of clients do not offer it.
    ///
    /// # Errors
    /// [`NotOffered`](crate::ErrorKind::NotOffered), [`Broker`](crate::ErrorKind::Broker) with
    /// `THROTTLING_QUOTA_EXCEEDED` where it is asked too often, [`Connection`](crate::ErrorKind::Connection).
    pub async fn telemetry_subscription(&self, client_instance: Option<Uuid>) -> Result<TelemetrySubscription> {
        let request = GetTelemetrySubscriptionsRequest {
            client_instance_id: client_instance.unwrap_or_default(),
            ..GetTelemetrySubscriptionsRequest::default()
        };
        let response = self.ask_any(&request).await?;
        Error::check(response.error_code, None)?;
        Ok(subscription(response))
    }

    /// Gives brokers the metrics of a client instance (PushTelemetry). It is tried once: metrics are better late, with
    /// the next push, than double.
    ///
    /// # Errors
    /// [`Broker`](crate::ErrorKind::Broker) with `UNKNOWN_SUBSCRIPTION_ID` where brokers want something else by now:
    /// [look](Self::telemetry_subscription); with `TELEMETRY_TOO_LARGE`, `UNSUPPORTED_COMPRESSION_TYPE`,
    /// `THROTTLING_QUOTA_EXCEEDED` where it comes too early. [`NotOffered`](crate::ErrorKind::NotOffered),
    /// [`Connection`](crate::ErrorKind::Connection).
    pub async fn push_telemetry(&self, push: &TelemetryPush) -> Result<()> {
        let request = PushTelemetryRequest {
            client_instance_id: push.client_instance_id,
            subscription_id: push.subscription_id,
            terminating: push.is_last,
            compression_type: push.compression.code().cast_signed(),
            metrics: push.metrics.clone(),
            ..PushTelemetryRequest::default()
        };
        let response = Attempts::new(self).call(&request, Route::Any, None).await?;
        Error::check(response.error_code, None)
    }
}

fn subscription(response: GetTelemetrySubscriptionsResponse) -> TelemetrySubscription {
    let codes = response.accepted_compression_types.iter();
    TelemetrySubscription {
        client_instance_id: response.client_instance_id,
        id: response.subscription_id,
        metrics: response.requested_metrics,
        compressions: codes.filter_map(|code| Compression::from_code(u8::try_from(*code).ok()?)).collect(),
        push_interval: duration(response.push_interval_ms),
        max_bytes: usize::try_from(response.telemetry_max_bytes).unwrap_or_default(),
        temporality: match response.delta_temporality {
            true => TelemetryTemporality::Delta,
            false => TelemetryTemporality::Cumulative,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_wants_is_read_and_nothing_made_of_nonsense() {
        let read = subscription(GetTelemetrySubscriptionsResponse {
            accepted_compression_types: vec![4, 99, -1, 3],
            push_interval_ms: -5,
            telemetry_max_bytes: 1024,
            delta_temporality: true,
            ..GetTelemetrySubscriptionsResponse::default()
        });
        assert_eq!(read.compressions, [Compression::Zstd, Compression::Lz4]);
        assert_eq!((read.push_interval, read.max_bytes), (Duration::ZERO, 1024));
        assert_eq!(read.temporality, TelemetryTemporality::Delta);
    }
}
