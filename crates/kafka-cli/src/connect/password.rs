//! Where passwords come from: files and the terminal; never the command line, which everybody on the machine can read.

use std::fs::File;
use std::io::{IsTerminal, Read, stderr};
use std::path::{Path, PathBuf};

use kafka_conn::Secret;

use super::SetupError;
use crate::error::{Error, Result};

/// The password in a file, without the line's end behind it.
pub(crate) fn password_file(path: &Path) -> Result<Secret, SetupError> {
    let mut bytes = read_at_most(path, MAX_PASSWORD)?;
    if bytes.ends_with(b"\n") {
        bytes.truncate(bytes.len() - if bytes.ends_with(b"\r\n") { 2 } else { 1 });
    }
    if bytes.is_empty() { Err(SetupError::EmptyPassword) } else { Ok(Secret::from(bytes)) }
}

/// Asks for a password on the terminal, without showing it. `instead` is what to use where there is none.
pub(crate) async fn prompt(question: String, instead: &'static str) -> Result<Secret> {
    if !stderr().is_terminal() {
        return Err(SetupError::NoTerminal(instead).into());
    }
    let asking = tokio::task::spawn_blocking(move || rpassword::prompt_password(question));
    let typed = asking.await.map_err(|error| Error::Start(error.into()))?.map_err(SetupError::Prompt)?;
    if typed.is_empty() { Err(SetupError::EmptyPassword.into()) } else { Ok(Secret::from(typed)) }
}

/// A file in full, where it is no longer than `limit`.
pub(super) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, SetupError> {
    let failed = |source| SetupError::File { path: PathBuf::from(path), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(SetupError::FileTooLong { path: path.into(), limit });
    }
    Ok(bytes)
}

/// Longer than any password; whoever names another file by mistake hears of it.
const MAX_PASSWORD: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_line_is_no_part_of_a_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (file, password) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a", " a")] {
            std::fs::write(&path, file).unwrap();
            assert_eq!(password_file(&path).unwrap().expose(), password.as_bytes(), "{file:?}");
        }
        for empty in ["", "\n"] {
            std::fs::write(&path, empty).unwrap();
            assert!(matches!(password_file(&path), Err(SetupError::EmptyPassword)));
        }
        std::fs::write(&path, vec![b'a'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(password_file(&path), Err(SetupError::FileTooLong { .. })));
        assert!(matches!(password_file(&folder.path().join("none")), Err(SetupError::File { .. })));
    }
}
