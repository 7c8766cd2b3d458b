//! TLS, SASL and profiles: what lets the command in, where each setting may stand, and which comes first.

mod common;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Run, kafka, run};
use kafka_embedded::{Cluster, Sasl, SaslMechanism, Tls};

async fn cluster(tls: Option<Tls>) -> Cluster {
    let sasl = Sasl::new([SaslMechanism::Plain, SaslMechanism::ScramSha256]).user("alice", "hunter2");
    let builder = Cluster::builder().topic("orders", 1, 1).sasl(sasl);
    tls.into_iter().fold(builder, |builder, tls| builder.tls(tls)).start().await.unwrap()
}

/// Runs a command that must be let in.
fn let_in(command: &mut std::process::Command) {
    let Run { status, stdout, stderr, .. } = run(command);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("orders"), "{stdout}");
}

/// Runs a command that must not be let in; returns what it says.
fn kept_out(command: &mut std::process::Command) -> String {
    let Run { status, stdout, stderr, .. } = run(command);
    assert_eq!((status, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(!stderr.contains("hunter2") && !stderr.contains("wrong"), "{stderr}");
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_sasl_by_options_and_by_variables() {
    let tls = Tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ca, password) = (folder.path().join("ca.pem"), folder.path().join("password"));
    fs::write(&ca, tls.certificate_pem().unwrap()).unwrap();
    fs::write(&password, "hunter2\n").unwrap();
    let cluster = cluster(Some(tls)).await;
    let line = |rest: &str| format!("topics list --timeout 5s --brokers {} {rest}", cluster.bootstrap());
    let (ca, password) = (ca.display(), password.display());

    let options = format!("--tls-ca {ca} --sasl SCRAM-SHA-256 --sasl-user alice --sasl-password-file {password}");
    let_in(&mut kafka(&line(&options)));
    let variables = |command: &str, password: &str| {
        let mut command = kafka(command);
        command.env("KAFKA_TLS", "true").env("KAFKA_TLS_CA", ca.to_string()).env("KAFKA_SASL", "plain");
        command.env("KAFKA_SASL_USER", "alice").env("KAFKA_SASL_PASSWORD", password);
        command
    };
    let_in(&mut variables(&line(""), "hunter2"));
    let_in(&mut variables(&line(&format!("--sasl-password-file {password}")), "wrong"));

    let error = kept_out(&mut variables(&line(""), "wrong"));
    assert!(error.contains("uthentication"), "{error}");
    let error = kept_out(&mut kafka(&line("--tls")));
    assert!(error.contains("certificate"), "{error}");
    let error = kept_out(&mut variables(&line("--tls-server-name other.example"), "hunter2"));
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_passwords_need_tls_or_a_word() {
    let cluster = cluster(None).await;
    let line = format!("topics list --timeout 5s --brokers {} --sasl plain --sasl-user alice", cluster.bootstrap());
    let error = kept_out(kafka(&line).env("KAFKA_SASL_PASSWORD", "hunter2"));
    assert!(error.contains("TLS"), "{error}");
    let_in(kafka(&format!("{line} --sasl-unencrypted")).env("KAFKA_SASL_PASSWORD", "hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_beat_variables_beat_the_profile() {
    let cluster = cluster(None).await;
    let folder = tempfile::tempdir().unwrap();
    write_profiles(folder.path(), &cluster.bootstrap());
    let file = folder.path().join("kafka/config.toml");
    let with = |arguments: &str| {
        let mut command = kafka(&format!("topics list --timeout 5s {arguments}"));
        command.env("KAFKA_CONFIG", &file);
        command
    };
    let_in(&mut with(""));
    let_in(&mut with("--profile default"));
    if cfg!(unix) {
        let_in(kafka("topics list").env("XDG_CONFIG_HOME", folder.path()));
    }
    kept_out(with("").env("KAFKA_PROFILE", "mistaken"));
    let_in(with("--profile default").env("KAFKA_PROFILE", "mistaken"));
    let_in(with("--profile mistaken").env("KAFKA_SASL_USER", "alice"));
    let_in(with("--profile mistaken --sasl-user alice").env("KAFKA_SASL_USER", "bob"));
    kept_out(with("").env("KAFKA_SASL_PASSWORD", "wrong"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_from_a_file_a_variable_or_a_command() {
    let builder = Cluster::builder().topic("orders", 1, 1).sasl(Sasl::new([SaslMechanism::OAuthBearer]));
    let cluster = builder.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, token() + "\n").unwrap();
    let line = |rest: &str| {
        let brokers = cluster.bootstrap();
        format!("topics list --timeout 5s --brokers {brokers} --sasl oauthbearer {rest}")
    };
    let (file, unencrypted) = (file.display(), line("--sasl-unencrypted"));
    let_in(&mut kafka(&line(&format!("--sasl-unencrypted --sasl-token-file {file} --sasl-extension traceId=1"))));
    let_in(kafka(&unencrypted).env("KAFKA_SASL_TOKEN", token()));
    if cfg!(unix) {
        let_in(kafka(&unencrypted).arg("--sasl-token-command").arg(format!("cat '{file}'")));
        let failed = kept_out(kafka(&unencrypted).arg("--sasl-token-command").arg("exit 3"));
        assert!(failed.contains("exit status: 3"), "{failed}");
    }
    let profile = folder.path().join("config.toml");
    let text = format!(
        "[cloud]\nbrokers = ['{}']\nsasl = 'oauthbearer'\nsasl-token-file = 'token'\nsasl-unencrypted = true\n",
        cluster.bootstrap()
    );
    fs::write(&profile, text).unwrap();
    let_in(&mut kafka(&format!("topics list --profile cloud --profile-file {}", profile.display())));

    let refused = kept_out(kafka(&unencrypted).env("KAFKA_SASL_TOKEN", "hunter2"));
    assert!(refused.contains("refused to authenticate"), "{refused}");
    let plain = kept_out(kafka(&line("")).env("KAFKA_SASL_TOKEN", token()));
    assert!(plain.contains("TLS"), "{plain}");
    for (options, hint) in [
        ("", "--sasl-token-file"),
        ("--sasl-user alice --sasl-token-file token", "--sasl-user"),
        ("--sasl-token-file no-such-file", "no-such-file"),
    ] {
        let run = run(&mut kafka(&line(options)));
        assert_eq!(run.status, Some(2), "{options}: {}", run.stderr);
        assert!(run.stderr.contains(hint), "{options}: {}", run.stderr);
    }
}

/// An unsecured JSON web token, as Kafka takes it for tests, that outlives the test.
fn token() -> String {
    let claims = r#"{"sub":"alice","exp":9999999999}"#;
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
}

fn write_profiles(folder: &Path, bootstrap: &str) {
    let profile = |name, user| {
        format!(
            "[{name}]\nbrokers = ['{bootstrap}']\nsasl = 'scram-sha-256'\nsasl-user = '{user}'\n\
             sasl-password-file = 'password'\n"
        )
    };
    fs::create_dir(folder.join("kafka")).unwrap();
    fs::write(folder.join("kafka/password"), "hunter2\n").unwrap();
    fs::write(folder.join("kafka/config.toml"), profile("default", "alice") + &profile("mistaken", "bob")).unwrap();
}
