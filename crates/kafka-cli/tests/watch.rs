//! `--watch`: one list after the other, as the cluster changes, until somebody ends it.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};

use common::{finish, kafka, run};
use kafka_embedded::Cluster;
use rustix::process::{Pid, Signal, kill_process};

/// Lists of a command that goes on, each as its lines.
struct Lists {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Lists {
    fn start(cluster: &Cluster, arguments: &str) -> Self {
        let mut child = kafka(arguments).env("KAFKA_BROKERS", cluster.bootstrap()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The next list, up to the line that ends it.
    fn next(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended: {lines:?}");
            match line.trim_end() {
                line if line == end => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }
}

async fn cluster() -> Cluster {
    Cluster::builder().topic("orders", 2, 1).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_follow_the_cluster_until_ctrl_c() {
    let cluster = cluster().await;
    let mut lists = Lists::start(&cluster, "topics list --watch=20ms");
    let one = ["TOPIC   PARTITIONS  INTERNAL", "orders           2  false"];
    assert_eq!(lists.next(""), one);
    assert_eq!(lists.next(""), one);
    assert_eq!(run(kafka("topics create more").env("KAFKA_BROKERS", cluster.bootstrap())).status, Some(0));
    while lists.next("").len() != 3 {}
    kill_process(Pid::from_child(&lists.child), Signal::INT).unwrap();
    // Whoever stops reading ends it too, but otherwise.
    let Lists { child, stdout } = lists;
    let run = finish(child);
    assert_eq!((run.status, run.stderr.as_str()), (Some(130), ""));
    drop(stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_one_array_after_the_other() {
    let cluster = cluster().await;
    let mut lists = Lists::start(&cluster, "offsets list orders:0 -w=20ms -O json");
    for _ in 0..2 {
        let list = lists.next("]").join("") + "]";
        assert_eq!(serde_json::from_str::<serde_json::Value>(&list).unwrap()[0]["offset"], 0);
    }
    // Whoever had enough closes the pipe, and that is no error.
    drop(lists.stdout);
    let run = finish(lists.child);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_is_not_there_is_not_waited_for() {
    let run = run(kafka("topics list --watch --timeout 1s --brokers").arg(common::nobody().to_string()));
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.contains("refused"), "{}", run.stderr);
}
