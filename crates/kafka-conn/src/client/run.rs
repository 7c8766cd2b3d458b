//! Takes a request to the brokers that have to answer it, as the table of routes says.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::future::join_all;
use kafka_protocol::{AnyMessage, ErrorCode};
use smol_str::SmolStr;
use tokio::time::Instant;
use tracing::debug;

use super::answer::{Answer, Item};
use super::routing::{Repeat, Routing, Row, row};
use super::split::{Items, Splitter, splitter};
use super::spread::{Rules, Spread};
use crate::backoff::Pauses;
use crate::call::CallOptions;
use crate::cluster::BrokerId;
use crate::coordinator::CoordinatorKind;
use crate::error::{Error, ErrorKind, Result};
use crate::round_trip::{AnyRequest, SendOptions};
use crate::route::{Lane, Route};
use crate::transport::{Attempt, Transport, after};

/// A merged or single response, with what failed.
type Answered = Answer<Box<dyn AnyMessage>>;

/// What a broker says to its part; `None` where the request has no answer.
type Reply = Option<Box<dyn AnyMessage>>;

pub(crate) async fn run(transport: &Transport, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answered> {
    let row = row(request.api_key());
    let lane = row.map_or(Lane::General, |row| row.lane);
    let splitter = splitter(request.api_key());
    let cap = splitter.and_then(|splitter| splitter.max_version(request));
    let max_version = [options.call.max_version.or_else(|| row?.max_version), cap].into_iter().flatten().min();
    let call = CallOptions { max_version, ..options.call.clone() };
    let deadline = after(call.timeout.unwrap_or_else(|| transport.config().dialer.call_timeout));
    let whole = async |route, repeat| {
        let attempt = Attempt { lane, repeat, options: &call, deadline };
        transport.call_any(request, route, attempt).await.map(Answer::new)
    };
    if let Some(broker) = options.broker {
        // Nobody would answer it, and everything behind it would wait.
        if splitter.is_some_and(|splitter| !splitter.is_answered(request)) {
            let attempt = Attempt { lane, repeat: Repeat::Refused, options: &call, deadline };
            transport.send_once(request, Route::Broker(broker), attempt).await?;
            return Ok(Answer::new(request.empty_response()));
        }
        return whole(Route::Broker(broker), row.map_or(Repeat::Refused, |row| row.repeat)).await;
    }
    let invalid = |text| Err(Error::new(ErrorKind::InvalidRequest(text)).with_unsent());
    let Some(row) = row else { return invalid("its API is not known here; name a broker") };
    match (row.routing, splitter) {
        (Routing::Named, _) => invalid("a broker has to be named for it"),
        (Routing::Connection, _) => invalid("connections make it by themselves"),
        (Routing::Internal, _) => invalid("it is between brokers and controllers"),
        (Routing::Any, _) => whole(Route::Any, row.repeat).await,
        (Routing::Controller, None) => whole(Route::Controller, row.repeat).await,
        (_, None) => invalid("this crate was built without the feature that takes it apart"),
        (_, Some(splitter)) => Run::start(transport, request, splitter, row, call, deadline).await,
    }
}

/// A request on its way to several brokers.
struct Run<'a> {
    transport: &'a Transport,
    request: &'a dyn AnyRequest,
    splitter: &'static dyn Splitter,
    lane: Lane,
    call: CallOptions,
    deadline: Instant,
    pauses: Pauses,
    /// Whether metadata is to be asked for again before items are placed.
    is_stale: bool,
}

impl<'a> Run<'a> {
    async fn start(
        transport: &'a Transport,
        request: &'a dyn AnyRequest,
        splitter: &'static dyn Splitter,
        row: &Row,
        call: CallOptions,
        deadline: Instant,
    ) -> Result<Answered> {
        let everyone = row.routing == Routing::Everyone;
        let items = if everyone {
            let cluster = transport.refresh_until(&[], deadline).await?;
            cluster.brokers().map(|broker| Item::Broker(broker.id)).collect()
        } else {
            splitter.items(request)
        };
        let unknown = after(transport.config().unknown_topic_timeout).min(deadline);
        let rules = Rules {
            repeat: row.repeat,
            codes_are_failures: everyone,
            deadline: deadline.into_std(),
            unknown_until: unknown.into_std(),
        };
        let spread = Spread::new(request, splitter, rules, items);
        let pauses = transport.config().backoff.pauses();
        Self { transport, request, splitter, lane: row.lane, call, deadline, pauses, is_stale: false }.run(spread).await
    }

    /// Until every item has an answer or a failure: find their brokers, ask those, pause.
    async fn run(mut self, mut spread: Spread<'_>) -> Result<Answered> {
        loop {
            let (homes, lost) = self.place(spread.take_pending()).await;
            let answers = join_all(homes.into_iter().map(|(broker, items)| self.ask(broker, items))).await;
            let answers = answers.into_iter().flatten();
            let next = after(self.pauses.next_pause());
            for (item, error) in lost {
                self.is_stale |= error.needs_metadata_refresh();
                spread.handle_misplaced(next.into_std(), item, error);
            }
            for (broker, items, answer) in answers {
                self.take(&mut spread, next, broker, items, answer);
            }
            if spread.is_done() {
                return Ok(spread.into_answer());
            }
            debug!(api = %self.request.api_key(), "asking again for some items");
            tokio::time::sleep_until(next).await;
        }
    }

    fn take(
        &mut self,
        spread: &mut Spread<'_>,
        next: Instant,
        broker: Option<BrokerId>,
        items: Items,
        answer: Result<Reply>,
    ) {
        let moved = match answer {
            Ok(Some(response)) => {
                let (leaders, brokers) = self.splitter.hints(&*response);
                if !leaders.is_empty() {
                    self.transport.learn(&leaders, brokers);
                }
                spread.handle_answer(next.into_std(), items, response)
            }
            // Nothing is answered, and nothing more will be known.
            Ok(None) => return,
            Err(error) => {
                self.is_stale |= error.needs_metadata_refresh();
                let gone = |item: &Item| (item.clone(), ErrorCode::NOT_COORDINATOR);
                let moved = items.iter().map(gone).collect();
                spread.handle_failure(next.into_std(), items, &error);
                moved
            }
        };
        for (item, code) in moved {
            self.is_stale |= code.needs_metadata_refresh() && !self.is_elsewhere(&item, broker);
            if let (Some((kind, id)), Some(broker)) = (coordinated(&item), broker) {
                self.transport.forget_coordinator(kind, id, broker);
            }
        }
    }

    /// Whether somebody else than `broker`, who was asked, is known to lead the item by now.
    fn is_elsewhere(&self, item: &Item, broker: Option<BrokerId>) -> bool {
        let Item::Partition { topic, partition } = item else { return false };
        self.transport
            .cluster()
            .leader(topic, *partition)
            .is_ok_and(|leader| broker.is_some_and(|asked| asked != leader))
    }

    /// The broker of each item, `None` for any; and items for which none could be found, with the reason.
    async fn place(&mut self, items: Vec<Item>) -> (BTreeMap<Option<BrokerId>, Items>, Vec<(Item, Error)>) {
        self.freshen(&items).await;
        let coordinators = self.coordinators(&items).await;
        let cluster = self.transport.cluster();
        let (mut homes, mut lost) = (BTreeMap::<_, Items>::new(), Vec::new());
        for item in items {
            let home = match &item {
                Item::Partition { topic, partition } => cluster.leader(topic, *partition).map(Some),
                Item::Topic(_) => Ok(cluster.controller()),
                Item::Broker(id) => Ok(Some(*id)),
                Item::Resource { kind, name } => broker_resource(*kind, name),
                Item::Whole => Ok(None),
                Item::Group(_) | Item::TransactionalId(_) => match coordinators.get(&item) {
                    Some(found) => found.clone().map(Some),
                    None => Err(Error::new(ErrorKind::Unanswered)),
                },
            };
            match home {
                Ok(broker) => _ = homes.entry(broker).or_default().insert(item),
                Err(error) => lost.push((item, error)),
            }
        }
        (homes, lost)
    }

    /// Asks for metadata where it is stale, or says nothing of a partition. If that fails, placing will, and say why.
    async fn freshen(&mut self, items: &[Item]) {
        let cluster = self.transport.cluster();
        let mut topics = HashSet::new();
        for item in items {
            if let Item::Partition { topic, partition } = item {
                let unknown = cluster.leader(topic, *partition).is_err();
                self.is_stale |= unknown;
                topics.insert(topic.as_str());
            }
        }
        if std::mem::take(&mut self.is_stale) {
            let topics: Vec<_> = topics.into_iter().collect();
            let _placing_tells = self.transport.refresh_until(&topics, self.deadline).await;
        }
    }

    async fn coordinators(&self, items: &[Item]) -> HashMap<Item, Result<BrokerId>> {
        let mut found = HashMap::new();
        for kind in [CoordinatorKind::Group, CoordinatorKind::Transaction] {
            let ids = items.iter().filter_map(coordinated).filter(|(of, _)| *of == kind);
            let ids: Vec<SmolStr> = ids.map(|(_, id)| id.clone()).collect();
            if ids.is_empty() {
                continue;
            }
            let item = match kind {
                CoordinatorKind::Group => Item::Group,
                CoordinatorKind::Transaction => Item::TransactionalId,
            };
            let brokers = self.transport.coordinators(kind, &ids, self.deadline).await;
            found.extend(brokers.into_iter().map(|(id, broker)| (item(id), broker)));
        }
        found
    }

    /// Asks a broker about its items, once; all together, or one by one where it is too old for that.
    async fn ask(&self, broker: Option<BrokerId>, items: Items) -> Vec<(Option<BrokerId>, Items, Result<Reply>)> {
        let Some(part) = self.splitter.part(self.request, &items) else {
            return vec![(broker, items, Err(Error::new(ErrorKind::Encode).with_unsent()))];
        };
        let least = self.splitter.min_version(&*part);
        let answer = self.ask_part(broker, &*part, least).await;
        if least.is_none() || !is_too_old(&answer) {
            return vec![(broker, items, answer)];
        }
        let ones = items.into_iter().map(async |item| {
            let answer = match self.splitter.one(self.request, &item) {
                Some(one) => self.ask_part(broker, &*one, None).await,
                None => answer.as_ref().map(|_| None).map_err(Clone::clone),
            };
            let answer = answer.map(|reply| reply.map(|response| self.splitter.widen(&item, response)));
            (broker, Items::from([item]), answer)
        });
        join_all(ones).await
    }

    async fn ask_part(&self, broker: Option<BrokerId>, part: &dyn AnyRequest, least: Option<i16>) -> Result<Reply> {
        let route = broker.map_or(Route::Any, Route::Broker);
        let cap = self.splitter.max_version(part);
        let options = CallOptions {
            min_version: self.call.min_version.max(least),
            max_version: [self.call.max_version, cap].into_iter().flatten().min(),
            ..self.call.clone()
        };
        let attempt = Attempt { lane: self.lane, repeat: Repeat::Refused, options: &options, deadline: self.deadline };
        if self.splitter.is_answered(self.request) {
            self.transport.call_once(part, route, attempt).await.map(Some)
        } else {
            self.transport.send_once(part, route, attempt).await.map(|()| None)
        }
    }
}

fn is_too_old(answer: &Result<Reply>) -> bool {
    answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::VersionUnsupported { .. }))
}

fn coordinated(item: &Item) -> Option<(CoordinatorKind, &SmolStr)> {
    match item {
        Item::Group(id) => Some((CoordinatorKind::Group, id)),
        Item::TransactionalId(id) => Some((CoordinatorKind::Transaction, id)),
        _ => None,
    }
}

/// Configurations of a broker, and the levels of its loggers, are known to that broker only; the defaults of all brokers
/// have an empty name.
fn broker_resource(kind: i8, name: &str) -> Result<Option<BrokerId>> {
    if !matches!(kind, BROKER | BROKER_LOGGER) || (kind == BROKER && name.is_empty()) {
        return Ok(None);
    }
    let invalid = || Error::new(ErrorKind::InvalidRequest("the name of a broker's resource is its id")).with_unsent();
    name.parse().map(|id| Some(BrokerId(id))).map_err(|_| invalid())
}

/// Types of resources that have configurations.
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
