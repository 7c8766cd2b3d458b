//! Whether a partition can be read on from where it was: asked of its leader, and what to do where it cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::ErrorCode;

use super::Control;
use crate::config::{IsolationLevel, OutOfRange};
use crate::epochs::{self, Divergence};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::{self, FIRST, LAST};
use crate::position::Position;
use crate::shared::{Assigned, Event, Reason, Reset, Returned, Shared};

impl Control {
    /// Asks a leader that is new whether its log is what was read.
    pub(super) fn validate(&mut self, mut assigned: Assigned) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let reason = match epochs::divergence(&shared.transport, &assigned).await {
                Ok(divergence) => {
                    assigned.validated = assigned.leader_epoch;
                    diverge(&shared, &mut assigned, divergence);
                    Reason::Released
                }
                Err(error) => Reason::Failed(assigned.error(error)),
            };
            Some(Returned { partitions: vec![assigned], reason })
        });
    }

    /// Finds out why an offset is out of range, and what to do about it.
    pub(super) fn check(&mut self, mut assigned: Assigned) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let reason = recover(&shared, &mut assigned).await;
            let reason = reason.unwrap_or_else(|error| Reason::Failed(assigned.error(error)));
            Some(Returned { partitions: vec![assigned], reason })
        });
    }

    /// Makes sure that a leader which has nothing up to `end` would have it, before the reader is told: of a log in tiered
    /// storage it has the newer part only, and an answer may be empty because the rest was slow.
    pub(super) fn check_vacancy(&mut self, mut assigned: Assigned, end: i64) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let partition = assigned.gauge.name();
            let reason = match offsets::local_start(&shared.transport, &shared.settings.patience, partition).await {
                Ok(start) if start <= assigned.position.offset() => {
                    assigned.position.set_vacant_to(end);
                    let _reader_is_gone = shared.events.send(Event::Vacant(assigned.gauge.hold(0, 0), end));
                    Reason::Released
                }
                Ok(_) => Reason::Released,
                Err(error) => Reason::Failed(assigned.error(error)),
            };
            Some(Returned { partitions: vec![assigned], reason })
        });
    }
}

/// Whether a leader is new that may have other records than those that were read.
pub(super) fn needs_validation(assigned: &Assigned) -> bool {
    assigned.position.leader_epoch() >= 0 && assigned.leader_epoch > assigned.validated && assigned.otherwise.is_none()
}

/// Has a partition read from where its leader's log parts from what was read, if it does, and says so.
fn diverge(shared: &Shared, assigned: &mut Assigned, divergence: Option<Divergence>) -> bool {
    let Some(Divergence { offset, leader_epoch }) = divergence else { return false };
    let kind = ErrorKind::DataLoss { from: assigned.position.offset(), to: offset };
    let error = assigned.error(Error::new(kind));
    tracing::error!(%error, "records lost");
    reset(shared, assigned, offset, leader_epoch, Some(error));
    true
}

fn reset(shared: &Shared, assigned: &mut Assigned, to: i64, leader_epoch: i32, error: Option<Error>) {
    assigned.position = Position::new(to, leader_epoch);
    let reset = Reset { to, leader_epoch, error };
    let _reader_is_gone = shared.events.send(Event::Reset(assigned.gauge.hold(0, 0), reset));
}

/// The offset is out of range, says the leader: because an election lost records, because they were removed, or because
/// it did not know better.
async fn recover(shared: &Shared, assigned: &mut Assigned) -> Result<Reason> {
    if assigned.position.leader_epoch() >= 0 {
        let divergence = epochs::divergence(&shared.transport, assigned).await?;
        assigned.validated = assigned.leader_epoch;
        if diverge(shared, assigned, divergence) {
            return Ok(Reason::Released);
        }
    }
    let (first, last) = range(shared, assigned).await?;
    let offset = assigned.position.offset();
    if (first..=last).contains(&offset) {
        let kind = ErrorKind::Broker(ErrorCode::OFFSET_OUT_OF_RANGE);
        return Ok(Reason::Failed(assigned.error(Error::new(kind))));
    }
    let to = match assigned.otherwise.unwrap_or(shared.settings.out_of_range) {
        OutOfRange::Earliest => first,
        OutOfRange::Latest => last,
        OutOfRange::Error => {
            let kind = ErrorKind::OffsetOutOfRange { offset, first, last };
            return Ok(Reason::Halted(assigned.error(Error::new(kind))));
        }
    };
    let (topic, partition, skipped) = (&assigned.gauge.topic, assigned.gauge.partition, to.saturating_sub(offset));
    tracing::warn!(%topic, partition, offset, to, skipped, "offset out of range");
    assigned.gauge.count_skipped(skipped);
    reset(shared, assigned, to, -1, None);
    Ok(Reason::Released)
}

/// The first offset of a partition, and the one behind its last record.
async fn range(shared: &Shared, assigned: &Assigned) -> Result<(i64, i64)> {
    let Shared { transport, settings, .. } = shared;
    let partition = assigned.gauge.name();
    let ask = async |timestamp| {
        let wanted = BTreeMap::from([(partition.clone(), timestamp)]);
        let listed = offsets::list(transport, &settings.patience, &wanted, IsolationLevel::ReadUncommitted).await?;
        let missing = || assigned.error(Error::new(ErrorKind::UnknownPartition));
        listed.get(&partition).map(|listed| listed.offset).ok_or_else(missing)
    };
    Ok((ask(FIRST).await?, ask(LAST).await?))
}
