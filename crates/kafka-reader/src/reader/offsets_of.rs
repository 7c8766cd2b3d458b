//! Where a reader stands in its partitions, and how to change that.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::Uuid;

use super::{Reader, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{self, EndOffsets, FIRST, LAST};
use crate::topic_partition::TopicPartition;
use crate::{OutOfRange, StartOffset};

impl Reader {
    /// The offset of the next message of a partition that will be returned; `None` where this reader does not read it,
    /// and in a group, whose partitions come and go: see [`position`](Self::position) (kafka-go `Offset`, there -1).
    pub fn offset(&self, partition: i32) -> Option<i64> {
        Some(self.find(partition).filter(|_| self.group.is_none())?.offset)
    }

    /// How many offsets a partition is ahead of what was returned, as of its last answer; `None` before the first, where
    /// this reader does not read it, and in a group: see [`lag_of`](Self::lag_of). With
    /// [`ReadCommitted`](crate::IsolationLevel::ReadCommitted) it counts up to the last stable offset. Some of the
    /// offsets may hold no message.
    pub fn lag(&self, partition: i32) -> Option<i64> {
        self.find(partition).filter(|_| self.group.is_none())?.lag()
    }

    /// The partitions that are read now, with the offset of the next message of each: in a group, what is assigned.
    pub fn positions(&self) -> impl ExactSizeIterator<Item = (TopicPartition, i64)> {
        let position = |progress: &super::Progress| (progress.name(), progress.offset);
        self.progress.iter().map(position)
    }

    /// The offset of the next message of a partition of any topic, where it is read now.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        Some(self.find_in(&partition.topic, partition.partition)?.offset)
    }

    /// The lag of a partition of any topic, as [`lag`](Self::lag); also in a group. It asks no broker.
    pub fn lag_of(&self, partition: &TopicPartition) -> Option<i64> {
        self.find_in(&partition.topic, partition.partition)?.lag()
    }

    /// Asks a partition's leader how many offsets it is ahead of what was returned (kafka-go `ReadLag`).
    ///
    /// # Errors
    /// [`NotInGroup`](ErrorKind::NotInGroup) in a group, [`UnknownPartition`](ErrorKind::UnknownPartition), and those of
    /// [`end_offsets`](Self::end_offsets).
    pub async fn read_lag(&self, partition: i32) -> Result<i64> {
        let position = self.find_ungrouped(partition)?.offset;
        let end = self.list(BTreeMap::from([(partition, LAST)])).await?;
        Ok(end.get(&partition).map_or(0, |end| end.offset.saturating_sub(position).max(0)))
    }

    /// Goes on reading a partition from there: at the first offset, behind the last, or at an offset, which need not
    /// exist yet. What was fetched ahead is dropped. A partition that was halted is read again (kafka-go `SetOffset`).
    ///
    /// # Errors
    /// [`NotInGroup`](ErrorKind::NotInGroup) in a group, whose commits say where to read;
    /// [`UnknownPartition`](ErrorKind::UnknownPartition); and where the offset has to be asked for, those of
    /// [`end_offsets`](Self::end_offsets).
    pub async fn set_offset(&mut self, partition: i32, start: StartOffset) -> Result<()> {
        self.find_ungrouped(partition)?;
        let (timestamp, otherwise) = match start {
            StartOffset::First => (FIRST, OutOfRange::Earliest),
            StartOffset::Last => (LAST, OutOfRange::Latest),
            StartOffset::At(offset) if offset < 0 => {
                let error = Error::new(ErrorKind::InvalidConfig("an offset is negative"));
                return Err(error.with_partition(&self.config.topic, partition));
            }
            StartOffset::At(offset) => {
                self.seek(partition, offset, -1, None);
                return Ok(());
            }
        };
        let listed = self.list(BTreeMap::from([(partition, timestamp)])).await?;
        if let Some(listed) = listed.get(&partition) {
            self.seek(partition, listed.offset, listed.leader_epoch, Some(otherwise));
        }
        Ok(())
    }

    /// Goes on reading all partitions from the first message that is not older than `time`, or, where there is none,
    /// behind the last (kafka-go `SetOffsetAt`).
    ///
    /// # Errors
    /// As [`set_offset`](Self::set_offset).
    pub async fn set_offset_at(&mut self, time: SystemTime) -> Result<()> {
        self.check_ungrouped()?;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let timestamp = i64::try_from(since).unwrap_or(i64::MAX);
        let wanted = self.partitions().map(|partition| (partition, timestamp)).collect();
        for (partition, listed) in self.list_or_end(wanted).await? {
            self.seek(partition, listed.offset, listed.leader_epoch, Some(OutOfRange::Latest));
        }
        Ok(())
    }

    /// Returns nothing of these partitions until they are [resumed](Self::resume). They are fetched ahead as far as their
    /// share of [`prefetch_bytes`](crate::ReaderConfig::prefetch_bytes) goes. Partitions that are not read do not count.
    pub fn pause<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_paused(partitions, true);
    }

    /// Returns messages of these partitions again; nothing was lost meanwhile.
    pub fn resume<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_paused(partitions, false);
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> impl Iterator<Item = TopicPartition> {
        self.progress.iter().filter(|progress| progress.paused).map(super::Progress::name)
    }

    fn set_paused<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>, paused: bool) {
        for partition in partitions {
            let key = (partition.topic.as_str(), partition.partition);
            let Some(progress) = self.progress.iter_mut().find(|progress| progress.key() == key) else { continue };
            progress.paused = paused;
            let slot = progress.gauge.slot;
            if paused && let Some(mut current) = self.current.take_if(|current| current.chunk.gauge().slot == slot) {
                // In front: what is behind it in the partition is behind it here.
                current.chunk.detach();
                self.aside.push_front(current.chunk);
            }
        }
    }

    /// Asks where the partitions end now: at the high watermark, or, with
    /// [`ReadCommitted`](crate::IsolationLevel::ReadCommitted), at the last stable offset.
    ///
    /// # Errors
    /// [`Connection`](ErrorKind::Connection) or [`Broker`](ErrorKind::Broker), after
    /// [`retry_timeout`](crate::ReaderConfig::retry_timeout) where trying again might have helped;
    /// [`NotInGroup`](ErrorKind::NotInGroup) in a group.
    pub async fn end_offsets(&self) -> Result<EndOffsets> {
        self.check_ungrouped()?;
        let listed = self.list(self.partitions().map(|partition| (partition, LAST)).collect()).await?;
        let offsets = listed.into_iter().map(|(partition, listed)| (partition, listed.offset)).collect();
        Ok(EndOffsets::new(self.config.topic.clone(), offsets))
    }

    /// Asks where the messages end that are older than `time`: reading [from](Self::set_offset_at) one time to the end
    /// offsets of another reads what was written in between, as far as timestamps tell.
    ///
    /// # Errors
    /// As [`end_offsets`](Self::end_offsets).
    pub async fn end_offsets_at(&self, time: SystemTime) -> Result<EndOffsets> {
        self.check_ungrouped()?;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let timestamp = i64::try_from(since).unwrap_or(i64::MAX);
        let wanted = self.partitions().map(|partition| (partition, timestamp)).collect();
        let listed = self.list_or_end(wanted).await?;
        let offsets = listed.into_iter().map(|(partition, listed)| (partition, listed.offset)).collect();
        Ok(EndOffsets::new(self.config.topic.clone(), offsets))
    }

    async fn list(&self, wanted: BTreeMap<i32, i64>) -> Result<BTreeMap<i32, offsets::Listed>> {
        let settings = &self.shared.settings;
        let (transport, topic) = (&self.shared.transport, &self.config.topic);
        offsets::list(transport, &settings.patience, topic, &wanted, settings.isolation_level).await
    }

    /// Offsets by timestamp, and the end where no message is as new.
    async fn list_or_end(&self, wanted: BTreeMap<i32, i64>) -> Result<BTreeMap<i32, offsets::Listed>> {
        let mut listed = self.list(wanted).await?;
        let none = listed.iter().filter(|(_, listed)| listed.offset < 0);
        let ends: BTreeMap<_, _> = none.map(|(partition, _)| (*partition, LAST)).collect();
        listed.extend(self.list(ends).await?);
        Ok(listed)
    }

    fn seek(&mut self, partition: i32, offset: i64, leader_epoch: i32, otherwise: Option<OutOfRange>) {
        let topic = self.config.topic.clone();
        let paused = self.find(partition).is_some_and(|progress| progress.paused);
        self.remove(|gauge| gauge.topic == topic && gauge.partition == partition);
        let partition = TopicPartition::new(topic, partition);
        // Without an id it is read whichever topic has the name by now: who goes elsewhere wants what is there.
        self.add(vec![Start { partition: partition.clone(), offset, leader_epoch, otherwise }], Uuid::ZERO);
        if paused {
            self.pause([&partition]);
        }
    }

    pub(super) fn check_ungrouped(&self) -> Result<()> {
        match &self.config.group {
            Some(group) => Err(Error::new(ErrorKind::NotInGroup).with_group(&group.group_id)),
            None => Ok(()),
        }
    }

    fn find_ungrouped(&self, partition: i32) -> Result<&super::Progress> {
        self.check_ungrouped()?;
        let unknown = || Error::new(ErrorKind::UnknownPartition).with_partition(&self.config.topic, partition);
        self.find(partition).ok_or_else(unknown)
    }
}

impl super::Progress {
    pub(super) fn name(&self) -> TopicPartition {
        TopicPartition::new(self.gauge.topic.clone(), self.gauge.partition)
    }

    pub(super) fn lag(&self) -> Option<i64> {
        Some(self.gauge.end()?.saturating_sub(self.offset).max(0))
    }
}
