//! The shared connections: one per broker and lane, opened when first needed, opened again when lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::address::BrokerAddress;
use crate::backoff::{Backoff, Pauses};
use crate::cluster::BrokerId;
use crate::connection::Connection;
use crate::dialer::Dialer;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::route::Lane;

/// All shared connections of a transport. They live as long as it does.
pub(crate) struct Pool {
    dialer: Dialer,
    backoff: Backoff,
    /// `None` when closed. The lock is held for a look-up, never over a wait.
    slots: Mutex<Option<Slots>>,
}

type Slots = HashMap<(BrokerId, Lane), Slot>;

/// A broker's place for one connection. A dial is a task of its own, so that callers may come and go meanwhile.
struct Slot {
    address: BrokerAddress,
    dial: watch::Receiver<Dial>,
    /// The pause after this dial, should it fail, and the ones after that.
    pause: Duration,
    pauses: Pauses,
    _task: Option<AbortOnDrop>,
}

#[derive(Debug)]
enum Dial {
    Pending,
    Open(Connection),
    Failed { error: Error, at: Instant },
}

impl Pool {
    pub(crate) fn new(dialer: Dialer, backoff: Backoff) -> Self {
        Self { dialer, backoff, slots: Mutex::new(Some(Slots::new())) }
    }

    /// The connection to a broker: the one there is, or the one that is or will be dialled.
    pub(crate) async fn connection(
        &self,
        broker: BrokerId,
        address: &BrokerAddress,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Connection> {
        let mut dial = self.dial(broker, address, lane)?;
        let finished = dial.wait_for(|dial| !matches!(dial, Dial::Pending));
        let failed = |kind| Error::new(kind).with_broker(address).with_unsent();
        match timeout_at(deadline, finished).await {
            Err(_) => Err(failed(ErrorKind::Timeout { step: Step::Connect, after: None })),
            // The task ended without a word: with the pool, or because the broker has another address by now.
            Ok(Err(_)) => Err(failed(if self.is_closed() { ErrorKind::Closed } else { ErrorKind::ConnectionLost })),
            Ok(Ok(dial)) => match &*dial {
                Dial::Open(connection) => Ok(connection.clone()),
                Dial::Failed { error, .. } => Err(error.clone()),
                Dial::Pending => Err(failed(ErrorKind::ConnectionLost)),
            },
        }
    }

    /// The connection to a broker, if there is one.
    pub(crate) fn open(&self, broker: BrokerId, lane: Lane) -> Option<Connection> {
        self.lock().as_ref()?.get(&(broker, lane))?.open()
    }

    /// Takes in a connection that was made elsewhere, unless there is one already.
    pub(crate) fn adopt(&self, broker: BrokerId, lane: Lane, connection: &Connection) {
        let mut slots = self.lock();
        let Some(slots) = slots.as_mut() else { return };
        if slots.get(&(broker, lane)).is_none_or(|slot| slot.open().is_none() && !slot.is_pending()) {
            let (_, dial) = watch::channel(Dial::Open(connection.clone()));
            let mut pauses = self.backoff.pauses();
            let (address, pause) = (connection.address().clone(), pauses.next_pause());
            slots.insert((broker, lane), Slot { address, dial, pause, pauses, _task: None });
        }
    }

    /// Lets go of the connections to brokers that are no longer there: they drain and close.
    pub(crate) fn retain(&self, is_there: impl Fn(BrokerId) -> bool) {
        if let Some(slots) = self.lock().as_mut() {
            slots.retain(|(broker, _), _| is_there(*broker));
        }
    }

    /// Drains and closes all connections; there will be no others.
    pub(crate) async fn close(&self) {
        let slots = self.lock().take().unwrap_or_default();
        let open: Vec<_> = slots.values().filter_map(Slot::open).collect();
        drop(slots);
        join_all(open.iter().map(Connection::close)).await;
    }

    fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    fn dial(&self, broker: BrokerId, address: &BrokerAddress, lane: Lane) -> Result<watch::Receiver<Dial>> {
        let mut slots = self.lock();
        let slots = slots.as_mut().ok_or_else(|| Error::new(ErrorKind::Closed).with_unsent())?;
        let before = slots.get(&(broker, lane)).filter(|slot| slot.address == *address);
        if let Some(slot) = before.filter(|slot| slot.is_usable()) {
            return Ok(slot.dial.clone());
        }
        // After a success the pauses begin anew.
        let pauses = before.filter(|slot| slot.has_failed()).map(|slot| slot.pauses.clone());
        let mut pauses = pauses.unwrap_or_else(|| self.backoff.pauses());
        let pause = pauses.next_pause();
        let (task, dial) = self.spawn(address.clone());
        let slot = Slot { address: address.clone(), dial: dial.clone(), pause, pauses, _task: Some(task) };
        slots.insert((broker, lane), slot);
        Ok(dial)
    }

    /// Starts a dial, which the dialer's timeout bounds.
    fn spawn(&self, address: BrokerAddress) -> (AbortOnDrop, watch::Receiver<Dial>) {
        let (result, dial) = watch::channel(Dial::Pending);
        let dialer = self.dialer.clone();
        let task = tokio::spawn(async move {
            let end = match dialer.dial_address(&address).await {
                Ok(connection) => Dial::Open(connection),
                Err(error) => {
                    debug!(broker = %address, %error, "cannot connect");
                    Dial::Failed { error, at: Instant::now() }
                }
            };
            result.send_replace(end);
        });
        (AbortOnDrop(task.abort_handle()), dial)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Slots>> {
        // Nothing panics while it holds the lock; if it did, the map would still be one.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Whether a caller takes what is there: a connection, a dial under way, or a failure that is too fresh.
    fn is_usable(&self) -> bool {
        match &*self.dial.borrow() {
            Dial::Pending => self.is_alive(),
            Dial::Open(connection) => !connection.is_closed(),
            Dial::Failed { at, .. } => at.elapsed() < self.pause,
        }
    }

    fn is_pending(&self) -> bool {
        matches!(&*self.dial.borrow(), Dial::Pending) && self.is_alive()
    }

    /// Whether the dial will still say something. Not so where a user's connector panicked.
    fn is_alive(&self) -> bool {
        self.dial.has_changed().is_ok()
    }

    fn has_failed(&self) -> bool {
        matches!(&*self.dial.borrow(), Dial::Failed { .. })
    }

    fn open(&self) -> Option<Connection> {
        match &*self.dial.borrow() {
            Dial::Open(connection) if !connection.is_closed() => Some(connection.clone()),
            _ => None,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Ends a task with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
