//! The command line: what there is, in words for people. Each command's own arguments stand in its file.

use clap::{Parser, Subcommand};

use crate::commands::acls::AclsCommand;
use crate::commands::bench::BenchCommand;
use crate::commands::cluster::ClusterCommand;
use crate::commands::completions::CompletionsArguments;
use crate::commands::configs::ConfigsCommand;
use crate::commands::consume::ConsumeArguments;
use crate::commands::elect::ElectArguments;
use crate::commands::embedded::EmbeddedArguments;
use crate::commands::groups::GroupsCommand;
use crate::commands::logdirs::LogdirsCommand;
use crate::commands::offsets::OffsetsCommand;
use crate::commands::produce::ProduceArguments;
use crate::commands::quotas::QuotasCommand;
use crate::commands::reassign::ReassignCommand;
use crate::commands::tokens::TokensCommand;
use crate::commands::topics::TopicsCommand;
use crate::commands::txn::TxnCommand;
use crate::commands::users::UsersCommand;

/// Work with Apache Kafka: produce, consume, administer
///
/// Data goes to standard output, all else to standard error. The exit status is 0 only if everything worked.
#[derive(Debug, Parser)]
#[command(name = "kafka", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write each line of standard input to a topic, as a message
    Produce(ProduceArguments),
    /// Read a topic: each message becomes a line of standard output
    Consume(ConsumeArguments),
    #[command(flatten)]
    Brief(BriefCommand),
    /// See how fast a cluster is
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Run a Kafka cluster in memory, to try things on
    Embedded(EmbeddedArguments),
}

/// The commands that ask, print and end. They may be dropped at any time.
#[derive(Debug, Subcommand)]
pub(crate) enum BriefCommand {
    /// Create, list, describe, alter, trim and delete topics
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// List, describe and delete groups; see their lag, and move their offsets
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Find the offsets of places and times
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// Show and change settings of topics, brokers and others
    #[command(subcommand)]
    Configs(ConfigsCommand),
    /// Show brokers, controllers and features
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// List, add and remove access rules
    #[command(subcommand)]
    Acls(AclsCommand),
    /// List users that log in with SCRAM; set and remove their passwords
    #[command(subcommand)]
    Users(UsersCommand),
    /// Make, renew, end and show delegation tokens
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// List and set quotas of users and clients
    #[command(subcommand)]
    Quotas(QuotasCommand),
    /// Move partitions to other brokers
    #[command(subcommand)]
    Reassign(ReassignCommand),
    /// Elect leaders of partitions: the preferred ones
    Elect(ElectArguments),
    /// List and describe transactions; abort those that hang
    #[command(subcommand)]
    Txn(TxnCommand),
    /// See where brokers keep replicas, and how large they are
    #[command(subcommand)]
    Logdirs(LogdirsCommand),
    /// Print what a shell needs to complete the command line
    Completions(CompletionsArguments),
}

const EXAMPLES: &str = "\
Examples:
  export KAFKA_BROKERS=localhost:9092
  kafka topics create orders --partitions 3
  kafka produce orders < lines.txt
  kafka consume orders --exit-at-end";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;
    use kafka_protocol::records::Compression;
    use kafka_writer::RequiredAcks;

    use super::*;
    use crate::commands::topics::TopicsCommand;
    use crate::connect::SaslMechanism;
    use crate::parse::place::{Moment, Place};
    use crate::parse::range::Range;
    use crate::print::Format;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        // With the option on each line, the environment of the test does not matter.
        let words = format!("kafka {line} --brokers one,[::1]:19092");
        Arguments::try_parse_from(words.split(' ')).map(|arguments| arguments.command)
    }

    fn refusal(line: &str) -> ErrorKind {
        parse(line).map(|command| panic!("{line}: {command:?}")).unwrap_err().kind()
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn brokers_are_a_list_of_addresses() {
        let Ok(Command::Produce(produce)) = parse("produce t") else { panic!() };
        let brokers: Vec<_> = produce.connect.brokers.iter().map(ToString::to_string).collect();
        assert_eq!(brokers, ["one:9092", "[::1]:19092"]);
    }

    #[test]
    fn produce_in_full_and_in_short() {
        for line in [
            "produce t --key-separator : --header a=1 --header b= --compression zstd --acks 0 --balancer round-robin",
            "produce t -K : -H a=1 -H b= -z zstd --acks 0 --balancer round-robin",
        ] {
            let Ok(Command::Produce(produce)) = parse(line) else { panic!("{line}") };
            let headers: Vec<_> = produce.headers.iter().map(|pair| (&*pair.name, &*pair.value)).collect();
            assert_eq!(headers, [("a", "1"), ("b", "")]);
            assert_eq!((produce.compression, produce.acks), (Compression::Zstd, RequiredAcks::None));
            assert!(produce.key_separator.is_some());
        }
    }

    #[test]
    fn produce_loses_nothing_by_default() {
        let Ok(Command::Produce(produce)) = parse("produce t") else { panic!() };
        assert_eq!((produce.compression, produce.acks), (Compression::None, RequiredAcks::All));
        assert!(produce.key_separator.is_none() && produce.headers.is_empty());
    }

    #[test]
    fn consume_in_full_and_in_short() {
        for line in [
            "consume t --from 17 --count 5 --exit-at-end --partition 2 --partition 0,1 --key-separator :",
            "consume t -o 17 -c 5 -e -p 2 -p 0,1 -K :",
        ] {
            let Ok(Command::Consume(consume)) = parse(line) else { panic!("{line}") };
            assert_eq!((consume.from, consume.count), (Range { from: Place::Offset(17), to: None }, Some(5)));
            assert_eq!(consume.partitions, [2, 0, 1]);
            assert!(consume.exit_at_end && consume.key_separator.is_some());
        }
    }

    #[test]
    fn topics() {
        let line = "topics create t --partitions 3 --replication-factor 2 --config a=b --config c=d";
        let Ok(Command::Brief(BriefCommand::Topics(TopicsCommand::Create(create)))) = parse(line) else { panic!() };
        assert_eq!((create.partitions, create.replication_factor), (Some(3), Some(2)));
        assert_eq!((create.names, create.configs.len()), (vec!["t".to_owned()], 2));
        let line = "topics delete a b -y";
        let Ok(Command::Brief(BriefCommand::Topics(TopicsCommand::Delete(delete)))) = parse(line) else { panic!() };
        assert_eq!((delete.names, delete.consent.yes), (vec!["a".to_owned(), "b".to_owned()], true));
        let line = "topics trim a:0,1 b --before -5 --dry-run";
        let Ok(Command::Brief(BriefCommand::Topics(TopicsCommand::Trim(trim)))) = parse(line) else { panic!() };
        assert_eq!((trim.before, trim.partitions.len()), (Place::BeforeEnd(5), 2));
        let Ok(Command::Brief(BriefCommand::Topics(TopicsCommand::List(list)))) = parse("topics list -O json") else {
            panic!()
        };
        assert_eq!(list.watch.print.format, Format::Json);
    }

    #[test]
    fn groups() {
        let line = "groups reset-offsets g t:1 --to @1970-01-02 --execute --yes";
        let Ok(Command::Brief(BriefCommand::Groups(GroupsCommand::ResetOffsets(reset)))) = parse(line) else {
            panic!()
        };
        assert_eq!((reset.to, reset.shift), (Some(Place::Time(Moment::At(86_400_000))), None));
        assert!(reset.execute && reset.consent.yes);
        let line = "groups reset-offsets g --shift -3";
        let Ok(Command::Brief(BriefCommand::Groups(GroupsCommand::ResetOffsets(reset)))) = parse(line) else {
            panic!()
        };
        assert_eq!((reset.to, reset.shift, reset.execute), (None, Some(-3), false));
    }

    #[test]
    fn access_rules() {
        let line = "acls add --principal User:a --operation read,describe --resource topic:t --resource group:g --deny";
        let Ok(Command::Brief(BriefCommand::Acls(AclsCommand::Add(add)))) = parse(line) else { panic!() };
        assert_eq!((add.operations.len(), add.resources.len(), add.deny), (2, 2, true));
        assert!(matches!(parse("acls list"), Ok(Command::Brief(BriefCommand::Acls(_)))));
        let line = "acls remove --principal User:a";
        assert!(matches!(parse(line), Ok(Command::Brief(BriefCommand::Acls(AclsCommand::Remove(_))))));
    }

    #[test]
    fn tls_and_sasl() {
        let Ok(Command::Consume(consume)) = parse("consume t --tls=false --sasl SCRAM-SHA-512 --sasl-user me") else {
            panic!()
        };
        let security = &consume.connect.security;
        assert_eq!((security.tls, security.sasl), (Some(false), Some(SaslMechanism::ScramSha512)));
        let Ok(Command::Consume(consume)) = parse("consume --tls t") else { panic!() };
        assert_eq!((consume.connect.security.tls, &*consume.topics), (Some(true), &["t".to_owned()][..]));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "produce t --header a",
            "produce t --key-separator \\q",
            "consume t --from middle",
            "consume t --partition -1",
            "consume t --from 5:2",
            "consume t --format %x",
            "consume --pattern (",
            "consume t --timeout 0",
            "produce t --brokers kafka://one",
            "produce t --sasl kerberos",
            "topics trim t --before middle",
            "groups reset-offsets g --to -5",
            "configs describe table:a",
            "acls list --operation fly",
            "acls add --principal User:a --operation read --resource topic",
            "quotas set --user a consumer_byte_rate=-1",
            "txn abort t --producer-id 1",
            "produce t --brokers one,,two",
        ] {
            assert_eq!(refusal(line), ErrorKind::ValueValidation, "{line}");
        }
        for line in
            ["produce t --compression brotli", "produce t --acks 2", "produce t --balancer fair", "topics list -O yaml"]
        {
            assert_eq!(refusal(line), ErrorKind::InvalidValue, "{line}");
        }
        assert_eq!(refusal("consume t --count 0"), ErrorKind::ValueValidation);
        assert_eq!(refusal("topics create t --partitions 0"), ErrorKind::ValueValidation);
        assert_eq!(refusal("topics delete t --yes --dry-run"), ErrorKind::ArgumentConflict);
        assert_eq!(refusal("groups reset-offsets g --to end --shift 1"), ErrorKind::ArgumentConflict);
        for line in [
            "users set",
            "quotas set --user a",
            "quotas set q=1",
            "acls remove",
            "acls add --principal User:a",
            "reassign start t",
        ] {
            assert_eq!(refusal(line), ErrorKind::MissingRequiredArgument, "{line}");
        }
        for line in ["groups reset-offsets g", "topics alter t", "configs alter topic:t", "topics trim t"] {
            assert_eq!(refusal(line), ErrorKind::MissingRequiredArgument, "{line}");
        }
        assert_eq!(refusal("topics delete"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refusal("consume"), ErrorKind::MissingRequiredArgument);
    }
}
