//! What people meet when an address is wrong: each a typed error that names broker, event and advice.

use std::time::Duration;

use kafka_conn::{Dialer, Error, ErrorKind, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn dialer() -> Dialer {
    Dialer { timeout: Duration::from_secs(60), ..Dialer::default() }
}

/// What dialling a server is told that does `serve` with its first connection.
async fn dial<F: Future<Output = ()> + Send + 'static>(
    dialer: Dialer,
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let error = dialer.dial(&address).await.unwrap_err();
    server.abort();
    assert!(error.to_string().starts_with(&format!("broker {address}")), "{error}");
    assert!(error.is_unsent(), "no call was made");
    error
}

/// Reads the first request, as a server would before it answers.
async fn read_request(stream: &mut TcpStream) {
    let size = stream.read_u32().await.unwrap();
    let mut request = vec![0; size as usize];
    stream.read_exact(&mut request).await.unwrap();
}

#[tokio::test]
async fn refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = dialer().dial(&address).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Refused);
    assert!(error.to_string().starts_with(&format!("broker {address}: the connection was refused")), "{error}");
    assert!(error.is_retriable() && error.is_unsent() && error.needs_metadata_refresh());
}

#[tokio::test]
async fn no_such_host() {
    let error = dialer().dial("does-not-exist.invalid").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Dns, "{error}");
    assert!(error.to_string().contains("does-not-exist.invalid:9092"), "{error}");
}

#[tokio::test]
async fn no_address() {
    let error = dialer().dial("kafka://broker").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidAddress(_)));
    assert!(error.to_string().contains("scheme"), "{error}");
    assert!(!error.is_retriable());
}

#[tokio::test]
async fn an_http_server() {
    let error = dial(dialer(), |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::NotKafka);
    assert!(error.to_string().contains("HTTP"), "{error}");
    assert!(!error.is_retriable());
}

#[tokio::test]
async fn a_tls_port() {
    let error = dial(dialer(), |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(&[0x15, 3, 3, 0, 2, 2, 80]).await.unwrap();
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::TlsOnPlain);
    assert!(error.to_string().contains("configure TLS"), "{error}");
}

#[tokio::test]
async fn a_server_that_closes_at_once() {
    let error = dial(dialer(), |stream| async move { drop(stream) }).await;
    assert_eq!(*error.kind(), ErrorKind::ClosedDuring { step: Step::ApiVersions });
    assert!(error.to_string().contains("inferred"), "a guess is marked as one: {error}");
}

#[tokio::test]
async fn a_silent_server() {
    let short = Dialer { timeout: Duration::from_millis(250), ..dialer() };
    let error = dial(short, |mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending().await
    })
    .await;
    assert!(matches!(error.kind(), ErrorKind::Timeout { step: Step::ApiVersions, .. }), "{error}");
    assert!(error.is_timeout());
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_protocol() {
    let error = dial(dialer(), |mut stream| async move {
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
        read_request(&mut stream).await;
        std::future::pending().await
    })
    .await;
    assert!(matches!(error.kind(), ErrorKind::FrameTooLarge { size: 0x5353_482d, limit: 524_288 }), "{error}");
}
