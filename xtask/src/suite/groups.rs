//! Consumer groups: members join, leave and crash, each assignor; members of Java's among ours; static members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_conn::{BrokerAddress, Message, Transport, TransportConfig};
use kafka_reader::{
    Assignor, CooperativeStickyAssignor, GroupConfig, RackAffinityAssignor, RangeAssignor, Reader, ReaderConfig,
    RoundRobinAssignor, StickyAssignor,
};
use kafka_writer::{Writer, WriterConfig};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let assignors: [Arc<dyn Assignor>; 5] = [
        Arc::new(RangeAssignor),
        Arc::new(RoundRobinAssignor),
        Arc::new(StickyAssignor),
        Arc::new(CooperativeStickyAssignor),
        Arc::new(RackAffinityAssignor::default()),
    ];
    let churn = (1..).zip(assignors).map(|(seed, assignor)| {
        scenario(format!("groups::members_join_leave_and_crash_{}", assignor.name()), move |target| async move {
            join_leave_crash(&target, assignor, seed).await
        })
    });
    let others = [
        scenario("groups::a_static_member_restarts_unnoticed", |target| async move { static_member(&target).await }),
        scenario("groups::what_was_committed_is_where_reading_goes_on", |target| async move { goes_on(&target).await }),
    ];
    churn.chain(others).collect()
}

/// With members of Java's among ours.
pub(super) fn scenarios_with_java() -> Vec<(String, Scenario)> {
    let assignors: [Arc<dyn Assignor>; 4] = [
        Arc::new(RangeAssignor),
        Arc::new(RoundRobinAssignor),
        Arc::new(StickyAssignor),
        Arc::new(CooperativeStickyAssignor),
    ];
    let mixed = assignors.into_iter().map(|assignor| {
        scenario(format!("groups::java_is_a_member_{}", assignor.name()), move |target| async move {
            with_java(&target, assignor).await
        })
    });
    mixed.collect()
}

const PARTITIONS: i32 = 6;
/// Longer than any of it takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Far longer than a goodbye takes.
const HAND_OVER: Duration = Duration::from_secs(25);

/// What members read: how often each offset of each partition, and by whom first.
#[derive(Debug, Default)]
struct Log {
    read: BTreeMap<(i32, i64), Vec<usize>>,
}

type SharedLog = Arc<Mutex<Log>>;

fn config(topic: &str, group_id: &str, assignor: Arc<dyn Assignor>) -> ReaderConfig {
    let group = GroupConfig {
        group_id: group_id.into(),
        topics: [topic].into(),
        assignors: vec![assignor],
        session_timeout: Duration::from_secs(6),
        heartbeat_interval: Duration::from_millis(500),
        rebalance_timeout: Duration::from_secs(10),
        commit_interval: Duration::from_millis(100),
        ..GroupConfig::default()
    };
    ReaderConfig { group: Some(group), ..ReaderConfig::default() }
}

/// A member on a runtime of its own, so that it can crash: its connections close, and nobody says goodbye.
struct Member {
    runtime: tokio::runtime::Runtime,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), Failure>>,
}

impl Member {
    fn start(target: &Target, number: usize, config: ReaderConfig, log: &SharedLog) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let bootstrap = BrokerAddress::parse_list(target.bootstrap())?;
        let log = Arc::clone(log);
        let task = runtime.spawn(async move {
            let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
            work(Reader::new(transport, config).await?, number, stopped, &log).await
        });
        Ok(Self { runtime, stop, task })
    }

    async fn leave(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        let result = timeout(LIMIT, self.task).await?;
        self.runtime.shutdown_background();
        result?
    }

    fn crash(self) {
        self.runtime.shutdown_background();
    }
}

async fn work(
    mut reader: Reader,
    number: usize,
    mut stopped: watch::Receiver<bool>,
    log: &SharedLog,
) -> Result<(), Failure> {
    let mut last: Option<Message> = None;
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    loop {
        let message = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            message = reader.read_message() => message?,
        };
        let place = (message.partition, message.offset);
        log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).read.entry(place).or_default().push(number);
        // Within one ownership without a gap; the first of another one may be anywhere.
        next.insert(message.partition, message.offset + 1);
        last = Some(message);
    }
    if let Some(last) = &last {
        // It was processed; another member may have the partition by now.
        let _not_owned = reader.commit_messages([last]).await;
    }
    reader.close().await;
    Ok(())
}

/// Writes so many messages to each partition in turn, a few at a time.
async fn write(transport: Transport, topic: String, count: usize) -> Result<(), Failure> {
    let config = WriterConfig { topic: Some(topic.as_str().into()), ..WriterConfig::default() };
    let writer = Writer::new(transport, config)?;
    for number in 0..count {
        let message = Message {
            key: Some(format!("{}", number % 97).into()),
            value: Some(number.to_string().into()),
            ..Message::default()
        };
        let delivery = writer.send(message).await?;
        if number % 20 == 19 {
            delivery.await?;
            sleep(Duration::from_millis(20)).await;
        }
    }
    writer.flush().await?;
    Ok(writer.close().await?)
}

/// The end of each partition.
async fn ends(transport: &Transport, topic: &str) -> Result<BTreeMap<i32, i64>, Failure> {
    let reader =
        Reader::new(transport.clone(), ReaderConfig { topic: topic.into(), ..ReaderConfig::default() }).await?;
    let ends = reader.end_offsets().await?.iter().map(|(partition, end)| (partition.partition, end)).collect();
    reader.close().await;
    Ok(ends)
}

/// Waits until everything was read.
async fn all_read(log: &SharedLog, ends: &BTreeMap<i32, i64>) -> Result<(), Failure> {
    let expected: BTreeSet<_> = ends.iter().flat_map(|(part, end)| (0..*end).map(|offset| (*part, offset))).collect();
    let begun = Instant::now();
    loop {
        let missing = {
            let log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            expected.iter().filter(|place| !log.read.contains_key(place)).copied().collect::<Vec<_>>()
        };
        if missing.is_empty() {
            return Ok(());
        }
        check(begun.elapsed() < LIMIT, || {
            let some = &missing[..missing.len().min(10)];
            format!("{} of {} messages were not read, {some:?} among them", missing.len(), expected.len())
        })?;
        sleep(Duration::from_millis(50)).await;
    }
}

/// How many messages were read more than once.
fn doubled(log: &SharedLog) -> usize {
    let log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    log.read.values().filter(|readers| readers.len() > 1).count()
}

async fn join_leave_crash(target: &Target, assignor: Arc<dyn Assignor>, seed: u64) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "churn", PARTITIONS).await?;
    let mut random = fastrand::Rng::with_seed(seed);
    let log = SharedLog::default();
    let mut members = BTreeMap::new();
    let mut joined = 0;
    let mut join = |members: &mut BTreeMap<usize, Member>| -> Result<(), Failure> {
        joined += 1;
        let config = config(&topic, &topic, Arc::clone(&assignor));
        members.insert(joined, Member::start(target, joined, config, &log)?);
        Ok(())
    };
    join(&mut members)?;
    let writing = tokio::spawn(write(transport.clone(), topic.clone(), 6000));
    let mut graceful = true;
    // The last one is a crash, so that what is read twice before it has no excuse.
    for round in 0..7 {
        sleep(Duration::from_millis(random.u64(600..1500))).await;
        match random.u8(..3) {
            _ if round == 6 => {
                check(!graceful || doubled(&log) == 0, || {
                    format!("{} messages were read twice, though no member crashed", doubled(&log))
                })?;
                graceful = false;
                let Some((_, member)) = members.pop_first() else { continue };
                member.crash();
            }
            0 if members.len() > 1 => {
                let Some((_, member)) = members.pop_first() else { continue };
                member.leave().await?;
            }
            _ if members.len() < 4 => join(&mut members)?,
            _ => {}
        }
    }
    if members.is_empty() {
        join(&mut members)?;
    }
    timeout(LIMIT, writing).await???;
    all_read(&log, &ends(&transport, &topic).await?).await?;
    for (_, member) in members {
        member.leave().await?;
    }
    // Whoever comes next finds everything committed.
    let config = config(&topic, &topic, assignor);
    let mut reader = Reader::new(transport, config).await?;
    let none = timeout(Duration::from_secs(8), reader.fetch_message()).await;
    check(none.is_err(), || format!("everything was committed, but {none:?} was read again"))?;
    reader.close().await;
    Ok(())
}

async fn with_java(target: &Target, assignor: Arc<dyn Assignor>) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "mixed", PARTITIONS).await?;
    let class = match assignor.name() {
        "range" => "RangeAssignor",
        "roundrobin" => "RoundRobinAssignor",
        "sticky" => "StickyAssignor",
        _ => "CooperativeStickyAssignor",
    };
    let log = SharedLog::default();
    let ours = Member::start(target, 1, config(&topic, &topic, assignor), &log)?;
    let strategy = format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{class}");
    let property = target.consumer_property_option();
    let mut arguments = vec!["--topic", &topic, "--group", &topic, "--timeout-ms", "12000", "--from-beginning"];
    for option in [&*strategy, "group.protocol=classic"] {
        if option != "group.protocol=classic" || target.has_group_protocols() {
            arguments.extend([property, option]);
        }
    }
    for option in ["print.partition=true", "print.offset=true"] {
        arguments.extend([target.property_option("--formatter-property"), option]);
    }
    let arguments = arguments.into_iter().map(str::to_owned).collect();
    let java = tokio::spawn({
        let target = target.clone();
        async move { target.tool("ConsoleConsumer", arguments, None).await }
    });
    // Long enough for a JVM to start and to be given its part.
    let writing = tokio::spawn(write(transport.clone(), topic.clone(), 8000));
    timeout(LIMIT, writing).await???;
    let printed = String::from_utf8(timeout(LIMIT, java).await???)?;
    let mut by_java = 0;
    for line in printed.lines() {
        let mut parts = line.split('\t');
        let number = |part: Option<&str>, name| part.and_then(|part| part.strip_prefix(name)?.parse::<i64>().ok());
        let (partition, offset) = (number(parts.next(), "Partition:"), number(parts.next(), "Offset:"));
        let (Some(partition), Some(offset)) = (partition, offset) else { continue };
        let place = (i32::try_from(partition)?, offset);
        log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).read.entry(place).or_default().push(0);
        by_java += 1;
    }
    check(by_java > 0, || "Java's member read nothing".to_owned())?;
    all_read(&log, &ends(&transport, &topic).await?).await?;
    let readers: BTreeSet<usize> = {
        let log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.read.values().flatten().copied().collect()
    };
    check(readers.len() == 2, || format!("only {readers:?} read something"))?;
    check(doubled(&log) == 0, || format!("{} messages were read twice", doubled(&log)))?;
    ours.leave().await
}

async fn static_member(target: &Target) -> Result<(), Failure> {
    use kafka_reader::{ConsumerGroup, GroupEvent};

    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "static", PARTITIONS).await?;
    let member = |instance: &str| {
        let group = config(&topic, &topic, Arc::new(RangeAssignor)).group.unwrap_or_default();
        let group =
            GroupConfig { instance_id: Some(instance.into()), session_timeout: Duration::from_secs(30), ..group };
        ConsumerGroup::new(transport.clone(), group)
    };
    let (mut one, mut two) = (member("one")?, member("two")?);
    // Until both have their half.
    let assigned = async |group: &mut ConsumerGroup| -> Result<(i32, usize), Failure> {
        loop {
            match timeout(LIMIT, group.next()).await?? {
                GroupEvent::Assigned { generation, partitions, .. } => return Ok((generation, partitions.len())),
                GroupEvent::Revoked(revoked) => revoked.done(),
                _ => {}
            }
        }
    };
    let halves = async |group: &mut ConsumerGroup| loop {
        let (generation, partitions) = assigned(group).await?;
        if partitions == PARTITIONS as usize / 2 {
            return Ok::<i32, Failure>(generation);
        }
    };
    let (first, second) = tokio::join!(halves(&mut one), halves(&mut two));
    let generation = first?;
    check(generation == second?, || "the halves are of different generations".to_owned())?;
    one.close().await;
    let mut again = member("one")?;
    let (after, partitions) = assigned(&mut again).await?;
    check(after == generation && partitions == PARTITIONS as usize / 2, || {
        format!("generation {generation} became {after}, with {partitions} partitions")
    })?;
    // Only a goodbye makes the group divide its partitions anew.
    again.close_and_leave().await;
    let (last, partitions) = assigned(&mut two).await?;
    check(last > generation && partitions == PARTITIONS as usize, || {
        format!("generation {last}, with {partitions} partitions, after a goodbye")
    })?;
    two.close_and_leave().await;
    Ok(())
}

async fn goes_on(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "resume", 1).await?;
    write(transport.clone(), topic.clone(), 100).await?;
    let mut sync = config(&topic, &topic, Arc::new(CooperativeStickyAssignor));
    if let Some(group) = &mut sync.group {
        group.commit_interval = Duration::ZERO;
        // Who takes over does not wait for the session of the one that closed.
        (group.session_timeout, group.rebalance_timeout) = (2 * HAND_OVER, 2 * HAND_OVER);
    }
    let mut expected = 0;
    for committed in [30, 31, 70] {
        let mut reader = Reader::new(transport.clone(), sync.clone()).await?;
        let mut messages = Vec::new();
        while expected < committed {
            let message = timeout(HAND_OVER, reader.fetch_message()).await??;
            check(message.offset == expected, || format!("offset {}, not {expected}", message.offset))?;
            messages.push(message);
            expected += 1;
        }
        reader.commit_messages(&messages).await?;
        // One more, that is not committed, and so comes again.
        let message = timeout(HAND_OVER, reader.fetch_message()).await??;
        check(message.offset == expected, || format!("offset {}, not {expected}", message.offset))?;
        check(
            reader.offset(0).is_none() && reader.set_offset(0, kafka_reader::StartOffset::First).await.is_err(),
            || "a group's reader has no offset of its own".to_owned(),
        )?;
        reader.close().await;
    }
    Ok(())
}
