//! A cluster of one broker in memory that says what a test lets it say.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use kafka_admin::Admin;
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Dialer, Stream, Transport, TransportConfig};
use kafka_protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::messages::metadata::{MetadataResponse, MetadataResponseBroker};
use kafka_protocol::{ApiKey, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The broker: for each API that it has, the newest version and what it does.
#[derive(Clone, Default)]
pub(crate) struct Broker {
    apis: BTreeMap<ApiKey, (i16, Handler)>,
    /// What it was asked, but for the handshakes.
    asked: Arc<Mutex<Vec<(ApiKey, i16)>>>,
}

/// Answers, or is silent.
type Handler = Arc<dyn Fn(i16, Bytes) -> Option<BytesMut> + Send + Sync>;

impl Broker {
    /// One that has Metadata and FindCoordinator, and nothing else.
    pub(crate) fn new() -> Self {
        Self::default().on(ApiKey::METADATA, 12, |version, _| Some(encoded(version, &metadata()))).on(
            ApiKey::FIND_COORDINATOR,
            4,
            |version, body| {
                let asked = FindCoordinatorRequest::decode(version, body).unwrap();
                let found = |key: &smol_str::SmolStr| Coordinator {
                    key: key.clone(),
                    host: "broker".into(),
                    port: 9092,
                    ..Coordinator::default()
                };
                let coordinators = asked.coordinator_keys.iter().map(found).collect();
                Some(encoded(version, &FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }))
            },
        )
    }

    /// With an API up to `version`, answered so.
    pub(crate) fn on(
        mut self,
        api: ApiKey,
        version: i16,
        handler: impl Fn(i16, Bytes) -> Option<BytesMut> + Send + Sync + 'static,
    ) -> Self {
        self.apis.insert(api, (version, Arc::new(handler)));
        self
    }

    pub(crate) async fn admin(&self) -> Admin {
        admin_of(self.clone(), 9092).await
    }

    /// The versions in which it was asked for an API.
    pub(crate) fn asked(&self, api: ApiKey) -> Vec<i16> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| *asked == api).map(|(_, version)| *version).collect()
    }

    fn answer(&self, api: ApiKey, version: i16, request: Bytes) -> Option<BytesMut> {
        if api == ApiKey::API_VERSIONS {
            let apis = self.apis.iter().map(|(api, (newest, _))| (*api, *newest));
            return Some(encoded(version, &api_versions(apis)));
        }
        self.asked.lock().unwrap().push((api, version));
        let (newest, handler) = &self.apis[&api];
        assert!(version <= *newest, "{api} version {version}");
        handler(version, request)
    }
}

/// Administers what is reached so.
pub(crate) async fn admin_of(connector: impl Connector + 'static, port: u16) -> Admin {
    let dialer = Dialer { connector: Arc::new(connector), ..Dialer::default() };
    let bootstrap = vec![BrokerAddress::new("broker", port).unwrap()];
    Admin::new(Transport::connect(TransportConfig { bootstrap, dialer, ..Default::default() }).await.unwrap())
}

/// Serves a connection, a request at a time, each with the answer to its API, version and body. Where that is none, nothing
/// comes any more.
pub(crate) async fn serve(
    mut stream: DuplexStream,
    answer: impl Fn(ApiKey, i16, Bytes) -> Option<BytesMut>,
) -> std::io::Result<()> {
    loop {
        let size = stream.read_i32().await?;
        let mut frame = vec![0; usize::try_from(size).unwrap()];
        stream.read_exact(&mut frame).await?;
        let mut frame = Bytes::from(frame);
        let (api, version, correlation_id) = (ApiKey(frame.get_i16()), frame.get_i16(), frame.get_i32());
        let client_id = frame.get_i16();
        frame.advance(usize::try_from(client_id).unwrap_or(0));
        frame.advance(usize::from(api.request_header_version(version) == 2));
        let Some(body) = answer(api, version, frame) else { std::future::pending().await };
        let header = usize::try_from(api.response_header_version(version)).unwrap();
        stream.write_i32(i32::try_from(4 + header + body.len()).unwrap()).await?;
        stream.write_i32(correlation_id).await?;
        stream.write_all(&[0][..header]).await?;
        stream.write_all(&body).await?;
    }
}

/// That these APIs are there, up to these versions.
pub(crate) fn api_versions(apis: impl IntoIterator<Item = (ApiKey, i16)>) -> ApiVersionsResponse {
    let api = |(key, max_version): (ApiKey, i16)| ApiVersion { api_key: key.0, max_version, ..Default::default() };
    ApiVersionsResponse { api_keys: apis.into_iter().map(api).collect(), ..Default::default() }
}

pub(crate) fn encoded<M: Message>(version: i16, message: &M) -> BytesMut {
    let mut body = BytesMut::new();
    message.encode(version, &mut body).unwrap();
    body
}

/// One broker, the controller.
pub(crate) fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker { host: "broker".into(), port: 9092, ..Default::default() };
    MetadataResponse { brokers: vec![broker], controller_id: 0, ..Default::default() }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for Broker {
    async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> kafka_conn::Result<Box<dyn Stream>> {
        let (client, broker) = tokio::io::duplex(1 << 16);
        let this = self.clone();
        tokio::spawn(serve(broker, move |api, version, request| this.answer(api, version, request)));
        Ok(Box::new(client))
    }
}
