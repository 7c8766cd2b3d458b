//! One of several words, each with its meaning.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads one of the words; help texts and errors list them all.
pub(crate) fn choice<T, const N: usize>(choices: [(&'static str, T); N]) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let words = choices.each_ref().map(|(word, _)| *word);
    PossibleValuesParser::new(words).try_map(move |typed| {
        let chosen = choices.iter().find(|(word, _)| *word == typed);
        chosen.map(|(_, meaning)| meaning.clone()).ok_or(NoChoice)
    })
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is none of the choices")]
struct NoChoice;
