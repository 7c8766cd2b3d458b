//! How long a session waits for whom.

use super::*;

#[test]
fn a_call_that_just_became_the_oldest_gets_its_time() {
    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 5000);
    let [_, _] = script.recv();
    script.at(4999);
    script.answer(1);
    script.expect(&["answered a"]);
    // Its caller is told in time; the connection has been silent for a millisecond only.
    script.at(5000);
    script.expect(&["late 2: Timeout"]);
    script.call("c", 1000);
    let [_] = script.recv();
    script.at(5500);
    script.answer(2);
    script.answer(3);
    script.expect(&["answered b", "answered c"]);
}

#[test]
fn a_call_that_became_the_oldest_is_not_waited_for_forever() {
    let mut script = Script::ready();
    script.call("a", 5000);
    script.call("b", 5000);
    let [_, _] = script.recv();
    script.at(4000);
    script.answer(1);
    script.at(5000);
    script.call("c", 9000);
    let [_] = script.recv();
    script.expect(&["answered a", "late 2: Timeout"]);
    script.at(8999);
    script.expect(&[]);
    script.at(9000);
    script.expect(&["failed b: Timeout", "failed c: ConnectionLost", "closed: Timeout"]);
}

#[test]
fn an_http_server_is_sent_the_end_of_a_line() {
    let mut script = Script::new();
    let bytes = script.chunks().concat();
    assert!(bytes.windows(4).any(|window| window == b"\r\n\r\n"), "{bytes:?}");
}

#[test]
fn a_close_at_the_first_call_hints_at_sasl() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.session.handle_end();
    script.expect(&["failed a: SaslExpected", "failed b: ConnectionLost", "closed: SaslExpected"]);

    // Not where the broker has answered before, or is in the middle of an answer, or nothing was asked.
    let mut script = Script::ready();
    script.session.handle_end();
    script.expect(&["closed: ConnectionLost"]);
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.answer(1);
    script.session.handle_end();
    script.expect(&["answered a", "failed b: ConnectionLost", "closed: ConnectionLost"]);
}

#[test]
fn a_stream_may_fail_for_a_reason_of_ours() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.session.handle_lost(io::Error::other(Error::new(ErrorKind::ClientCertificateRequired)));
    script.expect(&["failed a: ClientCertificateRequired", "closed: ClientCertificateRequired"]);
}
