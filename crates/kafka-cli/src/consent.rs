//! The question before what cannot be undone.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdin};

use clap::Args;

use crate::error::{Error, Result};
use crate::report;

/// Whether something that cannot be undone is done.
#[derive(Debug, Args)]
pub(crate) struct ConsentArguments {
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Does not ask
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}

/// What became of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    /// It was a dry run, which ends well.
    DryRun,
    Refused,
}

impl ConsentArguments {
    /// Shows the plan of `what` and asks whether to do it, unless that is known.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn ask_about(&self, plan: impl Display, what: impl Display) -> Result<Consent> {
        if !self.yes {
            report::line(format_args!("{plan}"));
        }
        self.ask(what).await
    }

    /// Asks whether to do `what`, unless that is known.
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`] where standard input is no terminal.
    pub(crate) async fn ask(&self, what: impl Display) -> Result<Consent> {
        if self.dry_run {
            report::line(format_args!("would {what}"));
            return Ok(Consent::DryRun);
        }
        if self.yes {
            return Ok(Consent::Given);
        }
        if !stdin().is_terminal() {
            return Err(Error::NobodyToAsk { what: what.to_string() });
        }
        let question = format!("{what}? [y/N] ");
        // Cut short by a signal, the thread ends with the process.
        let answer = tokio::task::spawn_blocking(move || {
            stderr().write_all(question.as_bytes())?;
            let mut answer = String::new();
            stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.await.map_err(|error| Error::Start(error.into()))?.map_err(Error::Input)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(Consent::Given);
        }
        report::line(format_args!("nothing was done"));
        Ok(Consent::Refused)
    }
}
