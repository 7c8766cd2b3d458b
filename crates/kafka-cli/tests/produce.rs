//! What a person sees of `kafka produce`: how far it is, on the terminal and nowhere else; and what became of a line that
//! failed.
#![cfg(unix)]

mod common;

use std::io::Write;
use std::process::Stdio;
use std::thread;

use common::terminal::{read_until, terminal};
use common::{finish, kafka, run};
use kafka_embedded::{Cluster, Fault};
use kafka_protocol::{ApiKey, ErrorCode};

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_sees_how_far_it_is() {
    let cluster = Cluster::builder().topic("orders", 2, 1).start().await.unwrap();
    let (mut person, program) = terminal();
    let mut command = kafka(&format!("produce orders --brokers {}", cluster.bootstrap()));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::from(program)).spawn().unwrap();
    // Until it is dropped, the terminal has a second end here.
    drop(command);
    let mut lines = child.stdin.take().unwrap();
    lines.write_all(b"one\ntwo\nthree\n").unwrap();
    let seen = thread::spawn(move || {
        let mut seen = String::new();
        read_until(&mut person, &mut seen, "3 messages written, 11 B read, ");
        // Now that it was seen, it may end.
        drop(lines);
        read_until(&mut person, &mut seen, "nothing says this");
        seen
    });
    let run = tokio::task::spawn_blocking(move || finish(child)).await.unwrap();
    let seen = seen.join().unwrap();
    assert_eq!((run.status, run.stdout.as_str()), (Some(0), ""), "{seen}");
    let (before, last) = seen.trim_end().rsplit_once("\r\u{1b}[K").expect("the line is written over");
    assert!(before.contains("\r\u{1b}[K") || before.contains("written"), "{seen:?}");
    assert!(last.starts_with("3 messages written, 11 B read, ") && last.contains(" s, "), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_pipe_sees_nothing() {
    let cluster = Cluster::builder().topic("orders", 1, 1).start().await.unwrap();
    let mut command = kafka(&format!("produce orders --brokers {}", cluster.bootstrap()));
    let run = tokio::task::spawn_blocking(move || run(command.stdin(Stdio::null()))).await.unwrap();
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_line_topic_partition_and_fate() {
    for (is_lost_before, fate) in
        [(false, "(the message was not written)"), (true, "(the message may have been written)")]
    {
        let cluster = Cluster::builder().topic("orders", 1, 1).start().await.unwrap();
        if is_lost_before {
            cluster.inject(Fault::drop_answer(ApiKey::PRODUCE));
        }
        cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::TOPIC_AUTHORIZATION_FAILED).topic("orders").always());
        let mut command = kafka(&format!("produce orders --brokers {}", cluster.bootstrap()));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"one\n").unwrap();
        let run = tokio::task::spawn_blocking(move || finish(child)).await.unwrap();
        assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
        let line = run.stderr.lines().find(|line| line.starts_with("error: line 1: ")).unwrap_or_default();
        assert!(line.contains("topic \"orders\" partition 0: ") && line.contains(fate), "{}", run.stderr);
    }
}
