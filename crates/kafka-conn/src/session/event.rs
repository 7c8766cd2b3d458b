//! What goes into a session, and what comes out.
//!
//! Sans-IO.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ApiKey;
use kafka_protocol::versions::BrokerVersions;
use smol_str::SmolStr;

use crate::call::RawRequest;
use crate::error::Error;

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The name by which the broker knows this client.
    pub client_id: SmolStr,
    /// Bytes of a frame before the session is ready.
    pub max_handshake_frame: usize,
    /// Bytes of a frame afterwards.
    pub max_frame: usize,
    /// How it authenticates, if it does.
    pub sasl: Option<SaslConfig>,
}

/// How a session authenticates. What the mechanism says comes from outside: see [`Event::Authenticate`].
#[derive(Clone, Debug)]
pub struct SaslConfig {
    /// The mechanism's name.
    pub mechanism: SmolStr,
    /// How long authenticating anew may take: the mechanism, before it is asked again, and then the broker.
    pub timeout: Duration,
    /// After how many thousandths of the session's lifetime to authenticate anew; not the same for each session, lest
    /// all come at once.
    pub permille: u16,
}

/// A request to make.
#[derive(Debug)]
pub struct Call<T> {
    /// The request, encoded.
    pub request: RawRequest,
    /// Whether the broker answers it.
    pub expect: Expect,
    /// When its answer is too late.
    pub deadline: Instant,
    /// Comes back with the answer.
    pub token: T,
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The broker answers.
    Answer,
    /// The broker does not answer: a Produce with `acks=0`.
    Nothing,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// The mechanism is to begin anew, and to give its first message to [`Session::handle_authentication`]. Calls go on
    /// meanwhile, if the session is ready.
    ///
    /// [`Session::handle_authentication`]: super::Session::handle_authentication
    Authenticate,
    /// The mechanism is to answer this by [`Session::handle_authentication`].
    ///
    /// [`Session::handle_authentication`]: super::Session::handle_authentication
    Challenge(Bytes),
    /// The handshake is over: calls may be made.
    Ready(Arc<BrokerVersions>),
    /// The broker knows anew who this is (KIP-368).
    Reauthenticated,
    /// A call was answered.
    Answered {
        /// The call's.
        token: T,
        /// What it was.
        request: RequestInfo,
        /// How long it took from when it was queued to be written.
        elapsed: Duration,
        /// The answer's body; a slice of the read buffer.
        body: Bytes,
    },
    /// The broker asks for a pause (KIP-219): calls wait for so long.
    Throttled {
        /// The request whose quota is used up.
        request: RequestInfo,
        /// The pause.
        pause: Duration,
    },
    /// The last byte of a request that is not answered went out.
    Sent {
        /// The call's.
        token: T,
    },
    /// A call behind others ran out of time. Its slot stays until it is answered, and with it the token:
    /// [`Session::token_mut`].
    ///
    /// [`Session::token_mut`]: super::Session::token_mut
    Late {
        /// What it was.
        request: RequestInfo,
        /// Why.
        error: Error,
    },
    /// A call will not be answered.
    Failed {
        /// The call's.
        token: T,
        /// Why.
        error: Error,
    },
    /// The broker takes no more calls, as the session's lifetime is over (KIP-368) and there is nothing to authenticate
    /// anew with. What is in flight is still answered.
    Closing {
        /// Why.
        error: Error,
    },
    /// The session is over, and this is its last event but for the refusals of calls that are made nevertheless.
    Closed {
        /// Why; [`Closed`](crate::ErrorKind::Closed) after [`Session::handle_close`], the same as of
        /// [`Closing`](Self::Closing) after that.
        ///
        /// [`Session::handle_close`]: super::Session::handle_close
        error: Error,
    },
}

/// What a request was, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The API.
    pub api_key: ApiKey,
    /// The version.
    pub version: i16,
    /// The number that the answer repeats.
    pub correlation_id: i32,
}
