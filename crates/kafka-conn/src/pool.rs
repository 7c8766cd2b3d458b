//! The shared connections: one per broker and lane, opened when first needed, opened again when lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use crate::address::BrokerAddress;
use crate::backoff::{Backoff, Pauses};
use crate::cluster::BrokerId;
use crate::connection::Connection;
use crate::deadline::later;
use crate::dialer::Dialer;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::route::Lane;

/// All shared connections of a transport. They live as long as it does, unless nobody uses them for a while.
pub(crate) struct Pool {
    dialer: Dialer,
    backoff: Backoff,
    idle_timeout: Duration,
    /// For the tasks that watch over connections, which must not keep them.
    this: Weak<Self>,
    /// `None` when closed. The lock is held for a look-up, never over a wait.
    slots: Mutex<Option<Slots>>,
}

type Slots = HashMap<(BrokerId, Lane), Slot>;

/// A broker's place for one connection. A dial is a task of its own, so that callers may come and go meanwhile.
struct Slot {
    address: BrokerAddress,
    dial: watch::Receiver<Dial>,
    /// When somebody was last given the connection, or still had it.
    used_at: Instant,
    /// The pause after this dial, should it fail, and the ones after that.
    pause: Duration,
    pauses: Pauses,
    /// Dials, and then sees to it that an idle connection is closed.
    _task: AbortOnDrop,
}

#[derive(Debug)]
enum Dial {
    Pending,
    Open(Connection),
    Failed { error: Error, at: Instant },
}

impl Pool {
    pub(crate) fn new(dialer: Dialer, backoff: Backoff, idle_timeout: Duration) -> Arc<Self> {
        let slots = Mutex::new(Some(Slots::new()));
        Arc::new_cyclic(|this| Self { dialer, backoff, idle_timeout, this: Weak::clone(this), slots })
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
        let mut slots = self.lock();
        let slot = slots.as_mut()?.get_mut(&(broker, lane))?;
        slot.used_at = Instant::now();
        slot.open()
    }

    /// Whether there is a connection to a broker. That is no use of it.
    pub(crate) fn is_open(&self, broker: BrokerId, lane: Lane) -> bool {
        self.lock().as_ref().and_then(|slots| slots.get(&(broker, lane))?.open()).is_some()
    }

    /// Takes in a connection that was made elsewhere, unless there is one already.
    pub(crate) fn adopt(&self, broker: BrokerId, lane: Lane, connection: &Connection) {
        let mut slots = self.lock();
        let Some(slots) = slots.as_mut() else { return };
        if slots.get(&(broker, lane)).is_none_or(|slot| slot.open().is_none() && !slot.is_pending()) {
            let (_, dial) = watch::channel(Dial::Open(connection.clone()));
            let mut pauses = self.backoff.pauses();
            let (address, pause) = (connection.address().clone(), pauses.next_pause());
            let watch = expire(Weak::clone(&self.this), (broker, lane), self.idle_timeout);
            let task = AbortOnDrop(tokio::spawn(watch).abort_handle());
            let used_at = Instant::now();
            slots.insert((broker, lane), Slot { address, dial, used_at, pause, pauses, _task: task });
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
        let mut before = slots.get_mut(&(broker, lane)).filter(|slot| slot.address == *address);
        if let Some(slot) = before.as_mut().filter(|slot| slot.is_usable()) {
            slot.used_at = Instant::now();
            return Ok(slot.dial.clone());
        }
        if before.as_ref().is_some_and(|slot| slot.was_open()) {
            self.dialer.meter.reconnected();
        }
        // After a success the pauses begin anew.
        let pauses = before.filter(|slot| slot.has_failed()).map(|slot| slot.pauses.clone());
        let mut pauses = pauses.unwrap_or_else(|| self.backoff.pauses());
        let pause = pauses.next_pause();
        let (task, dial) = self.spawn((broker, lane), address.clone());
        let used_at = Instant::now();
        let slot = Slot { address: address.clone(), dial: dial.clone(), used_at, pause, pauses, _task: task };
        slots.insert((broker, lane), slot);
        Ok(dial)
    }

    /// Lets go of a connection that nobody has used for long enough; it drains and closes. Returns when to look again.
    fn expire(&self, key: (BrokerId, Lane)) -> Option<Instant> {
        let mut slots = self.lock();
        let slots = slots.as_mut()?;
        let slot = slots.get_mut(&key)?;
        let now = Instant::now();
        if slot.is_in_use() {
            slot.used_at = now;
        }
        let at = after(slot.used_at, self.idle_timeout);
        if at > now {
            return Some(at);
        }
        debug!(broker = %slot.address, lane = ?key.1, "closing an idle connection");
        slots.remove(&key);
        None
    }

    /// Starts a dial, which the dialer's timeout bounds.
    fn spawn(&self, key: (BrokerId, Lane), address: BrokerAddress) -> (AbortOnDrop, watch::Receiver<Dial>) {
        let (result, dial) = watch::channel(Dial::Pending);
        let (dialer, pool, idle) = (self.dialer.clone(), Weak::clone(&self.this), self.idle_timeout);
        let task = tokio::spawn(async move {
            let end = match dialer.dial_address(&address).await {
                Ok(connection) => Dial::Open(connection),
                Err(error) => {
                    debug!(broker = %address, error = %format_args!("{error:#}"), "cannot connect");
                    Dial::Failed { error, at: Instant::now() }
                }
            };
            let is_open = matches!(end, Dial::Open(_));
            result.send_replace(end);
            if is_open {
                expire(pool, key, idle).await;
            }
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

    fn was_open(&self) -> bool {
        matches!(&*self.dial.borrow(), Dial::Open(_))
    }

    /// Whether somebody holds the connection.
    fn is_in_use(&self) -> bool {
        matches!(&*self.dial.borrow(), Dial::Open(connection) if connection.is_shared())
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

/// Looks after a connection until it is closed: sleeps for as long as it can at most be idle from now on.
async fn expire(pool: Weak<Pool>, key: (BrokerId, Lane), idle: Duration) {
    let mut at = after(Instant::now(), idle);
    loop {
        sleep_until(at).await;
        match pool.upgrade().and_then(|pool| pool.expire(key)) {
            Some(next) => at = next,
            None => return,
        }
    }
}

fn after(from: Instant, duration: Duration) -> Instant {
    Instant::from_std(later(from.into_std(), duration))
}

/// Ends a task with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
