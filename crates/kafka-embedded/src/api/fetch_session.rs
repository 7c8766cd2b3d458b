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
pub(crate) struct FetchSessions(BTreeMap<i32, Session>);

#[derive(Debug)]
struct Session {
    /// What the next request has to say.
    epoch: i32,
    uses_ids: bool,
    last_used: Instant,
    /// In the order in which they are served: who gave records goes to the end.
    partitions: Vec<Cached>,
}

#[derive(Debug)]
struct Cached {
    item: Item,
    /// What the reader was told last.
    high_watermark: i64,
    log_start: i64,
}

impl FetchSessions {
    /// The session of a request, and the partitions that it asks for.
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
        if version < 7 || epoch == FINAL_EPOCH {
            self.0.remove(&id);
            return Ok((Context::Sessionless, items(request).0));
        }
        if epoch == INITIAL_EPOCH {
            self.0.remove(&id);
            let (items, _) = items(request);
            if items.is_empty() || items.len() > limits.max_session_partitions || limits.max_fetch_sessions == 0 {
                return Ok((Context::Sessionless, items));
            }
            return Ok((Context::Full(self.create(&items, version, now, limits, rng)), items));
        }
        let session = self.0.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.uses_ids != (version >= 13) {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        session.epoch = next_epoch(epoch);
        session.last_used = now;
        session.update(request);
        if session.partitions.len() > limits.max_session_partitions {
            self.0.remove(&id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        let items = session.partitions.iter().map(|cached| cached.item.clone()).collect();
        Ok((Context::Incremental(id), items))
    }

    /// Whether an answer for a partition has to be sent; remembers it as sent then.
    pub(crate) fn is_news(&mut self, context: &Context, item: &Item, data: &PartitionData) -> bool {
        let Some(session) = self.0.get_mut(&context.id()) else {
            return true;
        };
        let Some(at) = session.partitions.iter().position(|cached| cached.is(item)) else {
            return true;
        };
        let Some(cached) = session.partitions.get_mut(at) else {
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
        if records && let Context::Incremental(_) = context {
            let served = session.partitions.remove(at);
            session.partitions.push(served);
        }
        let incremental = matches!(context, Context::Incremental(_));
        !incremental || changed || records || failed || special
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn create(&mut self, items: &[Item], version: i16, now: Instant, limits: &Limits, rng: &mut Rng) -> i32 {
        while self.0.len() >= limits.max_fetch_sessions {
            let oldest = self.0.iter().min_by_key(|(_, session)| session.last_used).map(|(id, _)| *id);
            oldest.and_then(|id| self.0.remove(&id));
        }
        let id = std::iter::repeat_with(|| rng.i32(1..)).find(|id| !self.0.contains_key(id)).unwrap_or(1);
        let partitions = items.iter().cloned().map(Cached::new).collect();
        let session = Session { epoch: next_epoch(INITIAL_EPOCH), uses_ids: version >= 13, last_used: now, partitions };
        self.0.insert(id, session);
        id
    }
}

impl Session {
    fn update(&mut self, request: FetchRequest) {
        let (items, forgotten) = items(request);
        for item in items {
            match self.partitions.iter_mut().find(|cached| cached.is(&item)) {
                Some(cached) => cached.item = item,
                None => self.partitions.push(Cached::new(item)),
            }
        }
        self.partitions.retain(|cached| !forgotten.iter().any(|item| cached.is(item)));
    }
}

impl Cached {
    fn new(item: Item) -> Self {
        Self { item, high_watermark: UNSAID, log_start: UNSAID }
    }

    fn is(&self, item: &Item) -> bool {
        let same_topic = if self.item.topic_id.is_zero() {
            self.item.topic == item.topic
        } else {
            self.item.topic_id == item.topic_id
        };
        same_topic && self.item.request.partition == item.request.partition
    }
}

/// The partitions that a request adds, and those that it forgets.
fn items(request: FetchRequest) -> (Vec<Item>, Vec<Item>) {
    let mut added = Vec::new();
    for topic in request.topics {
        let (name, topic_id) = (topic.topic, topic.topic_id);
        let item = |request| Item { topic: name.clone(), topic_id, request, injected: None };
        added.extend(topic.partitions.into_iter().map(item));
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let (name, topic_id) = (topic.topic, topic.topic_id);
        let item = |partition| {
            let request = FetchPartition { partition, ..Default::default() };
            Item { topic: name.clone(), topic_id, request, injected: None }
        };
        forgotten.extend(topic.partitions.into_iter().map(item));
    }
    (added, forgotten)
}

/// After the last comes 1: 0 would begin a session.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// No broker says it.
const UNSAID: i64 = i64::MIN;
