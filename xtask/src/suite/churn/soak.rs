//! `cargo xtask soak groups`: the long form, one assignor after the other.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::assignors;
use super::shake::Churn;
use crate::kafka::Version;
use crate::suite::{Failure, Target};

/// Let members of ours, Java's and kafka-go's join, leave, crash and freeze every few seconds
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
    /// What the changes follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl GroupsSoak {
    /// Runs everything, and fails with the first group that breaks a rule.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let target = Target::start(self.kafka)?;
        println!("soak of groups on {target}, seed {}, {} min for each assignor", self.seed, self.minutes);
        let wanted = |name: &str| self.assignor.as_ref().is_none_or(|only| only == name);
        Runtime::new()?.block_on(async {
            for assignor in assignors().into_iter().filter(|assignor| wanted(assignor.name())) {
                let name = assignor.name().to_owned();
                let lasts = Duration::from_secs(60 * self.minutes);
                let churn = Churn { assignor, seed: self.seed, lasts, pause_ms: 500..=3000 };
                let figures = churn.run(&target).await.map_err(|failure| format!("{name}: {failure}"))?;
                println!("{name}: {figures}");
            }
            Ok(())
        })
    }
}
