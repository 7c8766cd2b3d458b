//! Reads `errors.tsv`, the facts about Kafka's error codes, and `error-texts.tsv`, our words for them.

/// A code, with our words for it.
pub(super) struct ErrorCode<'a> {
    pub(super) number: i16,
    pub(super) name: &'a str,
    /// The Java exception and its ancestors, as `A < B < C`.
    pub(super) exceptions: &'a str,
    pub(super) text: &'a str,
}

/// What is wrong with the two tables.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A line of `errors.tsv` that lacks a column.
    #[error("errors.tsv, line {0}: expected a code, a name, whether it is retriable, and the exceptions")]
    Columns(usize),
    /// A code for which we have no words.
    #[error("error-texts.tsv has no text for {0}")]
    NoText(String),
    /// A code whose exceptions say otherwise than its column.
    #[error("errors.tsv: {0} is retriable, or its exceptions say so, but not both")]
    Retriable(String),
}

/// All codes, in the order of their numbers.
pub(super) fn codes<'a>(facts: &'a str, texts: &'a str) -> Result<Vec<ErrorCode<'a>>, TableError> {
    let lines = facts.lines().enumerate().skip(1);
    lines.map(|(index, line)| code(line, texts).unwrap_or(Err(TableError::Columns(index + 1)))).collect()
}

fn code<'a>(line: &'a str, texts: &'a str) -> Option<Result<ErrorCode<'a>, TableError>> {
    let mut columns = line.split('\t');
    let number = columns.next()?.parse().ok()?;
    let (name, retriable, exceptions) = (columns.next()?, columns.next()?, columns.next()?);
    if (retriable == "true") != exceptions.contains("< RetriableException") {
        return Some(Err(TableError::Retriable(name.to_owned())));
    }
    let mut texts = texts.lines().filter_map(|line| line.split_once('\t'));
    let text = texts.find(|(of, _)| *of == name).ok_or_else(|| TableError::NoText(name.to_owned()));
    Some(text.map(|(_, text)| ErrorCode { number, name, exceptions, text }))
}

/// The variant of `ErrorClass` that a chain of exceptions stands for.
pub(super) fn chain_class(number: i16, exceptions: &str) -> &'static str {
    match exceptions {
        _ if number == 0 => "Success",
        chain if chain.contains("RefreshRetriableException") => "Refresh",
        chain if chain.contains("RetriableException") => "Retriable",
        chain if chain.contains("ApplicationRecoverableException") => "ApplicationRecoverable",
        chain if chain.contains("InvalidConfigurationException") => "InvalidConfiguration",
        _ => "Fatal",
    }
}
