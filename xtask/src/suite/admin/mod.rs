//! Every call of kafka-admin on real Kafka, with Java's `Admin` beside it.
//!
//! ```text
//!              ┌─ ours (kafka-admin) ──┐
//! call, args ──┤                       ├──► the same JSON: what changed is read back by Java, what is read is compared
//!              └─ peer (Java's Admin) ─┘
//! ```
//!
//! The scenarios share one cluster and one JVM of Java's, and nothing else: each makes its own topics, groups and users.

mod brokers;
mod groups;
mod matrix;
mod member;
mod ours;
mod peer;
mod records;
mod security;
mod stage;
mod topics;
mod transactions;

use self::stage::{Shared, Stage};
use super::{Failure, Scenario, Skipped, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let shared = Shared::default();
    let on = |stage: &Shared| OnStage(stage.clone());
    vec![
        on(&shared).named("admin::topics", topics::topics),
        on(&shared).named("admin::records_and_offsets", topics::records_and_offsets),
        on(&shared).named("admin::configs", topics::configs),
        on(&shared).named("admin::cluster_and_features", brokers::cluster_and_features),
        on(&shared).named("admin::quorum", brokers::quorum),
        on(&shared).named("admin::folders", brokers::folders),
        on(&shared).named("admin::moves_and_elections", brokers::moves_and_elections),
        on(&shared).named("admin::classic_groups", groups::classic),
        on(&shared).named("admin::consumer_groups", groups::consumer),
        on(&shared).named("admin::share_groups", groups::share),
        on(&shared).named("admin::streams_groups", groups::streams),
        on(&shared).named("admin::acls", security::acls),
        on(&shared).named("admin::quotas", security::quotas),
        on(&shared).named("admin::users", security::users),
        on(&shared).named("admin::tokens", security::tokens),
        on(&shared).named("admin::transactions", transactions::transactions),
        on(&shared).named("admin::hanging_transactions", transactions::hanging),
        on(&shared).named("admin::telemetry", brokers::telemetry),
        on(&shared).named("admin::permissions_are_javas", matrix::permissions),
        // The last one: it ends a broker.
        on(&shared).named("admin::brokers_that_are_gone", brokers::gone),
    ]
}

/// A scenario on the shared cluster.
struct OnStage(Shared);

impl OnStage {
    fn named<F>(self, name: &str, run: impl FnOnce(Stage) -> F + Send + 'static) -> (String, Scenario)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        scenario(name, move |target| async move { run(self.0.get(&target).await?).await })
    }
}

/// Skips what the release does not have.
fn since_4(stage: &Stage) -> Result<(), Failure> {
    if stage.is_new() { Ok(()) } else { Err(Skipped("Kafka 4").into()) }
}
