//! Ctrl-C and SIGTERM: the command ends at once, with the status that shells expect.
#![cfg(unix)]

mod common;

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use common::{finish, kafka};
use rustix::process::{Pid, Signal, kill_process};

/// Starts a command, and sends it a signal when it waits for a broker that does not answer.
fn interrupted(arguments: &str, signal: Signal) -> common::Run {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = kafka(&format!("{arguments} --brokers {address}"));
    let child = command.stdin(Stdio::piped()).spawn().unwrap();
    // Whoever has sent its first request listens to signals.
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let run = finish(child);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let closed = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
    assert!(!matches!(closed, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "the connection is still open");
    run
}

#[test]
fn every_command_ends_at_once() {
    for command in ["topics list", "topics create t", "topics delete t", "produce t", "consume t"] {
        for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let run = interrupted(command, signal);
            assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (Some(status), "", ""), "{command}");
            assert!(run.took < Duration::from_secs(5), "{command}: {:?}", run.took);
        }
    }
}
