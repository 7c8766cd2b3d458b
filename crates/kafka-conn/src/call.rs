//! What can be asked of a connection: options, encoded bodies, and the answers to them.
//!
//! Sans-IO.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{ApiKey, EncodeError, Message};

use crate::secret::Secret;

/// How one call is made. Leave what does not matter at its default, with `..CallOptions::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// How long to wait for the answer, the wait for room on the connection included. Default: the dialer's
    /// [`call_timeout`](crate::Dialer::call_timeout). When an answer is this late and the oldest one outstanding, the
    /// connection is given up: a broker answers in order, so nothing else would come either. Add whatever time the
    /// request itself allows the broker to wait.
    pub timeout: Option<Duration>,
    /// The newest version to use, where newer ones mean something that the caller does not handle. Default: no limit.
    pub max_version: Option<i16>,
    /// The oldest version to use, where older ones would mean something else: a broker without it is not asked, and the
    /// call fails with [`VersionUnsupported`](crate::ErrorKind::VersionUnsupported). Default: no limit.
    pub min_version: Option<i16>,
}

/// A request that the caller encoded.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The API.
    pub api_key: ApiKey,
    /// The version that `body` is written in; one that the broker has
    /// ([`Connection::versions`](crate::Connection::versions)).
    pub version: i16,
    /// The body, without size and header.
    pub body: Body,
}

/// The answer to a [`RawRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// The version that `body` is written in: that of the request.
    pub version: i16,
    /// The body, without size and header; a slice of the connection's read buffer, which it keeps alive.
    pub body: Bytes,
}

/// The bytes of a request body, in as many pieces as they came in.
///
/// Large pieces are handed to the socket as they are, never copied; small ones are gathered into one write.
///
/// ```
/// use bytes::Bytes;
/// use kafka_conn::Body;
///
/// let mut body = Body::from(Bytes::from_static(b"before the records"));
/// body.push(Bytes::from(vec![0; 1 << 20]));
/// assert_eq!(body.len(), 18 + (1 << 20));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The first piece: most bodies have no other, and then need no list.
    head: Bytes,
    rest: Vec<Bytes>,
}

impl Body {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        if self.head.is_empty() && self.rest.is_empty() {
            self.head = piece;
        } else if !piece.is_empty() {
            self.rest.push(piece);
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.rest.iter().fold(self.head.len(), |sum, piece| sum.saturating_add(piece.len()))
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.rest.is_empty()
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(&self.rest)
    }
}

/// Whether requests of this API have secrets in them: their bodies are wiped, and not copied on their way out.
pub(crate) fn is_secret(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::SASL_AUTHENTICATE
            | ApiKey::ALTER_CONFIGS
            | ApiKey::INCREMENTAL_ALTER_CONFIGS
            | ApiKey::RENEW_DELEGATION_TOKEN
            | ApiKey::EXPIRE_DELEGATION_TOKEN
            | ApiKey::ALTER_USER_SCRAM_CREDENTIALS
    )
}

/// The body of a request of this API, encoded.
///
/// # Errors
/// Where the message sets a field that the version lacks.
pub(crate) fn encode<M: Message>(api: ApiKey, message: &M, version: i16) -> Result<Body, EncodeError> {
    if !is_secret(api) {
        let mut body = BytesMut::with_capacity(FIRST_GUESS);
        message.encode(version, &mut body)?;
        return Ok(body.into());
    }
    // Room for all of it, so that no copy is left behind by growing.
    let mut body = BytesMut::with_capacity(message.encoded_len(version)?);
    message.encode(version, &mut body)?;
    Ok(Secret::take(&mut body).into_bytes().into())
}

/// Bytes that most requests fit in.
const FIRST_GUESS: usize = 256;

/// Bodies may hold secrets.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(head: Bytes) -> Self {
        Self { head, rest: Vec::new() }
    }
}

impl From<BytesMut> for Body {
    fn from(head: BytesMut) -> Self {
        head.freeze().into()
    }
}

impl FromIterator<Bytes> for Body {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut body = Self::default();
        pieces.into_iter().for_each(|piece| body.push(piece));
        body
    }
}
