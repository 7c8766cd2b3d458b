//! The kinds of errors, and what to try about them.

use std::fmt;
use std::time::Duration;

use kafka_protocol::{ApiKey, ErrorCode};
use smol_str::SmolStr;

use super::step::Step;
use crate::address::AddressError;
use crate::cluster::BrokerId;

/// The kinds of [`Error`](crate::Error).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The broker does not accept who we say we are: a wrong password, an expired token, an unknown user. Final: the
    /// same credentials will not do the next time.
    #[error("the broker refused to authenticate this client by {mechanism}: {reason:?}")]
    AuthenticationFailed {
        /// The SASL mechanism.
        mechanism: SmolStr,
        /// The broker's words.
        reason: SmolStr,
    },
    /// A broker's answer was an error code.
    #[error("the broker answered {0}")]
    Broker(ErrorCode),
    /// The broker is older than Kafka 2.1, the oldest that this client speaks with.
    #[error("the broker is older than Kafka 2.1: of {api} it speaks versions {min} to {max} only")]
    BrokerTooOld {
        /// The API that shows it.
        api: ApiKey,
        /// The oldest version that the broker has.
        min: i16,
        /// The newest version that the broker has.
        max: i16,
    },
    /// The broker's certificate is not valid yet, or no longer; the source says which.
    #[error("the broker's certificate is not valid at this time")]
    CertificateExpired,
    /// The broker demands a certificate, and this client has none to show.
    #[error("the broker demands a client certificate")]
    ClientCertificateRequired,
    /// The broker was shown this client's certificate, and refuses it; the source says how.
    #[error("the broker refused the client certificate")]
    ClientCertificateRefused,
    /// The connection, or the transport, was closed from this side.
    #[error("it was closed")]
    Closed,
    /// The broker closed the connection while it was being set up.
    #[error("the connection was closed during {step}")]
    ClosedDuring {
        /// What was being done.
        step: Step,
    },
    /// The connection is gone. Whether a request in flight took effect is not known, unless the error says
    /// [`is_unsent`](crate::Error::is_unsent).
    #[error("the connection was lost")]
    ConnectionLost,
    /// Records that cannot be read; the source says why, where something can be said.
    #[error("the records at offset {offset} cannot be read")]
    CorruptRecords {
        /// The offset that was to be read.
        offset: i64,
    },
    /// An answer that is not what the protocol says.
    #[error("the answer could not be read")]
    Decode,
    /// The host name has no address.
    #[error("the host name could not be resolved")]
    Dns,
    /// A request that its version cannot carry.
    #[error("the request cannot be written")]
    Encode,
    /// The broker announced a frame that is larger than allowed.
    #[error("a frame of {size} bytes was announced, the most allowed here is {limit}")]
    FrameTooLarge {
        /// What the broker announced, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The broker's certificate cannot be used, for another reason than those with kinds of their own; the source says
    /// which.
    #[error("the broker's certificate is not acceptable")]
    InvalidCertificate,
    /// What the broker said breaks the rules of the SASL mechanism, or does not prove that it knows the secret; the
    /// source says which. Final: whoever answers there should not be trusted.
    #[error("the broker's side of {mechanism} is wrong")]
    InvalidChallenge {
        /// The SASL mechanism.
        mechanism: SmolStr,
    },
    /// Text that is not a broker's address.
    #[error("{0}")]
    InvalidAddress(AddressError),
    /// A configuration that cannot work; the source may say more.
    #[error("invalid configuration: {0}")]
    InvalidConfig(&'static str),
    /// The broker sent a frame with a negative size, or one too short for its header.
    #[error("a frame of {size} bytes was announced")]
    InvalidFrame {
        /// What the broker announced, in bytes.
        size: i32,
    },
    /// The listener does not offer the SASL mechanism.
    #[error("the broker does not offer the SASL mechanism {mechanism}, it offers {}", Offered(offered))]
    MechanismNotOffered {
        /// The SASL mechanism that was asked for.
        mechanism: SmolStr,
        /// Those that the listener offers.
        offered: Vec<SmolStr>,
    },
    /// A call that its arguments, or what the connection is bound to, make no sense of.
    #[error("invalid request: {0}")]
    InvalidRequest(&'static str),
    /// Not one broker of the cluster, nor of those given at the start, could be reached. The source is the failure of
    /// the last one tried.
    #[error("no broker could be reached")]
    NoBroker,
    /// The SASL mechanism has nothing to send; its source says why: the provider of tokens failed, perhaps.
    #[error("there are no credentials for {mechanism}")]
    NoCredentials {
        /// The SASL mechanism.
        mechanism: SmolStr,
    },
    /// The cluster has no controller at the moment, or it is none of the brokers that are up.
    #[error("the cluster has no controller")]
    NoController,
    /// The partition has no leader at the moment.
    #[error("the partition has no leader")]
    NoLeader,
    /// An HTTP server answers there.
    #[error("an HTTP server answered")]
    NotKafka,
    /// An offset that the partition does not have.
    #[error("offset {offset} is out of range: the partition has {first} to {last}")]
    OffsetOutOfRange {
        /// The offset.
        offset: i64,
        /// The first one there is.
        first: i64,
        /// The one behind the last message.
        last: i64,
    },
    /// An answer to a request that was not made, or not the next one.
    #[error("an answer came for request {actual}, expected was {}", Expected(*expected))]
    OutOfStep {
        /// The correlation id of the oldest request in flight; `None` where there is none.
        expected: Option<i32>,
        /// The correlation id of the answer.
        actual: i32,
    },
    /// This client began with TLS, and what answered is something else. Real brokers do not answer TLS on a port
    /// without: they take it for a request that is too large, and close
    /// ([`ClosedDuring`](Self::ClosedDuring) the TLS handshake), as a TLS port may do for reasons of its own.
    #[error("what answered is not TLS, this connection is")]
    PlainOnTls,
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// A request that no frame can hold. The connection is not harmed.
    #[error("a request of {size} bytes cannot be sent, {limit} is the most")]
    RequestTooLarge {
        /// The size of the request, in bytes.
        size: u64,
        /// The most that a frame holds, in bytes.
        limit: u64,
    },
    /// The broker closed the connection at the first call, and SASL is not configured. That it expects SASL is inferred:
    /// it gives no answer then, nor does a broker that goes down at that moment. Trying again tells the one from the other.
    #[error("the connection was closed at the first call after version negotiation")]
    SaslExpected,
    /// The listener does without SASL, and it is configured here.
    #[error("the broker's listener does not use SASL")]
    SaslNotEnabled,
    /// A buffer that a message's value does not fit in. The message is still the next one.
    #[error("the buffer is too small for a value of {needed} bytes")]
    ShortBuffer {
        /// The length of the value, in bytes.
        needed: usize,
    },
    /// Time ran out.
    #[error("timed out during {step}{}", After(*after))]
    Timeout {
        /// What was being waited for.
        step: Step,
        /// How long the wait was allowed to be.
        after: Option<Duration>,
    },
    /// TLS failed, for another reason than those with kinds of their own; the source says which.
    #[error("TLS failed")]
    Tls,
    /// The broker speaks TLS on this port, and this client was told not to. It is known by the broker's alert; where the
    /// broker closes without one, or the network drops it, that is [`ClosedDuring`](Self::ClosedDuring) version
    /// negotiation.
    #[error("the broker answered with TLS, this connection is plain text")]
    TlsOnPlain,
    /// The broker's certificate is from nobody that is trusted here.
    #[error("the broker's certificate is from an unknown authority")]
    UnknownCa,
    /// The broker's answer leaves out what was asked for.
    #[error("the broker's answer says nothing of it")]
    Unanswered,
    /// The cluster, as it was last described, has no such broker; it may be down.
    #[error("the cluster has no broker {id} at the moment")]
    UnknownBroker {
        /// The broker's id.
        id: BrokerId,
    },
    /// The partition's index is not one of its topic's.
    #[error("the topic has no such partition")]
    UnknownPartition,
    /// The cluster has no such topic, or this client may not see it.
    #[error("the topic does not exist")]
    UnknownTopic,
    /// The SASL mechanism sends the secret itself, and the connection is not encrypted.
    #[error("{mechanism} would send its secret over a connection that is not encrypted")]
    UnprotectedCredentials {
        /// The SASL mechanism.
        mechanism: SmolStr,
    },
    /// The host could not be reached for another reason; the source says which.
    #[error("could not connect")]
    Unreachable,
    /// Client and broker have no version of the API in common.
    #[error("the broker has no version of {api} that this client can use")]
    VersionUnsupported {
        /// The API.
        api: ApiKey,
    },
    /// The broker's certificate is for another host; the source says which.
    #[error("the broker's certificate is for another host name")]
    WrongHostName,
}

impl ErrorKind {
    /// What to try, where something can be said. Causes that are guesses say so.
    pub(super) fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::AuthenticationFailed { .. } => {
                "check the user and the password or token, and that the broker knows them"
            }
            Self::BrokerTooOld { .. } => "upgrade the broker to 2.1 or newer",
            Self::CertificateExpired => "renew the broker's certificate, or check the clocks of both machines",
            Self::ClientCertificateRequired => "configure a client certificate and its key, or use another listener",
            Self::ClientCertificateRefused => {
                "check that the certificate is not expired, and from an authority that the broker trusts"
            }
            Self::ClosedDuring { step } => return closed_during(*step),
            Self::CorruptRecords { .. } => "seek behind them to go on, and check the broker's disks",
            Self::Dns => "check the name, and the resolver of this machine",
            Self::FrameTooLarge { .. } => {
                "check that a Kafka broker answers on this port, and raise the limit if the answer is real"
            }
            Self::InvalidCertificate => "have the broker's certificate made anew, for a server and by an authority",
            Self::InvalidChallenge { .. } => "check that this is the broker that it should be",
            Self::InvalidFrame { .. } => "check that a Kafka broker answers on this port",
            Self::MechanismNotOffered { .. } => "use a mechanism that it offers, or another listener",
            Self::NoBroker => "check the addresses, and that one of the brokers is up",
            Self::NoCredentials { .. } => "check what provides them",
            Self::NoController => "an election may be under way; try again later",
            Self::NoLeader => "its brokers may be down, or an election under way; try again later",
            Self::NotKafka => "this is no Kafka port; brokers listen on 9092 unless told otherwise",
            Self::OffsetOutOfRange { .. } => "seek to the start or the end",
            Self::PlainOnTls => "do without TLS, or use the listener's TLS port",
            Self::Refused => "check host and port, and that the broker is up",
            Self::SaslExpected => {
                "the broker gave no reason; where it happens each time, the likely cause, inferred, is a listener that \
                 expects SASL (SASL_PLAINTEXT or SASL_SSL), which is not configured here: configure SASL or use another \
                 listener; where it happens once, the broker may have gone down just then"
            }
            Self::SaslNotEnabled => "do without SASL, or use the listener's SASL port",
            Self::ShortBuffer { .. } => "read it into a larger one",
            Self::Timeout { step, .. } => return timed_out_during(*step),
            Self::Tls => {
                "the source says why; a handshake that the broker refuses may want other protocol versions, or a client \
                 certificate"
            }
            Self::TlsOnPlain => "use the listener's plain-text port, or configure TLS",
            Self::UnknownCa => "configure the certificate of the authority that signed the broker's",
            Self::UnknownTopic => "check the name, create the topic, or check the permission to describe it",
            Self::UnprotectedCredentials { .. } => "configure TLS, or allow the mechanism to do without",
            Self::VersionUnsupported { .. } => "the feature needs another broker version",
            Self::WrongHostName => {
                "dial a name that the certificate has, have it made for this one, or configure the server name"
            }
            _ => return None,
        })
    }
}

/// A broker that closes says nothing; what it usually means is marked as inferred.
fn closed_during(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::ApiVersions => {
            "the likely cause, inferred, is a port that expects TLS, a client certificate over TLS, a broker older than \
             0.10, or no Kafka at all; check the port and its listener's security protocol"
        }
        Step::Authentication => {
            "the likely cause, inferred, is that the broker refused the credentials; check them, and the broker's log"
        }
        Step::SaslHandshake => {
            "the likely cause, inferred, is a broker that is going down, or something before it that knows no SASL"
        }
        Step::TlsHandshake => {
            "the likely cause, inferred, is a port that expects plain text (PLAINTEXT or SASL_PLAINTEXT); check the port \
             and its listener's security protocol"
        }
        Step::Call | Step::Connect | Step::Coordinator | Step::Messages | Step::Metadata => return None,
    })
}

fn timed_out_during(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::ApiVersions => {
            "something accepts connections there but does not answer; the likely cause, inferred, is that it is no Kafka \
             broker, or expects TLS"
        }
        Step::Authentication => "check that the broker, and what provides the credentials, is not overloaded",
        Step::Connect => "check host and port, and firewalls in between",
        Step::TlsHandshake => {
            "something accepts connections there but does not answer; the likely cause, inferred, is that it does not \
             speak TLS"
        }
        Step::Call | Step::Coordinator | Step::Messages | Step::Metadata | Step::SaslHandshake => return None,
    })
}

struct Offered<'a>(&'a [SmolStr]);

impl fmt::Display for Offered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().take(MAX_OFFERED).enumerate() {
            // Off the wire: whatever is no plain letter is escaped.
            write!(f, "{}{}", if index == 0 { "" } else { ", " }, name.escape_debug())?;
        }
        Ok(())
    }
}

struct After(Option<Duration>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |after| write!(f, " after {after:.1?}"))
    }
}

struct Expected(Option<i32>);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("none"),
        }
    }
}

/// Mechanisms that a text names; Kafka knows seven.
const MAX_OFFERED: usize = 16;
