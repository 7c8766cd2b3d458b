//! What people meet when an address is wrong: each a typed error that names broker, event and advice. Those of TLS and
//! SASL are in files of their own.

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kafka_conn::{
    BrokerAddress, ConnectOptions, ConnectionLimits, Connector, Dialer, Error, ErrorKind, Resolver, Result, Step,
    Stream,
};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use support::{Peer, api_versions};
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

/// An HTTP server that waits for the end of the request's head before it answers.
#[tokio::test]
async fn an_http_server_that_waits_for_the_end_of_a_line() {
    let error = dial(dialer(), |mut stream| async move {
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::NotKafka);
}

#[tokio::test]
async fn a_broker_too_old() {
    let error = dial(dialer(), |stream| async move {
        let mut peer = Peer(stream);
        let request = peer.recv().await.unwrap();
        let produce = ApiVersion { api_key: ApiKey::PRODUCE.0, min_version: 0, max_version: 6, ..Default::default() };
        peer.answer(&request, &ApiVersionsResponse { api_keys: vec![produce], ..Default::default() }).await;
        peer.recv().await;
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::BrokerTooOld { api: ApiKey::PRODUCE, min: 0, max: 6 });
    assert!(
        error.to_string().contains("older than Kafka 2.1: of Produce it speaks versions 0 to 6 only; upgrade"),
        "{error}"
    );
    assert!(!error.is_retriable());
}

#[tokio::test]
async fn a_frame_over_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let mut peer = Peer(listener.accept().await.unwrap().0);
        while let Some(request) = peer.recv().await {
            match request.api {
                ApiKey::API_VERSIONS => peer.answer(&request, &api_versions()).await,
                _ => {
                    let cluster_id = Some("x".repeat(2000).into());
                    peer.answer(&request, &MetadataResponse { cluster_id, ..Default::default() }).await;
                }
            }
        }
    });
    let limits = ConnectionLimits { max_frame: 1000, ..ConnectionLimits::default() };
    let connection = Dialer { limits, ..dialer() }.dial(&address).await.unwrap();
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::FrameTooLarge { size, limit: 1000 } if *size > 2000), "{error}");
    assert!(error.to_string().starts_with(&format!("broker {address}, Metadata v13: a frame of 20")), "{error}");
    assert!(error.to_string().contains("raise the limit if the answer is real"), "{error}");
    server.await.unwrap();
}

/// Never connects.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Connector for Nowhere {
    async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer() {
    let dialer = Dialer { connector: Arc::new(Nowhere), timeout: Duration::from_secs(3), ..Dialer::default() };
    let error = dialer.dial("broker").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "broker broker:9092: timed out during connecting after 3.0s; check host and port, and firewalls in between"
    );
    assert!(error.is_timeout() && error.is_retriable() && error.is_unsent());
    // A deadline that comes before.
    let deadline = Some(tokio::time::Instant::now() + Duration::from_secs(1));
    let error = Dialer { deadline, ..dialer }.dial("broker").await.unwrap_err();
    let after = Some(Duration::from_secs(1));
    assert_eq!(*error.kind(), ErrorKind::Timeout { step: Step::Connect, after });
}

/// Knows one name.
#[derive(Debug)]
struct PhoneBook(&'static str, Vec<SocketAddr>);

#[async_trait]
impl Resolver for PhoneBook {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        if host == self.0 { Ok(self.1.clone()) } else { Err(io::Error::other("not in the book")) }
    }
}

#[tokio::test]
async fn a_resolver_of_ones_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (there, gone) = (listener.local_addr().unwrap(), {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    });
    let server = tokio::spawn(async move { Peer(listener.accept().await.unwrap().0).handshake().await });
    let resolver = Arc::new(PhoneBook("one", vec![gone, there]));
    let dialer = Dialer { resolver, ..dialer() };
    dialer.dial("one").await.unwrap();
    server.await.unwrap();
    let error = dialer.dial("two").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Dns);
    assert_eq!(
        format!("{error:#}"),
        "broker two:9092: the host name could not be resolved; check the name, and the resolver of this machine: not in \
         the book"
    );
    let nobody = Dialer { resolver: Arc::new(PhoneBook("one", Vec::new())), ..dialer };
    assert_eq!(*nobody.dial("one").await.unwrap_err().kind(), ErrorKind::Dns);
}
