//! Asking for a producer id (KIP-98).

use std::time::Duration;

use kafka_conn::{CallOptions, Route, Transport};
use kafka_protocol::messages::init_producer_id::InitProducerIdRequest;
use kafka_protocol::{ApiKey, ErrorCode};

use crate::accumulator::{ProducerIdentity, Refusal};
use crate::error::{Error, ErrorKind};

/// Asks any broker for a producer id that nobody else has.
pub(crate) async fn init_producer_id(transport: &Transport, timeout: Duration) -> Result<ProducerIdentity, Refusal> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        // Of no meaning without a transaction.
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let options = CallOptions { timeout: Some(timeout), ..CallOptions::default() };
    let answer = transport.call_with(&request, Route::Any, options).await.map_err(refusal)?;
    match ErrorCode(answer.error_code) {
        ErrorCode::NONE => {
            Ok(ProducerIdentity { producer_id: answer.producer_id, producer_epoch: answer.producer_epoch })
        }
        code => Err(refusal(kafka_conn::Error::broker(code).with_api(ApiKey::INIT_PRODUCER_ID, 0))),
    }
}

fn refusal(error: kafka_conn::Error) -> Refusal {
    let is_later = error.is_retriable();
    let is_word = error.code().is_some() || matches!(error.kind(), kafka_conn::ErrorKind::VersionUnsupported { .. });
    let error = Error::new(ErrorKind::NoProducerId).with_source(error);
    match (is_later, is_word) {
        (true, _) => Refusal::Later(error),
        (false, true) => Refusal::Refused(error),
        (false, false) => Refusal::Unable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clusters_own_word_is_a_refusal() {
        let broker = |code| refusal(kafka_conn::Error::broker(code));
        let other = |kind| refusal(kafka_conn::Error::new(kind));
        for code in [ErrorCode::CLUSTER_AUTHORIZATION_FAILED, ErrorCode::UNSUPPORTED_VERSION] {
            assert!(matches!(broker(code), Refusal::Refused(_)), "{code}");
        }
        for code in [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR, ErrorCode::REQUEST_TIMED_OUT]
        {
            assert!(matches!(broker(code), Refusal::Later(_)), "{code}");
        }
        let api = ApiKey::INIT_PRODUCER_ID;
        assert!(matches!(other(kafka_conn::ErrorKind::VersionUnsupported { api }), Refusal::Refused(_)));
        assert!(matches!(other(kafka_conn::ErrorKind::NoBroker), Refusal::Later(_)));
        assert!(matches!(other(kafka_conn::ErrorKind::Closed), Refusal::Unable(_)));
    }
}
