//! An encrypted stream that fails in this crate's own words.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::{AlertDescription, CertificateError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client;

use crate::connector::Stream;
use crate::error::{Error, ErrorKind, Step};

/// Whether the broker was shown a certificate, if it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Shown,
    None,
}

/// What comes of a broker that refuses late: with TLS 1.3 its refusal of a certificate comes after the handshake.
pub(super) struct TlsStream {
    inner: client::TlsStream<Box<dyn Stream>>,
    identity: Identity,
}

impl TlsStream {
    pub(super) fn new(inner: client::TlsStream<Box<dyn Stream>>, identity: Identity) -> Self {
        Self { inner, identity }
    }

    fn explain<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match rustls_error(&error) {
            Some(cause) => io::Error::other(explain(cause, self.identity, Phase::Established)),
            None => error,
        })
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        read.map(|result| self.explain(result))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        written.map(|result| self.explain(result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        written.map(|result| self.explain(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        flushed.map(|result| self.explain(result))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

/// Why a handshake did not come about.
pub(super) fn handshake_error(error: io::Error, identity: Identity) -> Error {
    let explained = rustls_error(&error).map(|cause| explain(cause, identity, Phase::Handshake));
    let closed = Error::new(ErrorKind::ClosedDuring { step: Step::TlsHandshake });
    explained.unwrap_or_else(|| closed.with_source(error))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Established,
}

fn explain(cause: &rustls::Error, identity: Identity, phase: Phase) -> Error {
    let kind = match cause {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, identity),
        rustls::Error::InvalidMessage(_) if phase == Phase::Handshake => ErrorKind::PlainOnTls,
        _ => ErrorKind::Tls,
    };
    Error::new(kind).with_source(cause.clone())
}

fn of_certificate(problem: &CertificateError) -> ErrorKind {
    use CertificateError as Problem;
    match problem {
        // A bad signature is that of another authority with the name of a trusted one.
        Problem::UnknownIssuer | Problem::BadSignature => ErrorKind::UnknownCa,
        Problem::Expired
        | Problem::ExpiredContext { .. }
        | Problem::NotValidYet
        | Problem::NotValidYetContext { .. } => ErrorKind::CertificateExpired,
        Problem::NotValidForName | Problem::NotValidForNameContext { .. } => ErrorKind::WrongHostName,
        _ => ErrorKind::InvalidCertificate,
    }
}

/// Java says of a client without a certificate that its certificate is bad.
fn of_alert(alert: AlertDescription, identity: Identity) -> ErrorKind {
    use AlertDescription as Alert;
    match (alert, identity) {
        (Alert::CertificateRequired, _) | (Alert::BadCertificate, Identity::None) => {
            ErrorKind::ClientCertificateRequired
        }
        (
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::DecryptError
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
            Identity::Shown,
        ) => ErrorKind::ClientCertificateRefused,
        _ => ErrorKind::Tls,
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
