//! What a broker remembers of a fetcher's partitions, so that a request names only those that changed (KIP-227).
//!
//! Sans-IO.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch::{
    FetchPartition, FetchResponse, FetchTopic, FetchableTopicResponse, ForgottenTopic, PartitionData,
};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

/// A fetch session: [`build`](Self::build) a request's parts, then [`accept`](Self::accept) the answer, or
/// [`reset`](Self::reset) where none came. What a request says counts only once it was answered.
///
/// ```text
///            answer with an id              answer
///  ┌─ Full ───────────────────► Incremental ──────┐
///  │   ▲ ▲                          │   ▲         │ epoch + 1
///  └───┘ └──────────────────────────┘   └─────────┘
///  answer without an id    error, mismatch, or other naming
/// ```
#[derive(Debug)]
pub(crate) struct FetchSession {
    state: State,
    naming: Naming,
    known: BTreeMap<Key, Wanted>,
    /// What will be known, once the request in flight is answered.
    asked: BTreeMap<Key, Wanted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every partition is named, and a session asked for; `closes` is the id of one to end with it, or 0.
    Full {
        closes: i32,
    },
    Incremental {
        id: i32,
        epoch: i32,
    },
}

/// How topics are named: by id from version 13 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Names,
    Ids,
}

/// A partition, as requests and answers name it: by the topic's name or by its id, the other one left empty. The id makes a
/// topic that was deleted and created again another one.
type Key = (SmolStr, Uuid, i32);

/// What is wanted of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic: SmolStr,
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) fetch_offset: i64,
    pub(crate) current_leader_epoch: i32,
    pub(crate) max_bytes: i32,
}

/// The parts of a request that the session decides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    pub(crate) topics: Vec<FetchTopic>,
    pub(crate) forgotten: Vec<ForgottenTopic>,
}

/// An answer that ended the session; the next request begins another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Code(ErrorCode),
    /// It is about partitions that the session does not have, or lacks some that it should be about.
    Mismatch,
    /// It is empty, because the client has used up its quota (KIP-219): to be asked again when the throttle time is over.
    Throttled,
}

impl FetchSession {
    pub(crate) fn new() -> Self {
        let (known, asked) = (BTreeMap::new(), BTreeMap::new());
        Self { state: State::Full { closes: 0 }, naming: Naming::Names, known, asked }
    }

    /// The parts of a request for `wanted`, in that order; nothing else will be fetched.
    pub(crate) fn build(&mut self, wanted: &[Wanted], naming: Naming) -> Parts {
        if naming != self.naming {
            self.naming = naming;
            self.reset(None);
        }
        self.asked = wanted.iter().map(|wanted| (wanted.key(naming), wanted.clone())).collect();
        match self.state {
            State::Full { closes } => {
                let topics = topics(wanted.iter(), naming);
                Parts { session_id: closes, session_epoch: 0, topics, forgotten: Vec::new() }
            }
            State::Incremental { id, epoch } => {
                let changed = wanted.iter().filter(|wanted| self.known.get(&wanted.key(naming)) != Some(*wanted));
                let gone = self.known.iter().filter(|(key, _)| !self.asked.contains_key(*key));
                let forgotten = forgotten(gone.map(|(_, known)| known), naming);
                Parts { session_id: id, session_epoch: epoch, topics: topics(changed, naming), forgotten }
            }
        }
    }

    /// Takes the answer to what was built last.
    ///
    /// # Errors
    /// [`Refusal`] where the answer is none; the session is then reset.
    pub(crate) fn accept(&mut self, response: &FetchResponse) -> Result<(), Refusal> {
        if let Err(code) = ErrorCode(response.error_code).check() {
            self.reset(Some(code));
            return Err(Refusal::Code(code));
        }
        if matches!(self.state, State::Full { .. }) && response.throttle_time_ms > 0 && response.responses.is_empty() {
            self.reset(None);
            return Err(Refusal::Throttled);
        }
        if !self.matches(response) {
            self.reset(None);
            return Err(Refusal::Mismatch);
        }
        self.known = std::mem::take(&mut self.asked);
        self.state = match (self.state, response.session_id) {
            // The broker has no room for a session, or is too old for one.
            (_, 0) => State::Full { closes: 0 },
            (State::Incremental { id, epoch }, answered) if id == answered => {
                State::Incremental { id, epoch: if epoch == i32::MAX { 1 } else { epoch + 1 } }
            }
            (_, id) => State::Incremental { id, epoch: 1 },
        };
        Ok(())
    }

    /// Begins anew with the next request: after `error` was answered, or nothing.
    pub(crate) fn reset(&mut self, error: Option<ErrorCode>) {
        let closes = match (self.state, error) {
            (State::Incremental { .. }, Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)) => 0,
            (State::Incremental { id, .. }, _) => id,
            (State::Full { .. }, Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)) => 0,
            (State::Full { closes }, _) => closes,
        };
        self.state = State::Full { closes };
        self.known.clear();
        self.asked.clear();
    }

    /// What the broker still remembers, and has to be told to forget when nothing is fetched any more.
    pub(crate) fn id(&self) -> Option<i32> {
        match self.state {
            State::Incremental { id, .. } => Some(id),
            State::Full { closes } => Some(closes).filter(|id| *id != 0),
        }
    }

    /// Whether an answer is about partitions that were asked for, and a full one about all of them.
    fn matches(&self, response: &FetchResponse) -> bool {
        let mut count = 0;
        for topic in &response.responses {
            let mut key = match self.naming {
                Naming::Names => (topic.topic.clone(), Uuid::ZERO, 0),
                Naming::Ids => (SmolStr::default(), topic.topic_id, 0),
            };
            for data in &topic.partitions {
                key.2 = data.partition_index;
                if !self.asked.contains_key(&key) {
                    return false;
                }
                count += 1;
            }
        }
        matches!(self.state, State::Incremental { .. }) || count == self.asked.len()
    }
}

impl Wanted {
    /// Whether an answer is about it: version by version, answers name topics by their names or by their ids.
    pub(crate) fn is_answered_by(&self, topic: &FetchableTopicResponse, data: &PartitionData) -> bool {
        let same = if topic.topic_id.is_zero() { self.topic == topic.topic } else { self.topic_id == topic.topic_id };
        same && self.partition == data.partition_index
    }

    fn key(&self, naming: Naming) -> Key {
        let (topic, topic_id) = self.name(naming);
        (topic, topic_id, self.partition)
    }
}

/// Partitions one after the other, in their order; neighbours of the same topic share an element.
fn topics<'a>(wanted: impl Iterator<Item = &'a Wanted>, naming: Naming) -> Vec<FetchTopic> {
    let mut topics: Vec<(&SmolStr, FetchTopic)> = Vec::new();
    for wanted in wanted {
        let partition = FetchPartition {
            partition: wanted.partition,
            current_leader_epoch: wanted.current_leader_epoch,
            fetch_offset: wanted.fetch_offset,
            partition_max_bytes: wanted.max_bytes,
            ..FetchPartition::default()
        };
        let (topic, topic_id) = wanted.name(naming);
        match topics.last_mut() {
            Some((name, last)) if **name == wanted.topic && last.topic_id == topic_id => {
                last.partitions.push(partition)
            }
            _ => {
                let topic = FetchTopic { topic, topic_id, partitions: vec![partition], ..FetchTopic::default() };
                topics.push((&wanted.topic, topic));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn forgotten<'a>(known: impl Iterator<Item = &'a Wanted>, naming: Naming) -> Vec<ForgottenTopic> {
    let mut topics: Vec<(&SmolStr, ForgottenTopic)> = Vec::new();
    for known in known {
        let (topic, topic_id) = known.name(naming);
        match topics.last_mut() {
            Some((name, last)) if **name == known.topic && last.topic_id == topic_id => {
                last.partitions.push(known.partition);
            }
            _ => {
                let partitions = vec![known.partition];
                topics
                    .push((&known.topic, ForgottenTopic { topic, topic_id, partitions, ..ForgottenTopic::default() }));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

impl Wanted {
    /// Name and id as a request has them: only one counts.
    fn name(&self, naming: Naming) -> (SmolStr, Uuid) {
        match naming {
            Naming::Names => (self.topic.clone(), Uuid::ZERO),
            Naming::Ids => (SmolStr::default(), self.topic_id),
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn wanted(partition: i32, fetch_offset: i64) -> Wanted {
        let topic_id = Uuid::from_bytes([7; 16]);
        Wanted { topic: "t".into(), topic_id, partition, fetch_offset, current_leader_epoch: 3, max_bytes: 100 }
    }

    fn answer(session_id: i32, partitions: &[i32]) -> FetchResponse {
        let data = |&partition_index: &i32| PartitionData { partition_index, ..Default::default() };
        let partitions = partitions.iter().map(data).collect();
        let topic = FetchableTopicResponse {
            topic: "t".into(),
            topic_id: Uuid::from_bytes([7; 16]),
            partitions,
            ..Default::default()
        };
        FetchResponse { session_id, responses: vec![topic], ..Default::default() }
    }

    fn refused(code: ErrorCode) -> FetchResponse {
        FetchResponse { error_code: code.0, ..Default::default() }
    }

    /// (session id, epoch, partitions named, partitions forgotten)
    fn build(session: &mut FetchSession, wanted: &[Wanted]) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
        let parts = session.build(wanted, Naming::Names);
        let topics = parts.topics.iter().flat_map(|topic| &topic.partitions);
        let named = topics.map(|partition| (partition.partition, partition.fetch_offset)).collect();
        let forgotten = parts.forgotten.iter().flat_map(|topic| topic.partitions.clone()).collect();
        (parts.session_id, parts.session_epoch, named, forgotten)
    }

    fn established() -> FetchSession {
        let mut session = FetchSession::new();
        assert_eq!(build(&mut session, &[wanted(0, 10), wanted(1, 20)]), (0, 0, vec![(0, 10), (1, 20)], vec![]));
        session.accept(&answer(77, &[0, 1])).unwrap();
        session
    }

    #[test]
    fn only_what_changed_is_named() {
        let mut session = established();
        assert_eq!(build(&mut session, &[wanted(0, 15), wanted(1, 20)]), (77, 1, vec![(0, 15)], vec![]));
        session.accept(&answer(77, &[0])).unwrap();
        assert_eq!(build(&mut session, &[wanted(0, 15), wanted(1, 20)]), (77, 2, vec![], vec![]));
        session.accept(&answer(77, &[])).unwrap();
        assert_eq!(build(&mut session, &[wanted(2, 5), wanted(1, 20)]), (77, 3, vec![(2, 5)], vec![0]));
        session.accept(&answer(77, &[2])).unwrap();
        assert_eq!(build(&mut session, &[wanted(2, 5)]), (77, 4, vec![], vec![1]));
    }

    #[test]
    fn what_was_not_answered_does_not_count() {
        let mut session = established();
        assert_eq!(build(&mut session, &[wanted(0, 15)]), (77, 1, vec![(0, 15)], vec![1]));
        session.reset(None);
        assert_eq!(build(&mut session, &[wanted(0, 15)]), (77, 0, vec![(0, 15)], vec![]), "closes the old one");
        session.accept(&answer(78, &[0])).unwrap();
        assert_eq!(build(&mut session, &[wanted(0, 16)]), (78, 1, vec![(0, 16)], vec![]));
    }

    #[test]
    fn a_session_that_the_broker_lost_is_begun_anew() {
        for (code, id) in [(ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0), (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 77)] {
            let mut session = established();
            build(&mut session, &[wanted(0, 15)]);
            assert_eq!(session.accept(&refused(code)), Err(Refusal::Code(code)));
            assert_eq!(build(&mut session, &[wanted(0, 15)]), (id, 0, vec![(0, 15)], vec![]));
        }
    }

    #[test]
    fn what_the_broker_remembers_has_an_id() {
        assert_eq!(FetchSession::new().id(), None);
        let mut session = established();
        assert_eq!(session.id(), Some(77));
        session.reset(None);
        assert_eq!(session.id(), Some(77), "until the next request ends it");
        session.reset(Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!(session.id(), None);
    }

    #[test]
    fn without_a_session_everything_is_named_each_time() {
        let mut session = FetchSession::new();
        for offset in [1, 2] {
            let expected = (0, 0, vec![(0, offset), (1, 5)], vec![]);
            assert_eq!(build(&mut session, &[wanted(0, offset), wanted(1, 5)]), expected);
            session.accept(&answer(0, &[0, 1])).unwrap();
        }
    }

    #[test]
    fn an_answer_about_something_else_ends_the_session() {
        let mut session = established();
        build(&mut session, &[wanted(0, 15)]);
        assert_eq!(session.accept(&answer(77, &[9])), Err(Refusal::Mismatch));
        let mut session = FetchSession::new();
        build(&mut session, &[wanted(0, 15), wanted(1, 1)]);
        assert_eq!(session.accept(&answer(77, &[0])), Err(Refusal::Mismatch), "a full answer lacks one");
    }

    #[test]
    fn an_empty_answer_to_a_throttled_client_is_no_mismatch() {
        let throttled = || FetchResponse { throttle_time_ms: 500, ..Default::default() };
        let mut session = FetchSession::new();
        build(&mut session, &[wanted(0, 15)]);
        assert_eq!(session.accept(&throttled()), Err(Refusal::Throttled));
        assert_eq!(build(&mut session, &[wanted(0, 15)]), (0, 0, vec![(0, 15)], vec![]));
        // Within a session it is an answer as any other, that lacks nothing.
        let mut session = established();
        build(&mut session, &[wanted(0, 15)]);
        assert_eq!(session.accept(&FetchResponse { session_id: 77, ..throttled() }), Ok(()));
    }

    #[test]
    fn another_naming_begins_anew_and_an_id_names_the_topic() {
        let mut session = established();
        let parts = session.build(&[wanted(0, 15)], Naming::Ids);
        assert_eq!((parts.session_id, parts.session_epoch), (77, 0));
        assert_eq!((parts.topics[0].topic.as_str(), parts.topics[0].topic_id), ("", Uuid::from_bytes([7; 16])));
    }

    #[test]
    fn a_topic_created_again_is_another_one() {
        let mut session = FetchSession::new();
        session.build(&[wanted(0, 15)], Naming::Ids);
        session.accept(&answer(5, &[0])).unwrap();
        let again = Wanted { topic_id: Uuid::from_bytes([8; 16]), ..wanted(0, 15) };
        let parts = session.build(&[again], Naming::Ids);
        assert_eq!((parts.topics.len(), parts.forgotten.len()), (1, 1));
        assert_eq!(parts.forgotten[0].topic_id, Uuid::from_bytes([7; 16]));
    }

    #[test]
    fn partitions_of_the_old_and_the_new_topic_are_named_apart() {
        let again = Wanted { topic_id: Uuid::from_bytes([8; 16]), ..wanted(1, 0) };
        let parts = FetchSession::new().build(&[wanted(0, 15), again], Naming::Ids);
        let named = parts.topics.iter().map(|topic| (topic.topic_id, topic.partitions[0].partition));
        assert_eq!(named.collect::<Vec<_>>(), [(Uuid::from_bytes([7; 16]), 0), (Uuid::from_bytes([8; 16]), 1)]);
    }

    #[test]
    fn epochs_go_round_without_zero() {
        let mut session = established();
        session.state = State::Incremental { id: 77, epoch: i32::MAX };
        build(&mut session, &[wanted(0, 15)]);
        session.accept(&answer(77, &[])).unwrap();
        assert_eq!(session.state, State::Incremental { id: 77, epoch: 1 });
    }
}
