//! `kafka consume`: each message becomes a line of standard output.

mod bounds;
mod copy;
mod form;

use clap::Args;
use clap::builder::TypedValueParser;
use kafka_reader::TopicNames;

use crate::connect::ConnectArguments;
use crate::key_separator::KeySeparator;
use crate::parse::choice::choice;
use crate::parse::format::{Format, parse_format};
use crate::parse::range::{Range, parse_range};
use crate::parse::topic::parse_topic_name;
use crate::report;
pub(crate) use copy::run;

#[derive(Debug, Args)]
#[command(override_usage = "kafka consume [OPTIONS] <TOPIC>...", after_help = EXAMPLES)]
pub(crate) struct ConsumeArguments {
    /// The topics to read
    #[arg(value_name = "TOPIC", required_unless_present = "pattern", value_parser = parse_topic_name)]
    pub(crate) topics: Vec<String>,
    /// Reads all topics whose whole names match this regular expression, those that are made later too
    #[arg(long, value_name = "REGEX", value_parser = parse_pattern, conflicts_with_all = ["topics", "partitions"])]
    pub(crate) pattern: Option<TopicNames>,
    /// Prints keys too, each followed by this text, as in -K : or -K '\t'; messages without key have neither
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = KeySeparator::parse)]
    pub(crate) key_separator: Option<KeySeparator>,
    /// Prints each message so, as in '%k: %s\n': %s value, %k key, %h headers, %t topic, %p partition, %o offset, %T
    /// timestamp, %S and %K lengths of value and key, %% a percent sign, \n \t \xHH as usual
    #[arg(short, long, value_name = "TEXT", value_parser = parse_format, conflicts_with = "key_separator")]
    pub(crate) format: Option<Format>,
    /// How to print: lines with the value, or a line of JSON for each message, with all that it has
    #[arg(
        short = 'O',
        long = "output",
        value_name = "FORMAT",
        default_value = "lines",
        value_parser = outputs()
    )]
    pub(crate) output: OutputForm,
    /// Where to begin in each partition: start, end (only what is new), an offset, -N for N before the end, or a time, as
    /// in @2026-01-15 or @-1h. With a second place, as in @-1h:@now, it ends there
    #[arg(short = 'o', long, value_name = "PLACE[:PLACE]", default_value = "start", allow_hyphen_values = true, value_parser = parse_range)]
    pub(crate) from: Range,
    /// Ends after so many messages
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Ends at what is the end of the partitions now, instead of waiting for more
    #[arg(short, long)]
    pub(crate) exit_at_end: bool,
    /// Reads these partitions only; may be repeated, or a list
    #[arg(
        short,
        long = "partition",
        value_name = "P",
        value_delimiter = ',',
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    pub(crate) partitions: Vec<i32>,
    /// Reads as a member of this group, which shares the topics' partitions; what was printed is committed, and reading
    /// goes on there the next time
    #[arg(short, long, conflicts_with_all = ["exit_at_end", "partitions"])]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// What is printed of a message, where no format says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputForm {
    Lines,
    Json,
}

impl ConsumeArguments {
    /// The topics, by name or by what their names match.
    fn topic_names(&self) -> TopicNames {
        let names = || TopicNames::Names(self.topics.iter().map(Into::into).collect());
        self.pattern.clone().unwrap_or_else(names)
    }
}

fn parse_pattern(text: &str) -> Result<TopicNames, String> {
    TopicNames::pattern(text).map_err(|error| report::chain(&error))
}

fn outputs() -> impl TypedValueParser<Value = OutputForm> {
    choice([("lines", OutputForm::Lines), ("json", OutputForm::Json)])
}

const EXAMPLES: &str = "\
Examples:
  kafka consume orders --from -5 --exit-at-end
  kafka consume orders --from @-1h:@now --format '%T %k: %s\\n'
  kafka consume orders -e -O json | kafka produce copy --input json";
