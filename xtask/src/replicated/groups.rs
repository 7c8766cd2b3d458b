//! A group of ours and others' members, while the brokers restart, one after the other.

use std::sync::Arc;

use kafka_reader::{Assignor, CooperativeStickyAssignor};

use super::blow::Blow;
use super::brokers::{Brokers, SPREAD};
use crate::suite::{Account, Failure, Group, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![scenario("groups::brokers_that_restart_take_nothing_from_a_group", |target| async move {
        println!("    {}", rolling_restart(&target, Arc::new(CooperativeStickyAssignor), 1).await?);
        Ok(())
    })]
}

/// Restarts every broker so many times, the group's coordinators among them. Each partition has exactly one owner after
/// each restart, in the generation that was there before; nothing is skipped or read again, and no commit goes back.
pub(crate) async fn rolling_restart(
    target: &Target,
    assignor: Arc<dyn Assignor>,
    times: usize,
) -> Result<Account, Failure> {
    let brokers = Brokers::new(target).await?;
    let topic = brokers.topic("rolling-restart", &[SPREAD, SPREAD].concat(), &[]).await?;
    let mut group = Group::start(target, &topic, assignor).await?;
    group.join()?;
    group.foreign_joins()?;
    group.settle().await?;
    let generation = group.generation().await?;
    for _ in 0..times {
        for broker in 1..=3 {
            brokers.strike(broker, Blow::Terminate).await?;
            brokers.heal(broker, Blow::Terminate).await?;
            // The next one goes when this one has caught up, as it is done where messages matter.
            brokers.settle(&topic).await?;
            brokers.settle(OFFSETS).await?;
            let settled = group.settle().await;
            settled.map_err(|failure| format!("broker {broker} has restarted: {failure}"))?;
        }
    }
    let now = group.generation().await?;
    check(now == generation, || format!("generation {generation} has become {now}: somebody joined anew"))?;
    group.finish().await
}

/// The topic in which coordinators keep what groups commit.
const OFFSETS: &str = "__consumer_offsets";
