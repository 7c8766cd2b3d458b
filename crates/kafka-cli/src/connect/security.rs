//! TLS and SASL: the options, and what they make with the profile behind them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use kafka_conn::sasl::{Mechanism, OAuthBearer, Plain, Scram, ScramHash};
use kafka_conn::{ClientCertificate, Pem, Roots, Secret, Tls, TlsConfig};
use serde::Deserialize;

use super::SetupError;
use super::password::{password_file, prompt};
use super::profile::Profile;
use super::token::TokenSource;
use crate::error::Result;
use crate::parse::pair::Pair;

/// How connections are encrypted, and who connects. What is missing may stand in the profile.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArguments {
    /// Encrypts connections; so does any of the other TLS options, unless this is false
    #[arg(long, env = "KAFKA_TLS", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
    pub(crate) tls: Option<bool>,
    /// The authorities to trust, as PEM, instead of the system's
    #[arg(long, env = "KAFKA_TLS_CA", hide_env_values = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to show to brokers that ask, as PEM
    #[arg(long, env = "KAFKA_TLS_CERT", hide_env_values = true, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key, as PEM [default: in the certificate's file]
    #[arg(long, env = "KAFKA_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name that brokers' certificates have [default: the host]
    #[arg(long, env = "KAFKA_TLS_SERVER_NAME", hide_env_values = true, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// How to authenticate: plain, scram-sha-256, scram-sha-512, oauthbearer
    #[arg(long, env = "KAFKA_SASL", hide_env_values = true, value_name = "MECHANISM")]
    pub(crate) sasl: Option<SaslMechanism>,
    /// Who authenticates. The password is in a file, in the variable KAFKA_SASL_PASSWORD, or asked for on the terminal
    #[arg(long, env = "KAFKA_SASL_USER", hide_env_values = true, value_name = "USER")]
    pub(crate) sasl_user: Option<String>,
    /// A file with the password
    #[arg(long, env = "KAFKA_SASL_PASSWORD_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) sasl_password_file: Option<PathBuf>,
    /// User and password are id and secret of a delegation token, as `kafka tokens create` shows them: with one of the
    /// scram mechanisms, it authenticates as its owner
    #[arg(long, env = "KAFKA_SASL_DELEGATION_TOKEN", hide_env_values = true)]
    pub(crate) sasl_delegation_token: bool,
    /// A file with the token for oauthbearer, which is read for each login. The token may also be in the variable
    /// KAFKA_SASL_TOKEN
    #[arg(long, env = "KAFKA_SASL_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) sasl_token_file: Option<PathBuf>,
    /// A command of the shell that prints the token, which is run for each login
    #[arg(
        long,
        env = "KAFKA_SASL_TOKEN_COMMAND",
        hide_env_values = true,
        value_name = "COMMAND",
        conflicts_with = "sasl_token_file"
    )]
    pub(crate) sasl_token_command: Option<String>,
    /// What the broker is told beside the token; may be repeated
    #[arg(long = "sasl-extension", value_name = "NAME=VALUE")]
    pub(crate) sasl_extensions: Vec<Pair>,
    /// Lets plain send the password, and oauthbearer the token, without TLS: whoever sees the traffic has it then
    #[arg(long, env = "KAFKA_SASL_UNENCRYPTED", hide_env_values = true)]
    pub(crate) sasl_unencrypted: bool,
}

/// How to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum SaslMechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
}

impl std::str::FromStr for SaslMechanism {
    type Err = UnknownMechanism;

    fn from_str(text: &str) -> Result<Self, UnknownMechanism> {
        match text.to_ascii_lowercase().as_str() {
            "plain" => Ok(Self::Plain),
            "scram-sha-256" => Ok(Self::ScramSha256),
            "scram-sha-512" => Ok(Self::ScramSha512),
            "oauthbearer" => Ok(Self::OAuthBearer),
            _ => Err(UnknownMechanism),
        }
    }
}

impl TryFrom<String> for SaslMechanism {
    type Error = UnknownMechanism;

    fn try_from(text: String) -> Result<Self, UnknownMechanism> {
        text.parse()
    }
}

/// Text that is no mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write plain, scram-sha-256, scram-sha-512 or oauthbearer")]
pub(crate) struct UnknownMechanism;

impl SecurityArguments {
    /// What encrypts connections, if something is to.
    pub(super) fn tls(&self, profile: &Profile) -> Result<Option<Tls>> {
        let ca = self.tls_ca.as_ref().or(profile.tls_ca.as_ref());
        let server_name = self.tls_server_name.as_deref().or(profile.tls_server_name.as_deref());
        // A certificate and its key come from one place.
        let (cert, key) = match (&self.tls_cert, &self.tls_key) {
            (None, None) => (&profile.tls_cert, &profile.tls_key),
            given => given,
        };
        let certificate = match (cert, key) {
            (Some(cert), key) => {
                Some(ClientCertificate { chain: Pem::file(cert), key: Pem::file(key.as_ref().unwrap_or(cert)) })
            }
            (None, Some(_)) => return Err(SetupError::KeyWithoutCertificate.into()),
            (None, None) => None,
        };
        let implied = ca.is_some() || server_name.is_some() || certificate.is_some();
        if !self.tls.or(profile.tls).unwrap_or(implied) {
            return Ok(None);
        }
        let roots = ca.map(|ca| Roots::Pem(Pem::file(ca))).into_iter().collect();
        Ok(Some(Tls::new(TlsConfig { roots, certificate, server_name: server_name.map(Into::into) })?))
    }

    /// What authenticates connections, if something is to. May ask for the password.
    pub(super) async fn sasl(&self, profile: &Profile) -> Result<Option<Arc<dyn Mechanism>>> {
        let unencrypted = self.sasl_unencrypted || profile.sasl_unencrypted.unwrap_or(false);
        let user = self.sasl_user.as_deref().or(profile.sasl_user.as_deref());
        let is_token = self.sasl_delegation_token || profile.sasl_delegation_token.unwrap_or(false);
        let hash = match self.sasl.or(profile.sasl) {
            None if user.is_some() => return Err(SetupError::NoMechanism.into()),
            None => return Ok(None),
            Some(SaslMechanism::OAuthBearer) => {
                let mechanism = self.oauth_bearer(profile).await?;
                return Ok(Some(Arc::new(if unencrypted { mechanism.allow_unencrypted() } else { mechanism })));
            }
            Some(SaslMechanism::Plain) if is_token => return Err(SetupError::PlainToken.into()),
            Some(SaslMechanism::Plain) => None,
            Some(SaslMechanism::ScramSha256) => Some(ScramHash::Sha256),
            Some(SaslMechanism::ScramSha512) => Some(ScramHash::Sha512),
        };
        let user = user.ok_or(SetupError::NoUser)?;
        let password = self.password(profile, user).await?;
        Ok(Some(match hash {
            Some(hash) if is_token => Arc::new(Scram::delegation_token(hash, user, password)),
            Some(hash) => Arc::new(Scram::new(hash, user, password)),
            None if unencrypted => Arc::new(Plain::new(user, password).allow_unencrypted()),
            None => Arc::new(Plain::new(user, password)),
        }))
    }

    /// Tokens from where the options, the variable or the profile say. A first one is tried at once: who has none hears
    /// of that before anything is dialled.
    async fn oauth_bearer(&self, profile: &Profile) -> Result<OAuthBearer> {
        if self.sasl_user.is_some() {
            return Err(SetupError::UserOfToken.into());
        }
        let source = match (&self.sasl_token_file, &self.sasl_token_command, given_token()) {
            (Some(file), _, _) => TokenSource::File(file.clone()),
            (None, Some(command), _) => TokenSource::Command(command.clone()),
            (None, None, Some(token)) => TokenSource::Given(token),
            (None, None, None) => match (&profile.sasl_token_file, &profile.sasl_token_command) {
                (Some(file), None) => TokenSource::File(file.clone()),
                (None, Some(command)) => TokenSource::Command(command.clone()),
                (Some(_), Some(_)) => return Err(SetupError::TwoTokens.into()),
                (None, None) => return Err(SetupError::NoToken.into()),
            },
        };
        if let TokenSource::File(_) = source {
            source.token().await.map_err(|error| SetupError::Token(Box::new(error)))?;
        }
        let mut extensions: Vec<_> = profile.sasl_extensions.iter().map(Pair::from).collect();
        extensions.retain(|pair| self.sasl_extensions.iter().all(|given| given.name != pair.name));
        extensions.extend_from_slice(&self.sasl_extensions);
        Ok(source.mechanism(extensions))
    }

    async fn password(&self, profile: &Profile, user: &str) -> Result<Secret> {
        if let Some(file) = &self.sasl_password_file {
            return Ok(password_file(file)?);
        }
        if let Some(password) = std::env::var_os(PASSWORD_VARIABLE).filter(|password| !password.is_empty()) {
            return Ok(Secret::from(password.into_encoded_bytes()));
        }
        match &profile.sasl_password_file {
            Some(file) => Ok(password_file(file)?),
            None => {
                let question = format!("Password of {}: ", user.escape_debug());
                prompt(question, "--sasl-password-file or the variable KAFKA_SASL_PASSWORD").await
            }
        }
    }
}

/// The token in the variable, if there is one.
fn given_token() -> Option<Secret> {
    let token = std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty())?;
    Some(Secret::from(token.into_encoded_bytes()))
}

/// As the password's.
const TOKEN_VARIABLE: &str = "KAFKA_SASL_TOKEN";
/// Not an option of clap's: it would be one of the command line, too.
const PASSWORD_VARIABLE: &str = "KAFKA_SASL_PASSWORD";

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(result: Result<impl Sized>) -> String {
        result.err().map(|error| crate::report::chain(&error)).unwrap_or_default()
    }

    #[test]
    fn tls_is_on_only_where_something_asks_for_it() {
        let arguments = SecurityArguments::default();
        assert!(arguments.tls(&Profile::default()).unwrap().is_none());
        let off = SecurityArguments { tls: Some(false), tls_ca: Some("none.pem".into()), ..Default::default() };
        assert!(off.tls(&Profile::default()).unwrap().is_none());
        let implied = SecurityArguments { tls_ca: Some("none.pem".into()), ..Default::default() };
        assert!(setup(implied.tls(&Profile::default())).contains("none.pem"));
        let half = SecurityArguments { tls_key: Some("key.pem".into()), ..Default::default() };
        assert!(setup(half.tls(&Profile::default())).contains("--tls-cert"));
    }

    #[tokio::test]
    async fn half_a_login_is_none() {
        let user = SecurityArguments { sasl_user: Some("me".into()), ..Default::default() };
        assert!(setup(user.sasl(&Profile::default()).await).contains("--sasl"));
        let mechanism = SecurityArguments { sasl: Some(SaslMechanism::Plain), ..Default::default() };
        assert!(setup(mechanism.sasl(&Profile::default()).await).contains("--sasl-user"));
    }

    #[tokio::test]
    async fn options_come_before_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "secret").unwrap();
        let profile = Profile {
            sasl: Some(SaslMechanism::Plain),
            sasl_user: Some("me".into()),
            sasl_password_file: Some("none".into()),
            ..Profile::default()
        };
        let arguments = SecurityArguments {
            sasl: Some(SaslMechanism::ScramSha512),
            sasl_password_file: Some(file),
            ..Default::default()
        };
        let mechanism = arguments.sasl(&profile).await.unwrap().unwrap();
        assert_eq!(mechanism.name(), "SCRAM-SHA-512");
        assert!(!format!("{mechanism:?}").contains("secret"));
    }
}
