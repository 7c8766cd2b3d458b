//! From a route to a broker, and from a broker to a connection: how a transport finds where a request belongs.

use tokio::time::Instant;

use crate::address::BrokerAddress;
use crate::cluster::{BrokerId, Cluster};
use crate::connection::Connection;
use crate::deadline::share;
use crate::error::{Error, ErrorKind, Result};
use crate::route::{Lane, Route};
use crate::transport::{MIN_SHARE, Transport, after};

impl Transport {
    /// A shared connection to where `route` leads, and the broker that it leads to, unless any will do.
    pub(crate) async fn connection_until(
        &self,
        route: Route<'_>,
        lane: Lane,
        deadline: Instant,
    ) -> Result<(Option<BrokerId>, Connection)> {
        let Some(broker) = self.resolve(route, deadline).await? else {
            return Ok((None, self.any(lane, deadline).await?));
        };
        let connection = self.connection_to(broker, lane, deadline).await;
        connection.inspect_err(|error| self.distrust(route, broker, error)).map(|connection| (Some(broker), connection))
    }

    /// The broker that a route leads to; `None` for any.
    pub(crate) async fn resolve(&self, route: Route<'_>, deadline: Instant) -> Result<Option<BrokerId>> {
        if let Some((kind, id)) = route.coordinated() {
            return self.coordinator_until(kind, id, deadline).await.map(Some);
        }
        match route {
            Route::Broker(broker) => Ok(Some(broker)),
            Route::Controller => Ok(self.cluster().controller()),
            Route::Leader(topic, partition) => self.leader_until(topic, partition, deadline).await.map(Some),
            Route::Any | Route::Group(_) | Route::Transaction(_) => Ok(None),
        }
    }

    /// A shared connection to a broker.
    pub(crate) async fn connection_to(&self, broker: BrokerId, lane: Lane, deadline: Instant) -> Result<Connection> {
        let address = self.address(broker)?;
        self.pool().connection(broker, &address, lane, deadline).await
    }

    /// A broker that failed the caller may no longer be the coordinator, the controller or the leader: it is looked up
    /// again.
    pub(crate) fn distrust(&self, route: Route<'_>, broker: BrokerId, error: &Error) {
        let gone =
            error.is_connection() || error.is_timeout() || matches!(error.kind(), ErrorKind::UnknownBroker { .. });
        if !gone {
            return;
        }
        if let Some((kind, id)) = route.coordinated() {
            return self.forget_coordinator(kind, id, broker);
        }
        match route {
            Route::Controller => self.request_refresh_of_brokers(),
            Route::Leader(topic, _) => self.request_refresh(topic),
            Route::Any | Route::Broker(_) | Route::Group(_) | Route::Transaction(_) => {}
        }
    }

    pub(crate) async fn leader_until(&self, topic: &str, partition: i32, deadline: Instant) -> Result<BrokerId> {
        self.until_known(deadline, topic, |cluster| cluster.leader(topic, partition)).await
    }

    /// Reads from the snapshot, and from newer and newer ones until what is read is there, or will not come. That no
    /// broker can be asked at the moment is waited for too.
    pub(crate) async fn until_known<T>(
        &self,
        deadline: Instant,
        topic: &str,
        read: impl Fn(&Cluster) -> Result<T>,
    ) -> Result<T> {
        let unknown = deadline.min(after(self.config().unknown_topic_timeout));
        let mut pauses = self.config().backoff.pauses();
        if let Ok(found) = read(&self.cluster()) {
            return Ok(found);
        }
        loop {
            let error = match self.refresh_until(&[topic], deadline).await.and_then(|cluster| read(&cluster)) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let until = match error.kind() {
                ErrorKind::UnknownTopic | ErrorKind::UnknownPartition => unknown,
                _ => deadline,
            };
            let pause = after(pauses.next_pause());
            if !error.is_retriable() || pause >= until {
                return Err(error);
            }
            tokio::time::sleep_until(pause).await;
        }
    }

    /// A broker that is connected, or else the first, in random order, that can be.
    pub(crate) async fn any(&self, lane: Lane, deadline: Instant) -> Result<Connection> {
        let cluster = self.cluster();
        let mut brokers: Vec<_> = cluster.brokers().collect();
        fastrand::shuffle(&mut brokers);
        if let Some(open) = brokers.iter().find_map(|broker| self.pool().open(broker.id, lane)) {
            return Ok(open);
        }
        let (count, mut last) = (brokers.len(), None);
        for (index, broker) in brokers.into_iter().enumerate() {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let until = share(now.into_std(), deadline.into_std(), count - index, MIN_SHARE);
            match self.pool().connection(broker.id, &broker.address, lane, until.into()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(Error::telling(last, error)),
            }
        }
        // Every broker that is known is gone: the metadata task starts over from the bootstrap addresses.
        self.request_refresh_of_brokers();
        let error = Error::new(ErrorKind::NoBroker).with_unsent();
        Err(match last {
            // No other attempt would change it.
            Some(last) if last.is_authentication() => last,
            Some(last) => error.with_source(last),
            None => error,
        })
    }

    pub(crate) fn address(&self, broker: BrokerId) -> Result<BrokerAddress> {
        let cluster = self.cluster();
        let known = cluster.broker(broker).map(|broker| broker.address.clone());
        known.ok_or_else(|| {
            self.request_refresh_of_brokers();
            Error::new(ErrorKind::UnknownBroker { id: broker }).with_unsent()
        })
    }
}
