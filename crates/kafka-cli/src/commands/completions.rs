//! `kafka completions`: what shells need to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;
use crate::error::Result;
use crate::exit::Outcome;
use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Prints the script.
pub(crate) async fn run(arguments: CompletionsArguments) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "kafka", &mut script);
    let mut output = Output::open()?;
    output.write(script).await?;
    output.close().await?;
    Ok(Outcome::Complete)
}

const EXAMPLES: &str = "\
Examples:
  source <(kafka completions bash)
  kafka completions fish > ~/.config/fish/completions/kafka.fish";
