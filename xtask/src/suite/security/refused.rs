//! What people get wrong: each is one kind of error, whose text names the broker and says what to try.

use kafka_conn::sasl::Plain;
use kafka_conn::{Dialer, ErrorKind, Pem, Roots, Step, Tls, TlsConfig};
use kafka_protocol::messages::metadata::MetadataRequest;

use super::super::target::listeners;
use super::super::{Failure, Scenario, Target, check, scenario};
use super::login::{self, unsecured_token};
use super::{showing, trusting};
use crate::kafka::{Mechanism, User};

/// A dialer that some listener must refuse, and how.
struct Case {
    name: &'static str,
    listener: &'static str,
    dialer: fn(&Target) -> Result<Dialer, Failure>,
    is_expected: fn(&ErrorKind) -> bool,
    /// A word of the advice in the error's text.
    advice: &'static str,
}

const CASES: [Case; 18] = [
    Case {
        name: "wrong_password_plain",
        listener: listeners::SASL_TLS,
        dialer: |target| over_tls(target, Mechanism::Plain),
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { mechanism, .. } if mechanism == "PLAIN"),
        advice: "check",
    },
    Case {
        name: "wrong_password_scram_sha_256",
        listener: listeners::SASL_TLS,
        dialer: |target| over_tls(target, Mechanism::ScramSha256),
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { .. }),
        advice: "check",
    },
    Case {
        name: "wrong_password_scram_sha_512",
        listener: listeners::SASL,
        dialer: |_| Ok(with_wrong_password(Mechanism::ScramSha512)),
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { .. }),
        advice: "check",
    },
    Case {
        name: "unknown_user",
        listener: listeners::SASL,
        dialer: |_| {
            let nobody = User { name: "nobody".to_owned(), ..User::default() };
            Ok(Dialer { sasl: Some(login::mechanism(Mechanism::ScramSha256, &nobody)), ..Dialer::default() })
        },
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { .. }),
        advice: "check",
    },
    Case {
        name: "expired_token",
        listener: listeners::SASL,
        dialer: |_| Ok(Dialer { sasl: Some(login::bearer(|| unsecured_token("alice", -600))), ..Dialer::default() }),
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { .. }),
        advice: "check",
    },
    Case {
        name: "token_that_is_none",
        listener: listeners::SASL,
        dialer: |_| Ok(Dialer { sasl: Some(login::bearer(|| "no.token.".to_owned())), ..Dialer::default() }),
        is_expected: |kind| matches!(kind, ErrorKind::AuthenticationFailed { .. }),
        advice: "check",
    },
    Case {
        name: "mechanism_not_offered",
        listener: listeners::SCRAM_ONLY,
        dialer: |_| Ok(with_wrong_password(Mechanism::Plain)),
        is_expected: |kind| match kind {
            ErrorKind::MechanismNotOffered { mechanism, offered } => {
                mechanism == "PLAIN" && offered.iter().eq(["SCRAM-SHA-512"])
            }
            _ => false,
        },
        advice: "use a mechanism that it offers",
    },
    Case {
        name: "password_without_encryption",
        listener: listeners::SASL,
        dialer: |_| {
            let User { name, password } = User::default();
            Ok(Dialer { sasl: Some(std::sync::Arc::new(Plain::new(name, password))), ..Dialer::default() })
        },
        is_expected: |kind| matches!(kind, ErrorKind::UnprotectedCredentials { .. }),
        advice: "configure TLS",
    },
    Case {
        name: "sasl_expected",
        listener: listeners::SASL,
        dialer: |_| Ok(Dialer::default()),
        is_expected: |kind| matches!(kind, ErrorKind::SaslExpected),
        advice: "SASL",
    },
    Case {
        name: "sasl_not_enabled",
        listener: listeners::PLAINTEXT,
        dialer: |_| Ok(with_wrong_password(Mechanism::ScramSha256)),
        is_expected: |kind| matches!(kind, ErrorKind::SaslNotEnabled),
        advice: "do without SASL",
    },
    Case {
        name: "unknown_authority",
        listener: listeners::TLS,
        dialer: |target| {
            let roots = vec![Roots::Pem(Pem::file(target.certificates()?.other_ca))];
            with_tls(Tls::new(TlsConfig { roots, ..TlsConfig::default() })?)
        },
        is_expected: |kind| matches!(kind, ErrorKind::UnknownCa),
        advice: "authority",
    },
    Case {
        name: "expired_certificate",
        listener: listeners::EXPIRED,
        dialer: |target| with_tls(trusting(target)?),
        is_expected: |kind| matches!(kind, ErrorKind::CertificateExpired),
        advice: "renew the broker's certificate",
    },
    Case {
        name: "wrong_host_name",
        listener: listeners::TLS,
        dialer: |target| {
            let roots = vec![Roots::Pem(Pem::file(target.certificates()?.ca))];
            let server_name = Some("kafka.example".into());
            with_tls(Tls::new(TlsConfig { roots, server_name, ..TlsConfig::default() })?)
        },
        is_expected: |kind| matches!(kind, ErrorKind::WrongHostName),
        advice: "server name",
    },
    Case {
        name: "no_client_certificate",
        listener: listeners::MTLS,
        dialer: |target| with_tls(trusting(target)?),
        is_expected: |kind| matches!(kind, ErrorKind::ClientCertificateRequired),
        advice: "client certificate",
    },
    Case {
        name: "client_certificate_of_another_authority",
        listener: listeners::MTLS,
        dialer: |target| {
            let files = target.certificates()?;
            with_tls(showing(&files, Pem::file(&files.stranger), Pem::file(&files.stranger_key))?)
        },
        is_expected: |kind| matches!(kind, ErrorKind::ClientCertificateRefused),
        advice: "certificate",
    },
    Case {
        name: "plain_text_on_a_tls_port",
        listener: listeners::TLS,
        dialer: |_| Ok(Dialer::default()),
        // By the alert that it sends before it closes.
        is_expected: |kind| matches!(kind, ErrorKind::TlsOnPlain),
        advice: "TLS",
    },
    Case {
        name: "tls_on_a_plain_text_port",
        listener: listeners::PLAINTEXT,
        dialer: |target| with_tls(trusting(target)?),
        // What begins with TLS is too large for a request, and is closed without a word.
        is_expected: |kind| matches!(kind, ErrorKind::ClosedDuring { step: Step::TlsHandshake }),
        advice: "plain text",
    },
    Case {
        name: "sasl_over_tls_on_a_sasl_port_without",
        listener: listeners::SASL,
        dialer: |target| over_tls(target, Mechanism::ScramSha256),
        // What begins with TLS is too large for a request, and is closed without a word.
        is_expected: |kind| matches!(kind, ErrorKind::ClosedDuring { step: Step::TlsHandshake }),
        advice: "plain text",
    },
];

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let one = |case: &'static Case| {
        scenario(format!("security::refused_{}", case.name), move |target| async move { case.run(&target).await })
    };
    static ALL: [Case; CASES.len()] = CASES;
    ALL.iter().map(one).collect()
}

impl Case {
    async fn run(&self, target: &Target) -> Result<(), Failure> {
        let address = target.address(self.listener)?;
        let dialer = (self.dialer)(target)?;
        // What a listener may do with a client that did not log in shows at the first call.
        let outcome = match dialer.dial(&address).await {
            Ok(connection) => connection.call(&MetadataRequest::default()).await.map(drop),
            Err(error) => Err(error),
        };
        let error = outcome.err().ok_or("the broker did not refuse")?;
        let text = error.to_string();
        check((self.is_expected)(error.kind()), || format!("{:?}: {text}", error.kind()))?;
        check(text.contains(&address), || format!("does not name the broker {address}: {text}"))?;
        check(text.contains(self.advice), || format!("does not say {:?}: {text}", self.advice))?;
        check(!text.contains(WRONG_PASSWORD), || format!("tells the password: {text}"))
    }
}

const WRONG_PASSWORD: &str = "wrong-secret-8f1c";

fn with_wrong_password(mechanism: Mechanism) -> Dialer {
    let user = User { password: WRONG_PASSWORD.to_owned(), ..User::default() };
    Dialer { sasl: Some(login::mechanism(mechanism, &user)), ..Dialer::default() }
}

fn over_tls(target: &Target, mechanism: Mechanism) -> Result<Dialer, Failure> {
    Ok(Dialer { tls: Some(trusting(target)?), ..with_wrong_password(mechanism) })
}

fn with_tls(tls: Tls) -> Result<Dialer, Failure> {
    Ok(Dialer { tls: Some(tls), ..Dialer::default() })
}
