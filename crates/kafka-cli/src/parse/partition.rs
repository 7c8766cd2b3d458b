//! Partitions, in one word: `orders` for all of a topic's, `orders:0`, `orders:0,3`.

/// A topic, and those of its partitions that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionsSpec {
    pub(crate) topic: String,
    /// Empty for all.
    pub(crate) partitions: Vec<i32>,
}

/// Reads the word. Names have no colon, so there is nothing to escape.
pub(crate) fn parse_partitions(text: &str) -> Result<PartitionsSpec, PartitionsError> {
    let (topic, list) = text.split_once(':').map_or((text, None), |(topic, list)| (topic, Some(list)));
    if topic.is_empty() {
        return Err(PartitionsError);
    }
    let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number >= 0).ok_or(PartitionsError);
    let partitions = list.map_or(Ok(Vec::new()), |list| list.split(',').map(number).collect())?;
    Ok(PartitionsSpec { topic: topic.to_owned(), partitions })
}

/// Text that names no partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write TOPIC, TOPIC:PARTITION or TOPIC:PARTITION,PARTITION")]
pub(crate) struct PartitionsError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_and_perhaps_some_numbers() {
        let spec = |topic: &str, partitions: &[i32]| {
            Ok(PartitionsSpec { topic: topic.to_owned(), partitions: partitions.to_vec() })
        };
        assert_eq!(parse_partitions("a"), spec("a", &[]));
        assert_eq!(parse_partitions("a:0"), spec("a", &[0]));
        assert_eq!(parse_partitions("a:0,12"), spec("a", &[0, 12]));
        for wrong in ["", ":0", "a:", "a:-1", "a:0,", "a:x", "a:0:1", "a:2147483648"] {
            assert_eq!(parse_partitions(wrong), Err(PartitionsError), "{wrong}");
        }
    }
}
