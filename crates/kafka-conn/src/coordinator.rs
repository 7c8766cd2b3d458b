//! Which broker coordinates a group or a transactional id: what is known, what to ask, and what the answers say.
//!
//! Sans-IO.

use std::collections::HashMap;

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use smol_str::SmolStr;

use crate::cluster::{Broker, BrokerId};
use crate::error::{Error, ErrorKind, Result};

/// What a coordinator coordinates: the `key_type` of FindCoordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoordinatorKind {
    /// A consumer group, a share group or a streams group, by its id.
    Group,
    /// The transactions of a transactional id.
    Transaction,
}

impl CoordinatorKind {
    fn key_type(self) -> i8 {
        match self {
            Self::Group => 0,
            Self::Transaction => 1,
        }
    }
}

/// The coordinators that are known. A bounded cache: what falls out is looked up again.
#[derive(Debug, Default)]
pub(crate) struct Coordinators {
    known: HashMap<(CoordinatorKind, SmolStr), BrokerId>,
}

impl Coordinators {
    pub(crate) fn find(&self, kind: CoordinatorKind, id: &SmolStr) -> Option<BrokerId> {
        self.known.get(&(kind, id.clone())).copied()
    }

    pub(crate) fn insert(&mut self, kind: CoordinatorKind, id: SmolStr, broker: BrokerId) {
        if self.known.len() >= MAX_COORDINATORS
            && let Some(any) = self.known.keys().next().cloned()
        {
            self.known.remove(&any);
        }
        self.known.insert((kind, id), broker);
    }

    /// Forgets a coordinator, but only if it is this one: whoever hears late that it was the wrong one must not undo
    /// what others have found out since.
    pub(crate) fn forget(&mut self, kind: CoordinatorKind, id: SmolStr, broker: BrokerId) {
        let key = (kind, id);
        if self.known.get(&key) == Some(&broker) {
            self.known.remove(&key);
        }
    }
}

/// The requests that ask for the coordinators of `ids`: many in one from version 4 on (KIP-699), before it one each.
pub(crate) fn requests(kind: CoordinatorKind, ids: &[SmolStr], version: i16) -> Vec<FindCoordinatorRequest> {
    let request = || FindCoordinatorRequest { key_type: kind.key_type(), ..FindCoordinatorRequest::default() };
    if version >= BATCHED {
        let many = |ids: &[SmolStr]| FindCoordinatorRequest { coordinator_keys: ids.to_vec(), ..request() };
        ids.chunks(MAX_KEYS).map(many).collect()
    } else {
        ids.iter().map(|id| FindCoordinatorRequest { key: id.clone(), ..request() }).collect()
    }
}

/// What the answer to one of [`requests`] says of each id that it asked for.
pub(crate) fn read(
    kind: CoordinatorKind,
    request: &FindCoordinatorRequest,
    response: FindCoordinatorResponse,
) -> Vec<(SmolStr, Result<Broker>)> {
    let found = |id: &SmolStr, code: i16, node_id: i32, host: SmolStr, port: i32| {
        let result = ErrorCode(code).check().map_err(Error::broker).and_then(|()| {
            // Older brokers say so with an id of -1 and no error.
            let unavailable = || Error::broker(ErrorCode::COORDINATOR_NOT_AVAILABLE);
            Broker::advertised(node_id, host, port, None).ok_or_else(unavailable)
        });
        (id.clone(), result.map_err(|error| error.with_coordinator(kind, id)))
    };
    if request.coordinator_keys.is_empty() {
        let FindCoordinatorResponse { error_code, node_id, host, port, .. } = response;
        return vec![found(&request.key, error_code, node_id, host, port)];
    }
    let mut answers: HashMap<_, _> =
        response.coordinators.into_iter().map(|answer| (answer.key.clone(), answer)).collect();
    let read = |id: &SmolStr| match answers.remove(id) {
        Some(answer) => found(id, answer.error_code, answer.node_id, answer.host, answer.port),
        None => (id.clone(), Err(Error::new(ErrorKind::Unanswered).with_coordinator(kind, id))),
    };
    request.coordinator_keys.iter().map(read).collect()
}

/// The first version of FindCoordinator that asks for many.
const BATCHED: i16 = 4;
/// Ids in one request.
const MAX_KEYS: usize = 500;
/// Coordinators that are remembered: more groups than one client deals with at a time.
const MAX_COORDINATORS: usize = 10_000;

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::find_coordinator::Coordinator;

    use super::*;

    fn ids(ids: &[&str]) -> Vec<SmolStr> {
        ids.iter().map(SmolStr::new).collect()
    }

    #[test]
    fn many_in_one_request_where_the_broker_can() {
        let new = requests(CoordinatorKind::Transaction, &ids(&["a", "b"]), 4);
        assert_eq!(new.len(), 1);
        assert_eq!((new[0].key_type, &new[0].coordinator_keys), (1, &ids(&["a", "b"])));
        let old = requests(CoordinatorKind::Group, &ids(&["a", "b"]), 3);
        assert_eq!(old.iter().map(|request| request.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(old.iter().all(|request| request.coordinator_keys.is_empty()));
        let many: Vec<_> = (0..1001).map(|id| SmolStr::new(id.to_string())).collect();
        assert_eq!(requests(CoordinatorKind::Group, &many, 6).len(), 3);
    }

    #[test]
    fn every_id_gets_an_answer() {
        let request = &requests(CoordinatorKind::Group, &ids(&["a", "b", "c", "d"]), 4)[0];
        let answer = |key: &str, node_id, error_code| Coordinator {
            key: key.into(),
            node_id,
            error_code,
            host: "h".into(),
            port: 9092,
            ..Coordinator::default()
        };
        let coordinators = vec![answer("b", -1, 15), answer("a", 3, 0), answer("x", 1, 0), answer("d", -1, 0)];
        let response = FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
        let read = read(CoordinatorKind::Group, request, response);
        assert_eq!(read.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(read[0].1.as_ref().unwrap().id, BrokerId(3));
        assert_eq!(read[1].1.as_ref().unwrap_err().code(), Some(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        let missing = read[2].1.as_ref().unwrap_err();
        assert_eq!(*missing.kind(), ErrorKind::Unanswered);
        assert!(missing.to_string().contains("group \"c\""), "{missing}");
        assert!(read[3].1.as_ref().unwrap_err().is_retriable(), "no broker has the id -1");
    }

    #[test]
    fn the_answer_of_an_older_broker() {
        let request = &requests(CoordinatorKind::Group, &ids(&["a"]), 0)[0];
        let response =
            FindCoordinatorResponse { node_id: 7, host: "h".into(), port: 1, ..FindCoordinatorResponse::default() };
        assert_eq!(read(CoordinatorKind::Group, request, response)[0].1.as_ref().unwrap().id, BrokerId(7));
    }

    #[test]
    fn only_the_one_that_was_wrong_is_forgotten() {
        let mut coordinators = Coordinators::default();
        let (group, id) = (CoordinatorKind::Group, SmolStr::new("g"));
        coordinators.insert(group, id.clone(), BrokerId(1));
        coordinators.insert(CoordinatorKind::Transaction, id.clone(), BrokerId(2));
        coordinators.forget(group, id.clone(), BrokerId(9));
        assert_eq!(coordinators.find(group, &id), Some(BrokerId(1)));
        coordinators.forget(group, id.clone(), BrokerId(1));
        assert_eq!(coordinators.find(group, &id), None);
        assert_eq!(coordinators.find(CoordinatorKind::Transaction, &id), Some(BrokerId(2)));
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut coordinators = Coordinators::default();
        for id in 0..MAX_COORDINATORS + 10 {
            coordinators.insert(CoordinatorKind::Group, SmolStr::new(id.to_string()), BrokerId(1));
        }
        assert_eq!(coordinators.known.len(), MAX_COORDINATORS);
    }
}
