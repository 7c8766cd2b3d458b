//! Corpora as they are committed: one file for each target, a line of hexadecimal digits for each input, gzipped.

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

/// The inputs in a file.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let text = BufReader::new(GzDecoder::new(BufReader::new(File::open(path)?)));
    text.lines().map(|line| from_hex(&line?)).collect()
}

/// Replaces a file by one that holds `inputs`, in an order of their own.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, inputs: impl IntoIterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut lines: Vec<String> = inputs.into_iter().map(|input| to_hex(&input)).collect();
    lines.sort();
    lines.dedup();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = GzEncoder::new(BufWriter::new(File::create(path)?), Compression::best());
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.finish()?.flush()
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
