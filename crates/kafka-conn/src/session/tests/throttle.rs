//! Pauses that a broker asks for.

use super::*;

impl Script {
    fn answer_throttled(&mut self, id: i32, throttle_time_ms: i32) {
        self.send(id, 3, 12, &MetadataResponse { throttle_time_ms, ..Default::default() });
    }
}

#[test]
fn calls_wait_until_the_pause_is_over() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.answer_throttled(1, 300);
    script.expect(&["throttled 300ms", "answered a"]);
    script.call("c", 1000);
    script.call("d", 2000);
    // What is in flight is not harmed.
    script.answer(2);
    script.expect(&["answered b"]);
    script.at(299);
    let [] = script.recv();
    script.at(300);
    let seen: [Seen; 2] = script.recv();
    assert_eq!(seen.map(|request| request.id), [3, 4]);
    script.answer(3);
    script.answer(4);
    script.expect(&["answered c", "answered d"]);
    script.call("e", 1000);
    let [_] = script.recv();
}

#[test]
fn a_longer_pause_wins() {
    let mut script = Script::ready();
    script.call("a", 1000);
    script.call("b", 1000);
    let [_, _] = script.recv();
    script.answer_throttled(1, 500);
    script.at(100);
    script.answer_throttled(2, 100);
    script.expect(&["throttled 500ms", "answered a", "throttled 100ms", "answered b"]);
    script.call("c", 1000);
    script.at(499);
    let [] = script.recv();
    script.at(500);
    let [_] = script.recv();
}

#[test]
fn a_call_out_of_time_in_a_pause_was_never_sent() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.answer_throttled(1, 500);
    script.call("b", 300);
    script.call("c", 1000);
    script.at(300);
    script.expect(&["throttled 500ms", "answered a", "failed b: Timeout unsent"]);
    script.at(500);
    let [request] = script.recv();
    assert_eq!(request.id, 2, "the late one never had a number");
    script.answer(2);
    script.expect(&["answered c"]);
}

#[test]
fn a_pause_has_a_bound() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.answer_throttled(1, i32::MAX);
    script.expect(&["throttled 60s", "answered a"]);
    script.call("b", 100_000);
    script.at(60_000);
    let [_] = script.recv();
}

#[test]
fn close_sends_what_waits() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.answer_throttled(1, 500);
    script.call("b", 1000);
    script.session.handle_close(script.now);
    script.expect(&["throttled 500ms", "answered a"]);
    script.at(500);
    let [request] = script.recv();
    script.answer(request.id);
    script.expect(&["answered b", "closed: Closed"]);
}

#[test]
fn a_loss_in_a_pause() {
    let mut script = Script::ready();
    script.call("a", 1000);
    let [_] = script.recv();
    script.answer_throttled(1, 500);
    script.call("b", 1000);
    script.session.handle_end();
    script.expect(&["throttled 500ms", "answered a", "failed b: ConnectionLost unsent", "closed: ConnectionLost"]);
}
