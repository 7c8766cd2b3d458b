//! Which faults happen to which requests and connections, decided from a seed, and what happened.
//!
//! Sans-IO.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use kafka_protocol::ApiKey;

/// A fault, and what it happens to. Of several that would, the first in the list does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// The broker that it happens at; `None` for each of them.
    pub(crate) broker: Option<i32>,
    pub(crate) often: Often,
    pub(crate) fault: Fault,
}

/// How often a fault happens, of the times that it could.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Often {
    /// Each time with this probability, from 0 to 1.
    Share(f64),
    /// The next so many times, then never again.
    Next(u32),
}

/// What goes wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// To a request of this API; `None` for any.
    Request(Option<ApiKey>, RequestFault),
    /// To a new connection.
    Connection(ConnectionFault),
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFault {
    /// The connection is cut, and the broker never sees the request.
    Cut,
    /// The broker applies the request, then the connection is cut in place of its answer.
    DropAnswerAndCut,
    /// The broker applies the request, and neither its answer nor any later one gets through: the connection stays open.
    DropAnswerAndFallSilent,
    /// From this request on nothing gets through, either way: the connection stays open.
    Stall,
    /// The answer is held back until so long after the request. Later ones wait behind it.
    Delay(Duration),
}

/// What happens to a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// It is closed as soon as it is open.
    Cut,
    /// It stays open, and nothing gets through.
    Stall,
    /// It reaches the broker so much later.
    Delay(Duration),
}

/// What the proxy did, since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that clients opened.
    pub(crate) connections: u64,
    /// Requests that arrived.
    pub(crate) requests: u64,
    /// The same by broker and API.
    pub(crate) by_broker: BTreeMap<(i32, ApiKey), u64>,
    /// Answers that were passed on.
    pub(crate) answers: u64,
    /// Connections that were closed because what came over them was no Kafka.
    pub(crate) malformed: u64,
    /// Faults that happened to new connections.
    pub(crate) connection_faults: u64,
    /// Faults that happened to requests, by API.
    pub(crate) request_faults: BTreeMap<ApiKey, u64>,
}

/// The rules in force, with what they keep in mind. The same seed and the same order of requests and connections make
/// the same faults.
#[derive(Debug)]
pub(super) struct Rules {
    random: Rng,
    rules: Vec<Rule>,
    pub(super) counts: Counts,
}

impl Rules {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), rules: Vec::new(), counts: Counts::default() }
    }

    /// Puts other rules in force; what is happening goes on.
    pub(super) fn replace(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
    }

    /// What happens to a new connection to this broker.
    pub(super) fn handle_connection(&mut self, broker: i32) -> Option<ConnectionFault> {
        self.counts.connections += 1;
        let fault = self.pick(broker, |fault| match fault {
            Fault::Connection(fault) => Some(fault),
            Fault::Request(..) => None,
        })?;
        self.counts.connection_faults += 1;
        Some(fault)
    }

    /// What happens to a request to this broker.
    pub(super) fn handle_request(&mut self, broker: i32, api: ApiKey) -> Option<RequestFault> {
        self.counts.requests += 1;
        *self.counts.by_broker.entry((broker, api)).or_default() += 1;
        let fault = self.pick(broker, |fault| match fault {
            Fault::Request(wanted, fault) if wanted.is_none_or(|wanted| wanted == api) => Some(fault),
            Fault::Request(..) | Fault::Connection(_) => None,
        })?;
        *self.counts.request_faults.entry(api).or_default() += 1;
        Some(fault)
    }

    fn pick<F>(&mut self, broker: i32, applies: impl Fn(Fault) -> Option<F>) -> Option<F> {
        let Self { random, rules, .. } = self;
        let here = rules.iter_mut().filter(|rule| rule.broker.is_none_or(|wanted| wanted == broker));
        here.filter_map(|rule| Some((&mut rule.often, applies(rule.fault)?)))
            .find_map(|(often, fault)| often.happens(random).then_some(fault))
    }
}

impl Often {
    fn happens(&mut self, random: &mut Rng) -> bool {
        match self {
            Self::Share(share) => random.f64() < *share,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Rule = Rule { broker: None, often: Often::Next(1), fault: Fault::Request(None, RequestFault::Cut) };

    fn rules(rules: &[Rule]) -> Rules {
        let mut all = Rules::new(7);
        all.replace(rules.to_vec());
        all
    }

    #[test]
    fn a_count_is_used_up() {
        let mut rules = rules(&[Rule { often: Often::Next(2), ..ANY }]);
        let happened = [(); 4].map(|()| rules.handle_request(1, ApiKey::PRODUCE).is_some());
        assert_eq!(happened, [true, true, false, false]);
        assert_eq!(rules.counts.requests, 4);
        assert_eq!(rules.counts.request_faults, BTreeMap::from([(ApiKey::PRODUCE, 2)]));
    }

    #[test]
    fn a_share_is_met_and_replayed_by_the_seed() {
        let run = |seed| {
            let mut rules = Rules::new(seed);
            rules.replace(vec![Rule { often: Often::Share(0.2), ..ANY }]);
            (0..10_000).map(|_| rules.handle_request(1, ApiKey::FETCH).is_some()).collect::<Vec<_>>()
        };
        let happened = run(1).into_iter().filter(|happened| *happened).count();
        assert!((1_800..2_200).contains(&happened), "{happened}");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn rules_hold_for_their_api_and_broker_alone() {
        let produce = Fault::Request(Some(ApiKey::PRODUCE), RequestFault::Stall);
        let mut rules = rules(&[Rule { broker: Some(2), fault: produce, ..ANY }]);
        assert_eq!(rules.handle_request(2, ApiKey::FETCH), None);
        assert_eq!(rules.handle_request(1, ApiKey::PRODUCE), None);
        assert_eq!(rules.handle_connection(2), None);
        assert_eq!(rules.handle_request(2, ApiKey::PRODUCE), Some(RequestFault::Stall));
        let expected = [((1, ApiKey::PRODUCE), 1), ((2, ApiKey::PRODUCE), 1), ((2, ApiKey::FETCH), 1)];
        assert_eq!(rules.counts.by_broker, BTreeMap::from(expected));
    }

    #[test]
    fn the_first_rule_that_applies_wins_and_connections_have_their_own() {
        let connection = Rule { fault: Fault::Connection(ConnectionFault::Stall), ..ANY };
        let second = Rule { fault: Fault::Request(None, RequestFault::Stall), ..ANY };
        let mut rules = rules(&[connection, ANY, second]);
        assert_eq!(rules.handle_request(1, ApiKey::FETCH), Some(RequestFault::Cut));
        assert_eq!(rules.handle_request(1, ApiKey::FETCH), Some(RequestFault::Stall));
        assert_eq!(rules.handle_request(1, ApiKey::FETCH), None);
        assert_eq!(rules.handle_connection(1), Some(ConnectionFault::Stall));
        assert_eq!((rules.counts.connections, rules.counts.connection_faults), (1, 1));
    }
}
