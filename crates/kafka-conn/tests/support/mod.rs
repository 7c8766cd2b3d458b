//! A broker of a few lines, in memory, that a test scripts.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod broker;
#[cfg(feature = "tls")]
pub mod certificates;
pub mod cluster;
pub mod sasl;
pub mod seen;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Error, Result, Stream};
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::{ApiKey, Limits, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// Connects to whatever is registered under an address, and refuses the rest.
#[derive(Clone, Debug, Default)]
pub struct Network {
    listeners: Arc<Mutex<HashMap<BrokerAddress, mpsc::UnboundedSender<Peer>>>>,
    dials: Arc<AtomicUsize>,
}

impl Network {
    pub fn listen(&self, address: &str) -> mpsc::UnboundedReceiver<Peer> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap().insert(address.parse().unwrap(), sender);
        receiver
    }

    pub fn stop(&self, address: &str) {
        self.listeners.lock().unwrap().remove(&address.parse().unwrap());
    }

    /// Dials so far, the refused ones included.
    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    pub fn dialer(&self) -> Dialer {
        Dialer { connector: Arc::new(self.clone()), client_id: "tester".into(), ..Dialer::default() }
    }
}

#[async_trait]
impl Connector for Network {
    async fn connect(&self, address: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        let (client, broker) = tokio::io::duplex(64 << 10);
        let listener = self.listeners.lock().unwrap().get(address).cloned();
        let refused = || Error::connect(address, std::io::ErrorKind::ConnectionRefused.into());
        listener.and_then(|listener| listener.send(Peer(broker)).ok()).ok_or_else(refused)?;
        Ok(Box::new(client))
    }
}

/// The broker's end of a connection.
pub struct Peer<S = DuplexStream>(pub S);

/// A request as the broker sees it.
#[derive(Debug)]
pub struct Seen {
    pub api: ApiKey,
    pub version: i16,
    pub id: i32,
    pub body: Bytes,
}

impl Seen {
    pub fn decode<M: Message>(&self) -> M {
        M::decode(self.version, self.body.clone()).unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next request; `None` when the client has closed.
    pub async fn recv(&mut self) -> Option<Seen> {
        let size = self.0.read_u32().await.ok()?;
        let mut frame = BytesMut::zeroed(size as usize);
        self.0.read_exact(&mut frame).await.ok()?;
        let (api, version) =
            (ApiKey(i16::from_be_bytes([frame[0], frame[1]])), i16::from_be_bytes([frame[2], frame[3]]));
        let mut body = frame.freeze();
        let header_version = api.request_header_version(version);
        let header = RequestHeader::decode_prefix(header_version, &mut body, &Limits::default()).unwrap();
        Some(Seen { api, version, id: header.correlation_id, body })
    }

    pub async fn answer<M: Message>(&mut self, request: &Seen, answer: &M) {
        let mut body = BytesMut::new();
        answer.encode(request.version, &mut body).unwrap();
        self.answer_bytes(request, &body).await;
    }

    pub async fn answer_bytes(&mut self, request: &Seen, body: &[u8]) {
        let mut frame = BytesMut::new();
        ResponseHeader { correlation_id: request.id, ..Default::default() }
            .encode(request.api.response_header_version(request.version), &mut frame)
            .unwrap();
        frame.extend_from_slice(body);
        // The client may be gone already.
        let _gone = self.0.write_u32(u32::try_from(frame.len()).unwrap()).await;
        let _gone = self.0.write_all(&frame).await;
    }

    /// Answers the first request with all versions there are.
    pub async fn handshake(&mut self) {
        let request = self.recv().await.unwrap();
        assert_eq!(request.api, ApiKey::API_VERSIONS);
        self.answer(&request, &api_versions()).await;
    }
}

pub fn api_versions() -> ApiVersionsResponse {
    let api = |key: &ApiKey| ApiVersion {
        api_key: key.0,
        min_version: key.versions().min,
        max_version: key.versions().max,
        ..Default::default()
    };
    ApiVersionsResponse { api_keys: ApiKey::ALL.iter().map(api).collect(), ..Default::default() }
}
