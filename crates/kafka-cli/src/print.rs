//! Printing tables: the option that all commands share which list something.

use std::io::{IsTerminal, stdout};

use clap::Args;

use crate::error::Result;
use crate::output::Output;
use crate::parse::choice::choice;
use crate::table::Table;

/// How to print what is listed.
#[derive(Debug, Args)]
pub(crate) struct PrintArguments {
    /// How to print: a table for people, or JSON for programs, an array of objects
    #[arg(short = 'O', long = "output", value_name = "FORMAT", default_value = "table", value_parser = formats())]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
}

fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    choice([("table", Format::Table), ("json", Format::Json)])
}

impl PrintArguments {
    /// Prints a table to standard output. Only on a terminal it is made to fit: elsewhere, a row is a line.
    pub(crate) async fn print<const N: usize>(&self, table: &Table<N>) -> Result<()> {
        self.write(match self.format {
            Format::Table if stdout().is_terminal() => {
                table.to_text(terminal_size::terminal_size().map(|(width, _)| width.0.into()))
            }
            Format::Table => table.to_text(None),
            Format::Json => table.to_json(),
        })
        .await
    }

    /// Prints a table that is not made to fit, each cell in a line of its own.
    pub(crate) async fn print_upright<const N: usize>(&self, table: &Table<N>) -> Result<()> {
        self.write(match self.format {
            Format::Table => table.to_upright_text(),
            Format::Json => table.to_json(),
        })
        .await
    }

    async fn write(&self, text: String) -> Result<()> {
        let mut output = Output::open()?;
        output.write(text.into_bytes()).await?;
        output.close().await
    }
}
