//! `DescribeCluster` (KIP-700).
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use crate::core::{Call, Reply};
use crate::state::{Broker, State};

pub(crate) fn handle(state: &mut State, call: &mut Call, request: DescribeClusterRequest) -> Reply {
    let mut response = DescribeClusterResponse { endpoint_type: request.endpoint_type, ..Default::default() };
    let endpoint = match request.endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE),
        _ => Some(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
    };
    if let Some(code) = call.injected_whole().or(endpoint) {
        // Version 0 knows no endpoint types, so that there is none to be wrong.
        (response.error_code, response.error_message) = (code.0, Some(code.text().into()));
        return response.into();
    }
    let describe = |broker: &Broker| DescribeClusterBroker {
        broker_id: broker.id,
        host: broker.host.clone(),
        port: broker.port.into(),
        rack: broker.rack.clone(),
        ..Default::default()
    };
    response.cluster_id = state.config.cluster_id.clone();
    response.controller_id = state.controller();
    response.brokers = state.alive().map(describe).collect();
    response.into()
}

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
