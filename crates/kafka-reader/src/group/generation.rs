//! A group seen as kafka-go shows it: one generation after the other, each with the work that belongs to it.

use std::fmt;
use std::sync::Arc;

use kafka_conn::Transport;
use smol_str::SmolStr;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::GroupConfig;
use super::consumer_group::{CommitHandle, Committing, ConsumerGroup};
use super::event::{AssignedPartition, GroupEvent};
use crate::assignor::RebalanceProtocol;
use crate::error::{Error, ErrorKind, Result};
use crate::group::CommitOffset;
use crate::topic_partition::TopicPartition;

/// The generations of a group (kafka-go `ConsumerGroup`): one is alive at a time, and the next begins when all work of the
/// one before has ended. It is an eager view: with each rebalance all work ends, and begins anew. So its assignors must
/// be eager ones, or at least one of them.
///
/// ```no_run
/// # async fn example(transport: kafka_conn::Transport) -> kafka_reader::Result<()> {
/// use kafka_reader::{Generations, GroupConfig};
///
/// let config = GroupConfig { group_id: "billing".into(), topics: ["orders"].into(), ..GroupConfig::default() };
/// let mut generations = Generations::new(transport, config)?;
/// loop {
///     let mut generation = generations.next().await?;
///     for assigned in generation.assignments().to_vec() {
///         generation.start(move |ended| async move {
///             println!("work on {} from {}", assigned.partition, assigned.offset);
///             ended.wait().await;
///         });
///     }
///     generation.run().await;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Generations {
    group: ConsumerGroup,
    /// An assignment that came while the generation before was alive.
    assigned: Option<GroupEvent>,
}

/// One generation of a group, and the work that belongs to it (kafka-go `Generation`).
///
/// It ends when the group rebalances, when a piece of its work ends, and when it is dropped; then all of its work is told
/// to [end](Ended::wait).
pub struct Generation<'a> {
    generations: &'a mut Generations,
    committing: Committing,
    id: i32,
    member_id: SmolStr,
    assignments: Vec<AssignedPartition>,
    ended: Arc<watch::Sender<bool>>,
    work: JoinSet<()>,
}

/// Tells a piece of work when its generation ends (kafka-go: the context of `Start`).
#[derive(Clone, Debug)]
pub struct Ended(watch::Receiver<bool>);

impl Generations {
    /// Begins to join.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig), also where all assignors are cooperative.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(transport: Transport, config: GroupConfig) -> Result<Self> {
        if config.assignors.iter().all(|assignor| assignor.protocol() == RebalanceProtocol::Cooperative) {
            let what = "generations end as a whole: one assignor at least must be eager";
            return Err(Error::new(ErrorKind::InvalidConfig(what)).with_group(&config.group_id));
        }
        Ok(Self { group: ConsumerGroup::new(transport, config)?, assigned: None })
    }

    /// The next generation; waits for it. The one before has ended by then.
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`ConsumerGroup::next`].
    pub async fn next(&mut self) -> Result<Generation<'_>> {
        loop {
            let event = match self.assigned.take() {
                Some(event) => event,
                None => self.group.next().await?,
            };
            match event {
                GroupEvent::Assigned { generation, member_id, partitions } => {
                    return Ok(Generation {
                        committing: self.group.committing(),
                        generations: self,
                        id: generation,
                        member_id,
                        assignments: partitions,
                        ended: Arc::new(watch::channel(false).0),
                        work: JoinSet::new(),
                    });
                }
                // Of a generation that nobody ran to its end: its work was told to end when it was dropped.
                GroupEvent::Revoked(revoked) => revoked.done(),
                GroupEvent::Lost { .. } => {}
            }
        }
    }

    /// Leaves the group, as [`ConsumerGroup::close`].
    pub async fn close(self) {
        self.group.close().await;
    }
}

impl Generation<'_> {
    /// Its number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The group.
    pub fn group_id(&self) -> &str {
        &self.generations.group.config().group_id
    }

    /// The id that the broker gave this member.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The partitions of this member, each with its start.
    pub fn assignments(&self) -> &[AssignedPartition] {
        &self.assignments
    }

    /// Starts a piece of work of this generation. When it returns, the generation ends, so that the group divides its
    /// partitions anew.
    pub fn start<F: Future<Output = ()> + Send + 'static>(&mut self, work: impl FnOnce(Ended) -> F) {
        self.work.spawn(work(Ended(self.ended.subscribe())));
    }

    /// What its work commits with; it may be cloned into it.
    pub fn committing(&self) -> Committing {
        self.committing.clone()
    }

    /// Commits offsets of this generation's partitions (kafka-go `CommitOffsets`).
    pub fn commit_offsets(&self, offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>) -> CommitHandle {
        self.committing.commit(offsets)
    }

    /// Works until the generation ends, and all of its work has.
    ///
    /// **Cancel safety:** dropping the future ends the generation; its work is told so, but not waited for.
    ///
    /// # Errors
    /// As [`ConsumerGroup::next`].
    pub async fn run(mut self) -> Result<()> {
        let revoked = loop {
            tokio::select! {
                event = self.generations.group.next() => match event? {
                    GroupEvent::Revoked(revoked) => break Some(revoked),
                    GroupEvent::Lost { .. } => break None,
                    // It had no partitions that it had to give up.
                    assigned => {
                        self.generations.assigned = Some(assigned);
                        break None;
                    }
                },
                Some(_) = self.work.join_next(), if !self.work.is_empty() => {
                    // The group will tell this member to give its partitions up.
                    self.ended.send_replace(true);
                    self.generations.group.rejoin();
                }
            }
        };
        self.ended.send_replace(true);
        while self.work.join_next().await.is_some() {}
        if let Some(revoked) = revoked {
            revoked.done();
        }
        Ok(())
    }
}

impl Drop for Generation<'_> {
    fn drop(&mut self) {
        self.ended.send_replace(true);
        self.work.detach_all();
    }
}

impl fmt::Debug for Generation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("id", &self.id)
            .field("member_id", &self.member_id)
            .field("assignments", &self.assignments)
            .finish_non_exhaustive()
    }
}

impl Ended {
    /// Waits until the generation has ended.
    pub async fn wait(mut self) {
        let _gone_is_ended = self.0.wait_for(|ended| *ended).await;
    }

    /// Whether it has.
    pub fn is_ended(&self) -> bool {
        *self.0.borrow()
    }
}
