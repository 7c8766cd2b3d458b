//! What properties say of TLS and SASL: gathered one by one, and checked together.

use std::path::PathBuf;
use std::sync::Arc;

use smol_str::SmolStr;
use tracing::warn;

use super::jaas::{self, Login};
use super::{PropertyError, invalid, put};
use crate::dialer::Dialer;
use crate::sasl::{Mechanism, Plain, Scram, ScramHash};
use crate::secret::Secret;
#[cfg(feature = "tls-no-provider")]
use crate::tls::{ClientCertificate, Pem, Roots, Tls, TlsConfig};

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Security {
    protocol: Protocol,
    mechanism: Option<Sasl>,
    user: Option<SmolStr>,
    password: Option<Secret>,
    /// The module that the JAAS configuration names.
    module: Option<SmolStr>,
    /// Whether user and password are those of a delegation token.
    is_token: bool,
    authorities: Option<Source>,
    certificate: Option<Source>,
    key: Option<Source>,
}

/// The values of `security.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

/// The mechanisms that need a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sasl {
    Plain,
    Scram(ScramHash),
}

/// Where something in PEM form is.
#[derive(Debug)]
#[cfg_attr(not(feature = "tls-no-provider"), allow(dead_code, reason = "without TLS nothing reads it"))]
enum Source {
    File(PathBuf),
    Text(Secret),
}

impl Security {
    pub(super) fn set_protocol(&mut self, value: &str) -> Result<(), String> {
        self.protocol = match value.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Protocol::Plaintext,
            "SSL" => Protocol::Ssl,
            "SASL_PLAINTEXT" => Protocol::SaslPlaintext,
            "SASL_SSL" => Protocol::SaslSsl,
            _ => return Err("it is `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`".to_owned()),
        };
        Ok(())
    }

    pub(super) fn set_mechanism(&mut self, value: &str) -> Result<(), String> {
        self.mechanism = Some(match value.to_ascii_uppercase().as_str() {
            "PLAIN" => Sasl::Plain,
            "SCRAM-SHA-256" => Sasl::Scram(ScramHash::Sha256),
            "SCRAM-SHA-512" => Sasl::Scram(ScramHash::Sha512),
            "OAUTHBEARER" => return Err(jaas::TOKENS.to_owned()),
            _ => return Err("it is `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`".to_owned()),
        });
        Ok(())
    }

    pub(super) fn set_user(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.user, Some(value.into()))
    }

    pub(super) fn set_password(&mut self, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err("it is empty".to_owned());
        }
        put(&mut self.password, Some(value.into()))
    }

    pub(super) fn set_jaas(&mut self, value: &str) -> Result<(), String> {
        let Login { module, user, password, is_token } = jaas::parse(value)?;
        (self.module, self.user, self.password, self.is_token) = (Some(module), Some(user), Some(password), is_token);
        Ok(())
    }

    pub(super) fn set_authorities_file(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.authorities, file(value)?)
    }

    pub(super) fn set_authorities(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.authorities, Some(Source::Text(value.into())))
    }

    pub(super) fn set_certificate_file(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.certificate, file(value)?)
    }

    pub(super) fn set_certificate(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.certificate, Some(Source::Text(value.into())))
    }

    pub(super) fn set_key_file(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.key, file(value)?)
    }

    pub(super) fn set_key(&mut self, value: &str) -> Result<(), String> {
        put(&mut self.key, Some(Source::Text(value.into())))
    }

    /// Makes of it what a dialer uses, where all of it fits together.
    pub(super) fn finish(self, dialer: &mut Dialer) -> Result<(), PropertyError> {
        self.check_protocol()?;
        if self.protocol.has_sasl() {
            dialer.sasl = Some(self.sasl()?);
        }
        if self.protocol.has_tls() {
            self.encrypt(dialer)?;
        }
        Ok(())
    }

    /// What would be left out for the protocol's sake was meant to be used: in clear text or without a name, nobody would
    /// notice.
    fn check_protocol(&self) -> Result<(), PropertyError> {
        let login = self.mechanism.is_some() || self.user.is_some() || self.password.is_some();
        let pem = self.authorities.is_some() || self.certificate.is_some() || self.key.is_some();
        let protocol = |reason: &str| Err(invalid("security.protocol", self.protocol.name(), reason.to_owned()));
        match () {
            () if login && !self.protocol.has_sasl() => protocol("there are properties for SASL: say `SASL_SSL`"),
            () if pem && !self.protocol.has_tls() => protocol("there are properties for TLS: say `SSL` or `SASL_SSL`"),
            () => Ok(()),
        }
    }

    fn sasl(&self) -> Result<Arc<dyn Mechanism>, PropertyError> {
        let missing = |name, reason| PropertyError::Missing { name, reason };
        let mechanism = self.mechanism.ok_or_else(|| missing("sasl.mechanism", "the security protocol has SASL"))?;
        let user = self.user.clone().ok_or_else(|| missing("sasl.username", "the SASL mechanism needs a user"))?;
        let password = self.password.clone().ok_or_else(|| missing("sasl.password", "the SASL user needs one"))?;
        let module = mechanism.module();
        if self.module.as_ref().is_some_and(|named| named != module) {
            return Err(invalid("sasl.jaas.config", "", format!("the login module of the SASL mechanism is {module}")));
        }
        Ok(match mechanism {
            Sasl::Scram(hash) if self.is_token => Arc::new(Scram::delegation_token(hash, user, password)),
            Sasl::Scram(hash) => Arc::new(Scram::new(hash, user, password)),
            Sasl::Plain if self.protocol.has_tls() => Arc::new(Plain::new(user, password)),
            Sasl::Plain => {
                warn!("SASL_PLAINTEXT with PLAIN: whoever sees the traffic has the password");
                Arc::new(Plain::new(user, password).allow_unencrypted())
            }
        })
    }

    #[cfg(feature = "tls-no-provider")]
    fn encrypt(self, dialer: &mut Dialer) -> Result<(), PropertyError> {
        let missing = |name, reason| PropertyError::Missing { name, reason };
        let certificate = match (self.certificate, self.key) {
            (Some(chain), Some(key)) => Some(ClientCertificate { chain: chain.into(), key: key.into() }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("ssl.key.location", "there is a certificate without its key")),
            (None, Some(_)) => {
                return Err(missing("ssl.certificate.location", "there is a key without its certificate"));
            }
        };
        let roots = self.authorities.map(|authorities| Roots::Pem(authorities.into())).into_iter().collect();
        let tls = Tls::new(TlsConfig { roots, certificate, ..TlsConfig::default() }).map_err(PropertyError::Tls)?;
        dialer.tls = Some(tls);
        Ok(())
    }

    #[cfg(not(feature = "tls-no-provider"))]
    fn encrypt(self, _: &mut Dialer) -> Result<(), PropertyError> {
        let reason = "this program was built without TLS: enable the feature `tls` of kafka-conn";
        Err(invalid("security.protocol", self.protocol.name(), reason.to_owned()))
    }
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

impl Sasl {
    /// Java's class for it.
    fn module(self) -> &'static str {
        match self {
            Self::Plain => jaas::PLAIN,
            Self::Scram(_) => jaas::SCRAM,
        }
    }
}

#[cfg(feature = "tls-no-provider")]
impl From<Source> for Pem {
    fn from(source: Source) -> Self {
        match source {
            Source::File(path) => Self::File(path),
            Source::Text(text) => Self::Text(text),
        }
    }
}

fn file(value: &str) -> Result<Option<Source>, String> {
    if value.is_empty() { Err("it is empty".to_owned()) } else { Ok(Some(Source::File(value.into()))) }
}

/// Whether it is the one type of store that is read here.
pub(super) fn is_pem(value: &str) -> Result<(), String> {
    match value.eq_ignore_ascii_case("PEM") {
        true => Ok(()),
        false => Err("it is `PEM`; other stores have to be converted".to_owned()),
    }
}

/// Whether it leaves verification on.
pub(super) fn is_verified(on: bool) -> Result<(), String> {
    if on { Ok(()) } else { Err("nothing turns verification off: trust the authority that signed instead".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportConfig;

    fn dialer<const N: usize>(properties: [(&str, &str); N]) -> Result<Dialer, String> {
        TransportConfig::from_properties(properties).map(|config| config.dialer).map_err(|error| error.to_string())
    }

    const PLAIN: &str =
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"hunter2\";";

    #[test]
    fn a_login_is_read_in_both_forms() {
        let librdkafka = dialer([
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", "SCRAM-SHA-256"),
            ("sasl.username", "me"),
            ("sasl.password", "hunter2"),
        ]);
        let java =
            dialer([("sasl.jaas.config", PLAIN), ("sasl.mechanism", "PLAIN"), ("security.protocol", "SASL_PLAINTEXT")]);
        for (dialer, name) in [(librdkafka, "SCRAM-SHA-256"), (java, "PLAIN")] {
            let dialer = dialer.unwrap();
            assert_eq!(dialer.sasl.as_ref().unwrap().name(), name);
            assert!(!format!("{dialer:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_delegation_token_logs_in_as_one() {
        for (option, expected) in [("", "n,,n=id,r="), (" tokenauth=\"true\"", ",tokenauth=true")] {
            let login = format!("a.ScramLoginModule required username=\"id\" password=\"c2VjcmV0\"{option};");
            let sasl = ("security.protocol", "SASL_PLAINTEXT");
            let dialer = dialer([sasl, ("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", &login)]).unwrap();
            let broker = "localhost:9092".parse().unwrap();
            let first = dialer.sasl.unwrap().start(&broker).await.unwrap().initial().unwrap();
            let first = String::from_utf8_lossy(first.expose()).into_owned();
            assert!(first.contains(expected), "{first}");
            assert_eq!(first.ends_with("tokenauth=true"), !option.is_empty(), "{first}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let sasl = ("security.protocol", "SASL_PLAINTEXT");
        for (outcome, expected) in [
            (dialer([sasl]), "property `sasl.mechanism` is missing"),
            (dialer([sasl, ("sasl.mechanism", "PLAIN")]), "property `sasl.username` is missing"),
            (
                dialer([sasl, ("sasl.mechanism", "PLAIN"), ("sasl.username", "me")]),
                "property `sasl.password` is missing",
            ),
            (dialer([sasl, ("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", PLAIN)]), "is ScramLoginModule"),
            (dialer([("sasl.username", "me")]), "say `SASL_SSL`"),
            (dialer([("ssl.ca.location", "ca.pem")]), "say `SSL` or `SASL_SSL`"),
        ] {
            let text = outcome.map(|_| ()).unwrap_err();
            assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
        }
    }

    #[cfg(not(feature = "tls-no-provider"))]
    #[test]
    fn without_tls_nothing_pretends_to_have_it() {
        assert!(dialer([("security.protocol", "SSL")]).map(|_| ()).unwrap_err().contains("feature `tls`"));
    }

    #[cfg(any(feature = "tls", feature = "tls-aws-lc-rs"))]
    mod tls {
        use super::*;

        #[test]
        fn certificates_are_read_from_files_and_from_text() {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
            for (name, text) in [
                ("ca", certificate.clone()),
                ("key", key.serialize_pem()),
                ("both", format!("{certificate}{}", key.serialize_pem())),
            ] {
                std::fs::write(path(name), text).unwrap();
            }
            let (ca, key_file, both, text) = (path("ca"), path("key"), path("both"), key.serialize_pem());
            let ssl = ("security.protocol", "SSL");
            for dialer in [
                dialer([
                    ssl,
                    ("ssl.ca.location", &ca),
                    ("ssl.certificate.location", &ca),
                    ("ssl.key.location", &key_file),
                ]),
                dialer([
                    ssl,
                    ("ssl.truststore.location", &ca),
                    ("ssl.truststore.type", "PEM"),
                    ("ssl.keystore.location", &both),
                ]),
                dialer([
                    ssl,
                    ("ssl.ca.pem", &certificate),
                    ("ssl.certificate.pem", &certificate),
                    ("ssl.key.pem", &text),
                ]),
            ] {
                let dialer = dialer.unwrap();
                assert!(dialer.tls.is_some() && !format!("{dialer:?}").contains("PRIVATE"));
            }
            let half = dialer([ssl, ("ssl.ca.location", &ca), ("ssl.key.location", &key_file)]);
            assert!(half.map(|_| ()).unwrap_err().contains("`ssl.certificate.location` is missing"));
            let none = TransportConfig::from_properties([ssl, ("ssl.ca.location", &path("none"))]).unwrap_err();
            let causes = std::iter::successors(Some(&none as &dyn std::error::Error), |error| error.source());
            let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            assert!(text.contains("PEM") && text.contains(&path("none")), "{text}");
        }
    }
}
