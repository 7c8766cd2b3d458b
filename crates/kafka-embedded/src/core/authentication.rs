//! What a connection may do before it has logged in, and for how long afterwards.
//!
//! ```text
//!             SaslHandshake            SaslAuthenticate …           lifetime over: only SaslHandshake
//!  Expecting ───────────────► Running ─────────────────► LoggedIn ─────────────────────────────────►│
//!      ▲                        ▲ │ refused: answered, then closed   │ SaslHandshake (KIP-368)       closed
//!      ApiVersions              └─┼──────────────────────────────────┘
//! ```
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use smol_str::SmolStr;

use crate::core::{Call, Reply};
use crate::sasl::{Exchange, Sasl, SaslMechanism, Step};
use crate::state::State;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) enum Authentication {
    /// Nobody has to say.
    Anyone,
    Expecting,
    Running {
        mechanism: SaslMechanism,
        exchange: Exchange,
        /// After SaslHandshake 0 messages come bare, without SaslAuthenticate around them.
        bare: bool,
        /// Who it was before, if it logs in again: it may not become somebody else.
        before: Option<(SmolStr, SaslMechanism)>,
    },
    LoggedIn {
        user: SmolStr,
        mechanism: SaslMechanism,
        expires: Option<Instant>,
    },
}

/// What is to be done with a request, as far as logins go.
pub(super) enum Gate {
    /// It is served as any other.
    Pass,
    /// This is the answer.
    Answer(Reply),
    /// This is the answer, then the connection is closed.
    Last(Reply),
}

impl Authentication {
    pub(super) fn new(sasl: Option<&Sasl>) -> Self {
        if sasl.is_some() { Self::Expecting } else { Self::Anyone }
    }

    /// Whether what comes next is no request, but a bare message of the mechanism.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Running { bare: true, .. })
    }

    /// Takes a bare message; the answer, its size before it, or `None` where the connection is to be closed.
    pub(super) fn handle_bare(&mut self, state: &mut State, message: &[u8]) -> Option<Bytes> {
        let answer = match self.step(state, message)? {
            (Step::Continue(answer), _) | (Step::Done { message: answer, .. }, _) => answer,
            (Step::Refused(_), _) => return None,
        };
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(answer.len()).ok()?);
        frame.put_slice(&answer);
        Some(frame.freeze())
    }

    /// Looks at a request.
    pub(super) fn handle(&mut self, state: &mut State, call: &mut Call, body: &Bytes) -> Gate {
        let is_sasl = matches!(call.api, ApiKey::SASL_HANDSHAKE | ApiKey::SASL_AUTHENTICATE);
        if is_sasl && !state.config.version.versions(call.api).contains(call.version) {
            return Gate::Answer(Reply::Close);
        }
        match self {
            Self::LoggedIn { expires: Some(expires), .. }
                if *expires <= state.now && call.api != ApiKey::SASL_HANDSHAKE =>
            {
                Gate::Answer(Reply::Close)
            }
            Self::LoggedIn { expires: Some(_), .. } if call.api == ApiKey::SASL_HANDSHAKE => {
                self.handshake(state, call, body)
            }
            Self::Anyone | Self::LoggedIn { .. } if is_sasl => Gate::Answer(illegal(call)),
            Self::Anyone | Self::LoggedIn { .. } => Gate::Pass,
            Self::Expecting if call.api == ApiKey::SASL_HANDSHAKE => self.handshake(state, call, body),
            Self::Running { .. } if call.api == ApiKey::SASL_AUTHENTICATE => self.authenticate(state, call, body),
            Self::Expecting | Self::Running { .. } if call.api == ApiKey::API_VERSIONS => Gate::Pass,
            Self::Expecting | Self::Running { .. } => Gate::Answer(Reply::Close),
        }
    }

    fn handshake(&mut self, state: &State, call: &mut Call, body: &Bytes) -> Gate {
        let request = SaslHandshakeRequest::decode(call.version, body.clone()).ok();
        let (Some(request), Some(sasl)) = (request, &state.config.sasl) else {
            return Gate::Answer(Reply::Close);
        };
        let mechanisms = sasl.mechanisms.iter().map(|mechanism| mechanism.name().into()).collect();
        let mut response = SaslHandshakeResponse { mechanisms, ..Default::default() };
        let mechanism = sasl.mechanism(&request.mechanism).ok_or(ErrorCode::UNSUPPORTED_SASL_MECHANISM);
        match call.injected_whole().map_or(mechanism, Err) {
            Err(code) => {
                response.error_code = code.0;
                Gate::Last(response.into())
            }
            Ok(mechanism) => {
                let before = match self {
                    Self::LoggedIn { user, mechanism, .. } => Some((user.clone(), *mechanism)),
                    _ => None,
                };
                *self =
                    Self::Running { mechanism, exchange: Exchange::new(mechanism), bare: call.version == 0, before };
                Gate::Answer(response.into())
            }
        }
    }

    fn authenticate(&mut self, state: &mut State, call: &mut Call, body: &Bytes) -> Gate {
        let Ok(request) = SaslAuthenticateRequest::decode(call.version, body.clone()) else {
            return Gate::Answer(Reply::Close);
        };
        let mut response = SaslAuthenticateResponse { error_message: None, ..Default::default() };
        if let Some(code) = call.injected_whole() {
            (response.error_code, response.error_message) = (code.0, Some(code.text().into()));
            return Gate::Last(response.into());
        }
        let Some((step, lifetime)) = self.step(state, &request.auth_bytes) else {
            return Gate::Answer(Reply::Close);
        };
        match step {
            Step::Continue(answer) => response.auth_bytes = answer.into(),
            Step::Done { message, .. } => {
                response.auth_bytes = message.into();
                let lifetime = lifetime.map_or(0, |lifetime| lifetime.as_millis());
                response.session_lifetime_ms = i64::try_from(lifetime).unwrap_or(i64::MAX);
            }
            Step::Refused(reason) => {
                response.error_code = ErrorCode::SASL_AUTHENTICATION_FAILED.0;
                response.error_message = Some(reason.into());
                return Gate::Last(response.into());
            }
        }
        Gate::Answer(response.into())
    }

    /// Gives the mechanism a message; what comes of it, and how long a login lasts.
    fn step(&mut self, state: &mut State, message: &[u8]) -> Option<(Step, Option<Duration>)> {
        let now_ms = state.wall_clock();
        let State { config, rng, now, .. } = state;
        let sasl = config.sasl.as_ref()?;
        let Self::Running { mechanism, exchange, before, .. } = self else {
            return None;
        };
        let step = exchange.handle(message, sasl, now_ms, rng);
        let Step::Done { user, expires_ms, .. } = &step else {
            return Some((step, None));
        };
        if before.as_ref().is_some_and(|(name, with)| name != user || with != mechanism) {
            let text = "Cannot change principals or mechanisms during re-authentication";
            return Some((Step::Refused(text.to_owned()), None));
        }
        let token = expires_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(0) as u64));
        let lifetime = [token, sasl.session_lifetime].into_iter().flatten().min();
        let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        *self = Self::LoggedIn { user: user.clone(), mechanism: *mechanism, expires };
        Some((step, lifetime))
    }
}

/// The answer to a login where none is due.
fn illegal(call: &Call) -> Reply {
    let error_code = ErrorCode::ILLEGAL_SASL_STATE.0;
    if call.api == ApiKey::SASL_HANDSHAKE {
        return SaslHandshakeResponse { error_code, ..Default::default() }.into();
    }
    let error_message = Some(ErrorCode::ILLEGAL_SASL_STATE.text().into());
    SaslAuthenticateResponse { error_code, error_message, ..Default::default() }.into()
}
