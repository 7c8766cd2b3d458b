//! The task behind a writer: carries out what its accumulator says.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_conn::{Cluster, Transport};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::accumulator::{Accumulator, AccumulatorConfig, Answer, Leader, ProducerIdentity, Refusal};
use crate::completed::complete;
use crate::config::WriterConfig;
use crate::delivery::BatchResult;
use crate::error::ErrorKind;
use crate::init_producer_id::init_producer_id;
use crate::requests::Requests;
use crate::seal::{Sealed, Sealer};
use crate::shared::Shared;

/// What a writer tells its sender.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send everything; the answer is what to wait for.
    Flush(oneshot::Sender<Vec<Arc<BatchResult>>>),
    /// Send everything and end, by this time at the latest.
    Close(Instant),
    /// End now.
    Abort,
}

#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<Shared>,
    config: Arc<WriterConfig>,
    transport: Transport,
    cluster: watch::Receiver<Arc<Cluster>>,
    /// Whether there will be other snapshots: not once the transport is closed.
    is_watching: bool,
    accumulator: Accumulator,
    sealer: Sealer,
    commands: mpsc::Receiver<Command>,
    requests: Requests,
    /// The request for a producer id; at most one.
    asking: FuturesUnordered<Asking>,
    next_sweep: Instant,
    /// Earlier than needed is fine, and saves setting it anew for each message.
    alarm: Pin<Box<Sleep>>,
    state: State,
}

type Asking = Pin<Box<dyn Future<Output = Result<ProducerIdentity, Refusal>> + Send>>;

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// Until everything is written, or this time has come.
    Closing(Option<Instant>),
    Aborted,
}

/// What woke the task.
enum Event {
    /// Notes, or a timeout: what every step looks at.
    Look,
    Answer(Answer),
    Sealed(Sealed),
    Cluster(Result<(), watch::error::RecvError>),
    Command(Option<Command>),
    Identity(Result<ProducerIdentity, Refusal>),
}

impl Sender {
    pub(crate) fn spawn(shared: Arc<Shared>, transport: Transport, config: Arc<WriterConfig>) -> mpsc::Sender<Command> {
        let (handle, commands) = mpsc::channel(MAX_COMMANDS);
        let rules = AccumulatorConfig {
            linger: config.linger,
            delivery_timeout: config.delivery_timeout,
            retries: config.retries,
            backoff: config.backoff.clone(),
            idempotence: config.effective_idempotence(),
            unnumbered_in_flight: config.ordering.into(),
        };
        let next_sweep = Instant::now() + transport.config().topic_idle;
        let sender = Self {
            sealer: Sealer::new(Arc::clone(&shared), Arc::clone(&config)),
            shared,
            cluster: transport.watch(),
            is_watching: true,
            requests: Requests::new(transport.clone(), Arc::clone(&config)),
            config,
            transport,
            accumulator: Accumulator::new(rules, fastrand::u64(..)),
            commands,
            asking: FuturesUnordered::new(),
            next_sweep,
            alarm: Box::pin(sleep_until(next_sweep)),
            state: State::Open,
        };
        tokio::spawn(sender.run());
        handle
    }

    async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.step(now);
            if self.is_done(now) {
                return;
            }
            let event = self.wait().await;
            self.handle(Instant::now(), event);
        }
    }

    /// Everything that can be done now.
    fn step(&mut self, now: Instant) {
        self.sweep(now);
        let now = now.into_std();
        for partition in self.shared.take_notes() {
            self.accumulator.handle_note(now, partition);
        }
        self.accumulator.handle_timeout(now);
        self.accumulator.handle_scarcity(now, self.shared.is_waited_for());
        self.ask(now);
        self.seal(now);
        self.send(now);
        self.settle();
        while let Some(topic) = self.accumulator.poll_stale() {
            self.transport.request_refresh(&topic);
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        let until = match self.state {
            State::Open => return false,
            State::Aborted => return true,
            State::Closing(until) => until,
        };
        // Dropping the sender settles what is left.
        self.accumulator.is_idle() && self.shared.close_notes_if_empty() || until.is_some_and(|until| until <= now)
    }

    async fn wait(&mut self) -> Event {
        let until = if let State::Closing(until) = self.state { until } else { None };
        let timeout = self.accumulator.poll_timeout().map(Instant::from_std);
        let timeout = timeout.into_iter().chain(until).fold(self.next_sweep, Instant::min);
        if self.alarm.is_elapsed() || timeout < self.alarm.deadline() {
            self.alarm.as_mut().reset(timeout);
        }
        let open = matches!(self.state, State::Open);
        tokio::select! {
            // In an order, so that a run can be replayed: the rare before the frequent, and last what each step looks at
            // anyway.
            biased;
            command = self.commands.recv(), if open || !self.commands.is_closed() => Event::Command(command),
            changed = self.cluster.changed(), if self.is_watching => Event::Cluster(changed),
            Some(answer) = self.asking.next() => Event::Identity(answer),
            // This also starts requests, of which there are few: batches that are sealed one after the other must not
            // keep them back.
            answer = self.requests.next() => Event::Answer(answer),
            sealed = self.sealer.next() => Event::Sealed(sealed),
            () = self.shared.noted() => Event::Look,
            () = &mut self.alarm => Event::Look,
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Look => {}
            Event::Answer(answer) => self.accumulator.handle_answer(now.into_std(), answer),
            Event::Sealed(sealed) => self.sealed(now.into_std(), sealed),
            Event::Identity(answer) => self.accumulator.handle_identity(now.into_std(), answer),
            Event::Command(Some(Command::Abort)) => self.state = State::Aborted,
            Event::Cluster(changed) => self.handle_cluster(now.into_std(), changed.is_ok()),
            Event::Command(Some(Command::Flush(reply))) => self.flush(now.into_std(), reply),
            Event::Command(Some(Command::Close(until))) => self.close(now.into_std(), Some(until)),
            // Nobody has a handle any more.
            Event::Command(None) => self.close(now.into_std(), None),
        }
    }

    fn handle_cluster(&mut self, now: std::time::Instant, is_alive: bool) {
        self.is_watching = is_alive;
        let cluster = Arc::clone(&self.cluster.borrow_and_update());
        self.shared.topics.handle_cluster(&cluster);
        self.accumulator.handle_cluster(now, |topic, partition| cluster.leader(topic, partition).ok());
    }

    fn flush(&mut self, now: std::time::Instant, reply: oneshot::Sender<Vec<Arc<BatchResult>>>) {
        // What was appended before the command must be known.
        for partition in self.shared.take_notes() {
            self.accumulator.handle_note(now, partition);
        }
        let _caller_is_gone = reply.send(self.accumulator.handle_flush(now));
    }

    fn close(&mut self, now: std::time::Instant, until: Option<Instant>) {
        self.shared.start_closing();
        self.accumulator.handle_close(now);
        self.state = match self.state {
            State::Aborted => State::Aborted,
            State::Open => State::Closing(until),
            State::Closing(before) => State::Closing(before.into_iter().chain(until).min()),
        };
    }

    /// Forgets topics that nobody writes to any more.
    fn sweep(&mut self, now: Instant) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + self.transport.config().topic_idle;
        if self.shared.topics.forget_unused() {
            self.accumulator.handle_forgotten();
        }
    }

    fn ask(&mut self, now: std::time::Instant) {
        if self.accumulator.poll_ask(now) {
            let (transport, timeout) = (self.transport.clone(), self.config.request_timeout);
            self.asking.push(Box::pin(async move { init_producer_id(&transport, timeout).await }));
        }
    }

    fn seal(&mut self, now: std::time::Instant) {
        while self.sealer.has_room() {
            let Some(job) = self.accumulator.poll_work() else { return };
            if let Some(sealed) = self.sealer.start(job) {
                self.sealed(now, sealed);
            }
        }
    }

    fn sealed(&mut self, now: std::time::Instant, sealed: Sealed) {
        self.accumulator.handle_worked(now, sealed.lane, sealed.batch, sealed.result);
    }

    fn send(&mut self, now: std::time::Instant) {
        let cluster = Arc::clone(&self.cluster.borrow());
        loop {
            let leader = |topic: &str, partition| leader(&cluster, topic, partition);
            let requests = self.accumulator.poll_requests(now, leader);
            if requests.is_empty() {
                return;
            }
            requests.into_iter().for_each(|request| self.requests.push(request));
        }
    }

    fn settle(&mut self) {
        while let Some(spent) = self.accumulator.poll_spent() {
            self.shared.buffers.recycle(spent);
        }
        let released = self.accumulator.poll_released();
        if released > 0 {
            self.shared.room.add_permits(released);
        }
        while let Some(settled) = self.accumulator.poll_settled() {
            if settled.outcome.is_err() {
                self.shared.failed(&settled);
            }
            if let Some(completion) = &self.config.completion {
                complete(completion, &settled);
            }
            settled.result.settle(settled.first, settled.outcome);
        }
        if let Some(counts) = self.accumulator.poll_stats() {
            self.shared.count(counts);
        }
    }
}

fn leader(cluster: &Cluster, topic: &str, partition: i32) -> kafka_conn::Result<Leader> {
    let broker = cluster.leader(topic, partition)?;
    let topic_id = cluster.topic(topic).map(|topic| topic.id).unwrap_or_default();
    Ok(Leader { broker, topic_id })
}

/// However the task ends, also with its runtime: nobody waits for ever.
impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.start_closing();
        let now = Instant::now().into_std();
        for partition in self.shared.close_notes() {
            self.accumulator.handle_note(now, partition);
        }
        if !self.accumulator.is_idle() {
            self.shared.aborted.store(true, Ordering::Release);
        }
        self.accumulator.handle_abort(&match self.state {
            State::Closing(Some(_)) => ErrorKind::CloseTimedOut,
            State::Aborted => ErrorKind::Aborted,
            State::Closing(None) | State::Open => ErrorKind::Closed,
        });
        self.settle();
        self.shared.room.close();
    }
}

/// Callers of `flush` and `close` wait for room beyond that.
const MAX_COMMANDS: usize = 16;
