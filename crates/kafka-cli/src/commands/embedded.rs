//! `kafka embedded`: a cluster in this process, until somebody ends it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use clap::Args;
use kafka_embedded::{AutoCreate, Cluster, KafkaVersion};

use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::output::Output;
use crate::parse::topic::{TopicSpec, parse_topic};
use crate::report;
use crate::signals::Signals;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EmbeddedArguments {
    /// Where the first broker listens; others take the ports behind it, or any if the port is 0
    #[arg(short, long, value_name = "IP:PORT", default_value = "127.0.0.1:9092", value_parser = parse_listen)]
    pub(crate) listen: SocketAddr,
    /// How many brokers
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) nodes: u8,
    /// A topic that is there from the beginning; may be repeated
    #[arg(short, long = "topic", value_name = "NAME[:PARTITIONS[:REPLICAS]]", value_parser = parse_topic)]
    pub(crate) topics: Vec<TopicSpec>,
    /// The Kafka release that it is like: 2.1, 3.9, 4.0, 4.1, 4.2, 4.3
    #[arg(long, value_name = "VERSION", default_value_t = KafkaVersion::NEWEST)]
    pub(crate) kafka_version: KafkaVersion,
    /// Topics are only there once they are created
    #[arg(long)]
    pub(crate) no_auto_create: bool,
}

fn parse_listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:9092, or 127.0.0.1:0 for any free port")
}

/// Prints where clients begin, and serves until a signal comes. That is how it ends well.
pub(crate) async fn run(arguments: EmbeddedArguments, mut signals: Signals) -> Result<Outcome> {
    if let Some(topic) = arguments.topics.iter().find(|topic| topic.replicas > arguments.nodes.into()) {
        return Err(Error::TooFewNodes { topic: topic.name.clone(), replicas: topic.replicas });
    }
    let auto_create = if arguments.no_auto_create { AutoCreate::Disabled } else { AutoCreate::Enabled };
    let mut builder = Cluster::builder()
        .brokers(arguments.nodes.into())
        .kafka_version(arguments.kafka_version)
        .auto_create_topics(auto_create)
        .listen(arguments.listen);
    for topic in &arguments.topics {
        builder = builder.topic(topic.name.as_str(), topic.partitions, topic.replicas);
    }
    let cluster = builder.start().await?;
    let mut line = cluster.bootstrap();
    let _never_fails = writeln!(line);
    let mut output = Output::open()?;
    output.write(line.into_bytes()).await?;
    output.close().await?;
    report::line(format_args!("serving from memory: what is written is gone when this ends (Ctrl-C)"));
    signals.next().await;
    Ok(Outcome::Complete)
}

const EXAMPLES: &str = "\
Examples:
  kafka embedded --nodes 3 --topic orders:6:3
  kafka embedded --listen 127.0.0.1:0 --kafka-version 3.9";
