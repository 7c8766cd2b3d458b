//! `cargo xtask soak writer`: the long form, with figures, and Java's producer beside ours.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::blow::Blow;
use super::brokers::{Brokers, SPREAD};
use super::gaps::{Gap, longest};
use super::java::{JavaPace, JavaReport};
use super::load::{LEAST_GAP, Load, Report, now_ms};
use super::writer::{PACE, cut_connections, lost_answers, outage, with_short_requests};
use crate::kafka::Version;
use crate::suite::{Failure, Target, check};

/// Let three brokers go in every way while ours and Java's producer write; print how long each had no acknowledgement
#[derive(Debug, clap::Args)]
pub(crate) struct WriterSoak {
    /// The Kafka release
    #[arg(long, default_value_t = Version::NEWEST)]
    kafka: Version,
    /// How often the leader goes in each way
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages through the proxy, for each of its faults
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// What the proxy's faults follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A time in which a leader was gone.
struct Outage {
    blow: Blow,
    begin_ms: u64,
    end_ms: u64,
}

impl WriterSoak {
    /// Runs everything, and fails if anything was lost, doubled, out of order or failed.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let target = Target::start_replicated(self.kafka)?;
        println!("soak on {target}, seed {}", self.seed);
        Runtime::new()?.block_on(async {
            let (report, verdict) = lost_answers(&target, self.seed, self.messages).await?;
            println!("3 % of answers lost:      {verdict}; {} batches sent again", report.stats.retries);
            verdict.check_all_written()?;
            let (report, verdict) = cut_connections(&target, self.seed, self.messages).await?;
            println!("cut every 0.5 to 1.5 s:   {verdict}; {} batches sent again", report.stats.retries);
            verdict.check_all_written()?;
            self.outages(&target).await
        })
    }

    async fn outages(&self, target: &Target) -> Result<(), Failure> {
        let brokers = Brokers::new(target).await?;
        let ours = brokers.topic("soak-ours", &SPREAD, &[]).await?;
        let javas = brokers.topic("soak-java", &SPREAD, &[]).await?;
        let config = with_short_requests();
        let java = brokers.programs().produce(&JavaPace {
            bootstrap: target.bootstrap(),
            topic: &javas,
            partitions: SPREAD.len(),
            per_second: u32::try_from(PACE)?,
            request_timeout: config.request_timeout,
            delivery_timeout: config.delivery_timeout,
            least_gap: LEAST_GAP,
        })?;
        let (end, ended) = oneshot::channel();
        let transport = target.transport().await?;
        let writing = tokio::spawn({
            let topic = ours.clone();
            async move {
                let load = Load { topic: &topic, partitions: SPREAD.len(), messages: usize::MAX, per_second: PACE };
                let end = async move {
                    let _sender_is_gone = ended.await;
                };
                load.run(transport, config, end).await
            }
        });
        // Both shall be under way, and Java's virtual machine warm.
        tokio::time::sleep(WARM_UP).await;
        let outages = self.let_leaders_go(&brokers, [&ours, &javas]).await?;
        let _writer_is_gone = end.send(());
        let (report, java) = (writing.await??, java.finish().await?);
        print_gaps(&outages, &report.gaps, &java.gaps);
        conclude(&brokers, &ours, &report, &java).await
    }

    async fn let_leaders_go(&self, brokers: &Brokers, [ours, javas]: [&str; 2]) -> Result<Vec<Outage>, Failure> {
        let mut outages = Vec::new();
        for _ in 0..self.rounds {
            for blow in Blow::ALL {
                let begin_ms = now_ms();
                outage(brokers, ours, blow).await?;
                // The other topic has the same brokers in the same places: what it lacks is the election.
                brokers.settle(javas).await?;
                outages.push(Outage { blow, begin_ms, end_ms: now_ms() });
                tokio::time::sleep(CALM).await;
            }
        }
        Ok(outages)
    }
}

async fn conclude(brokers: &Brokers, topic: &str, report: &Report, java: &JavaReport) -> Result<(), Failure> {
    let verdict = brokers.judge(topic, &report.outcomes).await?;
    println!("ours:   {verdict}; {} batches sent again", report.stats.retries);
    println!("Java's: {} written, {} failed", java.acknowledged, java.failed);
    report.failure.iter().for_each(|failure| println!("the first failure: {failure}"));
    check(java.acknowledged > 0, || "Java's producer wrote nothing".to_owned())?;
    verdict.check_all_written()
}

/// The longest time without an acknowledgement in a partition, while each leader was gone.
fn print_gaps(outages: &[Outage], ours: &[Gap], javas: &[Gap]) {
    println!("\n| longest gap, each outage | ours, ms | Java's, ms |");
    println!("|---|---|---|");
    for blow in Blow::ALL {
        let of = |gaps: &[Gap]| -> Vec<u128> {
            let outages = outages.iter().filter(|outage| outage.blow == blow);
            outages.map(|outage| longest(gaps, outage.begin_ms, outage.end_ms).as_millis()).collect()
        };
        println!("| {blow} | {} | {} |", list(&of(ours)), list(&of(javas)));
    }
    let [ours, javas] = [ours, javas].map(|gaps| longest(gaps, 0, u64::MAX).as_millis());
    println!("\nlongest of all: ours {ours} ms, Java's {javas} ms: {:.2}", ours as f64 / javas.max(1) as f64);
}

fn list(numbers: &[u128]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const WARM_UP: Duration = Duration::from_secs(5);
/// Between two outages, so that each finds producers at their usual pace.
const CALM: Duration = Duration::from_secs(2);
