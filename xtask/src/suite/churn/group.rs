//! A group with members of ours and others', the messages that it reads, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_admin::{Admin, GroupDescription};
use kafka_conn::Transport;
use kafka_reader::{Assignor, Reader, ReaderConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::foreign::{Foreign, Process};
use super::log::Log;
use super::member::Member;
use super::trail::{self, Trail};
use super::{LIMIT, all_read, config, ends, write_until};
use crate::suite::{Failure, Target, check};

/// A group, and who writes for it.
pub(crate) struct Group {
    target: Target,
    transport: Transport,
    admin: Admin,
    /// The name of the topic, and of the group.
    name: String,
    partitions: usize,
    assignor: Arc<dyn Assignor>,
    foreign: Foreign,
    pub(super) ours: BTreeMap<usize, Member>,
    pub(super) others: BTreeMap<usize, Process>,
    joined: usize,
    /// Those who were ever among the others.
    foreigners: BTreeSet<usize>,
    pub(super) log: Log,
    stop: watch::Sender<bool>,
    writing: JoinHandle<Result<(), Failure>>,
}

/// What a group did.
#[derive(Debug)]
pub(crate) struct Account {
    messages: usize,
    read_again: usize,
    commits: usize,
    /// What kafka-go's members committed astray, in words, and how much of that went back.
    strays: Vec<String>,
    steps_back: usize,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, read_again, commits, strays, steps_back } = self;
        write!(f, "{messages} messages, {read_again} of them read again; {commits} commits")?;
        if strays.is_empty() {
            return write!(f, ", none back");
        }
        write!(f, ", none of ours back; kafka-go's members made {} for partitions that others had", strays.len())?;
        write!(f, " or below what was committed, {steps_back} of them back, such as:")?;
        strays.iter().take(5).try_for_each(|stray| write!(f, "\n    {stray}"))
    }
}

impl Group {
    /// Begins to write to a topic, and lets the first member of its group join.
    pub(crate) async fn start(target: &Target, topic: &str, assignor: Arc<dyn Assignor>) -> Result<Self, Failure> {
        let transport = target.transport().await?;
        let (stop, stopped) = watch::channel(false);
        let mut group = Self {
            foreign: Foreign::prepare(target, assignor.name()).await?,
            partitions: ends(&transport, topic).await?.len(),
            target: target.clone(),
            admin: Admin::new(transport.clone()),
            name: topic.to_owned(),
            assignor,
            ours: BTreeMap::new(),
            others: BTreeMap::new(),
            joined: 0,
            foreigners: BTreeSet::new(),
            log: Log::default(),
            stop,
            writing: tokio::spawn(write_until(transport.clone(), topic.to_owned(), stopped)),
            transport,
        };
        group.join()?;
        group.settle().await?;
        Ok(group)
    }

    pub(crate) fn join(&mut self) -> Result<(), Failure> {
        self.joined += 1;
        let config = config(&self.name, &self.name, Arc::clone(&self.assignor));
        let member = Member::start(&self.target, self.joined, config, &self.log)?;
        self.ours.insert(self.joined, member);
        Ok(())
    }

    pub(crate) fn foreign_joins(&mut self) -> Result<(), Failure> {
        self.joined += 1;
        if !self.foreign.commits_when_it_gives_up() {
            self.log.excuse(self.joined);
        }
        let process = self.foreign.start(&self.target, &self.name, self.joined, &self.log)?;
        self.others.insert(self.joined, process);
        self.foreigners.insert(self.joined);
        Ok(())
    }

    /// Waits until the group is at rest with the members that there are, and each partition has exactly one of them.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let members = self.ours.len() + self.others.len();
        let begun = Instant::now();
        loop {
            let found = self.describe().await.map(|group| (group.state.clone(), group.members.len(), owners(&group)));
            match &found {
                Ok((state, _, Err(partition))) if state == "Stable" => {
                    return Err(format!("{partition} has two owners").into());
                }
                Ok((state, count, Ok(owned)))
                    if state == "Stable" && *count == members && *owned == self.partitions =>
                {
                    return Ok(());
                }
                _ => {}
            }
            check(begun.elapsed() < LIMIT, || format!("{members} members do not come to rest: {found:?}"))?;
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn describe(&self) -> Result<GroupDescription, Failure> {
        Ok(self.admin.describe_groups(&[&self.name]).await?.pop().ok_or("no answer")?.result?)
    }

    /// Ends the group, and holds it to the rules: nothing skipped, no commit back, and read again only what a crash
    /// explains.
    pub(crate) async fn finish(mut self) -> Result<Account, Failure> {
        self.stop.send_replace(true);
        timeout(LIMIT, &mut self.writing).await???;
        let ends = ends(&self.transport, &self.name).await?;
        all_read(&self.log, &ends).await?;
        for (_, member) in std::mem::take(&mut self.ours) {
            member.leave().await?;
        }
        for (_, process) in std::mem::take(&mut self.others) {
            process.leave().await?;
        }
        let trail = self.trail().await?;
        check(trail.broken.is_empty(), || format!("{} commits: {:?}", trail.broken.len(), first(&trail.broken)))?;
        self.check_strays(&trail)?;
        self.check_readers(&trail)?;
        self.check_committed(&trail, &ends).await?;
        let (messages, read_again) = self.log.counts();
        let steps_back = trail.strays.iter().filter(|stray| stray.goes_back()).count();
        let strays = trail.strays.iter().map(ToString::to_string).collect();
        Ok(Account { messages, read_again, commits: trail.commits, strays, steps_back })
    }

    /// The newest generation that the coordinator wrote down.
    pub(crate) async fn generation(&self) -> Result<i32, Failure> {
        Ok(self.trail().await?.generation)
    }

    /// What the coordinator wrote down.
    async fn trail(&self) -> Result<Trail, Failure> {
        let config = ReaderConfig { topic: trail::TOPIC.into(), ..ReaderConfig::default() };
        let mut reader = Reader::new(self.transport.clone(), config).await?;
        let ends = reader.end_offsets().await?;
        let mut trail = Trail::new(&self.name, self.foreign.rules());
        while let Some(message) = timeout(LIMIT, reader.fetch_until(&ends)).await?? {
            trail.handle(&message.key.unwrap_or_default(), &message.value.unwrap_or_default())?;
        }
        reader.close().await;
        check(trail.commits > 0, || "no commit of the group was found".to_owned())?;
        Ok(trail)
    }

    /// What is put down to the others, one of them must have processed.
    fn check_strays(&self, trail: &Trail) -> Result<(), Failure> {
        let made = |stray: &&trail::Stray| self.log.was_read_by(stray.partition, stray.to - 1, &self.foreigners);
        match trail.strays.iter().find(|stray| !made(stray)) {
            Some(stray) => Err(format!("a commit that no member of others' can have made: {stray}").into()),
            None => Ok(()),
        }
    }

    fn check_readers(&self, trail: &Trail) -> Result<(), Failure> {
        let readers = self.log.readers();
        let both = !readers.is_disjoint(&self.foreigners) && !readers.is_subset(&self.foreigners);
        check(both, || format!("only {readers:?} read something; others' members were {:?}", self.foreigners))?;
        let unexplained = self.log.unexplained(|partition, offset| trail.took_back(partition, offset));
        check(unexplained.is_empty(), || {
            let some = first(&unexplained);
            format!("{} messages were read again though no crash explains it: {some:?}", unexplained.len())
        })
    }

    async fn check_committed(&self, trail: &Trail, ends: &BTreeMap<i32, i64>) -> Result<(), Failure> {
        let offsets = self.admin.list_group_offsets(&self.name, None).await?;
        let offset = |(partition, offset): (kafka_admin::TopicPartition, Option<kafka_admin::CommittedOffset>)| {
            Some((partition.partition, offset?.offset))
        };
        let committed: BTreeMap<_, _> = offsets.into_iter().filter_map(offset).collect();
        // Where the last word was one of kafka-go's, the end is not reached.
        let right = |(partition, end): (&i32, &i64)| {
            committed.get(partition).is_some_and(|found| found == end || trail.took_back(*partition, end - 1))
        };
        check(ends.iter().all(right), || format!("{committed:?} is committed, the ends are {ends:?}"))
    }
}

/// How many partitions have an owner; an error where one has two.
fn owners(group: &GroupDescription) -> Result<usize, String> {
    let mut owned = BTreeSet::new();
    for partition in group.members.iter().flat_map(|member| &member.assignment) {
        if !owned.insert(partition) {
            return Err(partition.to_string());
        }
    }
    Ok(owned.len())
}

fn first<T>(all: &[T]) -> &[T] {
    &all[..all.len().min(10)]
}
