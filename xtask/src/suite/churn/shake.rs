//! A group whose members join, leave, crash and freeze, ours and others': after each change every partition has exactly
//! one owner, nothing is skipped, no commit goes back, and only a crash has anything read again.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kafka_reader::Assignor;
use rustix::process::Signal;
use tokio::time::sleep;

use super::group::{Account, Group};
use super::member::Member;
use super::{HEARTBEAT, PARTITIONS, SESSION};
use crate::suite::{Failure, Target};

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
#[derive(Debug)]
pub(super) struct Figures {
    changes: usize,
    /// From the goodbye of each member of ours until others have its partitions.
    hand_overs: Vec<Duration>,
    account: Account,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, hand_overs, account } = self;
        let allowed = HEARTBEAT + Duration::from_secs(1);
        let late = hand_overs.iter().filter(|time| **time > allowed).count();
        let slowest = hand_overs.iter().max().copied().unwrap_or_default();
        write!(f, "{changes} changes; {} members of ours left and handed over, the slowest ", hand_overs.len())?;
        write!(f, "within {:.2} s, {late} after more than {:.2} s; ", slowest.as_secs_f32(), allowed.as_secs_f32())?;
        account.fmt(f)
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

/// A group while it is shaken.
struct Shaken {
    group: Group,
    random: Rng,
    changes: usize,
    hand_overs: Vec<Duration>,
}

impl Churn {
    pub(super) async fn run(self, target: &Target) -> Result<Figures, Failure> {
        let transport = target.transport().await?;
        let topic = target.new_topic(&transport, &format!("churn-{}", self.assignor.name()), PARTITIONS).await?;
        let mut shaken = Shaken {
            group: Group::start(target, &topic, Arc::clone(&self.assignor)).await?,
            random: Rng::with_seed(self.seed),
            changes: 0,
            hand_overs: Vec::new(),
        };
        let end = self.shake(&mut shaken).await;
        end.map_err(|failure| format!("after {} changes: {failure}", shaken.changes))?;
        let Shaken { group, changes, hand_overs, .. } = shaken;
        Ok(Figures { changes, hand_overs, account: group.finish().await? })
    }

    async fn shake(&self, shaken: &mut Shaken) -> Result<(), Failure> {
        let begun = Instant::now();
        while shaken.changes == 0 || begun.elapsed() < self.lasts {
            let mut changes = CHANGES;
            shaken.random.shuffle(&mut changes);
            for change in changes {
                sleep(Duration::from_millis(shaken.random.u64(self.pause_ms.clone()))).await;
                shaken.change(change).await.map_err(|failure| format!("{change:?}: {failure}"))?;
                shaken.changes += 1;
            }
        }
        Ok(())
    }
}

impl Shaken {
    /// Makes sure that there is one of ours that may go, and one that stays; or one of the others that may go.
    async fn provide(&mut self, change: Change) -> Result<(), Failure> {
        use Change::{ForeignCrashes, ForeignFreezes, ForeignJoins, ForeignLeaves, Join};
        match change {
            Join | ForeignJoins => return Ok(()),
            ForeignLeaves | ForeignCrashes | ForeignFreezes if self.group.others.is_empty() => {
                self.group.foreign_joins()?
            }
            ForeignLeaves | ForeignCrashes | ForeignFreezes => return Ok(()),
            _ if self.group.ours.len() < 2 => self.group.join()?,
            _ => return Ok(()),
        }
        self.group.settle().await
    }

    async fn change(&mut self, change: Change) -> Result<(), Failure> {
        self.provide(change).await?;
        match change {
            Change::Join if self.group.ours.len() < MAX_MEMBERS => self.group.join()?,
            Change::ForeignJoins if self.group.others.len() < MAX_FOREIGN => self.group.foreign_joins()?,
            Change::Join | Change::ForeignJoins => {}
            Change::Leave => {
                let begun = Instant::now();
                let (_, member) = self.take_one()?;
                member.leave().await?;
                self.group.settle().await?;
                self.hand_overs.push(begun.elapsed());
            }
            Change::Crash => {
                let (number, member) = self.take_one()?;
                self.group.log.excuse(number);
                member.crash();
            }
            Change::ForeignLeaves | Change::ForeignCrashes => {
                let (number, process) = self.group.others.pop_first().ok_or("no other member")?;
                if change == Change::ForeignCrashes {
                    self.group.log.excuse(number);
                    process.crash().await?;
                } else {
                    process.leave().await?;
                }
            }
            Change::Freeze | Change::Stutter => self.freeze(change).await?,
            Change::ForeignFreezes => self.foreign_freezes().await?,
        }
        self.group.settle().await
    }

    fn take_one(&mut self) -> Result<(usize, Member), Failure> {
        let at = self.random.usize(..self.group.ours.len());
        let number = *self.group.ours.keys().nth(at).ok_or("no member")?;
        Ok((number, self.group.ours.remove(&number).ok_or("no member")?))
    }

    async fn freeze(&mut self, change: Change) -> Result<(), Failure> {
        let (number, mut member) = self.take_one()?;
        self.group.log.excuse(number);
        member.freeze();
        if change == Change::Freeze {
            // The others go on without it.
            self.group.settle().await?;
        } else {
            sleep(SESSION / 4).await;
        }
        member.thaw();
        self.group.ours.insert(number, member);
        Ok(())
    }

    async fn foreign_freezes(&mut self) -> Result<(), Failure> {
        let (number, process) = self.group.others.pop_first().ok_or("no other member")?;
        self.group.log.excuse(number);
        process.signal(Signal::STOP)?;
        let settled = self.group.settle().await;
        process.signal(Signal::CONT)?;
        self.group.others.insert(number, process);
        settled
    }
}

const MAX_MEMBERS: usize = 4;
const MAX_FOREIGN: usize = 2;
