//! A cluster of brokers as a plain value: requests in, answers out, now or later.
//!
//! ```text
//!  handle_open ──► ConnectionId          one request at a time on each connection, as brokers do it
//!  handle_request(frame) ─► hook, faults ─► api/… ─► answer ──────────────► poll() ──► Output
//!                                             └─► wait (long poll, acks=all) ─┘ ▲
//!  handle_timeout ──────────────────────────────────────────────────────────────┘ poll_timeout()
//! ```
//!
//! Sans-IO.

mod answer;
mod authentication;
mod call;
mod config;
mod connection;
mod control;
mod dispatch;
mod request_log;
mod versions;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use smol_str::SmolStr;

pub(crate) use answer::{Answer, Reply, Wait};
pub(crate) use call::Call;
pub use config::{BrokerConfig, Config, Limits};
pub use connection::ConnectionId;
pub use request_log::LoggedRequest;
pub use versions::{KafkaVersion, UnknownVersion};

use crate::core::answer::Pending;
use crate::core::authentication::{Authentication, Gate};
use crate::core::connection::{Activity, Connection};
use crate::core::request_log::RequestLog;
use crate::fault::{Faults, Hook, Plan, Verdict};
use crate::state::{State, Status};

/// A cluster, without sockets, clock or tasks.
///
/// Give it requests and the time; after each `handle_*`, take what [`poll`](Self::poll) has until it has nothing, and
/// come back at [`poll_timeout`](Self::poll_timeout). Time never goes back. Everything that happens follows from the
/// configuration, its seed, and what was handed in.
///
/// ```
/// use std::time::Instant;
///
/// use kafka_embedded::core::{Config, Core, Output};
///
/// let now = Instant::now();
/// let mut core = Core::new(Config::default(), now);
/// let connection = core.handle_open(now, 1, "test").expect("broker 1 is there");
/// // ApiVersions 0, correlation id 7, no client id.
/// core.handle_request(now, connection, (&[0, 18, 0, 0, 0, 0, 0, 7, 255, 255][..]).into());
/// let Some(Output::Answer { frame, .. }) = core.poll() else { panic!("it is answered at once") };
/// assert_eq!(frame[4..8], [0, 0, 0, 7]);
/// ```
#[derive(Debug)]
pub struct Core {
    pub(crate) state: State,
    pub(crate) faults: Faults,
    pub(crate) requests: RequestLog,
    hook: Option<Hook>,
    connections: BTreeMap<ConnectionId, Connection>,
    last_connection: u64,
    outputs: VecDeque<Output>,
}

/// What is to be done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The answer to its request, to be written; the next request may be handed in.
    Answer {
        /// The connection.
        connection: ConnectionId,
        /// The answer, its size before it.
        frame: Bytes,
    },
    /// Its request has no answer (Produce with `acks=0`); the next may be handed in.
    Done {
        /// The connection.
        connection: ConnectionId,
    },
    /// It is to be closed; it is no longer known.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
}

impl Core {
    /// A cluster whose brokers all run.
    pub fn new(config: Config, now: Instant) -> Self {
        let requests = RequestLog::new(&config.limits, now);
        Self {
            state: State::new(config, now),
            faults: Faults::default(),
            requests,
            hook: None,
            connections: BTreeMap::new(),
            last_connection: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Somebody connects to a broker. `None` where nobody listens: the broker is stopped, or there are too many
    /// connections.
    pub fn handle_open(&mut self, now: Instant, broker: i32, client_host: &str) -> Option<ConnectionId> {
        self.advance(now);
        let full = self.connections.len() >= self.state.config.limits.max_connections;
        if full || !self.state.is_alive(broker) {
            return None;
        }
        let authentication = Authentication::new(self.state.config.sasl.as_ref());
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        self.connections.insert(id, Connection::new(broker, SmolStr::new(client_host), authentication));
        Some(id)
    }

    /// A request, without its size. The one before it must have been answered: who hands in more is cut off.
    pub fn handle_request(&mut self, now: Instant, connection: ConnectionId, frame: Bytes) {
        self.advance(now);
        let Some(known) = self.connections.get_mut(&connection) else {
            return;
        };
        if !matches!(known.activity, Activity::Idle) || frame.len() > self.state.config.limits.max_frame {
            return self.close(connection);
        }
        known.activity = Activity::Held(frame);
        self.resume(connection);
        self.settle();
    }

    /// The client has closed a connection, or it broke.
    pub fn handle_close(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        self.connections.remove(&connection);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.state.handle_timeout();
        let due: Vec<_> = self.connections.iter().filter(|(_, known)| known.is_due(now)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.resume(id));
        self.settle();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let running = self.connections.values().filter(|known| !self.is_frozen(known.broker));
        running.filter_map(Connection::timeout).chain(self.state.poll_timeout()).min()
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn advance(&mut self, now: Instant) {
        self.state.now = self.state.now.max(now);
    }

    fn is_frozen(&self, broker: i32) -> bool {
        self.state.brokers.get(&broker).is_some_and(|broker| broker.status == Status::Frozen)
    }

    fn close(&mut self, connection: ConnectionId) {
        if self.connections.remove(&connection).is_some() {
            self.outputs.push_back(Output::Close { connection });
        }
    }

    /// Goes on with what a connection has in hand, as far as that goes now.
    fn resume(&mut self, id: ConnectionId) {
        let now = self.state.now;
        let Some(broker) = self.connections.get(&id).map(|known| known.broker) else {
            return;
        };
        if self.is_frozen(broker) {
            return;
        }
        let Some(known) = self.connections.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut known.activity, Activity::Idle) {
            Activity::Held(frame) if known.muted_until.is_none_or(|until| until <= now) => self.serve(id, frame),
            Activity::Waiting(mut pending, mut wait) => {
                let reply = wait.poll(&mut self.state, &mut pending.call);
                match reply {
                    Some(reply) => self.finish(id, pending, reply),
                    None => self.put_back(id, Activity::Waiting(pending, wait)),
                }
            }
            Activity::Delayed { until, frame } if until <= now => self.send(id, frame),
            unchanged => known.activity = unchanged,
        }
    }

    fn put_back(&mut self, id: ConnectionId, activity: Activity) {
        if let Some(known) = self.connections.get_mut(&id) {
            known.activity = activity;
        }
    }

    /// Serves a request from its first byte.
    fn serve(&mut self, id: ConnectionId, frame: Bytes) {
        let Some(known) = self.connections.get_mut(&id) else {
            return;
        };
        if known.authentication.is_bare() {
            return match known.authentication.handle_bare(&mut self.state, &frame) {
                Some(answer) => self.send(id, Some(answer)),
                None => self.close(id),
            };
        }
        let Some((mut call, body)) = dispatch::open(frame, known.broker, known.client_host.clone()) else {
            return self.close(id);
        };
        self.requests.record(self.state.now, &call, &body);
        let (plan, given) = self.plan(&call);
        let Plan { errors, cut, stall, delay, drop_answer, throttle } = plan;
        if cut {
            return self.close(id);
        }
        if stall {
            return self.put_back(id, Activity::Stalled);
        }
        call.injected = errors;
        let reply = given.unwrap_or_else(|| self.reply(id, &mut call, body));
        self.faults.used(&call.injected);
        self.finish(id, Box::new(Pending { call, delay, drop_answer, throttle }), reply);
    }

    /// What is to become of the request that was recorded last: first the hook says; where it has the request served, the
    /// declared faults happen too, and only then they are counted.
    fn plan(&mut self, call: &Call) -> (Plan, Option<Reply>) {
        let verdict = match (&mut self.hook, self.requests.last()) {
            (Some(hook), Some(request)) => hook.ask(request),
            _ => Verdict::Pass,
        };
        let mut plan = match verdict {
            Verdict::Pass | Verdict::Delay(_) | Verdict::DropAnswer => {
                self.faults.plan(call.api, call.broker, &call.client_id, &mut self.state.rng)
            }
            Verdict::Error(_) | Verdict::Answer(_) | Verdict::Cut | Verdict::Stall => Plan::default(),
        };
        let mut given = None;
        match verdict {
            Verdict::Pass => {}
            Verdict::Error(code) => plan.add_error(code),
            Verdict::Answer(answer) => given = Some(Reply::Now(Box::new(answer::Given(answer)))),
            Verdict::Delay(delay) => plan.delay = plan.delay.saturating_add(delay),
            Verdict::DropAnswer => plan.drop_answer = true,
            Verdict::Cut => plan.cut = true,
            Verdict::Stall => plan.stall = true,
        }
        (plan, given)
    }

    /// Serves a request, if whoever sent it may send it.
    fn reply(&mut self, id: ConnectionId, call: &mut Call, body: Bytes) -> Reply {
        let Some(known) = self.connections.get_mut(&id) else {
            return Reply::Close;
        };
        match known.authentication.handle(&mut self.state, call, &body) {
            Gate::Pass => dispatch::handle(&mut self.state, call, body),
            Gate::Answer(reply) => reply,
            Gate::Last(reply) => {
                known.ends = true;
                reply
            }
        }
    }

    /// Does with a reply what the request's faults say.
    fn finish(&mut self, id: ConnectionId, pending: Box<Pending>, reply: Reply) {
        let frame = match reply {
            Reply::Wait(wait) => {
                let at_once = wait.deadline().is_some_and(|at| at <= self.state.now);
                self.put_back(id, Activity::Waiting(pending, wait));
                if at_once {
                    self.resume(id);
                }
                return;
            }
            Reply::Close => return self.close(id),
            Reply::Nothing => None,
            Reply::Now(mut answer) => {
                answer.set_throttle(pending.throttle);
                let Some(frame) = dispatch::seal(&pending.call, &*answer) else {
                    return self.close(id);
                };
                Some(frame)
            }
        };
        if pending.drop_answer {
            return self.close(id);
        }
        let now = self.state.now;
        if let Some(known) = self.connections.get_mut(&id)
            && !pending.throttle.is_zero()
        {
            // The answer says how long, and nothing is read until then (KIP-219).
            known.muted_until = now.checked_add(pending.throttle);
        }
        match now.checked_add(pending.delay).filter(|until| *until > now) {
            Some(until) => self.put_back(id, Activity::Delayed { until, frame }),
            None => self.send(id, frame),
        }
    }

    fn send(&mut self, connection: ConnectionId, frame: Option<Bytes>) {
        let Some(known) = self.connections.get(&connection) else {
            return;
        };
        let ends = known.ends;
        self.outputs.push_back(match frame {
            Some(frame) => Output::Answer { connection, frame },
            None => Output::Done { connection },
        });
        if ends {
            self.close(connection);
        }
    }

    /// Looks at everything that waits, until nothing more happens.
    fn settle(&mut self) {
        // What one request completes can complete others, but each only once.
        for _ in 0..=self.connections.len() {
            if !std::mem::take(&mut self.state.changed) {
                return;
            }
            let waits = |known: &Connection| matches!(known.activity, Activity::Waiting(..));
            let waiting: Vec<_> =
                self.connections.iter().filter(|(_, known)| waits(known)).map(|(id, _)| *id).collect();
            waiting.into_iter().for_each(|id| self.resume(id));
        }
    }
}
