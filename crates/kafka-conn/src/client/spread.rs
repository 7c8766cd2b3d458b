//! The items of one request, from the first attempt to the merged answer.
//!
//! Sans-IO.

use std::collections::HashSet;
use std::time::Instant;

use kafka_protocol::{AnyMessage, ErrorCode};

use super::answer::{Answer, Failure, Item};
use super::routing::Repeat;
use super::split::{Items, Splitter};
use crate::error::{Error, ErrorKind};
use crate::round_trip::AnyRequest;

/// A request with items that go to several brokers, some of them more than once.
///
/// ```text
///  take_pending ──► (the caller places each item, and asks brokers) ──► handle_misplaced, handle_answer, …
///       ▲                                                                    │
///       └────────────── items to ask about once more ◄───────────────────────┴──► response, failures
/// ```
pub(crate) struct Spread<'a> {
    request: &'a dyn AnyRequest,
    splitter: &'static dyn Splitter,
    rules: Rules,
    pending: Vec<Item>,
    response: Box<dyn AnyMessage>,
    failures: Vec<Failure>,
}

/// What may be asked again, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) repeat: Repeat,
    /// A broker's error code is a failure of its item, as the merged response has no place for it.
    pub(crate) codes_are_failures: bool,
    pub(crate) deadline: Instant,
    /// How long a topic that no broker knows is asked for again.
    pub(crate) unknown_until: Instant,
}

impl<'a> Spread<'a> {
    /// Begins with all of `items`.
    pub(crate) fn new(
        request: &'a dyn AnyRequest,
        splitter: &'static dyn Splitter,
        rules: Rules,
        items: Vec<Item>,
    ) -> Self {
        let mut seen = HashSet::with_capacity(items.len());
        let pending = items.into_iter().filter(|item| seen.insert(item.clone())).collect();
        Self { request, splitter, rules, pending, response: request.empty_response(), failures: Vec::new() }
    }

    /// The items to be asked about now.
    pub(crate) fn take_pending(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.pending)
    }

    /// Whether every item has its answer or its failure.
    pub(crate) fn is_done(&self) -> bool {
        self.pending.is_empty()
    }

    /// No broker could be found for an item. `next` is when another attempt would be made.
    pub(crate) fn handle_misplaced(&mut self, next: Instant, item: Item, error: Error) {
        let unknown = matches!(error.kind(), ErrorKind::UnknownTopic | ErrorKind::UnknownPartition);
        let code = error.code().unwrap_or_default();
        if error.is_retriable() && next < self.until(unknown, code) {
            self.pending.push(item);
        } else {
            self.failures.push(Failure::new(item, error));
        }
    }

    /// The broker that was asked about `items` did not answer.
    pub(crate) fn handle_failure(&mut self, next: Instant, items: Items, error: &Error) {
        let may = error.is_unsent() || self.rules.repeat == Repeat::Safe;
        let again = may && error.is_retriable() && next < self.rules.deadline;
        let is_gone = matches!(error.kind(), ErrorKind::UnknownBroker { .. });
        for item in items {
            // Nobody else answers for a broker that has left the cluster.
            let of_broker = matches!(item, Item::Broker(_) | Item::Resource { .. });
            if again && !(is_gone && of_broker) {
                self.pending.push(item);
            } else {
                self.failures.push(Failure::new(item, error.clone()));
            }
        }
    }

    /// The broker that was asked about `items` answered. Returns those that it said are elsewhere. What it refused as a
    /// whole it would refuse again.
    pub(crate) fn handle_answer(
        &mut self,
        next: Instant,
        mut items: Items,
        response: Box<dyn AnyMessage>,
    ) -> Vec<(Item, ErrorCode)> {
        let refusal = self.splitter.refusal(&*response);
        if refusal.is_error() {
            let refused = items.into_iter().map(|item| Failure::new(item, Error::broker(refusal)));
            self.failures.extend(refused);
            return Vec::new();
        }
        let (mut settled, mut moved) = (Items::new(), Vec::new());
        for (item, code) in self.splitter.outcomes(self.request, &items, &*response) {
            if !items.remove(&item) {
                continue;
            }
            if code.needs_metadata_refresh() || code.needs_coordinator_refresh() {
                moved.push((item.clone(), code));
            }
            if self.may_repeat(code) && next < self.until(false, code) {
                self.pending.push(item);
            } else if self.rules.codes_are_failures && code.is_error() {
                self.failures.push(Failure::new(item, Error::broker(code)));
            } else {
                settled.insert(item);
            }
        }
        let unanswered = items.into_iter().map(|item| Failure::new(item, Error::new(ErrorKind::Unanswered)));
        self.failures.extend(unanswered);
        if !settled.is_empty() {
            self.splitter.merge(&mut *self.response, response, &settled);
        }
        moved
    }

    /// What there is. Items that are still pending, which a caller that goes on until it is done has not, would fail.
    pub(crate) fn into_answer(self) -> Answer<Box<dyn AnyMessage>> {
        debug_assert!(self.is_done(), "an item without an answer");
        let mut failures = self.failures;
        let left = |item| Failure::new(item, Error::new(ErrorKind::Unanswered).with_unsent());
        failures.extend(self.pending.into_iter().map(left));
        failures.sort_by(|one, other| one.item.cmp(&other.item));
        Answer::with_failures(self.response, failures)
    }

    fn may_repeat(&self, code: ErrorCode) -> bool {
        match self.rules.repeat {
            // The epoch that the caller gave will be no newer the next time.
            Repeat::Safe => code.is_retriable() && code != ErrorCode::FENCED_LEADER_EPOCH,
            Repeat::Refused => is_undone(code),
        }
    }

    fn until(&self, unknown: bool, code: ErrorCode) -> Instant {
        let unknown = unknown || matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID);
        if unknown { self.rules.unknown_until } else { self.rules.deadline }
    }
}

/// Codes that say that the item was certainly not done, and that another attempt may.
fn is_undone(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    )
}

#[cfg(feature = "admin")]
#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use kafka_protocol::ApiKey;
    use kafka_protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
    use kafka_protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
    use kafka_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

    use super::*;
    use crate::client::split::splitter;
    use crate::cluster::BrokerId;
    use crate::round_trip::downcast;

    fn group(id: &str) -> Item {
        Item::Group(id.into())
    }

    fn items(ids: &[&str]) -> Items {
        ids.iter().map(|id| group(id)).collect()
    }

    fn spread<'a>(request: &'a dyn AnyRequest, repeat: Repeat, now: Instant, items: Vec<Item>) -> Spread<'a> {
        let (api, deadline) = (request.api_key(), now + Duration::from_secs(30));
        let codes_are_failures = api == ApiKey::LIST_GROUPS;
        let rules = Rules { repeat, codes_are_failures, deadline, unknown_until: now + Duration::from_secs(5) };
        Spread::new(request, splitter(api).unwrap(), rules, items)
    }

    static DESCRIBE: LazyLock<DescribeGroupsRequest> = LazyLock::new(DescribeGroupsRequest::default);

    fn describing(now: Instant, ids: &[&str]) -> Spread<'static> {
        spread(&*DESCRIBE, Repeat::Safe, now, ids.iter().map(|id| group(id)).collect())
    }

    fn described(groups: &[(&str, ErrorCode)]) -> Box<dyn AnyMessage> {
        let group = |(id, code): &(&str, ErrorCode)| DescribedGroup {
            group_id: (*id).into(),
            error_code: code.0,
            ..Default::default()
        };
        Box::new(DescribeGroupsResponse { groups: groups.iter().map(group).collect(), ..Default::default() })
    }

    type Finished = (Vec<(String, i16)>, Vec<(Item, ErrorKind)>);

    fn finish(spread: Spread<'_>) -> Finished {
        let (response, failures) = spread.into_answer().into_parts();
        let response: DescribeGroupsResponse = downcast(response).unwrap();
        let groups = response.groups.iter().map(|group| (group.group_id.to_string(), group.error_code)).collect();
        (groups, failures.into_iter().map(|failure| (failure.item, failure.error.kind().clone())).collect())
    }

    #[test]
    fn only_items_that_are_elsewhere_are_asked_about_again() {
        let now = Instant::now();
        let mut spread = describing(now, &["a", "b", "a"]);
        assert_eq!(spread.take_pending(), [group("a"), group("b")], "each once");
        let answer = described(&[("a", ErrorCode::NONE), ("b", ErrorCode::NOT_COORDINATOR)]);
        let moved = spread.handle_answer(now, items(&["a", "b"]), answer);
        assert_eq!(moved, [(group("b"), ErrorCode::NOT_COORDINATOR)]);
        assert_eq!(spread.take_pending(), [group("b")]);
        let denied = described(&[("b", ErrorCode::GROUP_AUTHORIZATION_FAILED), ("c", ErrorCode::NONE)]);
        assert!(spread.handle_answer(now, items(&["b"]), denied).is_empty());
        assert!(spread.is_done());
        assert_eq!(finish(spread), (vec![("a".to_owned(), 0), ("b".to_owned(), 30)], vec![]), "c was not asked for");
    }

    #[test]
    fn without_time_the_last_answer_stands() {
        let now = Instant::now();
        let mut spread = describing(now, &["a"]);
        spread.take_pending();
        let answer = described(&[("a", ErrorCode::NOT_COORDINATOR)]);
        spread.handle_answer(now + Duration::from_secs(30), items(&["a"]), answer);
        assert_eq!(finish(spread), (vec![("a".to_owned(), 16)], vec![]));
    }

    #[test]
    fn every_item_is_answered_or_has_failed() {
        let now = Instant::now();
        let mut spread = describing(now, &["a", "b", "c", "d"]);
        spread.take_pending();
        spread.handle_misplaced(now, group("a"), Error::broker(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        spread.handle_failure(now + Duration::from_secs(30), items(&["b"]), &Error::new(ErrorKind::ConnectionLost));
        spread.handle_answer(now, items(&["c", "d"]), described(&[("d", ErrorCode::NONE)]));
        let refused = ErrorKind::Broker(ErrorCode::GROUP_AUTHORIZATION_FAILED);
        let failures =
            vec![(group("a"), refused), (group("b"), ErrorKind::ConnectionLost), (group("c"), ErrorKind::Unanswered)];
        assert_eq!(finish(spread), (vec![("d".to_owned(), 0)], failures));
    }

    #[test]
    fn what_may_have_been_done_is_not_done_again() {
        let now = Instant::now();
        let request = DeleteGroupsRequest::default();
        let deleting = || {
            let mut spread = spread(&request, Repeat::Refused, now, vec![group("a"), group("b")]);
            spread.take_pending();
            spread
        };
        let mut lost = deleting();
        lost.handle_failure(now, items(&["a"]), &Error::new(ErrorKind::ConnectionLost));
        assert!(lost.is_done(), "nobody knows whether it was deleted");
        lost.handle_failure(now, items(&["b"]), &Error::new(ErrorKind::ConnectionLost).with_unsent());
        assert_eq!(lost.take_pending(), [group("b")]);
        let mut answered = deleting();
        let result = |id: &str, code: ErrorCode| DeletableGroupResult {
            group_id: id.into(),
            error_code: code.0,
            ..Default::default()
        };
        let results = vec![result("a", ErrorCode::REQUEST_TIMED_OUT), result("b", ErrorCode::NOT_COORDINATOR)];
        let response = Box::new(DeleteGroupsResponse { results, ..Default::default() });
        answered.handle_answer(now, items(&["a", "b"]), response);
        assert_eq!(answered.take_pending(), [group("b")]);
    }

    #[test]
    fn topics_that_nobody_knows_are_not_asked_for_to_the_end() {
        let now = Instant::now();
        let mut spread = describing(now, &[]);
        let item = Item::Partition { topic: "t".into(), partition: 0 };
        spread.handle_misplaced(now, item.clone(), Error::new(ErrorKind::UnknownTopic));
        assert_eq!(spread.take_pending(), std::slice::from_ref(&item));
        spread.handle_misplaced(now + Duration::from_secs(5), item, Error::new(ErrorKind::UnknownTopic));
        assert!(spread.is_done());
    }

    #[test]
    fn what_one_of_all_brokers_refuses_is_that_brokers_failure() {
        let now = Instant::now();
        let broker = |id| Item::Broker(BrokerId(id));
        let request = ListGroupsRequest::default();
        let brokers = vec![broker(1), broker(2), broker(3), broker(4)];
        let mut spread = spread(&request, Repeat::Safe, now, brokers);
        spread.take_pending();
        let listed = |ids: &[&str], code: ErrorCode| {
            let group = |id: &&str| ListedGroup { group_id: (*id).into(), ..Default::default() };
            let groups = ids.iter().map(group).collect();
            Box::new(ListGroupsResponse { groups, error_code: code.0, ..Default::default() })
        };
        spread.handle_answer(now, Items::from([broker(1)]), listed(&["a", "b"], ErrorCode::NONE));
        spread.handle_answer(now, Items::from([broker(2)]), listed(&["b", "c"], ErrorCode::NONE));
        let denied = listed(&[], ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
        spread.handle_answer(now, Items::from([broker(3)]), denied);
        let gone = Error::new(ErrorKind::UnknownBroker { id: BrokerId(4) }).with_unsent();
        spread.handle_failure(now, Items::from([broker(4)]), &gone);
        let (response, failures) = spread.into_answer().into_parts();
        let response: ListGroupsResponse = downcast(response).unwrap();
        assert_eq!(response.groups.iter().map(|group| group.group_id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(failures.iter().map(|failure| failure.item.clone()).collect::<Vec<_>>(), [broker(3), broker(4)]);
    }
}
