//! Java's console tools read what we wrote, and we read what they wrote: compared by digest.

use kafka_conn::{Header, Message};
use kafka_protocol::records::Compression;
use kafka_reader::{Reader, ReaderConfig};
use kafka_writer::WriterConfig;

use super::round_trip::{self, Log};
use super::{Failure, Scenario, Target, Text, check, scenario};
use crate::interop::lines::{Line, digest, printed_form};

/// Lines that Java writes; a JVM takes its time.
const LINES: usize = 20_000;
const PARTITIONS: i32 = 4;

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let written = |compression| {
        scenario(format!("java::we_read_what_java_wrote_{compression}"), move |target| async move {
            we_read(&target, compression).await
        })
    };
    let read = |compression| {
        scenario(format!("java::java_reads_what_we_wrote_{compression}"), move |target| async move {
            let mut log = Log::new(&target).await?;
            log.write(WriterConfig { compression, ..WriterConfig::default() }, round_trip::LINES).await?;
            reads(&target, &log).await
        })
    };
    Compression::ALL.into_iter().flat_map(|compression| [written(compression), read(compression)]).collect()
}

/// Java's console consumer reads the whole topic, and sees what was sent.
async fn reads(target: &Target, Log { topic, sent, .. }: &Log) -> Result<(), Failure> {
    let count: usize = sent.iter().map(Vec::len).sum();
    let mut arguments = vec!["--topic", topic, "--from-beginning", "--timeout-ms", "30000"];
    let count_text = count.to_string();
    arguments.extend(["--max-messages", &count_text]);
    for property in ["print.partition=true", "print.offset=true", "print.headers=true", "print.key=true"] {
        arguments.extend([target.property_option("--formatter-property"), property]);
    }
    let arguments = arguments.into_iter().map(str::to_owned).collect();
    let printed = String::from_utf8(target.tool("ConsoleConsumer", arguments, None).await?)?;
    let mut lines = printed.lines().map(Line::parse).collect::<Result<Vec<_>, _>>()?;
    lines.sort_by_key(|line| (line.partition, line.offset));
    let java = digest(lines.iter().map(|line| line.text.as_str()));
    let ours = sent.iter().flatten().map(printed_form).collect::<Vec<_>>();
    let ours = digest(ours.iter().map(String::as_str));
    check(lines.len() == count, || format!("Java read {} messages of {count}", lines.len()))?;
    check(java == ours, || format!("Java read {java}, we wrote {ours}"))
}

/// Java's console producer writes lines; what we read is the same.
async fn we_read(target: &Target, compression: Compression) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "java", PARTITIONS).await?;
    let text = Text::read()?;
    let message = |number: usize| Message {
        key: Some(format!("key-{}", number % 331).into()),
        value: Some(text.line(number)),
        headers: vec![Header::new("number", number.to_string())],
        ..Message::default()
    };
    let mut written: Vec<String> = (0..LINES).map(|number| printed_form(&message(number))).collect();
    let mut arguments = vec!["--topic".to_owned(), topic.clone(), format!("--compression-codec={compression}")];
    for property in ["parse.key=true", "parse.headers=true"] {
        arguments.extend([target.property_option("--reader-property").to_owned(), property.to_owned()]);
    }
    target.tool("ConsoleProducer", arguments, Some(written.join("\n").into_bytes())).await?;

    let config = ReaderConfig { topic: topic.as_str().into(), ..ReaderConfig::default() };
    let mut reader = Reader::new(transport, config).await?;
    let end = reader.end_offsets().await?;
    let mut read = Vec::with_capacity(LINES);
    while let Some(message) = reader.fetch_until(&end).await? {
        read.push(printed_form(&message));
    }
    reader.close().await;
    // Java chose the partitions: only the set of messages is known.
    written.sort_unstable();
    read.sort_unstable();
    check(read.len() == LINES, || format!("read {} messages of {LINES}", read.len()))?;
    let (java, ours) = (digest(written.iter().map(String::as_str)), digest(read.iter().map(String::as_str)));
    check(java == ours, || format!("Java wrote {java}, we read {ours}"))
}
