//! Running the binary, and what may listen where a broker should: shared by the scenarios.
#![allow(dead_code, reason = "each scenario is a program of its own, and uses what it needs")]

#[cfg(unix)]
pub(crate) mod terminal;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a run of `kafka` left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// `kafka` with these arguments, in an environment that does not depend on who runs the tests.
pub(crate) fn kafka(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka"));
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_str().is_some_and(|name| name.starts_with("KAFKA_"))) {
        command.env_remove(name);
    }
    // A folder without a profile file.
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")).env("APPDATA", env!("CARGO_TARGET_TMPDIR"));
    command.args(arguments.split_whitespace()).env("COLUMNS", "80");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    finish(command.spawn().unwrap())
}

/// Waits for the end of a command, and ends it where that takes too long.
pub(crate) fn finish(mut child: Child) -> Run {
    let began = Instant::now();
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let took = began.elapsed();
    let text =
        |reader: Option<thread::JoinHandle<String>>| reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
    Run { status, stdout: text(stdout), stderr: text(stderr), took }
}

fn read_all(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

/// An address where nothing listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An HTTP server, as far as it matters: it answers a line that it does not understand.
pub(crate) fn http_server() -> SocketAddr {
    serve(|mut stream| {
        let _request = BufReader::new(&stream).fill_buf().map(<[u8]>::len);
        let _closed = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    })
}

/// A server that takes connections and never answers.
pub(crate) fn silent_server() -> SocketAddr {
    serve(|mut stream| {
        let _until_closed = stream.read_to_end(&mut Vec::new());
    })
}

fn serve(answer: impl Fn(std::net::TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Longer than any of these commands may take, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(60);
