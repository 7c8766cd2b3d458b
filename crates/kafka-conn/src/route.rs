//! Where a request belongs, and which connection carries it.
//!
//! Sans-IO.

use crate::cluster::BrokerId;

/// The broker that a request has to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route<'a> {
    /// Any broker, preferably one that is connected.
    Any,
    /// A certain broker.
    Broker(BrokerId),
    /// The controller, or in KRaft clusters a broker that forwards to it.
    Controller,
    /// The leader of a partition: topic and index.
    Leader(&'a str, i32),
    // `Group` and `Transaction`, by their coordinators, stand here when the coordinator cache does.
}

/// Which of a broker's shared connections carries a request. A broker serves one connection's requests one at a time:
/// what may wait there (a fetch, a group's join) belongs on a connection of its own
/// ([`Transport::dedicated`](crate::Transport::dedicated)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Everything that is answered at once.
    #[default]
    General,
    /// Produce requests.
    Produce,
}
