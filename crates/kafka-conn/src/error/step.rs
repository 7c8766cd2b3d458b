//! What was being done when something went wrong.

use std::fmt;

/// A step in the life of a connection, for errors that name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Asking the broker which versions it speaks: the first request on a connection.
    ApiVersions,
    /// Proving to the broker who we are: the messages of the SASL mechanism, a token's provider included.
    Authentication,
    /// Waiting for the answer to a call.
    Call,
    /// Resolving the name and opening the socket.
    Connect,
    /// Finding the coordinator of a group or transactional id.
    Coordinator,
    /// Waiting for messages to read.
    Messages,
    /// Waiting for the cluster's metadata.
    Metadata,
    /// Telling the broker which SASL mechanism will be used.
    SaslHandshake,
    /// Agreeing on keys and looking at each other's certificates, before the first request.
    TlsHandshake,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiVersions => "version negotiation (ApiVersions)",
            Self::Authentication => "authentication (SaslAuthenticate)",
            Self::Call => "a call",
            Self::Connect => "connecting",
            Self::Coordinator => "the search for the coordinator",
            Self::Messages => "the wait for messages",
            Self::Metadata => "the wait for metadata",
            Self::SaslHandshake => "the choice of a SASL mechanism (SaslHandshake)",
            Self::TlsHandshake => "the TLS handshake",
        })
    }
}
