//! A cluster of scripted brokers, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use kafka_conn::{BrokerAddress, Transport, TransportConfig};
use kafka_protocol::messages::api_versions::ApiVersionsResponse;
use kafka_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::{ApiKey, Message};

use tokio::task::AbortHandle;

use super::{Network, Peer, Seen, api_versions};

/// Brokers that all answer the same.
#[derive(Clone, Default)]
pub struct Cluster {
    pub network: Network,
    pub answer: Arc<Mutex<MetadataResponse>>,
    /// The topics of each metadata request so far.
    requests: Arc<Mutex<Vec<Vec<String>>>>,
    handlers: Arc<Mutex<HashMap<ApiKey, Handler>>>,
    /// Who was asked what, metadata and handshakes aside.
    seen: Arc<Mutex<Vec<(String, ApiKey)>>>,
    /// The newest versions that the brokers say they have, where they do not have all.
    newest: Arc<Mutex<HashMap<ApiKey, i16>>>,
    /// The tasks of each broker's connections.
    peers: Arc<Mutex<HashMap<String, Vec<AbortHandle>>>>,
}

/// What a broker, named by its host, does about a request.
type Handler = Arc<dyn Fn(&str, &Seen) -> Reply + Send + Sync>;

/// What a broker does about a request.
pub enum Reply {
    Body(BytesMut),
    /// Closes the connection.
    Hangup,
    /// Says nothing, and goes on.
    Nothing,
    /// Says nothing, for ever.
    Silence,
}

impl Reply {
    pub fn of<M: Message>(request: &Seen, answer: &M) -> Self {
        let mut body = BytesMut::new();
        answer.encode(request.version, &mut body).unwrap();
        Self::Body(body)
    }
}

impl Cluster {
    pub fn new(brokers: &[(i32, &str)]) -> Self {
        let cluster = Self::default();
        cluster.set_brokers(brokers);
        brokers.iter().for_each(|(_, host)| cluster.serve(host));
        cluster
    }

    pub fn set_brokers(&self, brokers: &[(i32, &str)]) {
        let broker = |&(node_id, host): &(i32, &str)| MetadataResponseBroker {
            node_id,
            host: host.into(),
            port: 9092,
            ..Default::default()
        };
        let mut answer = self.answer.lock().unwrap();
        answer.brokers = brokers.iter().map(broker).collect();
        answer.controller_id = answer.brokers.first().map_or(-1, |broker| broker.node_id);
    }

    pub fn set_topic(&self, name: &str, leaders: &[i32]) {
        let partition = |(index, leader_id): (usize, &i32)| MetadataResponsePartition {
            partition_index: index.try_into().unwrap(),
            leader_id: *leader_id,
            ..Default::default()
        };
        let partitions = leaders.iter().enumerate().map(partition).collect();
        let topic = MetadataResponseTopic { name: Some(name.into()), partitions, ..Default::default() };
        let topics = &mut self.answer.lock().unwrap().topics;
        topics.retain(|topic| topic.name.as_deref() != Some(name));
        topics.push(topic);
    }

    pub fn serve(&self, host: &str) {
        let mut listener = self.network.listen(host);
        let (cluster, host) = (self.clone(), host.to_owned());
        tokio::spawn(async move {
            while let Some(peer) = listener.recv().await {
                let task = tokio::spawn(cluster.clone().serve_one(host.clone(), peer)).abort_handle();
                cluster.peers.lock().unwrap().entry(host.clone()).or_default().push(task);
            }
        });
    }

    /// Takes a broker down: its connections end, new ones are refused.
    pub async fn stop(&self, host: &str) {
        self.network.stop(host);
        self.peers.lock().unwrap().remove(host).into_iter().flatten().for_each(|peer| peer.abort());
        // On a paused clock: until everybody has heard of it.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }

    /// Answers requests of an API so; Metadata has an answer of its own otherwise.
    pub fn on(&self, api: ApiKey, handler: impl Fn(&str, &Seen) -> Reply + Send + Sync + 'static) {
        self.handlers.lock().unwrap().insert(api, Arc::new(handler));
    }

    /// From now on, new connections are told that the brokers have `api` up to `version`.
    pub fn limit(&self, api: ApiKey, version: i16) {
        self.newest.lock().unwrap().insert(api, version);
    }

    /// The hosts that were asked `api`, in order.
    pub fn asked(&self, api: ApiKey) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, asked)| *asked == api).map(|(host, _)| host.clone()).collect()
    }

    async fn serve_one(self, host: String, mut peer: Peer) {
        while let Some(request) = peer.recv().await {
            let handler = self.handlers.lock().unwrap().get(&request.api).cloned();
            match handler {
                _ if request.api == ApiKey::API_VERSIONS => peer.answer(&request, &self.versions()).await,
                None if request.api == ApiKey::METADATA => self.describe(&request, &mut peer).await,
                None => panic!("nobody answers {}", request.api),
                Some(handler) => {
                    self.seen.lock().unwrap().push((host.clone(), request.api));
                    match handler(&host, &request) {
                        Reply::Body(body) => peer.answer_bytes(&request, &body).await,
                        Reply::Hangup => return,
                        Reply::Nothing => {}
                        Reply::Silence => std::future::pending().await,
                    }
                }
            }
        }
    }

    async fn describe(&self, request: &Seen, peer: &mut Peer) {
        let asked: MetadataRequest = request.decode();
        let names = asked.topics.into_iter().flatten().filter_map(|topic| topic.name);
        let mut names: Vec<_> = names.map(String::from).collect();
        names.sort();
        let answer = self.answer_for(&names);
        self.requests.lock().unwrap().push(names);
        peer.answer(request, &answer).await;
    }

    fn versions(&self) -> ApiVersionsResponse {
        let mut versions = api_versions();
        let newest = self.newest.lock().unwrap();
        for api in &mut versions.api_keys {
            api.max_version = newest.get(&ApiKey(api.api_key)).copied().unwrap_or(api.max_version);
        }
        versions
    }

    fn answer_for(&self, names: &[String]) -> MetadataResponse {
        let mut answer = self.answer.lock().unwrap().clone();
        let known = std::mem::take(&mut answer.topics);
        let find = |name: &String| {
            let unknown =
                || MetadataResponseTopic { name: Some(name.into()), error_code: 3, ..MetadataResponseTopic::default() };
            known.iter().find(|topic| topic.name.as_deref() == Some(name)).cloned().unwrap_or_else(unknown)
        };
        answer.topics = names.iter().map(find).collect();
        answer
    }

    pub fn requests(&self) -> Vec<Vec<String>> {
        self.requests.lock().unwrap().clone()
    }

    pub fn config(&self, bootstrap: &str) -> TransportConfig {
        TransportConfig {
            bootstrap: BrokerAddress::parse_list(bootstrap).unwrap(),
            dialer: self.network.dialer(),
            ..TransportConfig::default()
        }
    }

    pub async fn connect(&self, bootstrap: &str) -> Transport {
        Transport::connect(self.config(bootstrap)).await.unwrap()
    }
}
