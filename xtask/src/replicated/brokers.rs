//! Three real brokers with an isolated controller, so that any broker may go, and what is done to them.
//!
//! They end with the [`Target`] that they belong to, after a panic too, those that are frozen included: each by its process
//! id.

use std::future::Future;
use std::time::{Duration, Instant};

use kafka_admin::{Admin, Apply, Election, NewTopic, Replicas, TopicPartition};
use kafka_conn::{BrokerAddress, BrokerId, Dialer, Topic, Transport, TransportConfig};

use super::blow::Blow;
use super::java::Programs;
use super::judge::{Outcomes, Verdict, judge};
use crate::kafka::{self, Cluster, Config, Folders};
use crate::suite::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("brokers::end_with_their_owner_although_it_panics", |target| async move {
        end_with_their_owner(&target).await
    })]
}

/// The brokers of a target that has three.
#[derive(Clone, Debug)]
pub(crate) struct Brokers {
    target: Target,
    admin: Admin,
    programs: Programs,
}

/// A partition led by each broker, all three having a replica of all: the first of each is its preferred leader.
pub(crate) const SPREAD: [&[i32]; 3] = [&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]];

impl Brokers {
    /// All three are up when this returns: a scenario that failed may have left one down.
    pub(crate) async fn new(target: &Target) -> Result<Self, Failure> {
        let programs = Programs::compile(target.release())?;
        let bootstrap = BrokerAddress::parse_list(target.bootstrap())?;
        // A broker that is frozen keeps nobody for long.
        let dialer = Dialer { timeout: ANSWER_LIMIT, call_timeout: ANSWER_LIMIT, ..Dialer::default() };
        let config = TransportConfig { bootstrap, dialer, ..TransportConfig::default() };
        let admin = Admin::new(Transport::connect(config).await?);
        let brokers = Self { target: target.clone(), admin, programs };
        brokers.act(Cluster::revive).await?;
        Ok(brokers)
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Makes a topic with these brokers for each of its partitions, all of them in sync when this returns.
    pub(crate) async fn topic(
        &self,
        about: &str,
        partitions: &[&[i32]],
        configs: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let name = self.target.topic_name(about);
        let brokers = partitions.iter().map(|replicas| replicas.iter().copied().map(BrokerId).collect()).collect();
        let configs = configs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let topic = NewTopic { name: name.as_str().into(), replicas: Replicas::Assigned(brokers), configs };
        for outcome in self.admin.create_topics(&[topic], Apply::Now).await? {
            outcome.result?;
        }
        self.await_all_in_sync(&name).await?;
        Ok(name)
    }

    /// The broker that leads a partition.
    pub(crate) async fn leader(&self, topic: &str, partition: i32) -> Result<i32, Failure> {
        Ok(self.admin.transport().leader(topic, partition).await?.0)
    }

    /// Hits a broker, and returns once it is gone.
    pub(crate) async fn strike(&self, broker: i32, blow: Blow) -> Result<(), Failure> {
        self.act(move |cluster| match blow {
            Blow::Kill => cluster.kill(broker),
            Blow::Terminate => cluster.terminate(broker).map(drop),
            Blow::Freeze => cluster.freeze(broker),
        })
        .await
    }

    /// Brings a broker back that was hit, and returns once it serves.
    pub(crate) async fn heal(&self, broker: i32, blow: Blow) -> Result<(), Failure> {
        self.act(move |cluster| match blow {
            Blow::Kill | Blow::Terminate => cluster.restart(broker),
            Blow::Freeze => cluster.resume(broker),
        })
        .await
    }

    /// Waits until another broker leads a partition.
    pub(crate) async fn await_other_leader(&self, topic: &str, partition: i32, than: i32) -> Result<(), Failure> {
        let what = format!("another leader of {topic} {partition} than broker {than}");
        let other = |leader: Option<BrokerId>| leader.is_some_and(|leader| leader != BrokerId(than));
        self.until(topic, &what, |found| found.partition(partition).is_some_and(|found| other(found.leader))).await
    }

    /// Waits until a partition has no leader: until its last one's end is known, elections are not needed.
    pub(crate) async fn await_no_leader(&self, topic: &str, partition: i32) -> Result<(), Failure> {
        let what = format!("time without a leader of {topic} {partition}");
        self.until(topic, &what, |found| found.partition(partition).is_some_and(|found| found.leader.is_none())).await
    }

    /// Waits until these brokers, and no others, are the in-sync replicas of a partition.
    pub(crate) async fn await_in_sync(&self, topic: &str, partition: i32, brokers: &[i32]) -> Result<(), Failure> {
        let what = format!("the in-sync replicas {brokers:?} of {topic} {partition}");
        let is = |in_sync: &[BrokerId]| {
            in_sync.len() == brokers.len() && in_sync.iter().all(|found| brokers.contains(&found.0))
        };
        let holds = |found: &Topic| found.partition(partition).is_some_and(|found| is(&found.in_sync_replicas));
        self.until(topic, &what, holds).await
    }

    /// Waits until all replicas are in sync, and lets those lead that are to lead.
    pub(crate) async fn settle(&self, topic: &str) -> Result<(), Failure> {
        self.await_all_in_sync(topic).await?;
        self.elect(topic, Election::Preferred).await?;
        self.until(topic, &format!("the preferred leaders of {topic}"), |found| {
            found.partitions.iter().all(|partition| partition.leader == partition.replicas.first().copied())
        })
        .await
    }

    /// Elects the leaders of all partitions of a topic, where that changes anything.
    pub(crate) async fn elect(&self, topic: &str, election: Election) -> Result<(), Failure> {
        let count = self.admin.transport().topic(topic).await?.partitions.len();
        let partitions: Vec<_> = (0..).map(|index| TopicPartition::new(topic, index)).take(count).collect();
        for outcome in self.admin.elect_leaders(election, Some(&partitions)).await? {
            match outcome.result {
                Err(error) if *error.kind() == kafka_admin::ErrorKind::ElectionNotNeeded => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Lets Java's consumer read the topic, and compares.
    pub(crate) async fn judge(&self, topic: &str, outcomes: &Outcomes) -> Result<Verdict, Failure> {
        let log = self.programs.read(self.target.bootstrap(), topic).await?;
        Ok(judge(topic, outcomes, &log))
    }

    async fn await_all_in_sync(&self, topic: &str) -> Result<(), Failure> {
        self.until(topic, &format!("all replicas of {topic} in sync"), |found| {
            let in_sync = |partition: &kafka_conn::Partition| {
                partition.leader.is_some() && partition.in_sync_replicas.len() == partition.replicas.len()
            };
            !found.partitions.is_empty() && found.partitions.iter().all(in_sync)
        })
        .await
    }

    /// Asks again and again until something holds.
    async fn until(&self, topic: &str, what: &str, holds: impl Fn(&Topic) -> bool) -> Result<(), Failure> {
        let deadline = Instant::now() + LIMIT;
        loop {
            // Whom it asks may be the one that is gone.
            let cluster = self.admin.transport().refresh(&[topic]).await;
            let found = cluster.as_ref().ok().and_then(|cluster| cluster.topic(topic));
            if found.is_some_and(|found| holds(found)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("no {what} after {LIMIT:?}; found {found:?}").into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The launcher's calls wait for processes.
    fn act(
        &self,
        act: impl FnOnce(&Cluster) -> kafka::Result<()> + Send + 'static,
    ) -> impl Future<Output = Result<(), Failure>> {
        let target = self.target.clone();
        async move { tokio::task::spawn_blocking(move || act(target.cluster()?).map_err(Failure::from)).await? }
    }
}

/// A frozen broker in the hands of somebody who panics: its process does not stay.
async fn end_with_their_owner(target: &Target) -> Result<(), Failure> {
    let config = Config { version: target.release().version(), ..Config::default() };
    let start = move || Cluster::start(&config, &Folders::of_workspace()?);
    let cluster = tokio::task::spawn_blocking(start).await??;
    let processes = cluster.processes()?;
    let alive = || processes.iter().filter(|process| process.is_alive()).count();
    check(alive() == 1, || format!("the processes {processes:?}"))?;
    let owner = tokio::task::spawn_blocking(move || {
        let frozen = cluster.freeze(1);
        panic!("on purpose: who freezes a broker ({frozen:?}) and panics leaves no process behind");
    });
    check(owner.await.is_err_and(|error| error.is_panic()), || "it did not panic".to_owned())?;
    check(alive() == 0, || format!("still there: {processes:?}"))
}

/// For what takes a broker's session, a start of a JVM, or a few seconds of replication.
const LIMIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
