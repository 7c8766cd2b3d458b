//! Which message goes into which file, behind which cargo feature, and which fields are secret.

use super::names::snake_case;
use super::schema::{Kind, Message};

/// One file of declarations.
pub(super) struct File<'a> {
    pub(super) module: String,
    /// The cargo feature it needs; `None` is always compiled.
    pub(super) feature: Option<&'static str>,
    pub(super) about: String,
    pub(super) messages: Vec<&'a Message>,
}

/// A message for which no file is foreseen.
#[derive(Debug, thiserror::Error)]
#[error("{0} belongs to no file: say where it goes in xtask/src/codegen/layout.rs")]
pub struct Homeless(String);

/// The files, in the order of the schema.
pub(super) fn files(messages: &[Message]) -> Result<Vec<File<'_>>, Homeless> {
    let mut files: Vec<File<'_>> = Vec::new();
    for message in messages {
        let (module, feature, about) = home(message)?;
        match files.iter_mut().find(|file| file.module == module) {
            Some(file) => file.messages.push(message),
            None => files.push(File { module, feature, about, messages: vec![message] }),
        }
    }
    Ok(files)
}

type Home = (String, Option<&'static str>, String);

fn home(message: &Message) -> Result<Home, Homeless> {
    if let (Kind::Request | Kind::Response, Some(key)) = (message.kind, message.key) {
        return Ok((snake_case(&message.name), api_feature(key), api_about(message, key)));
    }
    let homeless = || Homeless(message.name.clone());
    let of_name = |home: &&Stored| home.names.iter().any(|start| message.name.starts_with(start));
    let stored = STORED.iter().find(|home| home.kinds.contains(&message.kind) && of_name(home)).ok_or_else(homeless)?;
    Ok((stored.module.to_owned(), stored.feature, stored.about.to_owned()))
}

fn api_about(message: &Message, key: i16) -> String {
    format!("The `{}` API: key {key}, {}.", message.name, message.versions)
}

fn api_feature(key: i16) -> Option<&'static str> {
    match key {
        3 | 10 | 17 | 18 | 36 => None,
        0 | 22 => Some("produce"),
        1 | 2 | 23 => Some("fetch"),
        8 | 9 | 11..=14 | 68 => Some("group"),
        24..=26 | 28 => Some("transaction"),
        71 | 72 => Some("telemetry"),
        76..=79 | 90..=92 => Some("share"),
        88 | 89 => Some("streams"),
        4..=7 | 52..=54 | 56 | 58 | 59 | 62 | 63 | 67 | 70 | 73 | 82..=87 => Some("broker"),
        _ => Some("admin"),
    }
}

/// Where messages go that are neither request nor response.
struct Stored {
    kinds: &'static [Kind],
    /// How their names begin.
    names: &'static [&'static str],
    module: &'static str,
    feature: Option<&'static str>,
    about: &'static str,
}

/// The first that fits takes the message.
const STORED: &[Stored] = &[
    Stored {
        kinds: &[Kind::Header],
        names: &[""],
        module: "header",
        feature: None,
        about: "What stands before every request and response.",
    },
    Stored {
        kinds: &[Kind::Data],
        names: &["ConsumerProtocol"],
        module: "consumer_protocol",
        feature: Some("group"),
        about: "What members of a classic consumer group tell each other inside `JoinGroup` and `SyncGroup`.",
    },
    Stored {
        kinds: &[Kind::Data],
        names: &["DefaultPrincipalData"],
        module: "default_principal_data",
        feature: Some("broker"),
        about: "Who sent the request inside an `Envelope`.",
    },
    Stored {
        kinds: &[Kind::Data],
        names: &["ControlRecord", "EndTxnMarker", "KRaftVersion", "LeaderChange", "Snapshot", "Voters"],
        module: "control_records",
        feature: Some("storage"),
        about: "The keys and values of control records.",
    },
    Stored {
        kinds: &[Kind::Data],
        names: &["QuorumStateData"],
        module: "raft",
        feature: Some("storage"),
        about: "The state that a voter of the metadata quorum keeps beside its log.",
    },
    Stored {
        kinds: &[Kind::Data],
        names: &["ProducerSnapshot"],
        module: "producer_snapshot",
        feature: Some("storage"),
        about: "The snapshots of producer states that brokers keep beside a log.",
    },
    Stored {
        kinds: &[Kind::CoordinatorKey, Kind::CoordinatorValue],
        names: &["TransactionLog"],
        module: "transaction_state",
        feature: Some("storage"),
        about: "The records of the internal topic `__transaction_state`.",
    },
    Stored {
        kinds: &[Kind::CoordinatorKey, Kind::CoordinatorValue],
        names: &["ShareSnapshot", "ShareUpdate"],
        module: "share_group_state",
        feature: Some("storage"),
        about: "The records of the internal topic `__share_group_state`.",
    },
    Stored {
        kinds: &[Kind::CoordinatorKey, Kind::CoordinatorValue],
        names: &["LegacyOffset", "Offset", "Group", "ConsumerGroup", "ShareGroup", "StreamsGroup"],
        module: "consumer_offsets",
        feature: Some("storage"),
        about: "The records of the internal topic `__consumer_offsets`.",
    },
    Stored {
        kinds: &[Kind::Metadata],
        names: &["RemoteLog", "RemotePartition"],
        module: "remote_log_metadata",
        feature: Some("storage"),
        about: "The records of the internal topic `__remote_log_metadata`.",
    },
    Stored {
        kinds: &[Kind::Metadata],
        names: &[""],
        module: "cluster_metadata",
        feature: Some("storage"),
        about: "The records of the cluster's metadata log, `__cluster_metadata`.",
    },
];

/// Whether a field must never be printed. The owner is the message, whichever of its structs holds the field.
pub(super) fn is_secret(message: &Message, field: &str) -> bool {
    SECRETS.contains(&(message.full_name().as_str(), field))
}

const SECRETS: [(&str, &str); 16] = [
    ("SaslAuthenticateRequest", "AuthBytes"),
    ("SaslAuthenticateResponse", "AuthBytes"),
    ("CreateDelegationTokenResponse", "Hmac"),
    ("RenewDelegationTokenRequest", "Hmac"),
    ("ExpireDelegationTokenRequest", "Hmac"),
    ("DescribeDelegationTokenResponse", "Hmac"),
    // The value of a configuration may be the password of a key store.
    ("AlterConfigsRequest", "Value"),
    ("IncrementalAlterConfigsRequest", "Value"),
    ("ConfigRecord", "Value"),
    // Any of the messages here, passed on as bytes.
    ("EnvelopeRequest", "RequestData"),
    ("EnvelopeResponse", "ResponseData"),
    ("AlterUserScramCredentialsRequest", "Salt"),
    ("AlterUserScramCredentialsRequest", "SaltedPassword"),
    ("UserScramCredentialRecord", "Salt"),
    ("UserScramCredentialRecord", "StoredKey"),
    ("UserScramCredentialRecord", "ServerKey"),
];

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn every_secret_is_a_field() {
        let messages = parse::schema(include_str!("../../../crates/kafka-protocol/schema/kafka.schema")).unwrap();
        for (owner, secret) in SECRETS {
            let message = messages.iter().find(|message| message.full_name() == owner).unwrap();
            assert!(message.all_fields().any(|(_, field)| field.name == secret), "{owner} has no {secret}");
        }
    }
}
