//! Consumer groups: members join, leave and crash, each assignor; members of Java's among ours; static members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::{Message, Transport};
use kafka_reader::{
    Assignor, ConsumerGroup, CooperativeStickyAssignor, GroupConfig, GroupEvent, RangeAssignor, Reader,
    RoundRobinAssignor, StartOffset, StickyAssignor, TopicPartition,
};
use kafka_writer::{Writer, WriterConfig};
use tokio::time::{sleep, timeout};

use super::churn::{LIMIT, Log, Member, PARTITIONS, all_read, assignors, config, ends};
use super::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let churn = (1..).zip(assignors()).map(|(seed, assignor)| {
        scenario(format!("groups::members_join_leave_and_crash_{}", assignor.name()), move |target| async move {
            join_leave_crash(&target, assignor, seed).await
        })
    });
    let others = [
        scenario("groups::static_members_restart_unnoticed", |target| async move { static_members(&target).await }),
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

/// Far longer than a goodbye takes.
const HAND_OVER: Duration = Duration::from_secs(25);

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

async fn join_leave_crash(target: &Target, assignor: Arc<dyn Assignor>, seed: u64) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "churn", PARTITIONS).await?;
    let mut random = fastrand::Rng::with_seed(seed);
    let log = Log::default();
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
                check(!graceful || log.counts().1 == 0, || {
                    format!("{} messages were read twice, though no member crashed", log.counts().1)
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
    let log = Log::default();
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
        log.read(0, i32::try_from(partition)?, offset);
        by_java += 1;
    }
    check(by_java > 0, || "Java's member read nothing".to_owned())?;
    all_read(&log, &ends(&transport, &topic).await?).await?;
    let readers = log.readers();
    check(readers.len() == 2, || format!("only {readers:?} read something"))?;
    check(log.counts().1 == 0, || format!("{} messages were read twice", log.counts().1))?;
    ours.leave().await
}

/// Each of three static members is away for a moment in turn, the leader too: the group's generation stays, and so does
/// what each has.
async fn static_members(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "static", PARTITIONS).await?;
    let member = |instance: &str| {
        let group = config(&topic, &topic, Arc::new(RangeAssignor)).group.unwrap_or_default();
        let session_timeout = Duration::from_secs(30);
        let group = GroupConfig { instance_id: Some(instance.into()), session_timeout, ..group };
        ConsumerGroup::new(transport.clone(), group)
    };
    let (mut one, mut two, mut three) = (member("one")?, member("two")?, member("three")?);
    let third = PARTITIONS as usize / 3;
    let (first, second, last) =
        tokio::join!(assigned(&mut one, third), assigned(&mut two, third), assigned(&mut three, third));
    let mut members = [("one", one, first?), ("two", two, second?), ("three", three, last?)];
    let generation = members[0].2.0;
    check(members.iter().all(|(_, _, (found, _))| *found == generation), || "generations differ".to_owned())?;
    for (instance, away, had) in &mut members {
        let again = member(instance)?;
        std::mem::replace(away, again).close().await;
        let found = assigned(away, third).await?;
        check(found == *had, || format!("{instance} had {had:?} before it restarted, and {found:?} afterwards"))?;
    }
    // Only a goodbye makes the group divide its partitions anew.
    let [(_, one, _), (_, mut two, _), (_, mut three, _)] = members;
    one.close_and_leave().await;
    let half = PARTITIONS as usize / 2;
    let (second, last) = tokio::join!(assigned(&mut two, half), assigned(&mut three, half));
    let (second, last) = (second?.0, last?.0);
    check(second > generation && last == second, || {
        format!("generations {second} and {last} followed {generation} after a goodbye")
    })?;
    two.close_and_leave().await;
    three.close_and_leave().await;
    Ok(())
}

/// Waits until a member has so many partitions; returns the generation, and which they are.
async fn assigned(group: &mut ConsumerGroup, count: usize) -> Result<(i32, Vec<TopicPartition>), Failure> {
    loop {
        match timeout(LIMIT, group.next()).await?? {
            GroupEvent::Assigned { generation, partitions, .. } if partitions.len() == count => {
                let partitions = partitions.into_iter().map(|assigned| assigned.partition);
                return Ok((generation, partitions.collect()));
            }
            GroupEvent::Revoked(revoked) => revoked.done(),
            _ => {}
        }
    }
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
        check(reader.offset(0).is_none() && reader.set_offset(0, StartOffset::First).await.is_err(), || {
            "a group's reader has no offset of its own".to_owned()
        })?;
        reader.close().await;
    }
    Ok(())
}
