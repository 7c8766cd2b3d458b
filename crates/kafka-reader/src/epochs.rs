//! Whether a new leader's log is what was read, asked of it (OffsetForLeaderEpoch, KIP-320).

use kafka_conn::{CallOptions, Route, Transport};
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use crate::error::{Error, ErrorKind, Result};
use crate::shared::Assigned;

/// Where a leader's log parts from what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divergence {
    pub(crate) offset: i64,
    /// The epoch of what is before it, or -1.
    pub(crate) leader_epoch: i32,
}

/// Where the leader's log parts from what was read; `None` where it does not, or the leader cannot tell.
pub(crate) async fn divergence(transport: &Transport, assigned: &Assigned) -> Result<Option<Divergence>> {
    let (topic, partition) = (&assigned.gauge.topic, assigned.gauge.partition);
    let asked = OffsetForLeaderPartition {
        partition,
        current_leader_epoch: assigned.leader_epoch,
        leader_epoch: assigned.position.leader_epoch(),
        ..OffsetForLeaderPartition::default()
    };
    let asked = OffsetForLeaderTopic { topic: topic.clone(), partitions: vec![asked], ..Default::default() };
    // A client, not a replica.
    let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
    let call = transport.call_with(&request, Route::Leader(topic, partition), CallOptions::default());
    let response = match call.await {
        Ok(response) => response,
        // A broker that is too old for it keeps no epochs.
        Err(error) if matches!(error.kind(), kafka_conn::ErrorKind::VersionUnsupported { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let answers = response.topics.iter().filter(|answer| answer.topic == *topic).flat_map(|answer| &answer.partitions);
    let answer = answers.into_iter().find(|answer| answer.partition == partition);
    let answer = answer.ok_or_else(|| Error::new(ErrorKind::Broker(ErrorCode::OFFSET_NOT_AVAILABLE)))?;
    ErrorCode(answer.error_code).check().map_err(|code| Error::new(ErrorKind::Broker(code)))?;
    Ok(read(answer, assigned.position.offset()))
}

/// Records of the epoch, or an earlier one, end before what was read: the rest of it is gone. An end of -1 says that the
/// leader knows nothing of such epochs, which is no proof of a loss.
fn read(answer: &EpochEndOffset, position: i64) -> Option<Divergence> {
    let EpochEndOffset { end_offset, leader_epoch, .. } = *answer;
    (0..position).contains(&end_offset).then_some(Divergence { offset: end_offset, leader_epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_before_the_position_is_a_loss() {
        let answer = |end_offset| EpochEndOffset { end_offset, leader_epoch: 3, ..EpochEndOffset::default() };
        assert_eq!(read(&answer(9), 10), Some(Divergence { offset: 9, leader_epoch: 3 }));
        assert_eq!(read(&answer(10), 10), None);
        assert_eq!(read(&answer(11), 10), None);
        assert_eq!(read(&answer(-1), 10), None, "unknown");
    }
}
