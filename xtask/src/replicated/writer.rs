//! The writer, while answers are lost, connections are cut, and leaders go: short forms, for the gate.

use std::future::pending;
use std::time::Duration;

use kafka_conn::Transport;
use kafka_protocol::ApiKey;
use kafka_writer::WriterConfig;
use tokio::sync::oneshot;

use super::blow::Blow;
use super::brokers::{Brokers, SPREAD};
use super::load::{Load, Report};
use crate::proxy::{Fault, Often, Proxy, RequestFault, Rule};
use crate::suite::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("writer::lost_answers_double_nothing", |target| async move {
            let (_, verdict) = lost_answers(&target, SEED, MESSAGES).await?;
            verdict.check_all_written()
        }),
        scenario("writer::cut_connections_double_nothing", |target| async move {
            let (_, verdict) = cut_connections(&target, SEED, MESSAGES).await?;
            verdict.check_all_written()
        }),
        scenario(
            "writer::what_is_said_to_have_failed_is_not_in_the_log",
            |target| async move { failures(&target).await },
        ),
        scenario("writer::leaders_that_go_take_nothing_with_them", |target| async move { leaders_go(&target).await }),
    ]
}

/// Messages of the runs through the proxy.
const MESSAGES: usize = 20_000;
/// Small batches make many requests.
const BATCH_MESSAGES: usize = 20;
const SEED: u64 = 5;

/// Of all Produce answers 3 % are dropped after the brokers have applied the requests.
pub(crate) async fn lost_answers(
    target: &Target,
    seed: u64,
    messages: usize,
) -> Result<(Report, super::judge::Verdict), Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("lost-answers", &SPREAD, &[]).await?;
    let rules = vec![produce(0.03, RequestFault::DropAnswerAndCut)];
    let (proxy, transport) = target.transport_through_proxy(seed, rules).await?;
    let load = Load { topic: &topic, partitions: SPREAD.len(), messages, per_second: 10_000 };
    let config = WriterConfig { batch_messages: BATCH_MESSAGES, ..WriterConfig::default() };
    let report = load.run(transport, config, pending()).await?;
    check_faults(&proxy, messages / 2_000)?;
    let verdict = brokers.judge(&topic, &report.outcomes).await?;
    Ok((report, verdict))
}

/// Every 0.5 to 1.5 s all connections are cut at once.
pub(crate) async fn cut_connections(
    target: &Target,
    seed: u64,
    messages: usize,
) -> Result<(Report, super::judge::Verdict), Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("cut-connections", &SPREAD, &[]).await?;
    let (proxy, transport) = target.transport_through_proxy(seed, Vec::new()).await?;
    let load = Load { topic: &topic, partitions: SPREAD.len(), messages, per_second: 2_500 };
    let config = WriterConfig { batch_messages: BATCH_MESSAGES, ..WriterConfig::default() };
    let mut random = fastrand::Rng::with_seed(seed);
    let cut_again_and_again = async {
        loop {
            tokio::time::sleep(Duration::from_millis(random.u64(500..1_500))).await;
            proxy.cut_all();
        }
    };
    let report = tokio::select! {
        report = load.run(transport, config, pending()) => report?,
        () = cut_again_and_again => return Err("cutting never ends".into()),
    };
    let verdict = brokers.judge(&topic, &report.outcomes).await?;
    Ok((report, verdict))
}

/// So much goes wrong, and there is so little time, that many messages fail.
async fn failures(target: &Target) -> Result<(), Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("failures", &SPREAD, &[]).await?;
    let rules = vec![
        produce(0.10, RequestFault::Cut),
        produce(0.05, RequestFault::DropAnswerAndCut),
        produce(0.02, RequestFault::DropAnswerAndFallSilent),
        produce(0.20, RequestFault::Delay(Duration::from_millis(150))),
    ];
    let (proxy, transport) = target.transport_through_proxy(SEED, rules).await?;
    let load = Load { topic: &topic, partitions: SPREAD.len(), messages: MESSAGES / 4, per_second: 2_500 };
    let config = WriterConfig {
        batch_messages: BATCH_MESSAGES,
        retries: 1,
        request_timeout: Duration::from_millis(500),
        delivery_timeout: Duration::from_millis(700),
        ..WriterConfig::default()
    };
    let report = load.run(transport, config, pending()).await?;
    check_faults(&proxy, 10)?;
    // What a broker still has in hand is appended before it answers this.
    proxy.cut_all();
    let verdict = brokers.judge(&topic, &report.outcomes).await?;
    verdict.check()?;
    let both = verdict.not_persisted.min(verdict.possibly_persisted) > 0 && verdict.written > 0;
    check(both, || format!("not every fate was met: {verdict}"))
}

/// The leader of a partition is killed, told to go, and frozen, each once, while messages come.
async fn leaders_go(target: &Target) -> Result<(), Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("leaders-go", &SPREAD, &[]).await?;
    let transport = target.transport().await?;
    let (end, ended) = oneshot::channel();
    let writing = tokio::spawn(write_until(topic.clone(), transport, ended));
    for blow in Blow::ALL {
        outage(&brokers, &topic, blow).await?;
    }
    let _writer_is_gone = end.send(());
    let report = writing.await??;
    let verdict = brokers.judge(&topic, &report.outcomes).await?;
    check(report.stats.retries > 0, || "no leader was missed: nothing was sent again".to_owned())?;
    verdict.check_all_written()
}

async fn write_until(topic: String, transport: Transport, ended: oneshot::Receiver<()>) -> Result<Report, Failure> {
    let load = Load { topic: &topic, partitions: SPREAD.len(), messages: usize::MAX, per_second: PACE };
    let end = async move {
        let _sender_is_gone = ended.await;
    };
    load.run(transport, with_short_requests(), end).await
}

/// Hits the leader of the first partition, and brings it back once another one leads. All replicas are in sync again, and
/// led as before, when this returns.
pub(crate) async fn outage(brokers: &Brokers, topic: &str, blow: Blow) -> Result<(), Failure> {
    let victim = brokers.leader(topic, 0).await?;
    brokers.strike(victim, blow).await?;
    brokers.await_other_leader(topic, 0, victim).await?;
    brokers.heal(victim, blow).await?;
    brokers.settle(topic).await
}

/// Messages in a second while brokers go: enough to have some under way at any time.
pub(crate) const PACE: usize = 600;

/// Who is frozen is given up after a few seconds; all else is left at its default.
pub(crate) fn with_short_requests() -> WriterConfig {
    WriterConfig { request_timeout: Duration::from_secs(4), ..WriterConfig::default() }
}

fn produce(share: f64, fault: RequestFault) -> Rule {
    Rule { broker: None, often: Often::Share(share), fault: Fault::Request(Some(ApiKey::PRODUCE), fault) }
}

/// A run without faults proves nothing.
fn check_faults(proxy: &Proxy, least: usize) -> Result<(), Failure> {
    let counts = proxy.counts();
    let faults = counts.request_faults.get(&ApiKey::PRODUCE).copied().unwrap_or_default();
    check(faults >= least as u64 && counts.malformed == 0, || format!("the proxy's counts: {counts:?}"))
}
