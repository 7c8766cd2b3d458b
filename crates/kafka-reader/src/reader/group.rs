//! A reader as the member of a group: what it is assigned, and what it commits.

use std::collections::BTreeMap;
use std::task::{Context, Poll, ready};

use kafka_conn::Message;
use kafka_protocol::Uuid;

use super::{Membership, Reader, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::group::{AssignedPartition, CommitHandle, CommitOffset, GroupEvent, LostReason, highest};
use crate::topic_partition::TopicPartition;

impl Reader {
    /// The next message, as [`fetch_message`](Self::fetch_message). In a group, asking for it says that the one before is
    /// processed: its offset is committed, in the background, or, where
    /// [`commit_interval`](crate::GroupConfig::commit_interval) is zero, before this returns (kafka-go `ReadMessage`,
    /// which commits a message before it is processed).
    ///
    /// **Cancel safety:** dropping the future loses nothing.
    ///
    /// # Errors
    /// See the [type](Self), and [`commit_messages`](Self::commit_messages). A partition that went to another member is
    /// no error here: that member processes the message too.
    pub async fn read_message(&mut self) -> Result<Message> {
        self.commit_processed().await?;
        let message = self.fetch_message().await?;
        if self.group.is_some() {
            let partition = TopicPartition::new(message.topic.clone(), message.partition);
            let offset = self.behind(&partition, message.offset);
            if let Some(membership) = &mut self.group {
                membership.processing = Some((partition, offset));
            }
        }
        Ok(message)
    }

    async fn commit_processed(&mut self) -> Result<()> {
        let Some(membership) = &mut self.group else { return Ok(()) };
        if !membership.group.config().commit_interval.is_zero() {
            membership.mark_processed();
            membership.processing = None;
        } else if let Some(processed) = membership.processing.clone() {
            match membership.group.commit([processed]).await {
                Err(error) if !matches!(error.kind(), ErrorKind::NotOwned) => return Err(error),
                _ => membership.processing = None,
            }
        }
        Ok(())
    }

    /// Says that messages are processed: the offsets behind them are committed, the highest of each partition. They are
    /// so in the background, within [`commit_interval`](crate::GroupConfig::commit_interval); where that is zero, before
    /// this returns.
    ///
    /// # Errors
    /// [`NotOwned`](ErrorKind::NotOwned) where a message is of a partition that this member does not have, or no longer,
    /// or was not returned since it has it: nothing is committed for it, the others are. [`NoGroup`](ErrorKind::NoGroup)
    /// without a group. Where it waits, also those of [`ConsumerGroup::commit`](crate::ConsumerGroup::commit).
    ///
    /// **Cancel safety:** they are committed all the same.
    pub async fn commit_messages<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) -> Result<()> {
        let membership = self.membership()?;
        let (offsets, refused) = self.returned(messages);
        if membership.group.config().commit_interval.is_zero() {
            membership.group.commit(offsets).await?;
        } else {
            membership.group.mark(offsets)?;
        }
        refused.map_or(Ok(()), Err)
    }

    /// Begins to commit the offsets behind messages now; the handle tells when that is done, and need not be awaited.
    ///
    /// # Errors
    /// As [`commit_messages`](Self::commit_messages), some of them from the handle.
    pub fn commit_async<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) -> Result<CommitHandle> {
        let membership = self.membership()?;
        let (offsets, refused) = self.returned(messages);
        let handle = membership.group.commit_async(offsets);
        refused.map_or(Ok(handle), Err)
    }

    /// Begins to commit offsets, as they are, with whatever metadata they have.
    ///
    /// # Errors
    /// [`NoGroup`](ErrorKind::NoGroup) without a group; others from the handle.
    pub fn commit_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, CommitOffset)>,
    ) -> Result<CommitHandle> {
        Ok(self.membership()?.group.commit_async(offsets))
    }

    fn membership(&self) -> Result<&Membership> {
        self.group.as_deref().ok_or_else(|| Error::new(ErrorKind::NoGroup).with_topic(&self.config.topic))
    }

    /// What to commit for messages, each with its leader's epoch; an error where one was not returned by this reader
    /// since it has the partition.
    fn returned<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> (BTreeMap<TopicPartition, CommitOffset>, Option<Error>) {
        let (mut offsets, mut refused) = (BTreeMap::new(), None);
        for (partition, commit) in highest(messages) {
            let progress = self.find_in(&partition.topic, partition.partition);
            match progress.filter(|progress| commit.offset <= progress.offset) {
                Some(_) => {
                    let offset = self.behind(&partition, commit.offset.saturating_sub(1));
                    offsets.insert(partition, offset);
                }
                None => {
                    let error = Error::new(ErrorKind::NotOwned);
                    refused = Some(error.with_partition(&partition.topic, partition.partition));
                }
            }
        }
        (offsets, refused)
    }

    /// What to commit for a message.
    fn behind(&self, partition: &TopicPartition, offset: i64) -> CommitOffset {
        let progress = self.find_in(&partition.topic, partition.partition);
        let leader_epoch = progress.map(|progress| progress.leader_epoch).filter(|epoch| *epoch >= 0);
        CommitOffset { offset: offset.saturating_add(1), leader_epoch, ..CommitOffset::default() }
    }

    /// Takes what the group tells; waits for it.
    pub(super) fn poll_group(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(membership) = &mut self.group else { return Poll::Pending };
        match ready!(membership.group.poll_next(context))? {
            GroupEvent::Assigned { partitions, .. } => {
                let start = |AssignedPartition { partition, offset, leader_epoch }| Start {
                    partition,
                    topic_id: Uuid::ZERO,
                    offset,
                    leader_epoch: leader_epoch.unwrap_or(-1),
                    otherwise: None,
                };
                self.shared.counters.rebalances.add(1);
                self.add(partitions.into_iter().map(start));
            }
            GroupEvent::Revoked(revoked) => {
                self.give_up(revoked.partitions());
                revoked.done();
            }
            GroupEvent::Lost { partitions, reason } => {
                tracing::warn!(?partitions, ?reason, "partitions lost");
                self.give_up(&partitions);
                if reason == LostReason::TooSlow {
                    let group = self.config.group.as_ref().map(|group| group.group_id.clone()).unwrap_or_default();
                    return Poll::Ready(Err(Error::new(ErrorKind::TooSlow).with_group(&group)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Lets commits go back where reading does; what was processed before counts no more.
    pub(super) fn rewind_commits(&mut self, partition: &TopicPartition) {
        let Some(membership) = &mut self.group else { return };
        membership.group.committing().rewind([partition]);
        membership.processing.take_if(|(processed, _)| processed == partition);
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) {
        let gone = |topic: &str, index| partitions.iter().any(|part| part.partition == index && part.topic == topic);
        self.remove(|gauge| gone(&gauge.topic, gauge.partition));
        if let Some(membership) = &mut self.group {
            membership.processing.take_if(|(partition, _)| partitions.contains(partition));
        }
    }
}

impl Membership {
    /// Has the offset of the message that was processed last committed, if the partition is still this member's.
    pub(super) fn mark_processed(&self) {
        if let Some(processed) = self.processing.clone() {
            let _another_member_processes_it = self.group.mark([processed]);
        }
    }
}
