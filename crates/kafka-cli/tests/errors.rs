//! What people get wrong first: each a clear error, in time, with a status that is not 0, and nothing on standard output.

mod common;

use std::time::Duration;

use common::{Run, http_server, kafka, nobody, run, silent_server};

/// All commands that connect.
const COMMANDS: [&str; 5] = ["topics list", "topics create t", "topics delete t", "produce t", "consume t"];

/// Runs a command that must fail; returns its one line of error.
fn error(arguments: &str) -> String {
    let Run { status, stdout, stderr, .. } = run(&mut kafka(arguments));
    assert_eq!((status, stdout.as_str()), (Some(1), ""), "{arguments}: {stderr}");
    assert!(stderr.starts_with("error: "), "{arguments}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{arguments}: {stderr}");
    stderr
}

#[test]
fn a_port_where_nothing_listens() {
    let address = nobody();
    for command in COMMANDS {
        let error = error(&format!("{command} --brokers {address}"));
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("refused") && error.contains("check host and port"), "{error}");
        assert_eq!(error.matches("refused").count(), 1, "what happened is said once: {error}");
    }
}

#[test]
fn several_addresses_of_which_none_works() {
    let error = error(&format!("topics list --brokers {},{}", nobody(), nobody()));
    assert!(error.contains("no broker could be reached"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn an_http_server_on_the_port() {
    let address = http_server();
    for command in COMMANDS {
        let error = error(&format!("{command} --brokers {address}"));
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("HTTP server") && error.contains("9092"), "{error}");
    }
}

#[test]
fn a_name_that_does_not_exist() {
    // RFC 6761: this name never exists. Where there is no resolver at all, that is the error.
    let error = error("topics list --timeout 5 --brokers broker.invalid");
    assert!(error.contains("broker.invalid:9092"), "{error}");
    assert!(error.contains("name") || error.contains("timed out"), "{error}");
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let address = silent_server();
    let run = run(&mut kafka(&format!("topics list --timeout 300ms --brokers {address}")));
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.contains("timed out") && run.stderr.contains(&address.to_string()), "{}", run.stderr);
    assert!(run.took > Duration::from_millis(290), "{:?}", run.took);
    assert!(run.took < Duration::from_secs(5), "{:?}", run.took);
}

#[test]
fn brokers_come_from_the_environment_too() {
    let address = nobody();
    let run = run(kafka("topics list").env("KAFKA_BROKERS", address.to_string()));
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.contains(&address.to_string()), "{}", run.stderr);
}

#[test]
fn wrong_usage_has_a_status_of_its_own_and_says_what_is_right() {
    for (arguments, hint) in [
        ("topics list", "--brokers <HOST:PORT,...>"),
        ("topics list", "`kafka embedded` runs one"),
        ("embedded --listen 9092", "as in 127.0.0.1:9092"),
        ("embedded --listen localhost:9092", "write an IP address and a port"),
        ("embedded --topic orders:1:3", "add --nodes 3"),
        ("topics list --brokers kafka://one", "write HOST or HOST:PORT"),
        ("topics list --brokers one --sasl kerberos", "write plain, scram-sha-256, scram-sha-512 or oauthbearer"),
        ("topics list --brokers one --sasl-user me", "add --sasl"),
        ("topics list --brokers one --sasl plain --sasl-user me", "KAFKA_SASL_PASSWORD"),
        ("topics list --brokers one --sasl plain --sasl-user me --sasl-password hunter2", "--sasl-password-file"),
        ("topics list --brokers one --tls-key key.pem", "--tls-cert"),
        ("topics list --brokers one --profile-file none.toml", "none.toml"),
        ("consume t:0 --brokers one", "--partition 0"),
        ("produce a/b --brokers one", "letters a-z"),
        ("consume t --brokers one --from middle", "write start, end, an offset"),
        ("consume t --brokers one --format %x", "after % come s (value)"),
        ("produce t --brokers one --compression brotli", "none, gzip, snappy, lz4, zstd"),
        ("produce t --brokers one --header a", "write NAME=VALUE"),
    ] {
        let Run { status, stdout, stderr, .. } = run(&mut kafka(arguments));
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{arguments}: {stderr}");
        assert!(stderr.contains(hint), "{arguments}: {stderr}");
    }
}
