//! Where to begin reading: `start`, `end` or an offset. Times, ranges and distances from the end will be read here too.

use kafka_reader::StartOffset;

/// Reads a place in a partition.
pub(crate) fn parse_start(text: &str) -> Result<StartOffset, StartError> {
    match text {
        "start" => Ok(StartOffset::First),
        "end" => Ok(StartOffset::Last),
        offset if !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit()) => {
            offset.parse().map(StartOffset::At).map_err(|_| StartError)
        }
        _ => Err(StartError),
    }
}

/// Text that is no place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write start, end, or an offset: a number from 0 on")]
pub(crate) struct StartError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_offsets() {
        assert_eq!(parse_start("start"), Ok(StartOffset::First));
        assert_eq!(parse_start("end"), Ok(StartOffset::Last));
        assert_eq!(parse_start("0"), Ok(StartOffset::At(0)));
        assert_eq!(parse_start("9223372036854775807"), Ok(StartOffset::At(i64::MAX)));
    }

    #[test]
    fn what_is_none() {
        for text in ["", "-1", "+1", "1.0", "END", "first", "9223372036854775808"] {
            assert_eq!(parse_start(text), Err(StartError), "{text}");
        }
    }
}
