//! Where a request belongs, and which connection carries it.
//!
//! Sans-IO.

use crate::cluster::BrokerId;
use crate::coordinator::CoordinatorKind;

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
    /// The coordinator of a group, by its id.
    Group(&'a str),
    /// The coordinator of a transactional id.
    Transaction(&'a str),
}

impl<'a> Route<'a> {
    /// What is coordinated there, if it is a coordinator.
    pub(crate) fn coordinated(self) -> Option<(CoordinatorKind, &'a str)> {
        match self {
            Self::Group(id) => Some((CoordinatorKind::Group, id)),
            Self::Transaction(id) => Some((CoordinatorKind::Transaction, id)),
            Self::Any | Self::Broker(_) | Self::Controller | Self::Leader(..) => None,
        }
    }
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
    /// Requests of a [`Client`](crate::Client) that the broker may hold back: Fetch, JoinGroup and the like.
    Waiting,
}
