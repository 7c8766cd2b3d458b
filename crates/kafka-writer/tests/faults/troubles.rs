//! What happens to brokers while messages are written; it never ends by itself.

use std::time::Duration;

use fastrand::Rng;
use kafka_embedded::Cluster;
use tokio::time::sleep;

use crate::{BROKERS, PARTITIONS, TOPIC};

/// Every 0.5 to 1.5 s all connections are cut.
pub(crate) async fn cut_again_and_again(cluster: &Cluster, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.u64(500..1_500))).await;
        (1..=BROKERS).for_each(|broker| cluster.cut_connections(broker));
    }
}

/// One broker after the other is killed, told to go, or frozen, and comes back.
pub(crate) async fn let_leaders_go(cluster: &Cluster, mut rng: Rng) {
    loop {
        sleep(Duration::from_millis(rng.u64(500..3_000))).await;
        let broker = rng.i32(1..=BROKERS);
        match rng.u8(..3) {
            // SIGKILL: nobody leads until its session is over.
            0 => {
                cluster.freeze_broker(broker);
                cluster.cut_connections(broker);
                sleep(Duration::from_millis(rng.u64(0..2_500))).await;
                cluster.stop_broker(broker);
            }
            // SIGTERM: others lead first.
            1 => {
                move_away(cluster, broker, &mut rng);
                sleep(Duration::from_millis(rng.u64(0..500))).await;
                cluster.stop_broker(broker);
            }
            // SIGSTOP: others lead once its session is over.
            _ => {
                cluster.freeze_broker(broker);
                sleep(Duration::from_millis(2_000)).await;
                move_away(cluster, broker, &mut rng);
            }
        }
        sleep(Duration::from_millis(rng.u64(0..4_000))).await;
        cluster.thaw_broker(broker);
        cluster.start_broker(broker);
    }
}

fn move_away(cluster: &Cluster, broker: i32, rng: &mut Rng) {
    let led = (0..PARTITIONS).filter(|index| cluster.leader(TOPIC, *index).is_some_and(|(leader, _)| leader == broker));
    for partition in led {
        let other = 1 + (broker - 1 + rng.i32(1..BROKERS)) % BROKERS;
        cluster.move_leader(TOPIC, partition, other).unwrap();
    }
}
