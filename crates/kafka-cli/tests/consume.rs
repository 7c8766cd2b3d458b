//! What a person sees of `kafka consume`: how far it is, where the lines go into a file; nowhere else.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;

use common::terminal::{read_until, terminal};
use common::{Run, finish, kafka};
use kafka_embedded::Cluster;
use rustix::process::{Pid, Signal, kill_process};

/// A cluster with three messages in the topic `orders`.
async fn cluster() -> Cluster {
    let cluster = Cluster::builder().topic("orders", 2, 1).start().await.unwrap();
    let mut command = kafka(&format!("produce orders --brokers {}", cluster.bootstrap()));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo\nthree\n").unwrap();
    assert_eq!(ended(child).await.status, Some(0));
    cluster
}

async fn ended(child: Child) -> Run {
    tokio::task::spawn_blocking(move || finish(child)).await.unwrap()
}

/// Whatever a terminal shows until nobody has its other end.
fn seen(mut person: File) -> String {
    let mut seen = String::new();
    read_until(&mut person, &mut seen, "nothing says this");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_a_file_sees_how_far_it_is() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let (mut person, program) = terminal();
    let mut command = kafka(&format!("consume orders --brokers {}", cluster.bootstrap()));
    let child = command.stdout(File::create(&path).unwrap()).stderr(Stdio::from(program)).spawn().unwrap();
    // Until it is dropped, the terminal has a second end here.
    drop(command);
    let pid = Pid::from_child(&child);
    let watching = thread::spawn(move || {
        let mut shown = String::new();
        read_until(&mut person, &mut shown, "3 messages read, 14 B written, ");
        // Now that it was seen, it may end.
        kill_process(pid, Signal::INT).unwrap();
        shown + &seen(person)
    });
    let run = ended(child).await;
    let shown = watching.join().unwrap();
    assert_eq!(run.status, Some(130), "{shown:?}");
    let (_, last) = shown.trim_end().rsplit_once("\r\u{1b}[K").expect("the line is written over");
    assert!(last.starts_with("3 messages read, 14 B written, ") && last.contains(" s, "), "{shown:?}");
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_messages_sees_nothing_else() {
    let cluster = cluster().await;
    for into_terminal in [false, true] {
        let (person, program) = terminal();
        let mut command = kafka(&format!("consume orders --exit-at-end --brokers {}", cluster.bootstrap()));
        if into_terminal {
            command.stdout(Stdio::from(program.try_clone().unwrap()));
        }
        let child = command.stderr(Stdio::from(program)).spawn().unwrap();
        drop(command);
        let watching = thread::spawn(move || seen(person));
        let run = ended(child).await;
        let shown = watching.join().unwrap();
        assert_eq!(run.status, Some(0), "{shown:?}");
        let (lines, rest) = if into_terminal { (&*shown, "") } else { (&*run.stdout, &*shown) };
        let mut lines: Vec<_> = lines.lines().collect();
        lines.sort_unstable();
        assert_eq!((lines, rest), (vec!["one", "three", "two"], ""), "into a terminal: {into_terminal}");
    }
}
