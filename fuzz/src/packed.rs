//! Corpora as they are committed: a line of hexadecimal digits for each input, in one gzipped file for each target; and
//! beside it, in a plain one, those inputs that once found something.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// The committed corpus of a target.
pub fn path(fuzz: &Path, target: &str) -> PathBuf {
    fuzz.join("corpus").join(format!("{target}.hex.gz"))
}

/// The inputs that once made a target fail, and are to stay for good. There need not be any.
pub fn regressions_path(fuzz: &Path, target: &str) -> PathBuf {
    fuzz.join("regressions").join(format!("{target}.hex"))
}

/// All committed inputs of a target.
///
/// # Errors
/// If they cannot be read.
pub fn committed(fuzz: &Path, target: &str) -> io::Result<Vec<Vec<u8>>> {
    Ok([read(&path(fuzz, target))?, regressions(fuzz, target)?].concat())
}

/// The inputs of [`regressions_path`].
///
/// # Errors
/// If they cannot be read.
pub fn regressions(fuzz: &Path, target: &str) -> io::Result<Vec<Vec<u8>>> {
    let path = regressions_path(fuzz, target);
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    text.lines().map(from_hex).collect()
}

/// The inputs in a packed file.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let text = BufReader::new(GzDecoder::new(BufReader::new(File::open(path)?)));
    text.lines().map(|line| from_hex(&line?)).collect()
}

/// Replaces a packed file by one that holds `inputs`, in an order of their own.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, inputs: impl IntoIterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut file = GzEncoder::new(BufWriter::new(create(path)?), Compression::best());
    file.write_all(lines(inputs).as_bytes())?;
    file.finish()?.flush()
}

/// Adds inputs to the regressions of a target.
///
/// # Errors
/// If they cannot be read or written.
pub fn add_regressions(fuzz: &Path, target: &str, found: Vec<Vec<u8>>) -> io::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let all = [regressions(fuzz, target)?, found].concat();
    create(&regressions_path(fuzz, target))?.write_all(lines(all).as_bytes())
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path)
}

fn lines(inputs: impl IntoIterator<Item = Vec<u8>>) -> String {
    let lines: BTreeSet<String> = inputs.into_iter().map(|input| to_hex(&input) + "\n").collect();
    lines.into_iter().collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that a line of hexadecimal digits says.
///
/// # Errors
/// If there is anything else in it.
pub fn from_hex(text: &str) -> io::Result<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not hexadecimal"))?;
    Ok(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}
