//! How to connect to a cluster: a line for each listener, and what its clients need.

use super::config::{ClientAuth, Listener, User};
use super::{Certificates, Cluster};

/// The lines, for a person.
pub(crate) fn lines(cluster: &Cluster) -> Vec<String> {
    let config = cluster.config();
    let servers = |listener: &Listener| {
        let own = cluster.addresses(&listener.name).into_iter().map(|(_, address)| address);
        let told = if listener.advertised.is_empty() { own.collect() } else { listener.advertised.clone() };
        told.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let mut lines: Vec<String> =
        config.listeners.iter().map(|listener| format!("{:<15} {}", listener.name, servers(listener))).collect();
    lines.extend(needs(&config.listeners, &config.users, &cluster.certificates()));
    lines
}

/// Files and users, as far as the listeners ask for them.
fn needs(listeners: &[Listener], users: &[User], files: &Certificates) -> Vec<String> {
    let mut lines = Vec::new();
    if listeners.iter().any(|listener| listener.security_protocol.has_tls()) {
        lines.push(format!("CA certificate:  {}", files.ca.display()));
    }
    if listeners.iter().any(|listener| listener.client_auth == ClientAuth::Required) {
        lines.push(format!("client's:        {}", files.client.display()));
        lines.push(format!("client's key:    {}", files.client_key.display()));
    }
    for listener in listeners.iter().filter(|listener| listener.security_protocol.has_sasl()) {
        let mechanisms: Vec<&str> = listener.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
        let lifetime =
            listener.session_lifetime.map(|lifetime| format!(", sessions of {lifetime:?}")).unwrap_or_default();
        lines.push(format!("{:<16} {}{lifetime}", format!("{}:", listener.name), mechanisms.join(", ")));
    }
    if listeners.iter().any(|listener| listener.security_protocol.has_sasl()) {
        let users: Vec<String> = users.iter().map(|User { name, password }| format!("{name}:{password}")).collect();
        lines.push(format!("users:           {}", users.join(", ")));
    }
    lines
}
