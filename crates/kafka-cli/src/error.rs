//! What ends a command early: the error of a crate below, or of the two ends of the pipe.

use std::io;

use crate::connect::SetupError;

/// The result of most functions here.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command could not go on. Its text may repeat that of its source: see `report`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Admin(#[from] kafka_admin::Error),
    #[error("{0}")]
    Connection(#[from] kafka_conn::Error),
    #[error("{0}")]
    Embedded(#[from] kafka_embedded::StartError),
    #[error("{0}")]
    Reader(#[from] kafka_reader::Error),
    #[error("{0}")]
    Setup(#[from] SetupError),
    #[error("{0}")]
    Writer(#[from] kafka_writer::Error),
    #[error("topic {topic:?} partition {partition}: offset {offset} is out of range: the partition ends at {end}")]
    BeyondEnd { topic: String, partition: i32, offset: i64, end: i64 },
    #[error("partition {partition}: producer {producer_id} has no transaction open there")]
    NoOpenTransaction { partition: String, producer_id: i64 },
    #[error("there is no terminal to ask on whether to {what}: add --yes, or --dry-run to only see it")]
    NobodyToAsk { what: String },
    #[error(
        "a group goes on where it has committed: with --group, --from can only be start or end; to move the group, use \
         kafka groups reset-offsets"
    )]
    PlaceOfGroup,
    #[error(
        "the cluster offers no delegation tokens here: they need a login by SASL or a certificate, and not by a token, \
         and brokers with delegation.token.secret.key"
    )]
    TokensNotOffered(#[source] kafka_admin::Error),
    #[error("topic {topic:?}: {replicas} replicas need as many brokers: add --nodes {replicas}")]
    TooFewNodes { topic: String, replicas: i16 },
    #[error("this user sees no token {id:?}: kafka tokens describe lists those that there are")]
    UnknownToken { id: String },
    #[error("{0} does not go with {1}")]
    Contradiction(&'static str, &'static str),
    #[error("--balancer manual needs messages that name their partition: add --input json")]
    NoPartitions,
    #[error("not all partitions tell where that place is, so nothing was read: name others with --partition")]
    UnknownPlace,
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    #[error("this process cannot start its threads, or listen to signals")]
    Start(#[source] io::Error),
}

impl Error {
    /// Whether the reader of standard output is gone: it has what it wanted.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the command was not told what it needs, or told what cannot be.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Setup(_)
                | Self::NobodyToAsk { .. }
                | Self::PlaceOfGroup
                | Self::Contradiction(..)
                | Self::NoPartitions
                | Self::TooFewNodes { .. }
        )
    }
}
