//! `cargo xtask soak groups`: the long form, one assignor after the other.

use std::sync::Arc;
use std::time::Duration;

use kafka_reader::Assignor;
use tokio::runtime::Runtime;

use super::assignors;
use super::shake::Churn;
use crate::kafka::Version;
use crate::replicated::rolling_restart;
use crate::suite::{Failure, Target};

/// Let members of ours, Java's and kafka-go's join, leave, crash and freeze every few seconds; then let brokers restart
#[derive(Debug, clap::Args)]
pub(crate) struct GroupsSoak {
    /// The Kafka release
    #[arg(long, default_value_t = Version::NEWEST)]
    kafka: Version,
    /// How long for each assignor
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only this assignor
    #[arg(long)]
    assignor: Option<String>,
    /// How often three brokers restart, one after the other, for each assignor
    #[arg(long, default_value_t = 3)]
    rolls: usize,
    /// What the changes follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl GroupsSoak {
    /// Runs everything, and fails with the first group that breaks a rule.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime = Runtime::new()?;
        if self.minutes > 0 {
            let target = Target::start(self.kafka)?;
            println!("soak of groups on {target}, seed {}, {} min for each assignor", self.seed, self.minutes);
            runtime.block_on(self.shake(&target))?;
        }
        if self.rolls > 0 {
            let target = Target::start_replicated(self.kafka)?;
            println!("soak of groups on {target}, each of which restarts {} times", self.rolls);
            runtime.block_on(self.roll(&target))?;
        }
        Ok(())
    }

    fn wanted(&self) -> impl Iterator<Item = Arc<dyn Assignor>> {
        let wanted = |name: &str| self.assignor.as_ref().is_none_or(|only| only == name);
        assignors().into_iter().filter(move |assignor| wanted(assignor.name()))
    }

    async fn shake(&self, target: &Target) -> Result<(), Failure> {
        for assignor in self.wanted() {
            let name = assignor.name().to_owned();
            let lasts = Duration::from_secs(60 * self.minutes);
            let churn = Churn { assignor, seed: self.seed, lasts, pause_ms: 500..=3000 };
            let figures = churn.run(target).await.map_err(|failure| format!("{name}: {failure}"))?;
            println!("{name}: {figures}");
        }
        Ok(())
    }

    async fn roll(&self, target: &Target) -> Result<(), Failure> {
        for assignor in self.wanted() {
            let name = assignor.name().to_owned();
            let account = rolling_restart(target, assignor, self.rolls).await;
            println!("{name}: {}", account.map_err(|failure| format!("{name}: {failure}"))?);
        }
        Ok(())
    }
}
