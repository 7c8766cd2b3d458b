//! The Java programs of the oracle: compiled against a release's jars, fed on standard input.

use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use crate::kafka::Release;

const LIMIT: Duration = Duration::from_secs(300);

/// A program that is ready to run with one release.
pub(super) struct Program<'a> {
    release: &'a Release,
    class: &'static str,
    folder: PathBuf,
}

impl<'a> Program<'a> {
    /// Compiles `source`, the text of the class `class`, against the release's jars.
    pub(super) fn compile(release: &'a Release, class: &'static str, source: &str) -> Result<Self, Error> {
        release.compile_program(class, source)?;
        Ok(Self { release, class, folder: release.programs() })
    }

    /// The messages and versions that the release knows, as (api, dir, first version, last version).
    pub(super) fn table(&self) -> Result<Vec<Row>, Error> {
        let table = self.run("table", b"")?;
        table.lines().filter_map(|line| Row::parse(line).transpose()).collect()
    }

    /// Lets the program judge `lines`, and returns how many it found good.
    ///
    /// # Errors
    /// Where Java finds a line bad, with its reasons, or does not know the message of a line.
    pub(super) fn check(&self, lines: &str) -> Result<usize, Error> {
        self.judge(lines).map(|(good, _)| good)
    }

    /// As [`check`](Self::check), where the program says first how many of the good groups keep more than Java leaves
    /// them.
    pub(super) fn check_groups(&self, lines: &str) -> Result<(usize, usize), Error> {
        let (good, answer) = self.judge(lines)?;
        let kept = answer.lines().find_map(|line| line.strip_suffix(" keep more")?.parse().ok());
        Ok((good, kept.ok_or(Error::Answer(answer))?))
    }

    fn judge(&self, lines: &str) -> Result<(usize, String), Error> {
        let answer = self.run("check", lines.as_bytes())?;
        let good = answer.lines().last().and_then(|last| last.split_once(" good, 0 bad")?.0.parse().ok());
        match (good, lines.lines().count()) {
            (Some(good), count) if good == count => Ok((good, answer)),
            _ => Err(Error::Answer(answer)),
        }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<String, Error> {
        let output = self.release.run(&self.folder, self.class, &[verb], input, LIMIT)?;
        String::from_utf8(output).map_err(|error| Error::Answer(error.to_string()))
    }
}

/// One message of a release.
pub(super) struct Row {
    pub(super) api: String,
    pub(super) dir: String,
    pub(super) versions: std::ops::RangeInclusive<i16>,
}

impl Row {
    /// Reads a row of the table: dir, key, api, versions and more; `None` for a message without versions.
    fn parse(line: &str) -> Result<Option<Self>, Error> {
        let unknown = || Error::Answer(line.to_owned());
        let mut columns = line.split('\t');
        let (Some(dir), Some(_key), Some(api), Some(versions)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            return Err(unknown());
        };
        if versions == "none" {
            return Ok(None);
        }
        let (min, max) = versions.split_once('-').unwrap_or((versions, versions));
        let number = |text: &str| text.parse().map_err(|_| unknown());
        Ok(Some(Self { api: api.to_owned(), dir: dir.to_owned(), versions: number(min)?..=number(max)? }))
    }
}
