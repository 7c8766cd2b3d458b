//! `kafka txn …`: transactions, and those that hang.

use clap::{Args, Subcommand};
use kafka_admin::TopicPartition;
use kafka_admin::{HangingTransaction, ProducerState, TransactionDescription, TransactionFilter, TransactionListing};
use serde_json::json;
use smol_str::SmolStr;

use crate::connect::ConnectArguments;
use crate::consent::{Consent, ConsentArguments};
use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::parse::partition::{PartitionsSpec, parse_partitions};
use crate::print::PrintArguments;
use crate::report;
use crate::table::Table;
use crate::watch::WatchArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum TxnCommand {
    /// List transactional ids
    List(ListArguments),
    /// Show transactions
    Describe(DescribeArguments),
    /// Abort a transaction that no producer will ever end, in one partition
    Abort(AbortArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Lists those in these states only, as in Ongoing; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<SmolStr>,
    #[command(flatten)]
    pub(crate) watch: WatchArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The transactional ids
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AbortArguments {
    /// The partition in which it hangs
    #[arg(value_name = "TOPIC:PARTITION", value_parser = parse_one_partition)]
    pub(crate) partition: TopicPartition,
    /// The id of its producer
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) producer_id: i64,
    #[command(flatten)]
    pub(crate) consent: ConsentArguments,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

fn parse_one_partition(text: &str) -> Result<TopicPartition, String> {
    match parse_partitions(text).map(|PartitionsSpec { topic, partitions }| (topic, partitions)) {
        Ok((topic, partitions)) if partitions.len() == 1 => Ok(TopicPartition::new(topic, partitions[0])),
        _ => Err("write TOPIC:PARTITION".to_owned()),
    }
}

pub(crate) async fn run(command: TxnCommand) -> Result<Outcome> {
    match command {
        TxnCommand::List(arguments) => {
            let filter = TransactionFilter { states: arguments.states, ..TransactionFilter::default() };
            let admin = arguments.connect.admin().await?;
            let look = async |outcome: &mut Outcome| {
                let list = admin.list_transactions(&filter).await?;
                report::missing(&list.missing, outcome);
                Ok(listing(&list.transactions))
            };
            arguments.watch.show(look).await
        }
        TxnCommand::Describe(arguments) => {
            let ids: Vec<_> = arguments.ids.iter().map(String::as_str).collect();
            let described = arguments.connect.admin().await?.describe_transactions(&ids).await?;
            let mut outcome = Outcome::Complete;
            arguments.print.print(&descriptions(&report::known(described, &mut outcome))).await?;
            Ok(outcome)
        }
        TxnCommand::Abort(arguments) => abort(arguments).await,
    }
}

async fn abort(arguments: AbortArguments) -> Result<Outcome> {
    let admin = arguments.connect.admin().await?;
    let AbortArguments { partition, producer_id, .. } = arguments;
    let mut outcome = Outcome::Complete;
    let producers = report::known(admin.describe_producers(std::slice::from_ref(&partition)).await?, &mut outcome);
    if outcome != Outcome::Complete {
        return Ok(outcome);
    }
    let transaction =
        producers.iter().flat_map(|(_, states)| states).find_map(|state| open(state, &partition, producer_id));
    let Some(transaction) = transaction else {
        return Err(Error::NoOpenTransaction { partition: partition.to_string(), producer_id });
    };
    match arguments.consent.ask(format_args!("abort what producer {producer_id} wrote to {partition}")).await? {
        Consent::Given => {}
        Consent::DryRun => return Ok(Outcome::Complete),
        Consent::Refused => return Ok(Outcome::Incomplete),
    }
    admin.abort_transaction(&transaction).await?;
    report::line(format_args!("aborted the transaction of producer {producer_id} in {partition}"));
    Ok(Outcome::Complete)
}

/// The transaction that this producer has open, if it is the one.
fn open(state: &ProducerState, partition: &TopicPartition, producer_id: i64) -> Option<HangingTransaction> {
    state.transaction_start_offset.filter(|_| state.producer_id == producer_id)?;
    Some(HangingTransaction {
        partition: partition.clone(),
        producer_id,
        producer_epoch: state.producer_epoch.try_into().ok()?,
        coordinator_epoch: state.coordinator_epoch.unwrap_or(UNKNOWN_EPOCH),
    })
}

fn listing(transactions: &[TransactionListing]) -> Table<3> {
    let mut table = Table::new(["transaction", "producer_id", "state"]);
    for TransactionListing { id, producer_id, state } in transactions {
        table.push([json!(id.as_str()), json!(producer_id), json!(state.as_str())]);
    }
    table
}

fn descriptions(transactions: &[(SmolStr, TransactionDescription)]) -> Table<7> {
    let columns = ["transaction", "producer_id", "producer_epoch", "state", "timeout_ms", "started_ms", "partitions"];
    let mut table = Table::new(columns);
    for (id, transaction) in transactions {
        let partitions: Vec<_> = transaction.partitions.iter().map(ToString::to_string).collect();
        table.push([
            json!(id.as_str()),
            json!(transaction.producer_id),
            json!(transaction.producer_epoch),
            json!(transaction.state.as_str()),
            json!(transaction.timeout_ms),
            json!(transaction.started_ms),
            json!(partitions),
        ]);
    }
    table
}

/// What brokers take where no coordinator has ever written a marker.
const UNKNOWN_EPOCH: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_is_aborted() {
        let partition = TopicPartition::new("orders", 0);
        let state = ProducerState {
            producer_id: 7,
            producer_epoch: 2,
            last_sequence: None,
            last_timestamp_ms: None,
            coordinator_epoch: None,
            transaction_start_offset: Some(5),
        };
        let found = open(&state, &partition, 7).unwrap();
        assert_eq!((found.producer_epoch, found.coordinator_epoch), (2, -1));
        assert_eq!(open(&state, &partition, 8), None);
        assert_eq!(open(&ProducerState { transaction_start_offset: None, ..state }, &partition, 7), None);
    }

    #[test]
    fn a_row_for_each_transaction() {
        let transaction = TransactionListing { id: "app-1".into(), producer_id: 7, state: "Ongoing".into() };
        let expected = "\
TRANSACTION  PRODUCER-ID  STATE
app-1                  7  Ongoing
";
        assert_eq!(listing(&[transaction]).to_text(Some(80)), expected);
    }
}
