//! One authentication on the wire: SaslHandshake names the mechanism, SaslAuthenticate carries its messages (KIP-43,
//! KIP-152).
//!
//! Sans-IO.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
use kafka_protocol::versions::BrokerVersions;
use kafka_protocol::{ApiKey, ErrorCode, Message, Versions};
use smol_str::SmolStr;

use crate::call::{RawRequest, encode};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::secret::Secret;

/// ```text
///  Choosing ── mechanism offered ──► Ours ── SaslAuthenticate ──► Theirs
///                                     ▲                             │
///                                     └────────── challenge ────────┘   until ours is done
/// ```
#[derive(Debug)]
pub(super) struct Authentication {
    mechanism: SmolStr,
    /// The version of SaslAuthenticate.
    version: i16,
    turn: Turn,
    /// What the mechanism says first, where that is known before it is its turn.
    first: Option<Secret>,
    rounds: u32,
    /// When our last message was sent: the broker counts the session's lifetime from when it came.
    spoke_at: Option<Instant>,
    lifetime: Duration,
}

/// Who is to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The broker, to SaslHandshake.
    Choosing,
    /// Our mechanism.
    Ours,
    /// The broker, to SaslAuthenticate.
    Theirs,
}

/// What to do after an answer.
#[derive(Debug)]
pub(super) enum Next {
    Ask(RawRequest),
    Challenge(Bytes),
    /// It is our turn, and the mechanism is asked already.
    Wait,
}

impl Authentication {
    pub(super) fn start(
        mechanism: &SmolStr,
        versions: &BrokerVersions,
        first: Option<Secret>,
    ) -> Result<(Self, RawRequest)> {
        let unsupported = |api| move |error| Error::new(ErrorKind::VersionUnsupported { api }).with_source(error);
        // In version 0, messages would follow without frames of Kafka's; no broker of ours needs that.
        let (handshake, version) = (ApiKey::SASL_HANDSHAKE, 1);
        versions.negotiate_within(handshake, Versions::new(version, version)).map_err(unsupported(handshake))?;
        let authenticate = ApiKey::SASL_AUTHENTICATE;
        let request = SaslHandshakeRequest { mechanism: mechanism.clone(), ..Default::default() };
        let request = RawRequest { api_key: handshake, version, body: encode(handshake, &request, version)? };
        let version = versions.negotiate(authenticate).map_err(unsupported(authenticate))?;
        let (mechanism, lifetime) = (mechanism.clone(), Duration::ZERO);
        Ok((Self { mechanism, version, turn: Turn::Choosing, first, rounds: 0, spoke_at: None, lifetime }, request))
    }

    /// What a close would interrupt.
    pub(super) fn step(&self) -> Step {
        match self.turn {
            Turn::Choosing => Step::SaslHandshake,
            Turn::Ours | Turn::Theirs => Step::Authentication,
        }
    }

    /// Takes the answer to what was asked last.
    pub(super) fn handle_answer(&mut self, now: Instant, body: Bytes) -> Result<Next> {
        match self.turn {
            Turn::Choosing => {
                self.handle_choice(body).map_err(|error| error.with_api(ApiKey::SASL_HANDSHAKE, 1))?;
                self.turn = Turn::Ours;
                match self.first.take() {
                    Some(first) => self.handle_message(now, first).map(Next::Ask),
                    None => Ok(Next::Wait),
                }
            }
            Turn::Ours | Turn::Theirs => {
                self.turn = Turn::Ours;
                let challenge = self.handle_challenge(body);
                challenge.map_err(|error| error.with_api(ApiKey::SASL_AUTHENTICATE, self.version))
            }
        }
    }

    /// Takes what our mechanism says; before its turn that can only be the first thing.
    pub(super) fn handle_early(&mut self, message: Secret) -> Option<Secret> {
        if self.turn != Turn::Choosing {
            return Some(message);
        }
        self.first = Some(message);
        None
    }

    /// Takes what our mechanism says, when it is its turn.
    pub(super) fn handle_message(&mut self, now: Instant, message: Secret) -> Result<RawRequest> {
        debug_assert_eq!(self.turn, Turn::Ours, "a message out of turn");
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(Error::new(ErrorKind::InvalidChallenge { mechanism: self.mechanism.clone() }));
        }
        self.turn = Turn::Theirs;
        self.spoke_at = Some(now);
        let request = SaslAuthenticateRequest { auth_bytes: message.into_bytes(), ..Default::default() };
        let (api_key, version) = (ApiKey::SASL_AUTHENTICATE, self.version);
        Ok(RawRequest { api_key, version, body: encode(api_key, &request, version)? })
    }

    /// Takes that our mechanism has all it needs; returns since when the session lasts, and its lifetime, 0 for no end.
    pub(super) fn finish(&self) -> Result<(Instant, Duration)> {
        match (self.turn, self.spoke_at) {
            (Turn::Ours, Some(began)) => Ok((began, self.lifetime)),
            // The broker has not said that it agrees.
            _ => Err(Error::new(ErrorKind::InvalidChallenge { mechanism: self.mechanism.clone() })),
        }
    }

    fn handle_choice(&self, body: Bytes) -> Result<()> {
        let answer = SaslHandshakeResponse::decode(1, body)?;
        let mechanism = self.mechanism.clone();
        match ErrorCode(answer.error_code) {
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                let mut offered = answer.mechanisms;
                offered.truncate(MAX_OFFERED);
                Err(Error::new(ErrorKind::MechanismNotOffered { mechanism, offered }))
            }
            ErrorCode::ILLEGAL_SASL_STATE => Err(Error::new(ErrorKind::SaslNotEnabled)),
            code => code.check().map_err(Error::broker),
        }
    }

    fn handle_challenge(&mut self, body: Bytes) -> Result<Next> {
        let answer = SaslAuthenticateResponse::decode(self.version, body)?;
        match ErrorCode(answer.error_code) {
            ErrorCode::SASL_AUTHENTICATION_FAILED => {
                let reason = answer.error_message.unwrap_or_default();
                let reason = reason.chars().take(MAX_REASON).collect();
                Err(Error::new(ErrorKind::AuthenticationFailed { mechanism: self.mechanism.clone(), reason }))
            }
            code => {
                code.check().map_err(Error::broker)?;
                self.lifetime = Duration::from_millis(u64::try_from(answer.session_lifetime_ms).unwrap_or(0));
                Ok(Next::Challenge(answer.auth_bytes))
            }
        }
    }
}

/// Messages of ours; GSSAPI needs three or four.
const MAX_ROUNDS: u32 = 32;
/// Mechanisms that are kept for the text of an error.
const MAX_OFFERED: usize = 16;
/// Letters of the broker's reason that are kept.
const MAX_REASON: usize = 256;
