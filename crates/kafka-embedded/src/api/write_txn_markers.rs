//! `WriteTxnMarkers`: the end of transactions, as a coordinator writes it, or who aborts one that hangs.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::write_txn_markers::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};
use kafka_protocol::records::Producer;

use crate::core::{Call, Reply};
use crate::state::State;
use crate::transaction::{MARKER_SIZE, Outcome};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: WriteTxnMarkersRequest) -> Reply {
    let mut response = WriteTxnMarkersResponse::default();
    for marker in request.markers {
        let (producer_id, producer_epoch) = (marker.producer_id, marker.producer_epoch);
        let producer = Producer { producer_id, producer_epoch, base_sequence: -1 };
        let outcome = if marker.transaction_result { Outcome::Commit } else { Outcome::Abort };
        let mut topics = Vec::new();
        for topic in marker.topics {
            let mut write = |partition_index: i32| {
                let injected = call.injected(&topic.name, partition_index).map_or(Ok(()), Err);
                let leads = injected.and_then(|()| state.led_by(call.broker, &topic.name, partition_index, -1));
                let written = match leads.map(|_| ()) {
                    // Each takes room in the log as what producers write does.
                    Ok(()) if !state.take_room(MARKER_SIZE) => Err(ErrorCode::KAFKA_STORAGE_ERROR),
                    Ok(()) => {
                        state.write_marker(&topic.name, partition_index, producer, outcome, marker.coordinator_epoch)
                    }
                    Err(code) => Err(code),
                };
                let error_code = written.err().unwrap_or(ErrorCode::NONE).0;
                WritableTxnMarkerPartitionResult { partition_index, error_code, ..Default::default() }
            };
            let partitions = topic.partition_indexes.iter().map(|index| write(*index)).collect();
            topics.push(WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions, ..Default::default() });
        }
        response.markers.push(WritableTxnMarkerResult { producer_id, topics, ..Default::default() });
    }
    response.into()
}
