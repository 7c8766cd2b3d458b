//! `cargo xtask vectors DIR`: checks every line of a folder of golden vectors.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

#[path = "../../crates/kafka-protocol/tests/golden/mod.rs"]
mod golden;

/// What keeps a folder of vectors from being good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("nothing to check in {}: no line in any *.jsonl or *.jsonl.gz", .0.display())]
    Nothing(PathBuf),
    #[error("{0} lines are bad")]
    Bad(usize),
}

/// How many bad lines of a file are shown with their reason.
const SHOWN: usize = 5;

/// Checks all vector files of `folder` and prints a line for each.
pub(crate) fn run(folder: &Path) -> Result<(), Error> {
    let (mut good, mut bad) = (0, 0);
    for path in files(folder)? {
        let counts = check(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().display();
        println!("{name}: {} good, {} bad", counts.good, counts.bad);
        good += counts.good;
        bad += counts.bad;
    }
    match (good, bad) {
        (0, 0) => Err(Error::Nothing(folder.to_owned())),
        (_, 0) => Ok(()),
        (_, bad) => Err(Error::Bad(bad)),
    }
}

#[derive(Default)]
struct Counts {
    good: usize,
    bad: usize,
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let context = |source| Error::Io { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(context)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(context)?;
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_file() && (name.ends_with(".jsonl") || name.ends_with(".jsonl.gz"))
    });
    files.sort();
    Ok(files)
}

fn check(path: &Path) -> io::Result<Counts> {
    let file = File::open(path)?;
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    let text: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut counts = Counts::default();
    for (index, line) in BufReader::new(text).split(b'\n').enumerate() {
        // A line that is not text is a bad line, not the end of the file.
        let checked = match std::str::from_utf8(&line?) {
            Ok(line) => golden::check(line),
            Err(error) => Err(error.to_string()),
        };
        match checked {
            Ok(()) => counts.good += 1,
            Err(reason) => {
                if counts.bad < SHOWN {
                    eprintln!("{}:{}: {reason}", path.display(), index + 1);
                }
                counts.bad += 1;
            }
        }
    }
    Ok(counts)
}
