//! A group whose members join, leave, crash and freeze, ours and others': after each change every partition has exactly
//! one owner, nothing is skipped, no commit goes back, and only a crash has anything read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kafka_admin::{Admin, GroupDescription};
use kafka_reader::Assignor;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::foreign::{Foreign, Process};
use super::log::Log;
use super::member::Member;
use super::{LIMIT, PARTITIONS, SESSION, all_read, config, ends, write_until};
use crate::suite::{Failure, Target, check};

/// How a group is shaken.
#[derive(Clone, Debug)]
pub(super) struct Churn {
    pub(super) assignor: Arc<dyn Assignor>,
    pub(super) seed: u64,
    /// Each change comes once at least, whatever this says.
    pub(super) lasts: Duration,
    /// The pause before each change, in milliseconds.
    pub(super) pause_ms: RangeInclusive<u64>,
}

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Figures {
    changes: usize,
    messages: usize,
    read_again: usize,
    /// From the goodbye of a member of ours until others have its partitions.
    slowest_hand_over: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, messages, read_again, slowest_hand_over } = self;
        write!(
            f,
            "{changes} changes, {messages} messages, {read_again} of them read again after crashes and freezes; "
        )?;
        write!(f, "who leaves hands over within {:.2} s", slowest_hand_over.as_secs_f32())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Join,
    ForeignJoins,
    Leave,
    ForeignLeaves,
    Crash,
    ForeignCrashes,
    /// For longer than a session.
    Freeze,
    ForeignFreezes,
    /// For less.
    Stutter,
}

const CHANGES: [Change; 9] = [
    Change::Join,
    Change::ForeignJoins,
    Change::Leave,
    Change::ForeignLeaves,
    Change::Crash,
    Change::ForeignCrashes,
    Change::Freeze,
    Change::ForeignFreezes,
    Change::Stutter,
];

struct Group {
    target: Target,
    admin: Admin,
    /// The name of the topic, and of the group.
    name: String,
    assignor: Arc<dyn Assignor>,
    foreign: Foreign,
    ours: BTreeMap<usize, Member>,
    others: BTreeMap<usize, Process>,
    joined: usize,
    /// Those who were ever among the others.
    foreigners: BTreeSet<usize>,
    log: Log,
    random: Rng,
    figures: Figures,
}

impl Churn {
    pub(super) async fn run(self, target: &Target) -> Result<Figures, Failure> {
        let transport = target.transport().await?;
        let name = target.new_topic(&transport, &format!("churn-{}", self.assignor.name()), PARTITIONS).await?;
        let mut group = Group {
            foreign: Foreign::prepare(target, self.assignor.name()).await?,
            target: target.clone(),
            admin: Admin::new(transport.clone()),
            name: name.clone(),
            assignor: Arc::clone(&self.assignor),
            ours: BTreeMap::new(),
            others: BTreeMap::new(),
            joined: 0,
            foreigners: BTreeSet::new(),
            log: Log::default(),
            random: Rng::with_seed(self.seed),
            figures: Figures::default(),
        };
        group.join()?;
        group.settle().await?;
        let (stop, stopped) = watch::channel(false);
        let writing = tokio::spawn(write_until(transport.clone(), name.clone(), stopped.clone()));
        let watching = tokio::spawn(watch_commits(group.admin.clone(), name.clone(), stopped));
        let shaken = self.shake(&mut group).await;
        stop.send_replace(true);
        timeout(LIMIT, writing).await???;
        timeout(LIMIT, watching).await???;
        shaken.map_err(|failure| format!("after {} changes: {failure}", group.figures.changes))?;
        group.finish(&ends(&transport, &name).await?).await
    }

    async fn shake(&self, group: &mut Group) -> Result<(), Failure> {
        let begun = Instant::now();
        while group.figures.changes == 0 || begun.elapsed() < self.lasts {
            let mut changes = CHANGES;
            group.random.shuffle(&mut changes);
            for change in changes {
                sleep(Duration::from_millis(group.random.u64(self.pause_ms.clone()))).await;
                group.change(change).await.map_err(|failure| format!("{change:?}: {failure}"))?;
                group.figures.changes += 1;
            }
        }
        Ok(())
    }
}

impl Group {
    fn join(&mut self) -> Result<(), Failure> {
        self.joined += 1;
        let config = config(&self.name, &self.name, Arc::clone(&self.assignor));
        let member = Member::start(&self.target, self.joined, config, &self.log)?;
        self.ours.insert(self.joined, member);
        Ok(())
    }

    fn foreign_joins(&mut self) -> Result<(), Failure> {
        self.joined += 1;
        if !self.foreign.commits_when_it_gives_up() {
            self.log.excuse(self.joined);
        }
        let process = self.foreign.start(&self.target, &self.name, self.joined, &self.log)?;
        self.others.insert(self.joined, process);
        self.foreigners.insert(self.joined);
        Ok(())
    }

    /// Makes sure that there is one of ours that may go, and one that stays; or one of the others that may go.
    async fn provide(&mut self, change: Change) -> Result<(), Failure> {
        use Change::{ForeignCrashes, ForeignFreezes, ForeignJoins, ForeignLeaves, Join};
        match change {
            Join | ForeignJoins => return Ok(()),
            ForeignLeaves | ForeignCrashes | ForeignFreezes if self.others.is_empty() => self.foreign_joins()?,
            ForeignLeaves | ForeignCrashes | ForeignFreezes => return Ok(()),
            _ if self.ours.len() < 2 => self.join()?,
            _ => return Ok(()),
        }
        self.settle().await
    }

    async fn change(&mut self, change: Change) -> Result<(), Failure> {
        self.provide(change).await?;
        match change {
            Change::Join if self.ours.len() < MAX_MEMBERS => self.join()?,
            Change::ForeignJoins if self.others.len() < MAX_FOREIGN => self.foreign_joins()?,
            Change::Join | Change::ForeignJoins => {}
            Change::Leave => {
                let begun = Instant::now();
                let (_, member) = self.take_one()?;
                member.leave().await?;
                self.settle().await?;
                self.figures.slowest_hand_over = self.figures.slowest_hand_over.max(begun.elapsed());
            }
            Change::Crash => {
                let (number, member) = self.take_one()?;
                self.log.excuse(number);
                member.crash();
            }
            Change::ForeignLeaves | Change::ForeignCrashes => {
                let (number, process) = self.others.pop_first().ok_or("no other member")?;
                if change == Change::ForeignCrashes {
                    self.log.excuse(number);
                    process.crash().await?;
                } else {
                    process.leave().await?;
                }
            }
            Change::Freeze | Change::Stutter => self.freeze(change).await?,
            Change::ForeignFreezes => self.foreign_freezes().await?,
        }
        self.settle().await
    }

    fn take_one(&mut self) -> Result<(usize, Member), Failure> {
        let at = self.random.usize(..self.ours.len());
        let number = *self.ours.keys().nth(at).ok_or("no member")?;
        Ok((number, self.ours.remove(&number).ok_or("no member")?))
    }

    async fn freeze(&mut self, change: Change) -> Result<(), Failure> {
        let (number, mut member) = self.take_one()?;
        self.log.excuse(number);
        member.freeze();
        if change == Change::Freeze {
            // The others go on without it.
            self.settle().await?;
        } else {
            sleep(SESSION / 4).await;
        }
        member.thaw();
        self.ours.insert(number, member);
        Ok(())
    }

    async fn foreign_freezes(&mut self) -> Result<(), Failure> {
        let (number, process) = self.others.pop_first().ok_or("no other member")?;
        self.log.excuse(number);
        process.signal(Signal::STOP)?;
        let settled = self.settle().await;
        process.signal(Signal::CONT)?;
        self.others.insert(number, process);
        settled
    }

    /// Waits until the group is at rest with the members that there are, and each partition has exactly one of them.
    async fn settle(&self) -> Result<(), Failure> {
        let members = self.ours.len() + self.others.len();
        let begun = Instant::now();
        loop {
            let described = self.admin.describe_groups(&[&self.name]).await?.pop().ok_or("no answer")?.result;
            let found = described.map(|group| (group.state.clone(), group.members.len(), owners(&group)));
            match &found {
                Ok((state, _, Err(partition))) if state == "Stable" => {
                    return Err(format!("{partition} has two owners").into());
                }
                Ok((state, count, Ok(owned)))
                    if state == "Stable" && *count == members && *owned == PARTITIONS as usize =>
                {
                    return Ok(());
                }
                _ => {}
            }
            check(begun.elapsed() < LIMIT, || format!("{members} members do not come to rest: {found:?}"))?;
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn finish(mut self, ends: &BTreeMap<i32, i64>) -> Result<Figures, Failure> {
        all_read(&self.log, ends).await?;
        let readers = self.log.readers();
        let both = !readers.is_disjoint(&self.foreigners) && !readers.is_subset(&self.foreigners);
        check(both, || format!("only {readers:?} read something; others' members were {:?}", self.foreigners))?;
        let unexplained = self.log.unexplained();
        check(unexplained.is_empty(), || {
            let some = &unexplained[..unexplained.len().min(10)];
            format!("{} messages were read again though no crash explains it: {some:?}", unexplained.len())
        })?;
        for (_, member) in std::mem::take(&mut self.ours) {
            member.leave().await?;
        }
        for (_, process) in std::mem::take(&mut self.others) {
            process.leave().await?;
        }
        let committed = committed(&self.admin, &self.name).await?;
        check(committed == *ends, || format!("{committed:?} is committed, the ends are {ends:?}"))?;
        (self.figures.messages, self.figures.read_again) = self.log.counts();
        Ok(self.figures)
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

async fn committed(admin: &Admin, group: &str) -> Result<BTreeMap<i32, i64>, Failure> {
    let offsets = admin.list_group_offsets(group, None).await?;
    Ok(offsets.into_iter().filter_map(|(partition, offset)| Some((partition.partition, offset?.offset))).collect())
}

/// Looks at what the group has committed until it is told to stop: it never goes back.
async fn watch_commits(admin: Admin, group: String, mut stopped: watch::Receiver<bool>) -> Result<(), Failure> {
    let mut before: BTreeMap<i32, i64> = BTreeMap::new();
    while timeout(Duration::from_millis(100), stopped.wait_for(|stop| *stop)).await.is_err() {
        let now = committed(&admin, &group).await?;
        for (partition, offset) in &before {
            let found = now.get(partition);
            check(found >= Some(offset), || format!("the commit of {partition} went from {offset} back to {found:?}"))?;
        }
        before = now;
    }
    Ok(())
}

const MAX_MEMBERS: usize = 4;
const MAX_FOREIGN: usize = 2;
