//! What `produce` and `consume` do with messages, against a cluster in this process: forms, places, round trips.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Run, finish, kafka, run};
use kafka_embedded::Cluster;

async fn cluster() -> Cluster {
    Cluster::builder().topic("orders", 2, 1).topic("copy", 2, 1).start().await.unwrap()
}

/// Runs a command that must work; returns its data.
fn works(cluster: &Cluster, arguments: &str) -> String {
    let Run { status, stdout, stderr, .. } = run(kafka(arguments).env("KAFKA_BROKERS", cluster.bootstrap()));
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{arguments}");
    stdout
}

/// Runs a command with this on its standard input.
fn feed(cluster: &Cluster, arguments: &str, input: &str) -> Run {
    let mut command = kafka(arguments);
    let mut child = command.env("KAFKA_BROKERS", cluster.bootstrap()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    finish(child)
}

/// Messages in the form in which they must come out: their places and times come from here.
const MESSAGES: &str = r#"{"topic":"orders","partition":0,"offset":0,"timestamp":1768435200000,"timestamp_type":"CreateTime","key":"k","value":"v","headers":[{"key":"a","value":"1"},{"key":"a","value":null},{"key":"","value_base64":"/w=="}]}
{"topic":"orders","partition":0,"offset":1,"timestamp":1768435200001,"timestamp_type":"CreateTime","key":null,"value":null,"headers":[]}
{"topic":"orders","partition":0,"offset":2,"timestamp":1768435200002,"timestamp_type":"CreateTime","key":"","value":"","headers":[]}
{"topic":"orders","partition":0,"offset":3,"timestamp":1768435200003,"timestamp_type":"CreateTime","key_base64":"/v8A","value":"line 1\nline 2\u0000→\"","headers":[]}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn json_goes_round_unchanged() {
    let cluster = cluster().await;
    let run = feed(&cluster, "produce orders --input json --balancer manual", MESSAGES);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    let printed = works(&cluster, "consume orders --exit-at-end --output json");
    assert_eq!(printed, MESSAGES);
    let run = feed(&cluster, "produce copy -I json --balancer manual -z zstd", &printed);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(works(&cluster, "consume copy -e -O json").replace("\"copy\"", "\"orders\""), MESSAGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_no_message_are_told_and_the_others_written() {
    let cluster = cluster().await;
    let input = "{\"value\":\"one\"}\noops\n{\"valeu\":\"x\"}\n{\"value\":\"two\"}\n";
    let run = feed(&cluster, "produce orders --input json", input);
    assert_eq!(run.status, Some(1));
    let expected = "\
error: line 2: it is no message in JSON, column 1: expected value
error: line 3: it is no message in JSON, column 8: unknown field `valeu`, expected one of `topic`, `partition`, \
                    `offset`, `timestamp`, `timestamp_type`, `key`, `key_base64`, `value`, `value_base64`, `headers`
error: 2 of 4 lines not written
";
    assert_eq!(run.stderr, expected);
    let mut values: Vec<_> = works(&cluster, "consume orders -e").lines().map(str::to_owned).collect();
    values.sort();
    assert_eq!(values, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_print_what_they_name() {
    let cluster = cluster().await;
    let text_only = MESSAGES.replace(r#""value_base64":"/w==""#, r#""value":"2""#);
    feed(&cluster, "produce orders --input json --balancer manual", &text_only);
    let printed = works(&cluster, r"consume orders --from 0:3 --format %t/%p/%o\t%T\t%k=%s\t%K/%S\t%h\n");
    let (one, rest) = printed.split_once('\n').unwrap_or_default();
    assert_eq!(one, "orders/0/0\t1768435200000\tk=v\t1/1\ta=1,a=NULL,=2");
    assert_eq!(rest, "orders/0/1\t1768435200001\t=\t-1/-1\t\norders/0/2\t1768435200002\t=\t0/0\t\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_ranges() {
    let cluster = cluster().await;
    let message = |number: i64| {
        let (partition, value) = (number % 2, number / 2);
        format!(r#"{{"partition":{partition},"value":"{value}","timestamp":{}}}"#, 1_768_435_200_000 + value * 1000)
    };
    let lines: Vec<_> = (0..20).map(message).collect();
    assert_eq!(feed(&cluster, "produce orders -I json --balancer manual", &lines.join("\n")).status, Some(0));
    for (place, expected) in [
        ("7 -e", "7 8 9"),
        ("-2 -e", "8 9"),
        ("-100 -e", "0 1 2 3 4 5 6 7 8 9"),
        ("@2026-01-15T00:00:08Z -e", "8 9"),
        ("@now -e", ""),
        ("start:2", "0 1"),
        ("3:5", "3 4"),
        ("3:3", ""),
        ("8:1000", "8 9"),
        ("-5:-3", "5 6"),
        ("@2026-01-15T00:00:03Z:@2026-01-15T00:00:05.5Z", "3 4 5"),
        ("@2026-01-15:@now", "0 1 2 3 4 5 6 7 8 9"),
        ("@2026-01-15:4", "0 1 2 3"),
        ("end:start", ""),
        ("-3:end --count 2", "7 8"),
    ] {
        let printed = works(&cluster, &format!("consume orders --partition 1 --from {place}"));
        assert_eq!(printed.lines().collect::<Vec<_>>().join(" "), expected, "{place}");
    }
    assert_eq!(works(&cluster, "consume orders --from -2:-1").lines().collect::<Vec<_>>(), ["8", "8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_topics_and_those_that_match() {
    let cluster = cluster().await;
    for topic in ["orders", "copy"] {
        let lines = format!("{topic} 1\n{topic} 2\n{topic} 3\n");
        assert_eq!(feed(&cluster, &format!("produce {topic}"), &lines).status, Some(0));
    }
    for (arguments, expected) in [
        ("orders copy -e", "copy 1,copy 2,copy 3,orders 1,orders 2,orders 3"),
        ("--pattern o.* -e", "orders 1,orders 2,orders 3"),
        ("--pattern order -e", ""),
        ("--pattern .* --from @-1h:@now -f %t\\n", "copy,copy,copy,orders,orders,orders"),
        ("orders copy --from start:0", ""),
    ] {
        let mut lines: Vec<_> = works(&cluster, &format!("consume {arguments}")).lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines.join(","), expected, "{arguments}");
    }
    assert_eq!(works(&cluster, "consume --pattern o.* --from -1 --count 1"), "orders 3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_says_what_does() {
    let cluster = cluster().await;
    for (arguments, hint) in [
        ("consume orders --output json --format %s", "--format does not go with --output json"),
        ("consume orders --output json -K :", "--key-separator does not go with --output json"),
        ("consume orders --group g --from -5", "kafka groups reset-offsets"),
        ("consume orders --group g --from start:end", "--from can only be start or end"),
        ("consume orders copy --partition 0", "--partition does not go with several topics"),
        ("produce orders --input json -K :", "--key-separator does not go with --input json"),
        ("produce orders --balancer manual", "add --input json"),
    ] {
        let Run { status, stdout, stderr, .. } = run(kafka(arguments).env("KAFKA_BROKERS", cluster.bootstrap()));
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{arguments}: {stderr}");
        assert!(stderr.contains(hint), "{arguments}: {stderr}");
    }
    let Run { status, stderr, .. } =
        run(kafka("consume orders -p 7 --from -5 -e").env("KAFKA_BROKERS", cluster.bootstrap()));
    assert_eq!(status, Some(1));
    assert!(stderr.contains('7'), "{stderr}");
}
