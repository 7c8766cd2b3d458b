//! The properties of listeners with TLS and SASL, and the SCRAM users of a new cluster. Pure.

use super::certificates::Certificates;
use super::config::{Authorizer, BrokerCertificate, ClientAuth, Config, Listener, Mechanism, User};
use super::properties::Properties;

/// Sets what the TLS and SASL listeners of a broker need.
pub(crate) fn set_listener(properties: &mut Properties, listener: &Listener, users: &[User], tls: &Certificates) {
    let prefix = format!("listener.name.{}", listener.name.to_lowercase());
    if listener.security_protocol.has_tls() {
        set_tls(properties, &prefix, listener, tls);
    }
    if listener.security_protocol.has_sasl() {
        set_sasl(properties, &prefix, listener, users);
    }
}

/// Sets what decides who may do what; the controller needs it too.
pub(crate) fn set_authorizer(properties: &mut Properties, authorizer: Authorizer) {
    if authorizer == Authorizer::Standard {
        properties.set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        properties.set("super.users", "User:ANONYMOUS;User:admin");
    }
}

/// What `kafka-storage format` is given so that the users exist from the start.
pub(crate) fn scram_arguments(config: &Config) -> Vec<String> {
    let is_offered = |mechanism: &Mechanism| {
        let with_sasl = config.listeners.iter().filter(|listener| listener.security_protocol.has_sasl());
        with_sasl.into_iter().any(|listener| listener.mechanisms.contains(mechanism))
    };
    let mechanisms = [Mechanism::ScramSha256, Mechanism::ScramSha512];
    let mut arguments = Vec::new();
    for mechanism in mechanisms.into_iter().filter(is_offered) {
        for User { name, password } in &config.users {
            arguments.push("--add-scram".to_owned());
            arguments.push(format!("{}=[name={name},password={password}]", mechanism.name()));
        }
    }
    arguments
}

fn set_tls(properties: &mut Properties, prefix: &str, listener: &Listener, tls: &Certificates) {
    let own = match listener.certificate {
        BrokerCertificate::Valid => &tls.broker,
        BrokerCertificate::Expired => &tls.expired,
    };
    for (store, file) in [("keystore", own), ("truststore", &tls.ca)] {
        properties.set(format!("{prefix}.ssl.{store}.type"), "PEM");
        properties.set(format!("{prefix}.ssl.{store}.location"), file.display());
    }
    let wanted = match listener.client_auth {
        ClientAuth::None => "none",
        ClientAuth::Required => "required",
    };
    properties.set(format!("{prefix}.ssl.client.auth"), wanted);
}

fn set_sasl(properties: &mut Properties, prefix: &str, listener: &Listener, users: &[User]) {
    let names: Vec<&str> = listener.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
    properties.set(format!("{prefix}.sasl.enabled.mechanisms"), names.join(","));
    for mechanism in &listener.mechanisms {
        let prefix = format!("{prefix}.{}", mechanism.name().to_lowercase());
        properties.set(format!("{prefix}.sasl.jaas.config"), jaas(*mechanism, users));
        if let Some(lifetime) = listener.session_lifetime {
            properties.set(format!("{prefix}.connections.max.reauth.ms"), lifetime.as_millis());
        }
    }
}

/// The login module of a mechanism, in the syntax of Java's JAAS.
fn jaas(mechanism: Mechanism, users: &[User]) -> String {
    const PACKAGE: &str = "org.apache.kafka.common.security";
    match mechanism {
        Mechanism::Plain => {
            let users: String =
                users.iter().map(|User { name, password }| format!(" user_{name}=\"{password}\"")).collect();
            format!("{PACKAGE}.plain.PlainLoginModule required{users};")
        }
        // The users are in the cluster's metadata.
        Mechanism::ScramSha256 | Mechanism::ScramSha512 => format!("{PACKAGE}.scram.ScramLoginModule required;"),
        // The broker logs in to itself at its start, and wants a name for that.
        Mechanism::OAuthBearer => {
            let module = format!("{PACKAGE}.oauthbearer.OAuthBearerLoginModule");
            format!("{module} required unsecuredLoginStringClaim_sub=\"broker\";")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn lines(listener: &Listener) -> String {
        let mut properties = Properties::default();
        set_listener(&mut properties, listener, &[User::default()], &Certificates::below(Path::new("/c")));
        properties.to_string()
    }

    #[test]
    fn a_plaintext_listener_needs_nothing() {
        assert_eq!(lines(&Listener::plaintext()), "");
    }

    #[test]
    fn mutual_tls_names_files_and_demands_a_certificate() {
        let expected = "listener.name.mtls.ssl.client.auth=required\n\
            listener.name.mtls.ssl.keystore.location=/c/tls/broker.pem\nlistener.name.mtls.ssl.keystore.type=PEM\n\
            listener.name.mtls.ssl.truststore.location=/c/tls/ca.pem\nlistener.name.mtls.ssl.truststore.type=PEM\n";
        assert_eq!(lines(&Listener::mutual_tls()), expected);
    }

    #[test]
    fn a_certificate_that_ran_out_is_shown_where_it_is_asked_for() {
        let shown = "listener.name.expired.ssl.keystore.location=/c/tls/expired.pem\n";
        assert!(lines(&Listener::expired_tls()).contains(shown));
    }

    #[test]
    fn sasl_names_mechanisms_users_and_the_lifetime_of_sessions() {
        let mechanisms = vec![Mechanism::Plain, Mechanism::ScramSha256];
        let session_lifetime = Some(Duration::from_secs(3));
        let listener = Listener { mechanisms, session_lifetime, ..Listener::sasl_plaintext() };
        let expected = "listener.name.sasl_plaintext.plain.connections.max.reauth.ms=3000\n\
            listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
            required user_alice=\"alice-secret\";\n\
            listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256\n\
            listener.name.sasl_plaintext.scram-sha-256.connections.max.reauth.ms=3000\n\
            listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.\
            ScramLoginModule required;\n";
        assert_eq!(lines(&listener), expected);
    }

    #[test]
    fn scram_users_are_made_where_a_listener_offers_it() {
        let config = |listeners| Config { listeners, ..Config::default() };
        assert!(scram_arguments(&config(vec![Listener::plaintext(), Listener::mutual_tls()])).is_empty());
        let only = Listener { mechanisms: vec![Mechanism::ScramSha512], ..Listener::sasl_tls() };
        let expected = ["--add-scram", "SCRAM-SHA-512=[name=alice,password=alice-secret]"];
        assert_eq!(scram_arguments(&config(vec![only])), expected);
    }
}
