//! The shell around the core: bytes and time in, bytes out.
//!
//! ```text
//!  TCP listener ─┐                             ┌─ Core behind a mutex, held for one step
//!  in memory ────┴─► connection task ─ frame ─►│
//!        ▲                  ▲ mailbox          └─► outputs ─► the mailboxes of their connections
//!        └── stream ────────┘                       timer: sleeps until poll_timeout
//! ```
//!
//! The core has no task of its own: tests reach into it between two requests (stop a broker, declare a fault) and see it
//! done when the call returns. The lock is never held over an await, nor while bytes are copied to a socket.

mod connection;
mod memory;
mod mutex;
mod security;
mod tcp;
mod timer;
#[cfg(feature = "tls")]
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

pub use memory::MemoryConnector;
pub(crate) use mutex::Mutex;
pub(crate) use security::Security;
pub(crate) use tcp::Listeners;
pub(crate) use timer::run as run_timer;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};

use crate::core::{ConnectionId, Core, Output};

/// What all tasks of a cluster share.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    security: Security,
    /// The time at which the core wants to be called may have changed.
    timer: Notify,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    mailboxes: BTreeMap<ConnectionId, mpsc::UnboundedSender<Mail>>,
}

/// What a connection's task is told: at most one piece for each request, and one at the end.
#[derive(Debug)]
pub(crate) enum Mail {
    Answer(Bytes),
    Done,
    Close,
}

impl Shared {
    pub(crate) fn new(core: Core, security: Security) -> Arc<Self> {
        let inner = Mutex::new(Inner { core, mailboxes: BTreeMap::new() });
        Arc::new(Self { inner, security, timer: Notify::new() })
    }

    /// Does something with the core, and hands out what comes of it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Core, std::time::Instant) -> T) -> T {
        let mut inner = self.inner.lock();
        let before = inner.core.poll_timeout();
        let result = act(&mut inner.core, Instant::now().into_std());
        let Inner { core, mailboxes } = &mut *inner;
        while let Some(output) = core.poll() {
            deliver(mailboxes, output);
        }
        if core.poll_timeout() != before {
            self.timer.notify_one();
        }
        result
    }

    /// Opens a connection to a broker, unless nobody listens there.
    fn open(&self, broker: i32, host: &str) -> Option<(ConnectionId, mpsc::UnboundedReceiver<Mail>)> {
        let mut inner = self.inner.lock();
        let id = inner.core.handle_open(Instant::now().into_std(), broker, host)?;
        // Bounded by the core, which answers each request once.
        let (sender, receiver) = mpsc::unbounded_channel();
        inner.mailboxes.insert(id, sender);
        Some((id, receiver))
    }

    fn close(&self, id: ConnectionId) {
        self.inner.lock().mailboxes.remove(&id);
        self.with(|core, now| core.handle_close(now, id));
    }
}

fn deliver(mailboxes: &BTreeMap<ConnectionId, mpsc::UnboundedSender<Mail>>, output: Output) {
    let (connection, mail) = match output {
        Output::Answer { connection, frame } => (connection, Mail::Answer(frame)),
        Output::Done { connection } => (connection, Mail::Done),
        Output::Close { connection } => (connection, Mail::Close),
    };
    if let Some(mailbox) = mailboxes.get(&connection) {
        // Whoever hung up wants no mail.
        let _gone = mailbox.send(mail);
    }
}
