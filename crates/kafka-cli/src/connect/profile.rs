//! Profiles: named sets of settings in a file, `kafka/config.toml` in the folder for such files.
//!
//! ```toml
//! [default]
//! brokers = ["localhost:9092"]
//!
//! [production]
//! brokers = ["one:9093", "two:9093"]
//! tls-ca = "ca.pem"                 # relative to this file
//! sasl = "scram-sha-512"
//! sasl-user = "me"
//! sasl-password-file = "password"   # passwords are never in this file
//!
//! [cloud]
//! brokers = ["one:9093"]
//! tls = true
//! sasl = "oauthbearer"
//! sasl-token-command = "get-token --audience kafka"   # or sasl-token-file; tokens are never in this file
//! sasl-extensions = { logicalCluster = "lkc-1" }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use kafka_conn::BrokerAddress;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::SetupError;
use super::password::read_at_most;
use super::security::SaslMechanism;

/// What a profile sets; all of it may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Profile {
    #[serde(deserialize_with = "addresses")]
    pub(super) brokers: Vec<String>,
    pub(super) tls: Option<bool>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_server_name: Option<String>,
    pub(super) sasl: Option<SaslMechanism>,
    pub(super) sasl_user: Option<String>,
    pub(super) sasl_password_file: Option<PathBuf>,
    pub(super) sasl_token_file: Option<PathBuf>,
    pub(super) sasl_token_command: Option<String>,
    pub(super) sasl_extensions: BTreeMap<String, String>,
    pub(super) sasl_unencrypted: Option<bool>,
    pub(super) sasl_delegation_token: Option<bool>,
}

impl Profile {
    /// The profile of this name. Without a name it is `default`, which need not exist, nor the file, unless that is
    /// named.
    pub(super) fn load(name: Option<&str>, file: Option<&Path>) -> Result<Self, SetupError> {
        let path = match file {
            Some(file) => file.to_owned(),
            None => match etcetera::choose_base_strategy() {
                Ok(folders) => folders.config_dir().join("kafka").join("config.toml"),
                Err(_) if name.is_none() => return Ok(Self::default()),
                Err(_) => return Err(SetupError::NoFolder),
            },
        };
        match read_at_most(&path, MAX_FILE) {
            Ok(text) => Self::parse(&String::from_utf8_lossy(&text), name, &path),
            Err(SetupError::File { source, .. })
                if name.is_none() && file.is_none() && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str, name: Option<&str>, path: &Path) -> Result<Self, SetupError> {
        // Not its whole text, which quotes the line: somebody may have put a password there.
        let malformed = |error: toml::de::Error| SetupError::Malformed {
            path: path.into(),
            line: error
                .span()
                .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1),
            message: match error.span() {
                Some(span) if !begins_a_profile(text.get(..span.start).unwrap_or(text)) => NAMELESS.to_owned(),
                _ => error.message().to_owned(),
            },
        };
        let mut profiles: BTreeMap<String, Self> = toml::from_str(text).map_err(malformed)?;
        match (profiles.remove(name.unwrap_or(DEFAULT)), name) {
            (Some(profile), _) => Ok(profile.beside(path)),
            (None, None) => Ok(Self::default()),
            (None, Some(name)) => {
                let known = profiles.into_keys().collect();
                Err(SetupError::UnknownProfile { path: path.into(), name: name.to_owned(), known })
            }
        }
    }

    /// Files that a profile names are found from where the profile is.
    fn beside(mut self, path: &Path) -> Self {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let secrets = [&mut self.sasl_password_file, &mut self.sasl_token_file];
        for file in [&mut self.tls_ca, &mut self.tls_cert, &mut self.tls_key].into_iter().chain(secrets) {
            *file = file.take().map(|file| folder.join(file));
        }
        self
    }

    /// Where the cluster is.
    pub(super) fn brokers(&self) -> Result<Vec<BrokerAddress>, SetupError> {
        let address = |text: &String| text.parse().map_err(|source| SetupError::Address { text: text.clone(), source });
        self.brokers.iter().map(address).collect()
    }
}

/// Whether there is a heading among these lines.
fn begins_a_profile(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with('['))
}

/// A list of texts; what is none is told how to write one.
fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::Array(list) => {
            let text = |value: toml::Value| value.as_str().map(str::to_owned);
            list.into_iter().map(text).collect::<Option<_>>().ok_or_else(|| D::Error::custom(A_LIST))
        }
        _ => Err(D::Error::custom(A_LIST)),
    }
}

/// Whether all profiles of a file are such as can be used.
#[cfg(test)]
pub(crate) fn check_profiles(text: &str, path: &Path) -> Result<(), SetupError> {
    let profiles: BTreeMap<String, toml::Value> = toml::from_str(text).unwrap();
    profiles.keys().try_for_each(|name| Profile::parse(text, Some(name), path)?.brokers().map(drop))
}

const A_LIST: &str = "write brokers as a list, as in [\"localhost:9092\"]";
const NAMELESS: &str = "what a profile sets comes behind its name in brackets, as in [default]";
/// The profile that is used where none is named.
const DEFAULT: &str = "default";
/// More than anybody writes by hand.
const MAX_FILE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[default]
brokers = ['one']
[far]
brokers = ['two:9093', '[::1]']
tls-ca = 'ca.pem'
tls-key = '/key.pem'
sasl = 'SCRAM-SHA-256'
sasl-user = 'me'
[cloud]
sasl = 'oauthbearer'
sasl-token-file = 'token'
sasl-extensions = { logicalCluster = 'lkc-1' }
";

    fn parse(text: &str, name: Option<&str>) -> Result<Profile, SetupError> {
        Profile::parse(text, name, Path::new("folder/config.toml"))
    }

    #[test]
    fn a_name_chooses_and_files_are_beside() {
        let far = parse(FILE, Some("far")).unwrap();
        let brokers: Vec<_> = far.brokers().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(brokers, ["two:9093", "[::1]:9092"]);
        assert_eq!(far.tls_ca.as_deref(), Some(Path::new("folder/ca.pem")));
        assert_eq!(far.tls_key.as_deref(), Some(Path::new("/key.pem")));
        assert_eq!((far.sasl, far.sasl_user.as_deref()), (Some(SaslMechanism::ScramSha256), Some("me")));
        let cloud = parse(FILE, Some("cloud")).unwrap();
        assert_eq!(cloud.sasl_token_file.as_deref(), Some(Path::new("folder/token")));
        assert_eq!(cloud.sasl_extensions["logicalCluster"], "lkc-1");
        assert_eq!(parse(FILE, None).unwrap().brokers, ["one"]);
        assert!(parse("", None).unwrap().brokers.is_empty());
    }

    #[test]
    fn mistakes_are_told_without_what_stands_there() {
        let unknown = parse(FILE, Some("near")).unwrap_err().to_string();
        assert!(unknown.ends_with("has no profile \"near\"; it has: cloud, default, far"), "{unknown}");
        let secret = parse("[default]\nsasl-password = 'hunter2'", None).unwrap_err().to_string();
        assert!(secret.contains("line 2") && secret.contains("`sasl-password`"), "{secret}");
        assert!(!secret.contains("hunter2") && !secret.contains('\n'), "{secret}");
        for (text, expected) in [
            ("brokers = ['one']", "line 1: what a profile sets comes behind its name in brackets"),
            ("[default]\nbrokers = 'one'", "line 2: write brokers as a list"),
            ("[default]\nbrokers = [1]", "line 2: write brokers as a list"),
        ] {
            let error = parse(text, None).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse("[default]\nsasl = 'kerberos'", None).unwrap_err().to_string().contains("scram-sha-512"));
        assert!(parse("[default]\nbrokers = ['a,,b']", None).unwrap().brokers().is_err());
    }
}
