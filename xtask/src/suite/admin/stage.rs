//! The cluster that the scenarios share, with Java's `Admin` beside ours.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kafka_admin::{Admin, Apply, NewTopic, Replicas};
use kafka_conn::sasl::{Scram, ScramHash};
use kafka_conn::{BrokerAddress, BrokerId, Dialer, Transport, TransportConfig};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::{command, security};
use super::peer::Peer;
use super::{Failure, Skipped, Target, ours};
use crate::kafka::{Authorizer, Cluster, Config, Folders, Listener, Mechanism, Quorum, Release, User, Version};
use crate::suite::check;

const TELEMETRY: &str = include_str!("../../../kafka/TelemetrySink.java");

/// Two brokers with two folders each and access control, a controller, and another that has no vote yet.
#[derive(Clone)]
pub(super) struct Stage(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    peer: Mutex<Peer>,
    names: AtomicU32,
}

/// Made when the first scenario asks for it, and gone with the last one.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<OnceLock<Result<Stage, String>>>);

impl Shared {
    pub(super) async fn get(&self, target: &Target) -> Result<Stage, Failure> {
        let version = target.own_version().ok_or(Skipped("a cluster of its own"))?;
        let place = self.clone();
        let start = move || place.0.get_or_init(|| Stage::start(version).map_err(|error| error.to_string())).clone();
        tokio::task::spawn_blocking(start).await?.map_err(Failure::from)
    }
}

impl Stage {
    fn start(version: Version) -> Result<Self, Failure> {
        let folders = Folders::of_workspace()?;
        let release = Release::prepare(version, &folders)?;
        release.compile_program("TelemetrySink", TELEMETRY)?;
        let properties = [
            ("delegation.token.secret.key", "of the suite"),
            ("metric.reporters", "TelemetrySink"),
            // Without it, no producer can leave a transaction hanging (KIP-890).
            ("transaction.partition.verification.enable", "false"),
        ];
        let config = Config {
            version,
            brokers: 2,
            listeners: vec![Listener::plaintext(), Listener::sasl_plaintext()],
            users: USERS.iter().map(|name| user(name)).collect(),
            authorizer: Authorizer::Standard,
            quorum: Quorum::Dynamic,
            log_dirs: 2,
            properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ..Config::default()
        };
        let cluster = Cluster::start(&config, &folders)?;
        let peer = Peer::start(&release, &addresses(&cluster, "PLAINTEXT"), &addresses(&cluster, "SASL_PLAINTEXT"))?;
        Ok(Self(Arc::new(Inner { cluster, peer: Mutex::new(peer), names: AtomicU32::new(0) })))
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// Whether the release has what came with Kafka 4: groups of Streams and share groups, lists of all resources.
    pub(super) fn is_new(&self) -> bool {
        self.0.cluster.release().version().major >= 4
    }

    /// Whether members of share groups may renew their locks (KIP-1222).
    pub(super) fn renews_locks(&self) -> bool {
        let version = self.0.cluster.release().version();
        (version.major, version.minor) >= (4, 2)
    }

    /// Whose name nobody else has.
    pub(super) fn name(&self, about: &str) -> String {
        format!("{about}-{}", self.0.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Our `Admin`, as somebody who may do everything.
    pub(super) async fn admin(&self) -> Result<Admin, Failure> {
        self.connect("PLAINTEXT", Dialer::default()).await
    }

    /// Our `Admin`, as one of [`USERS`].
    pub(super) async fn admin_as(&self, name: &str) -> Result<Admin, Failure> {
        let sasl = Some(security::mechanism(Mechanism::Plain, &user(name)));
        self.connect("SASL_PLAINTEXT", Dialer { sasl, ..Dialer::default() }).await
    }

    /// Waits until every broker knows a delegation token: they learn of it one after the other.
    pub(super) async fn await_token(&self, id: &str, secret: &str) -> Result<(), Failure> {
        let sasl = Scram::delegation_token(ScramHash::Sha256, id, secret);
        let dialer = Dialer { sasl: Some(Arc::new(sasl)), ..Dialer::default() };
        let deadline = Instant::now() + LIMIT;
        for address in BrokerAddress::parse_list(&addresses(&self.0.cluster, "SASL_PLAINTEXT"))? {
            while let Err(error) = dialer.dial_address(&address).await {
                check(error.is_authentication(), || format!("{address}: {error:#}"))?;
                check(Instant::now() < deadline, || format!("{address} never knows the token"))?;
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// As whoever owns a delegation token.
    pub(super) async fn admin_with_token(&self, id: &str, secret: &str) -> Result<Admin, Failure> {
        let sasl = Scram::delegation_token(ScramHash::Sha256, id, secret);
        self.connect("SASL_PLAINTEXT", Dialer { sasl: Some(Arc::new(sasl)), ..Dialer::default() }).await
    }

    /// The command, logged in with these options and a password.
    pub(super) async fn command(&self, arguments: &[&str], login: &[&str], password: &str) -> Result<Output, Failure> {
        let brokers = addresses(&self.0.cluster, "SASL_PLAINTEXT");
        let arguments = [arguments, login, &["--brokers", &brokers]].concat();
        command::finish_with_password(&arguments, password).await
    }

    async fn connect(&self, listener: &str, dialer: Dialer) -> Result<Admin, Failure> {
        let bootstrap = BrokerAddress::parse_list(&addresses(&self.0.cluster, listener))?;
        let transport = Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?;
        Ok(Admin::new(transport).with_timeout(LIMIT))
    }

    /// What Java gets from a call, as somebody who may do everything.
    pub(super) async fn java(&self, call: &str, args: Value) -> Result<Value, Failure> {
        self.java_as(None, call, args).await
    }

    /// What Java gets from a call as a user.
    pub(super) async fn java_as(&self, user: Option<&str>, call: &str, args: Value) -> Result<Value, Failure> {
        let (stage, user, call) = (self.clone(), user.map(str::to_owned), call.to_owned());
        let ask = move || {
            let mut peer = stage.0.peer.lock().unwrap_or_else(PoisonError::into_inner);
            peer.ask(user.as_deref(), &call, &args)
        };
        Ok(ours::collapse(tokio::task::spawn_blocking(ask).await??))
    }

    /// What both get from a call, which has to be the same.
    pub(super) async fn both(&self, admin: &Admin, call: &str, args: Value) -> Result<Value, Failure> {
        let ours = ours::call(admin, call, &args).await;
        let java = self.java(call, args.clone()).await?;
        if ours == java { Ok(java) } else { Err(format!("{call} {args}\n    ours {ours}\n    Java {java}").into()) }
    }

    /// Asks Java until its answer is the one that is waited for: brokers learn of changes one after the other.
    pub(super) async fn until(
        &self,
        call: &str,
        args: Value,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        self.until_as(None, call, args, holds).await
    }

    /// [`until`](Self::until), asking as a user.
    pub(super) async fn until_as(
        &self,
        user: Option<&str>,
        call: &str,
        args: Value,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = self.java_as(user, call, args.clone()).await?;
            if holds(&answer) {
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                return Err(format!("{call} {args}: after {LIMIT:?}, Java still gets {answer}").into());
            }
            sleep(PAUSE).await;
        }
    }

    /// [`both`](Self::both), once what one broker knows is known to the others.
    pub(super) async fn both_at_last(&self, admin: &Admin, call: &str, args: Value) -> Result<Value, Failure> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.both(admin, call, args.clone()).await {
                Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// A topic of its own, with these brokers for each partition, whose leaders are known.
    pub(super) async fn topic(&self, admin: &Admin, about: &str, replicas: &[&[i32]]) -> Result<String, Failure> {
        let name = self.name(about);
        let brokers = |ids: &&[i32]| ids.iter().copied().map(BrokerId).collect();
        let replicas = Replicas::Assigned(replicas.iter().map(brokers).collect());
        let topic = NewTopic { name: name.as_str().into(), replicas, ..NewTopic::default() };
        for outcome in admin.create_topics(&[topic], Apply::Now).await? {
            outcome.result?;
        }
        admin.wait_for_leaders(&[&name]).await?;
        self.until("topics.describe", json!({ "names": [name] }), |answer| answer[&name]["id"].is_string()).await?;
        Ok(name)
    }

    /// Where a node writes what it prints.
    pub(super) fn log(&self, node: i32) -> PathBuf {
        self.0.cluster.directory().join(format!("node-{node}")).join("kafka.log")
    }
}

/// Who may log in: what they may do, the [matrix](super::matrix) says.
pub(super) const USERS: [&str; 5] = ["none", "read", "describe", "alter", "all"];
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

fn user(name: &str) -> User {
    User { name: name.to_owned(), password: format!("{name}-secret") }
}

fn addresses(cluster: &Cluster, listener: &str) -> String {
    let addresses = cluster.addresses(listener).into_iter();
    addresses.map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(",")
}
