//! The command `kafka`, as a person at a shell uses it.

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{Failure, Scenario, Target, Text, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("command::lines_go_in_and_come_out", |target| async move { pipeline(&target).await }),
        scenario("command::from_and_count", |target| async move { from_and_count(&target).await }),
        scenario("command::unknown_topic", |target| async move { unknown_topic(&target).await }),
        scenario("command::interrupted_consume_leaves_nothing", |target| async move { interrupt(&target).await }),
    ]
}

const LINES: usize = 5_000;
pub(super) const LIMIT: Duration = Duration::from_secs(60);

async fn pipeline(target: &Target) -> Result<(), Failure> {
    let topic = target.topic_name("command");
    run(target, &["topics", "create", &topic, "--partitions", "4"], b"").await?;
    let listed = run(target, &["topics", "list"], b"").await?;
    check(String::from_utf8(listed)?.contains(&topic), || "the topic is not listed".to_owned())?;

    let text = Text::read()?;
    let mut lines: Vec<Vec<u8>> =
        (0..LINES).map(|number| [format!("key-{}=", number % 100).as_bytes(), &text.line(number)].concat()).collect();
    let input = [lines.join(&b"\n"[..]), b"\n".to_vec()].concat();
    run(target, &["produce", &topic, "--key-separator", "=", "--compression", "zstd"], &input).await?;
    let output =
        run(target, &["consume", &topic, "--exit-at-end", "--key-separator", "=", "--from", "start"], b"").await?;
    let mut found: Vec<Vec<u8>> = output.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    check(found.pop().is_some_and(|rest| rest.is_empty()), || "the last line is not whole".to_owned())?;
    lines.sort_unstable();
    found.sort_unstable();
    check(found == lines, || format!("{} lines went in, {} came out, or others", lines.len(), found.len()))?;

    run(target, &["topics", "delete", "--yes", &topic], b"").await?;
    let listed = run(target, &["topics", "list"], b"").await?;
    check(!String::from_utf8(listed)?.contains(&topic), || "the topic is still listed".to_owned())
}

async fn from_and_count(target: &Target) -> Result<(), Failure> {
    let topic = target.topic_name("command");
    run(target, &["topics", "create", &topic, "--partitions", "1"], b"").await?;
    run(target, &["produce", &topic], b"a\nb\nc\nd\ne\n").await?;
    for (arguments, expected) in [
        (&["--from", "start", "--count", "2"][..], "a\nb\n"),
        (&["--from", "3", "--exit-at-end"], "d\ne\n"),
        (&["--from", "end", "--exit-at-end"], ""),
    ] {
        let output = run(target, &[&["consume", &topic], arguments].concat(), b"").await?;
        let output = String::from_utf8(output)?;
        check(output == expected, || format!("{arguments:?} gave {output:?}"))?;
    }
    Ok(())
}

async fn unknown_topic(target: &Target) -> Result<(), Failure> {
    for arguments in [&["consume", "no-such-topic", "--exit-at-end"][..], &["produce", "no-such-topic"]] {
        let output = finish(target, arguments, b"a line\n").await?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        check(!output.status.success(), || format!("{arguments:?} succeeded"))?;
        check(text.contains("no-such-topic"), || format!("{arguments:?} does not name the topic: {text}"))?;
        check(output.stdout.is_empty(), || format!("{arguments:?} wrote to stdout"))?;
    }
    Ok(())
}

/// Ctrl-C on a consumer that waits: it ends at once, with the status that a shell expects, behind a whole line.
async fn interrupt(target: &Target) -> Result<(), Failure> {
    let topic = target.topic_name("command");
    run(target, &["topics", "create", &topic, "--partitions", "2"], b"").await?;
    run(target, &["produce", &topic], b"one\n").await?;
    let mut child = start(target, &["consume", &topic, "--from", "start"])?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let mut line = String::new();
    tokio::time::timeout(LIMIT, stdout.read_line(&mut line)).await??;
    check(line == "one\n", || format!("got {line:?}"))?;

    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or("it ended by itself")?;
    kill_process(id, Signal::INT)?;
    let status = tokio::time::timeout(LIMIT, child.wait()).await??;
    check(status.code() == Some(130), || format!("ended with {status}"))?;
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await?;
    check(rest.is_empty(), || format!("wrote {rest:?} when interrupted"))
}

/// Runs the command to its good end, and returns what it wrote to stdout.
pub(super) async fn run(target: &Target, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
    let output = finish(target, arguments, input).await?;
    check(output.status.success(), || {
        format!("kafka {}: {}: {}", arguments.join(" "), output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(output.stdout)
}

async fn finish(target: &Target, arguments: &[&str], input: &[u8]) -> Result<Output, Failure> {
    let mut child = start(target, arguments)?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let input = input.to_vec();
    // A command that ends without reading its input is judged by its status.
    let feed = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await??;
    feed.abort();
    Ok(output)
}

pub(super) fn start(target: &Target, arguments: &[&str]) -> Result<Child, Failure> {
    let mut command = command()?;
    command.args(arguments).args(["--brokers", target.bootstrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// What becomes of a command whose login is in its arguments, but for the password.
pub(super) async fn finish_with_password(arguments: &[&str], password: &str) -> Result<Output, Failure> {
    let mut command = command()?;
    command.args(arguments).env("KAFKA_SASL_PASSWORD", password).stdin(Stdio::null()).kill_on_drop(true);
    Ok(tokio::time::timeout(LIMIT, command.output()).await??)
}

/// The binary that was built beside this one, in an environment that does not depend on who runs the tests.
fn command() -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("kafka"));
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_str().is_some_and(|name| name.starts_with("KAFKA_"))) {
        command.env_remove(name);
    }
    // A folder without a profile file.
    command.env("XDG_CONFIG_HOME", std::env::temp_dir().join("no-profile-of-kafka"));
    Ok(command)
}
