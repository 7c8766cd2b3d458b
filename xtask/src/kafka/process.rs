//! Runs one program to its end, within a bound, with its input and output in memory.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::log::telling_lines;
use super::{Error, IoContext, Result};

/// What the program reads on its standard input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// These bytes, then the end of file.
    Bytes(&'a [u8]),
    /// Nothing, and no end of file while this process lives: what [`Release::tool`](super::Release) watches.
    Leash,
}

/// What a program wrote to its standard output, and when.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) bytes: Vec<u8>,
    /// When the first byte came; `None` where none did.
    pub(crate) first: Option<Instant>,
    /// When it was closed.
    pub(crate) end: Instant,
}

/// Runs `command` and returns its standard output; an error if it fails or takes longer than `limit`.
///
/// `what` names the program in errors.
pub(crate) fn run(what: &str, command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Vec<u8>> {
    run_watched(what, command, input, limit).map(|printed| printed.bytes)
}

/// [`run`], which also says when the output came.
pub(crate) fn run_watched(what: &str, command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Printed> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| format!("run {what}"))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Threads, because a program that fills one pipe while we read the other would stop for ever.
    let (ended, stdout, stderr) = thread::scope(|scope| {
        let leash = stdin.and_then(|stdin| feed(scope, stdin, input));
        let stdout = scope.spawn(|| drain(stdout));
        let stderr = scope.spawn(|| drain(stderr));
        let ended = wait(&mut child, limit);
        drop(leash);
        let nothing = |_| Printed { bytes: Vec::new(), first: None, end: Instant::now() };
        (ended, stdout.join().unwrap_or_else(nothing), stderr.join().unwrap_or_else(nothing))
    });
    let what = what.to_owned();
    match ended.context(|| format!("wait for {what}"))? {
        Some(status) if status.success() => Ok(stdout),
        Some(status) => Err(Error::Failed { what, status, output: told(&stdout.bytes, &stderr.bytes) }),
        None => Err(Error::TimedOut { what, limit, output: told(&stdout.bytes, &stderr.bytes) }),
    }
}

/// Polls until the child ends; `None` if it had to be killed at the limit.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn feed<'scope, 'env: 'scope>(
    scope: &'scope thread::Scope<'scope, 'env>,
    mut stdin: ChildStdin,
    input: Input<'env>,
) -> Option<ChildStdin> {
    match input {
        Input::Leash => Some(stdin),
        Input::Bytes(bytes) => {
            // A program that stops reading early is judged by its exit status.
            scope.spawn(move || stdin.write_all(bytes).ok());
            None
        }
    }
}

fn drain(pipe: Option<impl Read>) -> Printed {
    let (mut bytes, mut first) = (Vec::new(), None);
    if let Some(mut pipe) = pipe {
        let mut one = [0];
        if matches!(pipe.read(&mut one), Ok(1)) {
            first = Some(Instant::now());
            bytes.extend_from_slice(&one);
        }
        // What came before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    Printed { bytes, first, end: Instant::now() }
}

fn told(stdout: &[u8], stderr: &[u8]) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    telling_lines(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn passes_bytes_through() {
        let big = vec![b'x'; 1 << 20];
        assert_eq!(run("cat", &mut Command::new("cat"), Input::Bytes(&big), LIMIT).unwrap(), big);
    }

    #[test]
    fn says_when_the_output_came() {
        let begun = Instant::now();
        let print = |script: &str| run_watched("sh", Command::new("sh").args(["-c", script]), Input::Bytes(b""), LIMIT);
        let printed = print("echo one; sleep 0.01; echo two").unwrap();
        assert_eq!(printed.bytes, b"one\ntwo\n");
        let first = printed.first.unwrap();
        assert!(begun < first && first < printed.end, "{printed:?}");
        assert_eq!(print(":").unwrap().first, None);
    }

    #[test]
    fn ends_what_does_not_end() {
        // With a leash, cat never sees the end of its input.
        let error = run("cat", &mut Command::new("cat"), Input::Leash, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }

    #[test]
    fn shows_why_a_program_failed() {
        let error = run("ls", Command::new("ls").arg("/no/such/file"), Input::Leash, LIMIT).unwrap_err();
        assert!(matches!(&error, Error::Failed { output, .. } if output.contains("/no/such/file")), "{error}");
    }
}
