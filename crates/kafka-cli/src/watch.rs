//! `--watch`: what is listed, again and again, until somebody ends it.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;
use terminal_size::{Height, Width, terminal_size};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::exit::Outcome;
use crate::output::{Output, reader_gone};
use crate::parse::duration::parse_duration;
use crate::print::{Format, PrintArguments};
use crate::report;
use crate::table::Table;

/// How to print what is listed, and how often.
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    pub(crate) print: PrintArguments,
    /// Lists it again and again, with so much time in between (2s), until Ctrl-C. A terminal is redrawn; elsewhere one
    /// list follows the other
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = parse_duration)]
    pub(crate) watch: Option<Duration>,
}

impl WatchArguments {
    /// Prints what `look` finds: once, or for as long as somebody reads it. Once there was something to show, what may
    /// pass no longer ends it.
    pub(crate) async fn show<const N: usize>(
        &self,
        mut look: impl AsyncFnMut(&mut Outcome) -> Result<Table<N>>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::Complete;
        let first = look(&mut outcome).await?;
        let Some(pause) = self.watch else {
            self.print.print(&first).await?;
            return Ok(outcome);
        };
        let mut screen = Screen::new(self.print.format, pause)?;
        let watching = async {
            screen.draw(&first).await?;
            loop {
                sleep(pause).await;
                match look(&mut Outcome::Complete).await {
                    Ok(table) => screen.draw(&table).await?,
                    Err(Error::Admin(error)) if error.is_retriable() => report::trying_on(&error),
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            gone = reader_gone() => Err(gone),
            ended = watching => ended,
        }
    }
}

/// Where lists appear: on a terminal one in place of the other, elsewhere one behind the other.
struct Screen {
    output: Output,
    format: Format,
    is_terminal: bool,
    heading: String,
    drawn: bool,
}

impl Screen {
    fn new(format: Format, pause: Duration) -> Result<Self> {
        let is_terminal = format == Format::Table && stdout().is_terminal();
        Ok(Self {
            output: Output::open()?,
            format,
            is_terminal,
            heading: format!("every {pause:?}; Ctrl-C ends"),
            drawn: false,
        })
    }

    async fn draw<const N: usize>(&mut self, table: &Table<N>) -> Result<()> {
        let text = match self.format {
            Format::Json => table.to_json(),
            Format::Table if self.is_terminal => {
                let (width, height) = terminal_size().map_or((None, None), |(Width(width), Height(height))| {
                    (Some(usize::from(width)), Some(usize::from(height)))
                });
                redraw(&self.heading, &table.to_text(width), height, !self.drawn)
            }
            Format::Table if self.drawn => format!("\n{}", table.to_text(None)),
            Format::Table => table.to_text(None),
        };
        self.drawn = true;
        self.output.write(text.into_bytes()).await
    }
}

/// Draws over what the terminal shows, without a flicker, and no more lines than it has.
fn redraw(heading: &str, table: &str, height: Option<usize>, first: bool) -> String {
    let mut text = String::from(if first { CLEAR } else { HOME });
    let lines: Vec<_> = table.lines().collect();
    // The heading, and the line in which the cursor stays.
    let room = height.map_or(usize::MAX, |height| height.saturating_sub(2).max(1));
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    let rest = lines.len() - shown;
    let more = (rest > 0).then(|| format!("… and {}", report::count(rest as u64, "more line")));
    let shown = lines.iter().take(shown).copied();
    for line in std::iter::once(heading).chain(shown).chain(more.as_deref()) {
        let _never_fails = writeln!(text, "{line}{CLEAR_LINE}");
    }
    text.push_str(CLEAR_BELOW);
    text
}

/// What terminals of all sorts understand (ECMA-48).
const HOME: &str = "\u{1b}[H";
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal shows, the codes aside.
    fn shown(height: usize) -> Vec<String> {
        let text = redraw("heading", "A\n1\n2\n3\n", Some(height), false);
        assert!(text.starts_with(HOME) && text.ends_with(CLEAR_BELOW));
        let plain = text.replace(HOME, "").replace(CLEAR_LINE, "").replace(CLEAR_BELOW, "");
        plain.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_terminal_shows_as_much_as_fits() {
        assert_eq!(shown(24), ["heading", "A", "1", "2", "3"]);
        assert_eq!(shown(6), ["heading", "A", "1", "2", "3"]);
        assert_eq!(shown(5), ["heading", "A", "1", "… and 2 more lines"]);
        assert_eq!(shown(1), ["heading", "… and 4 more lines"]);
    }

    #[test]
    fn the_first_time_it_is_cleared() {
        assert!(redraw("", "", None, true).starts_with(CLEAR));
    }
}
