//! One connection through the proxy: which frames pass, which do not, and when.
//!
//! ```text
//!  client ──► handle_request_bytes ──► poll_to_broker ──► broker
//!  client ◄── poll_to_client ◄──── handle_answer_bytes ◄── broker
//!
//!  Open ──► Silent    requests pass, answers do not
//!    ├────► Stalled   nothing passes
//!    └────► Cut       to be closed, once what already passed is written
//! ```
//!
//! Sans-IO.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frame::{Frames, Malformed, RequestHead, correlation_id};
use super::rule::{RequestFault, Rules};

/// A connection through the proxy.
#[derive(Debug)]
pub(super) struct Link {
    broker: i32,
    state: State,
    from_client: Frames,
    from_broker: Frames,
    to_broker: VecDeque<Bytes>,
    to_client: VecDeque<Answer>,
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Silent,
    Stalled,
    Cut,
}

/// An answer on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) frame: Bytes,
    pub(super) not_before: Instant,
}

/// A request that the broker has, or will have.
#[derive(Debug)]
struct InFlight {
    correlation_id: i32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Pass { not_before: Instant },
    DropAndCut,
    DropAndFallSilent,
}

/// Produce requests without acknowledgement are never answered, so they pile up here until another request is. Far more
/// than any client has in flight: beyond it the oldest is forgotten.
const IN_FLIGHT_MAX: usize = 1 << 16;

impl Link {
    pub(super) fn new(broker: i32) -> Self {
        Self {
            broker,
            state: State::Open,
            from_client: Frames::default(),
            from_broker: Frames::default(),
            to_broker: VecDeque::new(),
            to_client: VecDeque::new(),
            in_flight: VecDeque::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Takes what the client sent.
    pub(super) fn handle_request_bytes(&mut self, now: Instant, bytes: &[u8], rules: &mut Rules) {
        self.from_client.handle(bytes);
        while matches!(self.state, State::Open | State::Silent) {
            match self.from_client.poll() {
                Ok(Some(frame)) => self.handle_request(now, frame, rules),
                Ok(None) => return,
                Err(Malformed) => self.handle_malformed(rules),
            }
        }
    }

    /// Takes what the broker sent.
    pub(super) fn handle_answer_bytes(&mut self, bytes: &[u8], rules: &mut Rules) {
        self.from_broker.handle(bytes);
        while matches!(self.state, State::Open | State::Silent) {
            match self.from_broker.poll() {
                Ok(Some(frame)) => self.handle_answer(frame, rules),
                Ok(None) => return,
                Err(Malformed) => self.handle_malformed(rules),
            }
        }
    }

    /// The next frame for the broker.
    pub(super) fn poll_to_broker(&mut self) -> Option<Bytes> {
        self.to_broker.pop_front()
    }

    /// The next answer for the client, and when it may have it.
    pub(super) fn poll_to_client(&mut self) -> Option<Answer> {
        self.to_client.pop_front()
    }

    fn handle_request(&mut self, now: Instant, frame: Bytes, rules: &mut Rules) {
        let Ok(head) = RequestHead::of(&frame) else {
            return self.handle_malformed(rules);
        };
        let pass = |after: Duration| Fate::Pass { not_before: now + after };
        let fate = match rules.handle_request(self.broker, head.api) {
            None => pass(Duration::ZERO),
            Some(RequestFault::Delay(after)) => pass(after),
            Some(RequestFault::DropAnswerAndCut) => Fate::DropAndCut,
            Some(RequestFault::DropAnswerAndFallSilent) => Fate::DropAndFallSilent,
            Some(RequestFault::Cut) => return self.state = State::Cut,
            Some(RequestFault::Stall) => return self.state = State::Stalled,
        };
        if self.in_flight.len() == IN_FLIGHT_MAX {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(InFlight { correlation_id: head.correlation_id, fate });
        self.to_broker.push_back(frame);
    }

    fn handle_answer(&mut self, frame: Bytes, rules: &mut Rules) {
        let Ok(id) = correlation_id(&frame) else {
            return self.handle_malformed(rules);
        };
        // A broker answers in order: what it passed over has no answer.
        let Some(place) = self.in_flight.iter().position(|request| request.correlation_id == id) else {
            return self.handle_malformed(rules);
        };
        let fate = self.in_flight.drain(..=place).next_back().map(|request| request.fate);
        match fate {
            Some(Fate::Pass { not_before }) if self.state == State::Open => {
                rules.counts.answers += 1;
                self.to_client.push_back(Answer { frame, not_before });
            }
            Some(Fate::DropAndCut) => self.state = State::Cut,
            Some(Fate::DropAndFallSilent) => self.state = State::Silent,
            Some(Fate::Pass { .. }) | None => {}
        }
    }

    fn handle_malformed(&mut self, rules: &mut Rules) {
        rules.counts.malformed += 1;
        self.state = State::Cut;
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ApiKey;

    use super::super::frame::tests::{answer, request};
    use super::super::rule::{Fault, Often, Rule};
    use super::*;

    struct Script {
        link: Link,
        rules: Rules,
        begin: Instant,
    }

    impl Script {
        /// A connection on which the next Produce request meets this fault.
        fn new(fault: RequestFault) -> Self {
            let mut rules = Rules::new(1);
            let fault = Fault::Request(Some(ApiKey::PRODUCE), fault);
            rules.replace(vec![Rule { broker: None, often: Often::Next(1), fault }]);
            Self { link: Link::new(1), rules, begin: Instant::now() }
        }

        /// Sends a request, and returns the ids of those that reach the broker.
        fn request(&mut self, api: ApiKey, id: i32) -> Vec<i32> {
            self.link.handle_request_bytes(self.begin, &request(api, id), &mut self.rules);
            let passed = std::iter::from_fn(|| self.link.poll_to_broker());
            passed.map(|frame| RequestHead::of(&frame).unwrap().correlation_id).collect()
        }

        /// Lets the broker answer, and returns the ids that reach the client, each with its delay.
        fn answer(&mut self, id: i32) -> Vec<(i32, Duration)> {
            self.link.handle_answer_bytes(&answer(id), &mut self.rules);
            let passed = std::iter::from_fn(|| self.link.poll_to_client());
            passed.map(|answer| (correlation_id(&answer.frame).unwrap(), answer.not_before - self.begin)).collect()
        }
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_request_that_is_cut_never_reaches_the_broker() {
        let mut script = Script::new(RequestFault::Cut);
        assert_eq!(script.request(ApiKey::FETCH, 1), [1]);
        assert!(script.request(ApiKey::PRODUCE, 2).is_empty());
        assert_eq!(script.link.state(), State::Cut);
        assert!(script.request(ApiKey::FETCH, 3).is_empty());
    }

    #[test]
    fn an_answer_is_dropped_after_the_broker_applied_the_request() {
        let mut script = Script::new(RequestFault::DropAnswerAndCut);
        assert_eq!(script.request(ApiKey::FETCH, 1), [1]);
        assert_eq!(script.request(ApiKey::PRODUCE, 2), [2]);
        assert_eq!(script.answer(1), [(1, NOW)]);
        assert_eq!(script.link.state(), State::Open);
        assert!(script.answer(2).is_empty());
        assert_eq!(script.link.state(), State::Cut);
        assert_eq!(script.rules.counts.answers, 1);
    }

    #[test]
    fn a_silent_connection_still_carries_requests() {
        let mut script = Script::new(RequestFault::DropAnswerAndFallSilent);
        assert_eq!(script.request(ApiKey::PRODUCE, 1), [1]);
        assert_eq!(script.request(ApiKey::PRODUCE, 2), [2]);
        assert!(script.answer(1).is_empty());
        assert!(script.answer(2).is_empty());
        assert_eq!(script.request(ApiKey::PRODUCE, 3), [3]);
        assert_eq!(script.link.state(), State::Silent);
    }

    #[test]
    fn a_stalled_connection_carries_nothing() {
        let mut script = Script::new(RequestFault::Stall);
        assert_eq!(script.request(ApiKey::FETCH, 1), [1]);
        assert!(script.request(ApiKey::PRODUCE, 2).is_empty());
        assert!(script.answer(1).is_empty());
        assert!(script.request(ApiKey::FETCH, 3).is_empty());
        assert_eq!(script.link.state(), State::Stalled);
    }

    #[test]
    fn a_delay_counts_from_the_request() {
        let delay = Duration::from_millis(50);
        let mut script = Script::new(RequestFault::Delay(delay));
        script.request(ApiKey::PRODUCE, 1);
        script.request(ApiKey::PRODUCE, 2);
        assert_eq!(script.answer(1), [(1, delay)]);
        assert_eq!(script.answer(2), [(2, NOW)]);
    }

    #[test]
    fn requests_without_an_answer_are_passed_over() {
        let mut script = Script::new(RequestFault::DropAnswerAndCut);
        for id in 1..=3 {
            script.request(ApiKey::PRODUCE, id);
        }
        script.request(ApiKey::FETCH, 4);
        // The first three were without acknowledgement.
        assert_eq!(script.answer(4), [(4, NOW)]);
        assert_eq!(script.link.state(), State::Open);
    }

    #[test]
    fn what_never_ends_without_an_answer_is_forgotten_in_the_end() {
        let mut script = Script::new(RequestFault::Delay(NOW));
        for id in 0..=i32::try_from(IN_FLIGHT_MAX).unwrap() {
            script.request(ApiKey::PRODUCE, id);
        }
        assert_eq!(script.link.in_flight.len(), IN_FLIGHT_MAX);
    }

    #[test]
    fn an_answer_to_nothing_and_a_frame_that_is_none_end_the_connection() {
        let mut script = Script::new(RequestFault::Cut);
        assert!(script.answer(1).is_empty());
        assert_eq!((script.link.state(), script.rules.counts.malformed), (State::Cut, 1));
        let mut script = Script::new(RequestFault::Cut);
        script.link.handle_request_bytes(script.begin, b"GET / HTTP/1.1\r\n", &mut script.rules);
        assert_eq!((script.link.state(), script.rules.counts.malformed), (State::Cut, 1));
    }
}
