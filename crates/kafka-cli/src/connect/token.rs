//! Where tokens for OAUTHBEARER come from. They are short-lived: each login takes a new one from there.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use kafka_conn::Secret;
use kafka_conn::sasl::{OAuthBearer, Token};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::SetupError;
use super::password::read_at_most;
use crate::parse::pair::Pair;

/// What gives tokens.
#[derive(Clone, Debug)]
pub(super) enum TokenSource {
    /// A file, which somebody else keeps fresh.
    File(PathBuf),
    /// The token itself, from a variable.
    Given(Secret),
    /// A command of the shell, which prints one.
    Command(String),
}

/// Why there is no token. None of it ever has one in its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(transparent)]
    File(#[from] SetupError),
    #[error("the command for tokens cannot be run: {0}")]
    Run(#[source] io::Error),
    #[error("the command for tokens failed: {0}")]
    Failed(ExitStatus),
    #[error("the command for tokens printed more than {MAX_TOKEN} bytes")]
    TooLong,
    #[error("there is no token in what was read")]
    Empty,
}

impl TokenSource {
    /// A mechanism that asks here for each login.
    pub(super) fn mechanism(self, extensions: Vec<Pair>) -> OAuthBearer {
        let (source, extensions) = (Arc::new(self), Arc::new(extensions));
        OAuthBearer::new(move || {
            let (source, extensions) = (Arc::clone(&source), Arc::clone(&extensions));
            async move {
                let token = source.token().await.map_err(Box::<dyn StdError + Send + Sync>::from)?;
                let with = |token: Token, pair: &Pair| token.with_extension(&*pair.name, &*pair.value);
                Ok(extensions.iter().fold(Token::new(token), with))
            }
        })
    }

    /// A token, without the space around it.
    pub(super) async fn token(&self) -> Result<Secret, TokenError> {
        let bytes = match self {
            Self::File(path) => read_at_most(path, MAX_TOKEN)?,
            Self::Given(token) => return Ok(token.clone()),
            Self::Command(command) => run(command).await?,
        };
        let token = bytes.trim_ascii();
        if token.is_empty() { Err(TokenError::Empty) } else { Ok(Secret::from(token.to_vec())) }
    }
}

/// What a command prints, which is over when its caller is.
async fn run(command: &str) -> Result<Vec<u8>, TokenError> {
    let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell)
        .args([option, command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(TokenError::Run)?;
    let mut printed = Vec::new();
    if let Some(stdout) = command.stdout.take() {
        stdout.take(MAX_TOKEN + 1).read_to_end(&mut printed).await.map_err(TokenError::Run)?;
    }
    if printed.len() as u64 > MAX_TOKEN {
        return Err(TokenError::TooLong);
    }
    let status = command.wait().await.map_err(TokenError::Run)?;
    if status.success() { Ok(printed) } else { Err(TokenError::Failed(status)) }
}

/// Longer than any token that a broker takes.
const MAX_TOKEN: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn token(source: TokenSource) -> Result<String, String> {
        let token = source.token().await.map_err(|error| crate::report::chain(&error))?;
        Ok(String::from_utf8_lossy(token.expose()).into_owned())
    }

    #[tokio::test]
    async fn files_are_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = TokenSource::File(path.clone());
        assert!(token(source.clone()).await.unwrap_err().contains("token"));
        for written in ["one\n", "two"] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(token(source.clone()).await.as_deref(), Ok(written.trim()));
        }
        std::fs::write(&path, " \n").unwrap();
        assert!(token(source).await.is_err());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn commands_print_tokens_or_say_that_they_cannot() {
        let command = |text: &str| TokenSource::Command(text.to_owned());
        assert_eq!(token(command("echo ' abc '")).await.as_deref(), Ok("abc"));
        let failed = token(command("echo secret; exit 3")).await.unwrap_err();
        assert!(failed.contains("exit status: 3") && !failed.contains("secret"), "{failed}");
        assert!(token(command("true")).await.unwrap_err().contains("no token"));
        assert!(token(command("yes")).await.unwrap_err().contains("65536 bytes"));
    }

    #[tokio::test]
    async fn nothing_shows_a_token() {
        let source = TokenSource::Given(Secret::from("hunter2".to_owned().into_bytes()));
        assert_eq!(token(source.clone()).await.as_deref(), Ok("hunter2"));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
