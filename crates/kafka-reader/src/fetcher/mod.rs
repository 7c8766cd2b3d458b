//! The fetcher of one broker: a connection of its own, a fetch session, and the partitions that the broker leads.

mod response;
mod side;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use kafka_conn::{BrokerId, CallOptions, Connection, RawRequest, Route};
use kafka_protocol::messages::fetch::{FetchRequest, FetchResponse};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::side::{FINAL_EPOCH, Side};
use crate::error::{Error, ErrorKind, Result};
use crate::prefetch::Prefetch;
use crate::session::{FetchSession, Naming, Parts, Refusal, Wanted};
use crate::shared::{Assigned, Command, Reason, Returned, Shared};

#[derive(Debug)]
pub(crate) struct Fetcher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) broker: BrokerId,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) returns: mpsc::Sender<Returned>,
    connection: Option<Connection>,
    /// For requests beside the one that the broker holds back.
    spare: Option<Connection>,
    session: FetchSession,
    partitions: Vec<Assigned>,
    /// Answers in a row that ended the session.
    refusals: u32,
    /// Partitions to return as soon as the request that names them is answered, by slot.
    releases: BTreeSet<usize>,
    /// Until when the broker wants no request.
    throttled_until: Instant,
}

/// A request that is ready to go.
struct Planned {
    wanted: Vec<Wanted>,
    max_wait_ms: i32,
    max_bytes: i32,
}

/// The same, as it goes over the wire.
struct Encoded {
    raw: RawRequest,
    options: CallOptions,
    /// How long the broker may hold back the answer.
    wait: Duration,
}

impl Fetcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        broker: BrokerId,
        commands: mpsc::Receiver<Command>,
        returns: mpsc::Sender<Returned>,
    ) -> Self {
        let (session, partitions) = (FetchSession::new(), Vec::new());
        Self {
            shared,
            broker,
            commands,
            returns,
            connection: None,
            spare: None,
            session,
            partitions,
            refusals: 0,
            releases: BTreeSet::new(),
            throttled_until: Instant::now(),
        }
    }

    /// Fetches until the control task sends nothing any more, then has the broker forget the session.
    pub(crate) async fn run(mut self) {
        while self.take_commands().await {
            let Some(planned) = self.plan().await else { continue };
            match self.fetch(&planned).await {
                Ok(Some(response)) => self.handle_response(response, &planned).await,
                Ok(None) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Closed) => break,
                Err(error) => self.fail(error).await,
            }
        }
        self.end_session().await;
    }

    /// Brokers remember a number of sessions only. It goes over another connection: on this one the broker may hold back
    /// an answer for long.
    async fn end_session(self) {
        let Some(session_id) = self.session.id() else { return };
        let max_bytes = self.shared.settings.max_bytes;
        let request = FetchRequest { session_id, session_epoch: FINAL_EPOCH, max_bytes, ..FetchRequest::default() };
        let options = CallOptions { timeout: Some(LONGEST_GOODBYE), ..CallOptions::default() };
        let _it_forgets_it_some_day =
            self.shared.transport.call_with(&request, Route::Broker(self.broker), options).await;
    }

    /// Takes what the control task has sent; waits for it where there is nothing to fetch. `false`: it is gone.
    async fn take_commands(&mut self) -> bool {
        for slot in std::mem::take(&mut self.releases) {
            self.release(slot).await;
        }
        self.partitions.retain(|assigned| !assigned.gauge.is_stopped());
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.handle_command(command).await,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
                Err(mpsc::error::TryRecvError::Empty) if !self.partitions.is_empty() => return true,
                Err(mpsc::error::TryRecvError::Empty) => {
                    // Nothing to fetch: the broker need not keep a connection for it.
                    (self.connection, self.spare) = (None, None);
                    self.session.reset(None);
                    let Some(command) = self.commands.recv().await else { return false };
                    self.handle_command(command).await;
                }
            }
        }
    }

    async fn handle_command(&mut self, command: Command) {
        match command {
            Command::Fetch(partitions) => self.partitions.extend(partitions),
            Command::Release(slot) => self.release(slot).await,
        }
    }

    async fn release(&mut self, slot: usize) {
        let released = self.partitions.extract_if(.., |assigned| assigned.gauge.slot == slot).collect();
        self.give_back(released, Reason::Released).await;
    }

    /// What to ask for now. `None` after a wait for room, or for a command.
    async fn plan(&mut self) -> Option<Planned> {
        if self.throttled_until > Instant::now() {
            tokio::select! {
                biased;
                () = sleep_until(self.throttled_until) => {}
                command = self.commands.recv() => if let Some(command) = command {
                    self.handle_command(command).await;
                }
            }
            return None;
        }
        let shared = Arc::clone(&self.shared);
        let freed = shared.total.freed.notified();
        tokio::pin!(freed);
        // Before looking, so that nothing freed meanwhile is missed.
        freed.as_mut().enable();
        let planned = self.planned(|_, _| true);
        if planned.is_some() {
            return planned;
        }
        tokio::select! {
            biased;
            () = freed => {}
            command = self.commands.recv() => if let Some(command) = command {
                self.handle_command(command).await;
            }
        }
        None
    }

    /// What to ask for, of the partitions that count.
    fn planned(&self, counts: impl Fn(&str, i32) -> bool) -> Option<Planned> {
        let Shared { settings, total, .. } = &*self.shared;
        let prefetch = Prefetch::new(settings.prefetch_bytes, total.partitions());
        let messages = Prefetch::new(settings.prefetch_messages, total.partitions());
        let (mut wanted, mut granted) = (Vec::with_capacity(self.partitions.len()), 0usize);
        let all = total.buffered();
        for assigned in &self.partitions {
            let buffered = assigned.gauge.buffered();
            if !counts(&assigned.gauge.topic, assigned.gauge.partition) || assigned.gauge.is_stopped() {
                continue;
            }
            if messages.room(buffered.messages, all.messages) == 0 {
                continue;
            }
            let most = settings.partition_max_bytes as usize;
            let Some(grant) = prefetch.grant(buffered.bytes, all.bytes, most) else { continue };
            granted = granted.saturating_add(grant);
            wanted.push(Wanted {
                topic: assigned.gauge.topic.clone(),
                topic_id: assigned.topic_id,
                partition: assigned.gauge.partition,
                fetch_offset: assigned.position.offset(),
                current_leader_epoch: assigned.leader_epoch,
                max_bytes: assigned.position.max_bytes(grant),
            });
        }
        if wanted.is_empty() {
            return None;
        }
        let cap = i32::try_from(prefetch.cap(granted, wanted.len(), all.bytes)).unwrap_or(i32::MAX);
        Some(Planned { wanted, max_wait_ms: settings.max_wait_ms, max_bytes: cap.min(settings.max_bytes) })
    }

    /// One request and its answer; `None` where the answer ended the session.
    async fn fetch(&mut self, planned: &Planned) -> Result<Option<FetchResponse>> {
        let connection = self.connected().await?;
        let (version, naming) = Self::version(&connection, planned)?;
        let parts = self.session.build(&planned.wanted, naming);
        let Encoded { raw, options, wait } = self.encode(&self.request(planned, parts), version)?;
        let begun = Instant::now();
        let answer = self.unless_released(connection.call_raw(raw, options), wait, Some(planned)).await?;
        self.shared.counters.wait_time.add_time(begun.elapsed());
        let response = FetchResponse::decode(version, answer.body).map_err(kafka_conn::Error::from)?;
        match self.session.accept(&response) {
            Ok(()) => {
                self.refusals = 0;
                Ok(Some(response))
            }
            Err(Refusal::Throttled) => {
                self.throttle(response.throttle_time_ms);
                Ok(None)
            }
            Err(refusal) => self.refused(refusal).map(|()| None),
        }
    }

    /// The version to speak, which decides how topics are named.
    fn version(connection: &Connection, planned: &Planned) -> Result<(i16, Naming)> {
        let named = planned.wanted.iter().all(|wanted| !wanted.topic_id.is_zero());
        let cap = if named { None } else { Some(LAST_VERSION_WITH_NAMES) };
        let version = connection.version_for::<FetchRequest>(cap)?;
        Ok((version, if version > LAST_VERSION_WITH_NAMES { Naming::Ids } else { Naming::Names }))
    }

    fn encode(&self, request: &FetchRequest, version: i16) -> Result<Encoded> {
        let mut body = BytesMut::new();
        request.encode(version, &mut body).map_err(kafka_conn::Error::from)?;
        let raw = RawRequest { api_key: ApiKey::FETCH, version, body: body.into() };
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
        let timeout = self.shared.transport.config().dialer.call_timeout.saturating_add(wait);
        Ok(Encoded { raw, options: CallOptions { timeout: Some(timeout), ..CallOptions::default() }, wait })
    }

    /// Waits for a connection or an answer, takes commands meanwhile, and beside `main` fetches what has room by then. Once a partition is to be released, it is due:
    /// a broker that is no longer there must not keep what others lead by now until the dial or the call times out.
    async fn unless_released<T>(
        &mut self,
        call: impl Future<Output = kafka_conn::Result<T>>,
        wait: Duration,
        main: Option<&Planned>,
    ) -> Result<T> {
        tokio::pin!(call);
        let shared = Arc::clone(&self.shared);
        let (mut side, mut beside): (Option<Side>, _) = (None, main);
        let within = || Instant::now() + wait + RELEASE_GRACE;
        let mut due = (!self.releases.is_empty()).then(within);
        loop {
            let freed = shared.total.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let left_out = beside.is_some_and(|main| main.wanted.len() < self.partitions.len());
            if side.is_none() && left_out {
                side = beside.and_then(|main| self.begin_side(main));
            }
            tokio::select! {
                // In an order, here and above, so that a run can be replayed.
                biased;
                // What comes of another request then is not taken: those partitions are in the next one.
                answer = &mut call => return Ok(answer?),
                answer = side::answer(&mut side) => {
                    if let Some(side) = side.take()
                        && !self.handle_side(side, answer).await
                    {
                        beside = None;
                    }
                }
                () = freed, if left_out && side.is_none() => {}
                command = self.commands.recv() => match command {
                    None => return Err(Error::new(ErrorKind::Closed)),
                    Some(Command::Fetch(partitions)) => self.partitions.extend(partitions),
                    Some(Command::Release(slot)) => {
                        self.releases.insert(slot);
                        due.get_or_insert_with(within);
                    }
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    return Err(Error::new(ErrorKind::Broker(ErrorCode::REQUEST_TIMED_OUT)));
                }
            }
        }
    }

    async fn connected(&mut self) -> Result<Connection> {
        if let Some(connection) = self.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let (transport, broker) = (self.shared.transport.clone(), self.broker);
        let begun = Instant::now();
        let connection = self.unless_released(transport.dedicated(broker), Duration::ZERO, None).await?;
        self.shared.counters.dials.add(1);
        self.shared.counters.dial_time.add_time(begun.elapsed());
        Ok(self.connection.insert(connection).clone())
    }

    fn request(&self, planned: &Planned, parts: Parts) -> FetchRequest {
        let settings = &self.shared.settings;
        FetchRequest {
            max_wait_ms: planned.max_wait_ms,
            min_bytes: settings.min_bytes,
            max_bytes: planned.max_bytes,
            isolation_level: settings.isolation_level.code(),
            session_id: parts.session_id,
            session_epoch: parts.session_epoch,
            topics: parts.topics,
            forgotten_topics_data: parts.forgotten,
            rack_id: self.rack(),
            ..FetchRequest::default()
        }
    }

    /// The rack that the broker is told. A leader that knows it gives no records where a follower is nearer, and goes on to
    /// name one that is gone until the controller finds out: then it is not told, for all that it is asked for.
    fn rack(&self) -> SmolStr {
        let now = Instant::now();
        let wants_leader = |assigned: &Assigned| assigned.leader_until.is_some_and(|until| until > now);
        match self.partitions.iter().any(wants_leader) {
            true => SmolStr::default(),
            false => self.shared.settings.rack.clone(),
        }
    }

    /// A session that the broker no longer has is nothing unusual: it is begun anew at once, but not time and again.
    fn refused(&mut self, refusal: Refusal) -> Result<()> {
        self.refusals += 1;
        tracing::debug!(broker = %self.broker, ?refusal, "fetch session ended");
        let code = match refusal {
            Refusal::Code(code) => code,
            Refusal::Mismatch | Refusal::Throttled => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        };
        let session = matches!(code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND | ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        if session && self.refusals == 1 { Ok(()) } else { Err(Error::new(ErrorKind::Broker(code))) }
    }

    /// The broker would not read the next request before that anyway (KIP-219).
    fn throttle(&mut self, throttle_ms: i32) {
        let throttle = Duration::from_millis(u64::try_from(throttle_ms).unwrap_or_default());
        self.throttled_until = Instant::now() + throttle.min(MAX_THROTTLE);
    }

    /// Each for a reason of its own, by slot.
    async fn give_back_all(&mut self, returned: Vec<(usize, Reason)>) {
        for (slot, reason) in returned {
            if let Some(at) = self.partitions.iter().position(|assigned| assigned.gauge.slot == slot) {
                let assigned = self.partitions.remove(at);
                self.give_back(vec![assigned], reason).await;
            }
        }
    }

    /// Nothing came of a request: its partitions go back, and the connection is given up.
    async fn fail(&mut self, error: Error) {
        tracing::debug!(broker = %self.broker, %error, "fetch failed");
        self.shared.counters.errors.add(1);
        let timeout = error.code() == Some(ErrorCode::REQUEST_TIMED_OUT);
        if timeout || error.connection_error().is_some_and(kafka_conn::Error::is_timeout) {
            self.shared.counters.timeouts.add(1);
        }
        self.connection = None;
        self.refusals = 0;
        self.session.reset(error.code());
        let partitions = std::mem::take(&mut self.partitions);
        self.give_back(partitions, Reason::Failed(error)).await;
    }

    async fn give_back(&self, partitions: Vec<Assigned>, reason: Reason) {
        if !partitions.is_empty() {
            let _control_is_gone = self.returns.send(Returned { partitions, reason }).await;
        }
    }
}

/// The last version that names topics; later ones use ids only (KIP-516).
const LAST_VERSION_WITH_NAMES: i16 = 12;
/// How much longer than the broker was allowed to wait an answer may take while a partition is wanted elsewhere.
const RELEASE_GRACE: Duration = Duration::from_secs(1);
/// How long the end of a session may take; a reader that is closed waits for it.
pub(crate) const LONGEST_GOODBYE: Duration = Duration::from_millis(500);
const MAX_THROTTLE: Duration = Duration::from_secs(30);
