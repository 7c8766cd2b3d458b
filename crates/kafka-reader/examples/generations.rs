//! Work that belongs to a generation of a group: a task for each partition (kafka-go: `ConsumerGroup` and `Generation`).

mod common;

use std::time::Duration;

use kafka_conn::Transport;
use kafka_reader::{
    AssignedPartition, CommitOffset, Committing, Ended, Generations, GroupConfig, Partitions, RangeAssignor, Reader,
    ReaderConfig, StartOffset,
};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> common::Outcome {
    let transport = common::connect().await?;
    let config = GroupConfig {
        group_id: "example-generations".into(),
        topics: [common::topic()].into(),
        assignors: vec![std::sync::Arc::new(RangeAssignor)],
        ..GroupConfig::default()
    };
    let mut generations = Generations::new(transport.clone(), config)?;
    // A service would go on for ever.
    let _for_a_while = timeout(Duration::from_secs(15), async {
        loop {
            let mut generation = generations.next().await?;
            for assigned in generation.assignments().to_vec() {
                let (transport, committing) = (transport.clone(), generation.committing());
                generation.start(move |ended| async move {
                    if let Err(error) = work(transport, assigned, committing, ended).await {
                        eprintln!("{error}");
                    }
                });
            }
            generation.run().await?;
        }
        #[allow(unreachable_code, reason = "the type of the loop's errors")]
        Ok::<(), kafka_reader::Error>(())
    })
    .await;
    generations.close().await;
    Ok(())
}

async fn work(
    transport: Transport,
    assigned: AssignedPartition,
    committing: Committing,
    ended: Ended,
) -> kafka_reader::Result<()> {
    let config = ReaderConfig {
        topic: assigned.partition.topic.clone(),
        partitions: Partitions::One(assigned.partition.partition),
        start_offset: StartOffset::At(assigned.offset),
        ..ReaderConfig::default()
    };
    let mut reader = Reader::new(transport, config).await?;
    loop {
        let message = tokio::select! {
            message = reader.fetch_message() => message?,
            () = ended.clone().wait() => break,
        };
        common::show(&message);
        let next = CommitOffset { offset: message.offset + 1, ..CommitOffset::default() };
        committing.commit([(assigned.partition.clone(), next)]).await?;
    }
    reader.close().await;
    Ok(())
}
