//! Messages at a steady pace, and what becomes of each.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_conn::Transport;
use kafka_writer::{Completion, Delivery, Error, Message, SendOptions, Writer, WriterConfig, WriterStats};
use tokio::time::{MissedTickBehavior, interval};

use super::gaps::{Acknowledgements, Gap};
use super::judge::{Outcome, Outcomes, value};
use crate::suite::Failure;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: usize,
    /// At most.
    pub(crate) messages: usize,
    pub(crate) per_second: usize,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) outcomes: Outcomes,
    /// Times in which a partition had no acknowledgement for [`LEAST_GAP`].
    pub(crate) gaps: Vec<Gap>,
    pub(crate) stats: WriterStats,
    /// Why the first message failed that did.
    pub(crate) failure: Option<Error>,
}

/// Shorter ones are no outage.
pub(crate) const LEAST_GAP: Duration = Duration::from_millis(100);

impl Load<'_> {
    /// Sends round the partitions until all is sent, or `end` comes, and waits for every delivery.
    pub(crate) async fn run(
        &self,
        transport: Transport,
        config: WriterConfig,
        end: impl Future<Output = ()>,
    ) -> Result<Report, Failure> {
        let acknowledgements = Arc::new(Mutex::new(Acknowledgements::new(self.partitions, LEAST_GAP)));
        let completion = Some(watch(&acknowledgements));
        let config = WriterConfig { topic: Some(self.topic.into()), completion, ..config };
        let writer = Writer::new(transport, config)?;
        let sent = self.send(&writer, end).await;
        // What failed is told by the deliveries.
        let _failures = writer.flush().await;
        let (mut outcomes, mut failure) = (Outcomes::new(), None);
        for deliveries in sent {
            let mut of_partition = Vec::with_capacity(deliveries.len());
            for delivery in deliveries {
                of_partition.push(outcome(delivery, &mut failure).await);
            }
            outcomes.push(of_partition);
        }
        let stats = writer.stats();
        writer.close().await?;
        let gaps = acknowledgements.lock().unwrap_or_else(PoisonError::into_inner).gaps().to_vec();
        Ok(Report { outcomes, gaps, stats, failure })
    }

    async fn send(&self, writer: &Writer, end: impl Future<Output = ()>) -> Vec<Vec<Sent>> {
        let mut sent: Vec<Vec<Sent>> = (0..self.partitions).map(|_| Vec::new()).collect();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut end, begin) = (pin!(end), Instant::now());
        let mut number = 0;
        while number < self.messages {
            tokio::select! {
                biased;
                () = &mut end => break,
                _ = ticks.tick() => {}
            }
            let due = begin.elapsed().as_millis() as usize * self.per_second / 1000;
            while number < due.min(self.messages) {
                let partition = number % self.partitions;
                let value = Some(value(self.topic, partition, number / self.partitions));
                let options = SendOptions { partition: Some(partition as i32), ..SendOptions::default() };
                let queued = writer.send_with(Message { value, ..Message::default() }, options).await;
                sent[partition].push(queued.map_err(|error| error.error().clone()));
                number += 1;
            }
        }
        sent
    }
}

type Sent = Result<Delivery, Error>;

async fn outcome(sent: Sent, failure: &mut Option<Error>) -> Outcome {
    let written = match sent {
        Ok(delivery) => delivery.await,
        Err(error) => Err(error),
    };
    match written {
        Ok(written) => Outcome::Written(written.offset),
        Err(error) => {
            let fate = error.fate();
            failure.get_or_insert(error);
            Outcome::Failed(fate)
        }
    }
}

/// Notes when something is acknowledged.
fn watch(acknowledgements: &Arc<Mutex<Acknowledgements>>) -> Completion {
    let acknowledgements = Arc::clone(acknowledgements);
    Completion::new(move |completed| {
        if completed.outcome.is_ok() {
            let mut acknowledgements = acknowledgements.lock().unwrap_or_else(PoisonError::into_inner);
            acknowledgements.handle(Instant::now(), now_ms(), completed.partition as usize);
        }
    })
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

const TICK: Duration = Duration::from_millis(5);
