//! The properties with which Java's clients connect to a listener, as `--command-config` takes them. Pure.

use super::config::{ClientAuth, Listener, Mechanism, User};
use super::properties::Properties;
use super::{Certificates, IoContext, Result};

/// What a client sets to connect to `listener`, with `login` where it asks for SASL.
pub(crate) fn properties(
    listener: &Listener,
    login: Option<(Mechanism, &User)>,
    files: &Certificates,
) -> Result<Properties> {
    let mut properties = Properties::default();
    properties.set("security.protocol", listener.security_protocol.name());
    if listener.security_protocol.has_tls() {
        properties.set("ssl.truststore.type", "PEM");
        properties.set("ssl.truststore.location", files.ca.display());
    }
    if listener.client_auth == ClientAuth::Required {
        let read = |path| std::fs::read_to_string(path).context(|| "read the client's certificate".to_owned());
        properties.set("ssl.keystore.type", "PEM");
        properties.set("ssl.keystore.certificate.chain", read(&files.client)?);
        properties.set("ssl.keystore.key", read(&files.client_key)?);
    }
    if let Some((mechanism, user)) = login {
        properties.set("sasl.mechanism", mechanism.name());
        properties.set("sasl.jaas.config", jaas(mechanism, user));
    }
    Ok(properties)
}

/// The login module of a client, in the syntax of Java's JAAS.
fn jaas(mechanism: Mechanism, User { name, password }: &User) -> String {
    let module = match mechanism {
        Mechanism::Plain => "plain.PlainLoginModule",
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => "scram.ScramLoginModule",
        Mechanism::OAuthBearer => "oauthbearer.OAuthBearerLoginModule",
    };
    let options = match mechanism {
        Mechanism::OAuthBearer => format!("unsecuredLoginStringClaim_sub=\"{name}\""),
        _ => format!("username=\"{name}\" password=\"{password}\""),
    };
    format!("org.apache.kafka.common.security.{module} required {options};")
}
