//! Writes three messages to partition 0 of a topic, and reads them back, over one connection to its leader:
//! `cargo run -p kafka-conn --example conn -- HOST:PORT TOPIC`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Duration;

use kafka_conn::{Compression, Dialer, LookupOptions, Message, Result, Whence};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost".into());
    let topic = arguments.next().unwrap_or_else(|| "greetings".into());

    // Without this switch, a topic that is not there is an error, and stays one.
    let options = LookupOptions { allow_auto_topic_creation: true };
    let mut conn = Dialer::default().dial_leader_with(&broker, &topic, 0, options).await?;
    conn.set_timeout(Duration::from_secs(10));

    let messages = ["one!", "two!", "three!"].map(|text| Message { value: Some(text.into()), ..Message::default() });
    let written = conn.write_compressed_messages(Compression::Zstd, &messages).await?;
    println!("wrote {} bytes to {topic}/{} at offset {:?}", written.bytes, written.partition, written.offset);

    conn.seek(3, Whence::End).await?;
    let mut batch = conn.read_batch(1, 1 << 20).await?;
    while let Some(message) = batch.read_message()? {
        let value = message.value.unwrap_or_default();
        println!("offset {}: {}", message.offset, String::from_utf8_lossy(&value));
    }
    batch.close()?;
    conn.close().await;
    Ok(())
}
