//! TLS and SASL: every way in is tried, and every way to be refused.

mod login;
mod refused;
mod renewal;

use kafka_conn::{ClientCertificate, Dialer, Pem, Roots, Tls, TlsConfig, Transport};
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::{Writer, WriterConfig};

pub(super) use login::{mechanism, unsecured_token};

use super::target::listeners;
use super::{Failure, Scenario, Target, Text, check, scenario};
use crate::kafka::{Certificates, Mechanism, User};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let mut all = vec![
        scenario("security::round_trip_tls", |target| async move {
            round_trip(&target, listeners::TLS, Dialer { tls: Some(trusting(&target)?), ..Dialer::default() }).await
        }),
        scenario("security::round_trip_mtls", |target| async move {
            let files = target.certificates()?;
            let tls = Some(showing(&files, Pem::file(&files.client), Pem::file(&files.client_key))?);
            round_trip(&target, listeners::MTLS, Dialer { tls, ..Dialer::default() }).await
        }),
    ];
    for mechanism in Mechanism::ALL {
        all.push(scenario(format!("security::round_trip_sasl_{}", mechanism.name()), move |target| async move {
            let sasl = Some(login::mechanism(mechanism, &User::default()));
            round_trip(&target, listeners::SASL, Dialer { sasl, ..Dialer::default() }).await
        }));
        all.push(scenario(format!("security::round_trip_sasl_tls_{}", mechanism.name()), move |target| async move {
            let sasl = Some(login::mechanism(mechanism, &User::default()));
            let tls = Some(trusting(&target)?);
            round_trip(&target, listeners::SASL_TLS, Dialer { tls, sasl, ..Dialer::default() }).await
        }));
    }
    all.extend(refused::scenarios());
    all.extend(renewal::scenarios());
    all
}

/// TLS that trusts the cluster's authority.
fn trusting(target: &Target) -> Result<Tls, Failure> {
    let roots = vec![Roots::Pem(Pem::file(target.certificates()?.ca))];
    Ok(Tls::new(TlsConfig { roots, ..TlsConfig::default() })?)
}

/// The same, and shows a certificate.
fn showing(files: &Certificates, chain: Pem, key: Pem) -> Result<Tls, Failure> {
    let certificate = Some(ClientCertificate { chain, key });
    let roots = vec![Roots::Pem(Pem::file(&files.ca))];
    Ok(Tls::new(TlsConfig { roots, certificate, ..TlsConfig::default() })?)
}

const LINES: usize = 1_000;

/// Lines go in over this listener, and come out of it.
async fn round_trip(target: &Target, listener: &str, dialer: Dialer) -> Result<(), Failure> {
    let transport = target.transport_to(listener, dialer).await?;
    let topic = target.new_topic(&transport, "security", 2).await?;
    write(transport.clone(), &topic, LINES).await?;
    read(transport, &topic, LINES).await
}

async fn write(transport: Transport, topic: &str, lines: usize) -> Result<(), Failure> {
    let writer = Writer::new(transport, WriterConfig { topic: Some(topic.into()), ..WriterConfig::default() })?;
    let text = Text::read()?;
    let mut deliveries = Vec::with_capacity(lines);
    for number in 0..lines {
        deliveries.push(writer.send(text.message(number)).await?);
    }
    writer.flush().await?;
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(writer.close().await?)
}

/// Fails unless the topic has just the lines that were written.
async fn read(transport: Transport, topic: &str, lines: usize) -> Result<(), Failure> {
    let config = ReaderConfig { topic: topic.into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;
    let end = reader.end_offsets().await?;
    let mut found = Vec::with_capacity(lines);
    while let Some(message) = reader.fetch_until(&end).await? {
        found.push(message.value.unwrap_or_default());
    }
    reader.close().await;
    let text = Text::read()?;
    // Each begins with its number.
    found.sort_unstable();
    check(found.len() == lines, || format!("read {} lines of {lines}", found.len()))?;
    let same = found.iter().enumerate().all(|(number, line)| *line == text.line(number));
    check(same, || "other lines were read than written".to_owned())
}
