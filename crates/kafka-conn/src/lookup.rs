//! Looks coordinators up: callers that want the same one share a request, callers that want many share one too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use kafka_protocol::messages::find_coordinator::FindCoordinatorRequest;
use smol_str::SmolStr;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::call::CallOptions;
use crate::cluster::{Broker, BrokerId};
use crate::coordinator::{self, CoordinatorKind, Coordinators};
use crate::deadline::share;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::route::Lane;
use crate::transport::{MIN_SHARE, Transport, after};

/// The coordinators of a transport, known and being looked up.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    /// Held for a look into the maps, never over a wait.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Coordinators,
    /// A look-up is a task of its own, so that callers may come and go meanwhile.
    pending: HashMap<(CoordinatorKind, SmolStr), watch::Receiver<Option<Found>>>,
}

/// What a look-up found, by id.
type Found = Arc<HashMap<SmolStr, Result<BrokerId>>>;

/// What is to be done for some ids: they are known, being looked up, or to be looked up.
#[derive(Default)]
struct Plan {
    known: Vec<(SmolStr, BrokerId)>,
    pending: Vec<(SmolStr, watch::Receiver<Option<Found>>)>,
    missing: Vec<SmolStr>,
}

impl Lookups {
    pub(crate) fn forget(&self, kind: CoordinatorKind, id: &str, broker: BrokerId) {
        self.lock().known.forget(kind, id.into(), broker);
    }

    /// Sorts the ids, and books those that are missing for a look-up whose end `found` will tell.
    fn plan(&self, kind: CoordinatorKind, ids: &[SmolStr], found: &watch::Receiver<Option<Found>>) -> Plan {
        let mut state = self.lock();
        let mut plan = Plan::default();
        for id in ids {
            let key = (kind, id.clone());
            if let Some(broker) = state.known.find(kind, id) {
                plan.known.push((id.clone(), broker));
                continue;
            }
            // One whose task is gone, with its runtime, says nothing any more.
            let alive = state.pending.get(&key).filter(|pending| pending.has_changed().is_ok()).cloned();
            let pending = alive.unwrap_or_else(|| {
                plan.missing.push(id.clone());
                state.pending.insert(key, found.clone());
                found.clone()
            });
            plan.pending.push((id.clone(), pending));
        }
        plan
    }

    fn finish(&self, kind: CoordinatorKind, found: &HashMap<SmolStr, Result<BrokerId>>) {
        let mut state = self.lock();
        for (id, result) in found {
            state.pending.remove(&(kind, id.clone()));
            if let Ok(broker) = result {
                state.known.insert(kind, id.clone(), *broker);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the maps would still be maps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport {
    /// The coordinators of `ids`, as known or as a broker answers now: one attempt.
    pub(crate) async fn coordinators(
        &self,
        kind: CoordinatorKind,
        ids: &[SmolStr],
        deadline: Instant,
    ) -> HashMap<SmolStr, Result<BrokerId>> {
        let (sender, receiver) = watch::channel(None);
        let plan = self.lookups().plan(kind, ids, &receiver);
        drop(receiver);
        if !plan.missing.is_empty() {
            tokio::spawn(self.clone().look_up(kind, plan.missing, sender));
        }
        let mut all: HashMap<_, _> = plan.known.into_iter().map(|(id, broker)| (id, Ok(broker))).collect();
        for (id, mut pending) in plan.pending {
            let result = match timeout_at(deadline, pending.wait_for(Option::is_some)).await {
                Ok(Ok(found)) => found.as_ref().and_then(|found| found.get(&id).cloned()),
                Ok(Err(_)) => Some(Err(Error::new(ErrorKind::Closed))),
                Err(_) => Some(Err(Error::new(ErrorKind::Timeout { step: Step::Coordinator, after: None }))),
            };
            let result = result.unwrap_or_else(|| Err(Error::new(ErrorKind::Unanswered)));
            all.insert(id.clone(), result.map_err(|error| error.with_coordinator(kind, &id).with_unsent()));
        }
        all
    }

    /// The coordinator of `id`, waiting for one to be there.
    pub(crate) async fn coordinator_until(
        &self,
        kind: CoordinatorKind,
        id: &str,
        deadline: Instant,
    ) -> Result<BrokerId> {
        let ids = [SmolStr::new(id)];
        let mut pauses = self.config().backoff.pauses();
        loop {
            let found = self.coordinators(kind, &ids, deadline).await.into_values().next();
            let error = match found.unwrap_or_else(|| Err(Error::new(ErrorKind::Unanswered))) {
                Ok(broker) => return Ok(broker),
                Err(error) => error,
            };
            let pause = after(pauses.next_pause());
            if !error.is_retriable() || pause >= deadline {
                return Err(error);
            }
            tokio::time::sleep_until(pause).await;
        }
    }

    async fn look_up(self, kind: CoordinatorKind, ids: Vec<SmolStr>, found: watch::Sender<Option<Found>>) {
        let answers = match self.ask_for_coordinators(kind, &ids).await {
            Ok(answers) => answers,
            Err(error) => {
                debug!(?kind, ids = ids.len(), %error, "no coordinators");
                ids.iter().map(|id| (id.clone(), Err(error.clone()))).collect()
            }
        };
        let brokers: Vec<_> = answers.iter().filter_map(|(_, answer)| answer.clone().ok()).collect();
        self.learn(&[], brokers);
        let results = answers.into_iter().map(|(id, answer)| (id, answer.map(|broker| broker.id))).collect();
        self.lookups().finish(kind, &results);
        found.send_replace(Some(Arc::new(results)));
    }

    /// Asks one broker. It gets half of a call's time, so that its callers have time to ask another one.
    async fn ask_for_coordinators(
        &self,
        kind: CoordinatorKind,
        ids: &[SmolStr],
    ) -> Result<Vec<(SmolStr, Result<Broker>)>> {
        let (now, end) = (Instant::now(), after(self.config().dialer.call_timeout));
        let deadline = Instant::from_std(share(now.into_std(), end.into_std(), 2, MIN_SHARE));
        let connection = self.any(Lane::General, deadline).await?;
        let version = connection.version_for::<FindCoordinatorRequest>(None)?;
        let timeout = Some(deadline.saturating_duration_since(Instant::now()));
        let options = CallOptions { timeout, ..CallOptions::default() };
        let requests = coordinator::requests(kind, ids, version);
        let answers = join_all(requests.iter().map(|request| connection.call_with(request, options.clone()))).await;
        let mut found = Vec::with_capacity(ids.len());
        for (request, answer) in requests.iter().zip(answers) {
            let answers = coordinator::read(kind, request, answer?);
            let named = |error: Error| error.with_broker(connection.address());
            found.extend(answers.into_iter().map(|(id, answer)| (id, answer.map_err(named))));
        }
        Ok(found)
    }
}
