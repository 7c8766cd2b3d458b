//! Faults, declared: what goes wrong, with which requests, and how often.
//!
//! Sans-IO.

mod errors;
mod hook;

use std::time::Duration;

use fastrand::Rng;
use kafka_protocol::{ApiKey, ErrorCode};
use smol_str::SmolStr;

pub(crate) use errors::InjectedErrors;
pub use hook::{Hook, Verdict};

/// Something that goes wrong, with the requests that it is for. Without further word: with the next one of its API, at
/// whichever broker.
///
/// ```
/// use std::time::Duration;
///
/// use kafka_embedded::Fault;
/// use kafka_protocol::{ApiKey, ErrorCode};
///
/// // The next three Produce requests with partition 0 of `orders`: not the leader.
/// let moved = Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_LEADER_OR_FOLLOWER).topic("orders").partition(0).times(3);
/// // One answer in ten is lost after what was asked is done.
/// let lossy = Fault::drop_answer(ApiKey::PRODUCE).always().share(0.1);
/// // Broker 2 is slow, for everybody, until the fault is taken back.
/// let slow = Fault::delay(None, Duration::from_millis(200)).broker(2).always();
/// # let _ = (moved, lossy, slow);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    api: Option<ApiKey>,
    broker: Option<i32>,
    client_id: Option<SmolStr>,
    topic: Option<SmolStr>,
    partition: Option<i32>,
    action: Action,
    /// How often still; `None` for ever.
    left: Option<u32>,
    share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Error(ErrorCode),
    DropAnswer,
    Delay(Duration),
    Throttle(Duration),
    Cut,
    Stall,
}

impl Fault {
    /// An error code instead of an answer; nothing is done. Narrowed by [`topic`](Self::topic) and
    /// [`partition`](Self::partition), the rest of the request is served.
    pub fn error(api: ApiKey, code: ErrorCode) -> Self {
        Self::new(Some(api), Action::Error(code))
    }

    /// What is asked is done, then the connection is closed instead of an answer.
    pub fn drop_answer(api: impl Into<Option<ApiKey>>) -> Self {
        Self::new(api.into(), Action::DropAnswer)
    }

    /// The answer comes so much later; requests behind it on the connection wait.
    pub fn delay(api: impl Into<Option<ApiKey>>, delay: Duration) -> Self {
        Self::new(api.into(), Action::Delay(delay))
    }

    /// The answer says that the client is throttled, and the connection is not read for so long (KIP-219).
    pub fn throttle(api: impl Into<Option<ApiKey>>, time: Duration) -> Self {
        Self::new(api.into(), Action::Throttle(time))
    }

    /// The connection is closed; nothing is done.
    pub fn cut(api: impl Into<Option<ApiKey>>) -> Self {
        Self::new(api.into(), Action::Cut)
    }

    /// Nothing is done and nothing comes, on this connection, ever again: it is half-open.
    pub fn stall(api: impl Into<Option<ApiKey>>) -> Self {
        Self::new(api.into(), Action::Stall)
    }

    /// Only at this broker.
    #[must_use]
    pub fn broker(self, broker: i32) -> Self {
        Self { broker: Some(broker), ..self }
    }

    /// Only for clients of this name.
    #[must_use]
    pub fn client_id(self, client_id: impl Into<SmolStr>) -> Self {
        Self { client_id: Some(client_id.into()), ..self }
    }

    /// Only for this topic; only of errors.
    #[must_use]
    pub fn topic(self, topic: impl Into<SmolStr>) -> Self {
        Self { topic: Some(topic.into()), ..self }
    }

    /// Only for this partition; only of errors.
    #[must_use]
    pub fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// With the next `count` requests. Default: 1.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { left: Some(count), ..self }
    }

    /// With every request until it is taken back.
    #[must_use]
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    /// Only with this share of the requests that it is for, by the cluster's seed: 0.1 is one in ten.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    fn new(api: Option<ApiKey>, action: Action) -> Self {
        let (broker, client_id, topic, partition) = (None, None, None, None);
        Self { api, broker, client_id, topic, partition, action, left: Some(1), share: 1.0 }
    }

    fn is_for(&self, api: ApiKey, broker: i32, client_id: &str) -> bool {
        self.left != Some(0)
            && self.api.is_none_or(|wanted| wanted == api)
            && self.broker.is_none_or(|wanted| wanted == broker)
            && self.client_id.as_ref().is_none_or(|wanted| wanted == client_id)
    }
}

/// A fault that was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

/// The faults that are declared.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    declared: Vec<(FaultId, Fault)>,
    last: u64,
}

/// What goes wrong with one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) errors: InjectedErrors,
    pub(crate) cut: bool,
    pub(crate) stall: bool,
    pub(crate) drop_answer: bool,
    pub(crate) delay: Duration,
    pub(crate) throttle: Duration,
}

impl Plan {
    /// An error of nobody's count.
    pub(crate) fn add_error(&mut self, code: ErrorCode) {
        self.errors.add(None, None, None, code);
    }
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.last += 1;
        let id = FaultId(self.last);
        self.declared.push((id, fault));
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.declared.len();
        self.declared.retain(|(known, _)| *known != id);
        self.declared.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.declared.clear();
    }

    /// What goes wrong with a request. Errors count as used only where they hit a partition that is asked for.
    pub(crate) fn plan(&mut self, api: ApiKey, broker: i32, client_id: &str, rng: &mut Rng) -> Plan {
        let mut plan = Plan::default();
        for (id, fault) in &mut self.declared {
            if !fault.is_for(api, broker, client_id) || (fault.share < 1.0 && rng.f64() >= fault.share) {
                continue;
            }
            match fault.action {
                Action::Error(code) => {
                    plan.errors.add(Some(*id), fault.topic.clone(), fault.partition, code);
                    continue;
                }
                Action::DropAnswer => plan.drop_answer = true,
                Action::Delay(delay) => plan.delay = plan.delay.saturating_add(delay),
                Action::Throttle(time) => plan.throttle = plan.throttle.max(time),
                Action::Cut => plan.cut = true,
                Action::Stall => plan.stall = true,
            }
            fault.left = fault.left.map(|left| left.saturating_sub(1));
        }
        self.drop_spent();
        plan
    }

    /// Counts the errors that were answered.
    pub(crate) fn used(&mut self, errors: &InjectedErrors) {
        for id in errors.used() {
            for (_, fault) in self.declared.iter_mut().filter(|(known, _)| *known == id) {
                fault.left = fault.left.map(|left| left.saturating_sub(1));
            }
        }
        self.drop_spent();
    }

    fn drop_spent(&mut self) {
        self.declared.retain(|(_, fault)| fault.left != Some(0));
    }
}
