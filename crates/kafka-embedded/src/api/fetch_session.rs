//! Fetch sessions (KIP-227): what a broker remembers of a reader, so that both only speak of what changes.
//!
//! ```text
//!  id 0, epoch 0    ──► a session is made: all partitions in the request, all in the answer, and its id
//!  id, epoch 1, 2 … ──► what changed in the request, what is new in the answer
//!  id, epoch -1     ──► the session ends; so does one whose id comes with epoch 0
//! ```
//!
//! Sans-IO.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use fastrand::Rng;
use kafka_protocol::messages::fetch::{FetchPartition, FetchRequest, PartitionData};
use kafka_protocol::{ErrorCode, Uuid};
use smol_str::SmolStr;

use crate::core::Limits;

/// A partition that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The topic's name; with topic ids it is found out for each request, and empty where there is none.
    pub(crate) topic: SmolStr,
    pub(crate) topic_id: Uuid,
    pub(crate) request: FetchPartition,
    /// An error that a test wants answered.
    pub(crate) injected: Option<ErrorCode>,
}

/// Which session a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// None.
    Sessionless,
    /// One that begins.
    Full(i32),
    /// One that goes on.
    Incremental(i32),
}

impl Context {
    /// The session's id, 0 for none.
    pub(crate) fn id(self) -> i32 {
        match self {
            Self::Sessionless => 0,
            Self::Full(id) | Self::Incremental(id) => id,
        }
    }
}

/// The sessions of a broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    sessions: BTreeMap<i32, Session>,
    /// What they take, by [`Item::size`].
    bytes: usize,
}

#[derive(Debug)]
struct Session {
    /// What the next request has to say.
    epoch: i32,
    uses_ids: bool,
    last_used: Instant,
    /// By their turns, in the order in which they are served: who gave records goes to the end.
    partitions: BTreeMap<u64, Cached>,
    /// The turn of each partition.
    turns: BTreeMap<Key, u64>,
    next_turn: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Cached {
    item: Item,
    /// What the reader was told last.
    high_watermark: i64,
    log_start: i64,
}

/// A partition, as requests name it: by the topic's name, or by its id.
type Key = (SmolStr, Uuid, i32);

impl FetchSessions {
    /// The session of a request, and the partitions that it asks for, each once.
    ///
    /// # Errors
    /// The error for the request as a whole.
    pub(crate) fn open(
        &mut self,
        request: FetchRequest,
        version: i16,
        now: Instant,
        limits: &Limits,
        rng: &mut Rng,
    ) -> Result<(Context, Vec<Item>), ErrorCode> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        let uses_ids = version >= 13;
        if version < 7 || epoch == FINAL_EPOCH {
            self.remove(id);
            return Ok((Context::Sessionless, items(request, uses_ids).0));
        }
        if epoch == INITIAL_EPOCH {
            self.remove(id);
            let (items, _) = items(request, uses_ids);
            let context = match self.create(&items, uses_ids, now, limits, rng) {
                Some(id) => Context::Full(id),
                None => Context::Sessionless,
            };
            return Ok((context, items));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.uses_ids != uses_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        let before = session.bytes;
        session.epoch = next_epoch(epoch);
        session.last_used = now;
        session.update(request);
        let (after, count) = (session.bytes, session.partitions.len());
        let items = session.partitions.values().map(|cached| cached.item.clone()).collect();
        self.bytes = self.bytes - before + after;
        if count > limits.max_session_partitions || after > limits.max_fetch_session_bytes {
            self.remove(id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        self.make_room(0, limits.max_fetch_sessions, limits.max_fetch_session_bytes, Some(id));
        Ok((Context::Incremental(id), items))
    }

    /// Whether an answer for a partition has to be sent; remembers it as sent then.
    pub(crate) fn is_news(&mut self, context: &Context, item: &Item, data: &PartitionData) -> bool {
        match self.sessions.get_mut(&context.id()) {
            Some(session) => session.is_news(context, item, data),
            None => true,
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn remove(&mut self, id: i32) {
        self.bytes -= self.sessions.remove(&id).map_or(0, |session| session.bytes);
    }

    /// Makes a session, the oldest ones making room; `None` where it would be too large, or there is nothing in it.
    fn create(&mut self, items: &[Item], uses_ids: bool, now: Instant, limits: &Limits, rng: &mut Rng) -> Option<i32> {
        let (max, max_bytes) = (limits.max_fetch_sessions, limits.max_fetch_session_bytes);
        let bytes: usize = items.iter().map(Item::size).sum();
        if max == 0 || items.is_empty() || items.len() > limits.max_session_partitions || bytes > max_bytes {
            return None;
        }
        self.make_room(bytes, max - 1, max_bytes, None);
        let id = std::iter::repeat_with(|| rng.i32(1..)).find(|id| !self.sessions.contains_key(id)).unwrap_or(1);
        let mut session = Session::new(uses_ids, now);
        items.iter().for_each(|item| session.put(item.clone()));
        self.bytes += session.bytes;
        self.sessions.insert(id, session);
        Some(id)
    }

    /// Drops the sessions that were not used for longest, until there are no more than `max`, with room for `bytes`.
    fn make_room(&mut self, bytes: usize, max: usize, max_bytes: usize, except: Option<i32>) {
        while self.sessions.len() > max || self.bytes.saturating_add(bytes) > max_bytes {
            let others = self.sessions.iter().filter(|(id, _)| Some(**id) != except);
            let Some(oldest) = others.min_by_key(|(_, session)| session.last_used).map(|(id, _)| *id) else {
                return;
            };
            self.remove(oldest);
        }
    }
}

impl Session {
    fn new(uses_ids: bool, now: Instant) -> Self {
        let (partitions, turns) = (BTreeMap::new(), BTreeMap::new());
        Self { epoch: next_epoch(INITIAL_EPOCH), uses_ids, last_used: now, partitions, turns, next_turn: 0, bytes: 0 }
    }

    fn update(&mut self, request: FetchRequest) {
        let (items, forgotten) = items(request, self.uses_ids);
        items.into_iter().for_each(|item| self.put(item));
        for key in forgotten {
            let turn = self.turns.remove(&key);
            let cached = turn.and_then(|turn| self.partitions.remove(&turn));
            self.bytes -= cached.map_or(0, |cached| cached.item.size());
        }
    }

    /// Asks for a partition, from now on or otherwise than before.
    fn put(&mut self, item: Item) {
        let key = item.key(self.uses_ids);
        let known = self.turns.get(&key).and_then(|turn| self.partitions.get_mut(turn));
        if let Some(cached) = known {
            cached.item = item;
            return;
        }
        self.bytes += item.size();
        self.partitions.insert(self.next_turn, Cached { item, high_watermark: UNSAID, log_start: UNSAID });
        self.turns.insert(key, self.next_turn);
        self.next_turn += 1;
    }

    fn is_news(&mut self, context: &Context, item: &Item, data: &PartitionData) -> bool {
        let Some(turn) = self.turns.get_mut(&item.key(self.uses_ids)) else {
            return true;
        };
        let Some(cached) = self.partitions.get_mut(turn) else {
            return true;
        };
        let changed = cached.high_watermark != data.high_watermark || cached.log_start != data.log_start_offset;
        let records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let failed = data.error_code != 0;
        let special = data.preferred_read_replica >= 0 || data.diverging_epoch.epoch >= 0;
        (cached.high_watermark, cached.log_start) = (data.high_watermark, data.log_start_offset);
        if failed {
            // What comes after an error is news in any case.
            cached.high_watermark = UNSAID;
        }
        let incremental = matches!(context, Context::Incremental(_));
        if records
            && incremental
            && let Some(served) = self.partitions.remove(turn)
        {
            *turn = self.next_turn;
            self.partitions.insert(self.next_turn, served);
            self.next_turn += 1;
        }
        !incremental || changed || records || failed || special
    }
}

impl Item {
    fn key(&self, by_id: bool) -> Key {
        // In a request that goes by ids, the name is only found out later.
        let name = if by_id { SmolStr::default() } else { self.topic.clone() };
        (name, self.topic_id, self.request.partition)
    }

    /// About the bytes that a session keeps of it.
    fn size(&self) -> usize {
        ITEM_SIZE + self.topic.len()
    }
}

/// The partitions that a request adds, each once with what was said of it last, and those that it forgets.
fn items(request: FetchRequest, by_id: bool) -> (Vec<Item>, Vec<Key>) {
    let (mut added, mut places) = (Vec::<Item>::new(), BTreeMap::new());
    for topic in request.topics {
        for request in topic.partitions {
            let item = Item { topic: topic.topic.clone(), topic_id: topic.topic_id, request, injected: None };
            match places.entry(item.key(by_id)) {
                Entry::Vacant(place) => {
                    place.insert(added.len());
                    added.push(item);
                }
                Entry::Occupied(place) => added.get_mut(*place.get()).into_iter().for_each(|old| *old = item.clone()),
            }
        }
    }
    let forgotten = request.forgotten_topics_data.into_iter().flat_map(|topic| {
        let name = if by_id { SmolStr::default() } else { topic.topic };
        topic.partitions.into_iter().map(move |partition| (name.clone(), topic.topic_id, partition))
    });
    (added, forgotten.collect())
}

/// After the last comes 1: 0 would begin a session.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// What an item and its places in the maps take, without the topic's name.
const ITEM_SIZE: usize = 256;
/// No broker says it.
const UNSAID: i64 = i64::MIN;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kafka_protocol::messages::fetch::{FetchTopic, ForgottenTopic};

    use super::*;

    /// A request of a session for partitions of `t`.
    fn request(id: i32, epoch: i32, partitions: impl IntoIterator<Item = i32>) -> FetchRequest {
        let partition = |partition| FetchPartition { partition, ..Default::default() };
        let partitions: Vec<_> = partitions.into_iter().map(partition).collect();
        let topics = vec![FetchTopic { topic: "t".into(), partitions, ..Default::default() }];
        FetchRequest { session_id: id, session_epoch: epoch, topics, ..Default::default() }
    }

    fn open(
        sessions: &mut FetchSessions,
        request: FetchRequest,
        limits: &Limits,
    ) -> Result<(i32, Vec<i32>), ErrorCode> {
        let (context, items) = sessions.open(request, 12, Instant::now(), limits, &mut Rng::with_seed(1))?;
        Ok((context.id(), items.iter().map(|item| item.request.partition).collect()))
    }

    #[test]
    fn who_gave_records_comes_last_and_the_forgotten_not_at_all() {
        let (mut sessions, limits) = (FetchSessions::default(), Limits::default());
        let (id, asked) = open(&mut sessions, request(0, 0, [0, 1, 2, 1]), &limits).unwrap();
        assert_eq!(asked, [0, 1, 2], "each once");
        let (context, items) = sessions.open(request(id, 1, []), 12, Instant::now(), &limits, &mut Rng::new()).unwrap();
        let records = Some(bytes::Bytes::from_static(b"records"));
        assert!(sessions.is_news(&context, &items[0], &PartitionData { records, ..Default::default() }));
        let forgotten_topics_data =
            vec![ForgottenTopic { topic: "t".into(), partitions: vec![1, 7], ..Default::default() }];
        let next = FetchRequest { forgotten_topics_data, ..request(id, 2, [3]) };
        assert_eq!(open(&mut sessions, next, &limits).unwrap(), (id, vec![2, 0, 3]));
        assert_eq!(sessions.bytes, 3 * (ITEM_SIZE + 1));
        sessions.remove(id);
        assert_eq!(sessions.bytes, 0);
    }

    /// Found in review: each partition was looked for among all others, before any limit was looked at.
    #[test]
    fn a_request_of_a_hundred_thousand_partitions_costs_no_more_than_to_read_it() {
        let (mut sessions, limits) = (FetchSessions::default(), Limits::default());
        let (id, _) = open(&mut sessions, request(0, 0, [0]), &limits).unwrap();
        // With the square of it this would take minutes.
        let many = request(id, 1, 0..100_000);
        assert_eq!(open(&mut sessions, many, &limits), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!((sessions.bytes, sessions.sessions.len()), (0, 0));
        let many = request(0, 0, (0..100_000).map(|number| number % 1_000));
        assert_eq!(open(&mut sessions, many, &limits).unwrap().1.len(), 1_000);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let limits = Limits { max_fetch_session_bytes: 5 * (ITEM_SIZE + 1), ..Limits::default() };
        let mut sessions = FetchSessions::default();
        let (one, _) = open(&mut sessions, request(0, 0, 0..2), &limits).unwrap();
        let (two, _) = open(&mut sessions, request(0, 0, 0..3), &limits).unwrap();
        let (three, _) = open(&mut sessions, request(0, 0, 0..2), &limits).unwrap();
        assert_eq!(sessions.sessions.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&two, &three]));
        assert_eq!(open(&mut sessions, request(two, 1, 3..5), &limits).unwrap().1.len(), 5);
        assert_eq!(open(&mut sessions, request(0, 0, 0..6), &limits).unwrap().0, 0, "too large for a session");
        assert_eq!(open(&mut sessions, request(two, 2, 5..6), &limits), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
        assert!(sessions.bytes == 0 && one != two);
    }
}
