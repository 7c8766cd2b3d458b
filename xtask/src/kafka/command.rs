//! `cargo xtask kafka …`: clusters by hand.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::directory::{self, Record};
use super::release::remove;
use super::{
    Authorizer, Cluster, Config, Error, Folders, IoContext, Listener, Release, Result, User, Version, connect, smoke,
};

/// Run real Apache Kafka from its Maven artifacts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start a cluster that runs until `down`
    Up {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        place: Place,
    },
    /// Stop a cluster and remove its files; without a name, all of them
    Down {
        /// The name that `up` and `status` show
        name: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Show the clusters that `up` started
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Run one of Kafka's command-line tools
    #[command(after_help = "Example: cargo xtask kafka tool TopicCommand --bootstrap-server 127.0.0.1:20000 --list")]
    Tool {
        /// The Kafka release
        #[arg(long, default_value_t = Version::NEWEST)]
        version: Version,
        /// The tool's class, such as TopicCommand, ConsoleProducer, ConsoleConsumer, GetOffsetShell
        class: String,
        /// What the tool is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Try the launcher itself: topics, records, and each fault in turn, with Kafka's own tools
    Smoke {
        #[command(flatten)]
        wanted: Wanted,
    },
}

/// The wanted cluster.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The Kafka release
    #[arg(long, default_value_t = Version::NEWEST)]
    version: Version,
    /// How many brokers; more than one get an isolated controller
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    brokers: u8,
    /// A broker property, in Kafka's words (repeatable)
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    /// How clients may connect, each on ports of its own (repeatable) [default: plaintext]
    #[arg(long = "listener", value_name = "KIND")]
    listeners: Vec<ListenerKind>,
    /// Who may log in with SASL, by each of its mechanisms (repeatable) [default: alice:alice-secret]
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = user)]
    users: Vec<User>,
    /// How many seconds a SASL session lives before the client must authenticate again [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    session_lifetime: Option<u32>,
    /// The rack of broker 1, 2, …, and over again; followers then serve readers of their rack (repeatable)
    #[arg(long = "rack", value_name = "RACK")]
    racks: Vec<String>,
    /// Let ACLs decide who may do what; `admin` and clients without a name may do everything
    #[arg(long)]
    acls: bool,
}

/// A kind of listener, as the command line names it.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ListenerKind {
    /// No encryption, no authentication
    Plaintext,
    /// TLS
    Tls,
    /// TLS that demands a certificate of its clients
    Mtls,
    /// SASL without encryption: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER with unsecured tokens
    Sasl,
    /// SASL over TLS, with the same mechanisms
    SaslTls,
}

impl ListenerKind {
    fn listener(self) -> Listener {
        match self {
            Self::Plaintext => Listener::plaintext(),
            Self::Tls => Listener::tls(),
            Self::Mtls => Listener::mutual_tls(),
            Self::Sasl => Listener::sasl_plaintext(),
            Self::SaslTls => Listener::sasl_tls(),
        }
    }
}

/// Where clusters are kept.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The folder of the clusters [default: kafka/clusters in the target folder]
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Command {
    /// Does what was asked, and prints the answer.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Up { wanted, place } => up(&wanted.config(), &place),
            Self::Down { name, place } => down(name.as_deref(), &place.folders()?.clusters),
            Self::Status { place } => status(&place.folders()?.clusters),
            Self::Tool { version, class, arguments } => tool(version, &class, &arguments),
            Self::Smoke { wanted } => smoke::run(&wanted.config(), &Folders::of_workspace()?),
        }
    }
}

impl Wanted {
    fn config(self) -> Config {
        let Self { version, brokers, properties, racks, .. } = self;
        let mut config = Config { version, brokers, properties, racks, ..Config::default() };
        if !self.listeners.is_empty() {
            config.listeners = self.listeners.into_iter().map(ListenerKind::listener).collect();
        }
        let session_lifetime = self.session_lifetime.map(|seconds| Duration::from_secs(seconds.into()));
        for listener in &mut config.listeners {
            listener.session_lifetime = session_lifetime;
        }
        if !self.users.is_empty() {
            config.users = self.users;
        }
        if self.acls {
            config.authorizer = Authorizer::Standard;
        }
        config
    }
}

impl Place {
    fn folders(&self) -> Result<Folders> {
        let mut folders = Folders::of_workspace()?;
        if let Some(dir) = &self.dir {
            // Absolute, since the nodes run in directories of their own.
            folders.clusters = std::path::absolute(dir).context(|| format!("find {}", dir.display()))?;
        }
        Ok(folders)
    }
}

fn up(config: &Config, place: &Place) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(Error::NotLinux);
    }
    let folders = place.folders()?;
    // By itself, so that a first fetch does not count.
    let release = Release::prepare(config.version, &folders)?;
    let begin = Instant::now();
    let cluster = Cluster::start(config, &folders)?;
    println!("Kafka {} is up after {:.1} s", release.version(), begin.elapsed().as_secs_f32());
    for line in connect::lines(&cluster) {
        println!("{line}");
    }
    println!("logs:            {}/node-*/kafka.log", cluster.directory().display());
    let dir = place.dir.as_ref().map(|dir| format!(" --dir {}", dir.display())).unwrap_or_default();
    let stop = format!("cargo xtask kafka down {}{dir}", name(cluster.directory()));
    cluster.detach()?;
    println!("stop it with:    {stop}");
    Ok(())
}

fn down(name: Option<&str>, root: &Path) -> Result<()> {
    let mut clusters = directory::recorded(root)?;
    if let Some(wanted) = name {
        clusters.retain(|(path, _)| self::name(path) == wanted);
        if clusters.is_empty() {
            return Err(Error::UnknownCluster { name: wanted.to_owned(), root: root.to_owned() });
        }
    }
    for (path, record) in &clusters {
        // Its data goes with it, so there is nothing that an orderly shutdown would save.
        record.nodes.iter().try_for_each(directory::NodeRecord::kill)?;
        remove(path)?;
        println!("stopped {}", self::name(path));
    }
    if clusters.is_empty() {
        println!("nothing runs");
    }
    Ok(())
}

fn status(root: &Path) -> Result<()> {
    let clusters = directory::recorded(root)?;
    if clusters.is_empty() {
        println!("nothing runs");
    }
    for (path, record) in &clusters {
        println!("{}  Kafka {}", name(path), record.version);
        for line in &record.listeners {
            println!("  {line}");
        }
        print_nodes(record);
    }
    Ok(())
}

fn print_nodes(record: &Record) {
    for node in &record.nodes {
        let state = if node.runs() { "runs" } else { "has ended" };
        println!("  node {:<3}  process {:<7}  {state}", node.id, node.process.process_id);
    }
}

/// Hands the terminal to the tool, and ends with its exit code.
fn tool(version: Version, class: &str, arguments: &[String]) -> Result<()> {
    let release = Release::prepare(version, &Folders::of_workspace()?)?;
    let status = release.tool_command(class, arguments).status().context(|| "run java".to_owned())?;
    match status.code() {
        Some(0) => Ok(()),
        code => std::process::exit(code.unwrap_or(1)),
    }
}

fn name(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn property(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').ok_or_else(|| Error::Property(text.to_owned()))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn user(text: &str) -> Result<User> {
    // Nothing that JAAS, or the list of SCRAM users, would take for its own.
    let is_plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let (name, password) = text
        .split_once(':')
        .filter(|(name, password)| is_plain(name) && is_plain(password))
        .ok_or_else(|| Error::User(text.to_owned()))?;
    Ok(User { name: name.to_owned(), password: password.to_owned() })
}
