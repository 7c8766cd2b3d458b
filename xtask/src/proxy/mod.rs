//! A TCP proxy before brokers that understands Kafka's frames, and so can drop the answer to a request that the
//! broker has applied, cut, stall and delay connections, by share or by count, for each API.
//!
//! ```text
//! Doors (a port for each broker, bound before the cluster starts: brokers advertise them)
//!   └─ serve ─▶ Proxy ── Rules (sans-IO, seeded) decide ──▶ Link (sans-IO, one for each connection)
//!                 client ◀──────────▶ relay (the sockets) ◀──────────▶ broker
//! ```
//!
//! For listeners without TLS: `PLAINTEXT`, and `SASL_PLAINTEXT` where clients wrap their tokens in Kafka requests, as all
//! have since Kafka 1.0.

mod frame;
mod link;
mod relay;
mod rule;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use relay::{lock, relay};
use rule::Rules;
pub(crate) use rule::{ConnectionFault, Counts, Fault, Often, RequestFault, Rule};

/// The ports of a proxy: the first for broker 1, and so on.
#[derive(Debug)]
pub(crate) struct Doors(Vec<(SocketAddr, TcpListener)>);

/// A proxy that runs. Dropping it closes all connections through it.
#[derive(Debug)]
pub(crate) struct Proxy {
    rules: Arc<Mutex<Rules>>,
    /// Its number goes up to cut what is open.
    cuts: watch::Sender<u64>,
    /// Held for their end.
    _doors: JoinSet<()>,
}

/// Connections through one door at a time; more wait to be accepted. More than any test opens.
const CONNECTIONS_MAX: usize = 1_024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

impl Doors {
    /// Takes a free port for each of `brokers` brokers.
    pub(crate) fn bind(brokers: u8) -> io::Result<Self> {
        let door = |_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        (0..brokers).map(door).collect::<io::Result<_>>().map(Self)
    }

    /// Where clients connect: what brokers 1, 2, … shall advertise.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(address, _)| *address).collect()
    }

    /// Opens the doors before `brokers`, on the current tokio runtime. At first nothing goes wrong. The seed decides
    /// what a share hits.
    pub(crate) fn serve(&self, brokers: &[(i32, SocketAddr)], seed: u64) -> io::Result<Proxy> {
        let rules = Arc::new(Mutex::new(Rules::new(seed)));
        let cuts = watch::Sender::new(0);
        let mut doors = JoinSet::new();
        for ((_, listener), (broker, address)) in self.0.iter().zip(brokers) {
            // A clone, so that another proxy can follow on the same ports.
            let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
            doors.spawn(serve(listener, *broker, *address, Arc::clone(&rules), cuts.clone()));
        }
        Ok(Proxy { rules, cuts, _doors: doors })
    }
}

impl Proxy {
    /// Puts these rules in force, in place of those before. Connections that are silent or stalled stay so.
    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        lock(&self.rules).replace(rules);
    }

    /// What it did so far.
    pub(crate) fn counts(&self) -> Counts {
        lock(&self.rules).counts.clone()
    }

    /// Cuts every connection that is open.
    pub(crate) fn cut_all(&self) {
        self.cuts.send_modify(|number| *number += 1);
    }
}

/// Accepts connections for ever; dropping the future closes them all.
async fn serve(
    listener: tokio::net::TcpListener,
    broker: i32,
    address: SocketAddr,
    rules: Arc<Mutex<Rules>>,
    cuts: watch::Sender<u64>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Only taken off the list of those under way.
            Some(_) = connections.join_next() => continue,
        };
        let Ok((client, _)) = accepted else {
            // The client gave up while it waited, or there are too many open files for the moment.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (rules, mut cut) = (Arc::clone(&rules), cuts.subscribe());
        connections.spawn(async move {
            tokio::select! {
                () = relay(client, broker, address, rules) => {}
                _ = cut.changed() => {}
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests;
