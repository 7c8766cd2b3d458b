//! With the brokers gone and a sender that never stops, memory stays under the configured bound.
//!
//! The counting allocator is that of the crate `allocation-counter`: it counts for each thread, and takes every move for
//! one that needs both places, which large blocks do not.

use std::time::Duration;

use kafka_embedded::Cluster;
use kafka_writer::{Compression, ErrorKind, Message, SendOptions, Writer, WriterConfig};
use tokio::time::{Instant, sleep};

const BUFFER: usize = 8 << 20;

/// What a sender met in a minute.
#[derive(Debug, Default)]
struct Met {
    queued: usize,
    full: usize,
    /// Allocated bytes at most, over those that were there before the brokers went.
    held: u64,
}

/// Sends as fast as there is room while no broker is there, for longer than messages may take to be delivered.
fn send_on_and_on(partitions: i32, size: usize, compression: Compression) -> Met {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let config = WriterConfig {
        topic: Some("t".into()),
        batch_bytes: 256 << 10,
        buffer_bytes: BUFFER,
        compression,
        delivery_timeout: Duration::from_secs(20),
        ..WriterConfig::default()
    };
    let (cluster, writer) = runtime.block_on(async {
        let cluster = Cluster::builder().brokers(3).topic("t", partitions, 3).start_in_memory().unwrap();
        let writer = Writer::new(cluster.transport().await.unwrap(), config).unwrap();
        // The topic is known, and there is a connection to each broker.
        let message = |_| Message { value: Some("known".into()), ..Message::default() };
        writer.write_messages(&[(); 32].map(message)).await.unwrap();
        (cluster, writer)
    });
    let (mut met, value) = (Met::default(), bytes::Bytes::from(vec![b'x'; size]));
    let allocated = allocation_counter::measure(|| {
        runtime.block_on(async {
            (1..=3).for_each(|broker| cluster.stop_broker(broker));
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(60) {
                let partition = Some((met.queued % partitions as usize) as i32);
                let message = Message { value: Some(value.clone()), ..Message::default() };
                match writer.try_send_with(message, SendOptions { partition, ..SendOptions::default() }) {
                    Ok(_nobody_waits) => met.queued += 1,
                    Err(error) => {
                        assert_eq!(*error.error().kind(), ErrorKind::Full);
                        met.full += 1;
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    });
    met.held = allocated.bytes_max;
    met
}

#[test]
fn memory_stays_under_the_bound_while_the_brokers_are_gone() {
    let cases = [
        (1, 100, Compression::None),
        (1, 100_000, Compression::None),
        (100, 10_000, Compression::None),
        (1_000, 1_000, Compression::None),
        (1, 100, Compression::Lz4),
    ];
    for (partitions, size, compression) in cases {
        let met = send_on_and_on(partitions, size, compression);
        let case = format!("{partitions} partitions, messages of {size} bytes, {compression}: {met:?}");
        // It filled up, failed after the delivery timeout, and filled up again.
        assert!(met.full > 100 && met.queued * size > 3 * BUFFER / 2, "{case}");
        // Buffers that grow have room to spare.
        assert!(met.held < (BUFFER + BUFFER / 2) as u64, "{case}");
    }
}
