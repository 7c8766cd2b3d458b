//! Where reading starts: at the first message, behind the last, at an offset.

use std::time::Duration;

use kafka_conn::Transport;
use kafka_reader::{Partitions, Reader, ReaderConfig, StartOffset};
use kafka_writer::{Writer, WriterConfig};

use super::{Failure, Scenario, Target, Text, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("offsets::first_and_at", |target| async move { first_and_at(&target).await }),
        scenario("offsets::last_sees_what_comes", |target| async move { last(&target).await }),
        scenario("offsets::beyond_the_end_is_an_error", |target| async move { beyond(&target).await }),
        scenario("offsets::closing_does_not_wait", |target| async move { close(&target).await }),
    ]
}

const MESSAGES: usize = 1000;

async fn written(target: &Target) -> Result<(Transport, String, Writer), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "offsets", 1).await?;
    let config = WriterConfig { topic: Some(topic.as_str().into()), ..WriterConfig::default() };
    let writer = Writer::new(transport.clone(), config)?;
    let text = Text::read()?;
    for number in 0..MESSAGES {
        // Waiting for each hundredth makes batches of about a hundred.
        let delivery = writer.send(text.message(number)).await?;
        if number % 100 == 99 {
            delivery.await?;
        }
    }
    writer.flush().await?;
    Ok((transport, topic, writer))
}

fn reader(topic: &str, start_offset: StartOffset) -> ReaderConfig {
    ReaderConfig { topic: topic.into(), partitions: Partitions::One(0), start_offset, ..ReaderConfig::default() }
}

async fn first_and_at(target: &Target) -> Result<(), Failure> {
    let (transport, topic, writer) = written(target).await?;
    // In the middle of a batch, at a batch's edge, and the last message.
    for (start, first) in
        [(StartOffset::First, 0), (StartOffset::At(150), 150), (StartOffset::At(200), 200), (StartOffset::At(999), 999)]
    {
        let mut reader = Reader::new(transport.clone(), reader(&topic, start)).await?;
        let end = reader.end_offsets().await?;
        let mut expected = first;
        while let Some(message) = reader.fetch_until(&end).await? {
            check(message.offset == expected, || format!("{start:?}: offset {}, not {expected}", message.offset))?;
            expected += 1;
        }
        check(expected == MESSAGES as i64, || format!("{start:?}: ended before {expected}"))?;
        reader.close().await;
    }
    Ok(writer.close().await?)
}

async fn last(target: &Target) -> Result<(), Failure> {
    let (transport, topic, writer) = written(target).await?;
    let mut reader = Reader::new(transport, reader(&topic, StartOffset::Last)).await?;
    let text = Text::read()?;
    writer.send(text.message(MESSAGES)).await?.await?;
    let message = tokio::time::timeout(Duration::from_secs(30), reader.fetch_message()).await??;
    check(message.offset == MESSAGES as i64, || format!("got offset {}", message.offset))?;
    check(message.value == text.message(MESSAGES).value, || format!("got {message:?}"))?;
    reader.close().await;
    Ok(writer.close().await?)
}

async fn beyond(target: &Target) -> Result<(), Failure> {
    let (transport, topic, writer) = written(target).await?;
    let outcome = async {
        let mut reader = Reader::new(transport, reader(&topic, StartOffset::At(5000))).await?;
        reader.fetch_message().await
    };
    let outcome = tokio::time::timeout(Duration::from_secs(60), outcome).await?;
    let error = outcome.err().ok_or("reading from offset 5000 of 1000 gave a message")?;
    check(error.to_string().contains("5000"), || format!("does not name the offset: {error}"))?;
    Ok(writer.close().await?)
}

async fn close(target: &Target) -> Result<(), Failure> {
    let (transport, topic, writer) = written(target).await?;
    let config = ReaderConfig { max_wait: Duration::from_secs(60), ..reader(&topic, StartOffset::Last) };
    let mut reader = Reader::new(transport, config).await?;
    // Let the reader's fetch reach the broker, where it waits for messages.
    let none = tokio::time::timeout(Duration::from_secs(1), reader.fetch_message()).await;
    check(none.is_err(), || format!("nothing was written, but {none:?} came"))?;
    tokio::time::timeout(Duration::from_secs(20), reader.close()).await?;
    Ok(writer.close().await?)
}
