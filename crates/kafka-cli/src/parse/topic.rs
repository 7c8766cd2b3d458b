//! A topic to be made, in one word: `orders`, `orders:6`, `orders:6:3`.

use std::num::NonZeroU16;

/// A name, and how many partitions and replicas; -1 where the cluster is to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicSpec {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) replicas: i16,
}

/// Reads the word. Names have no colon, so there is nothing to escape.
pub(crate) fn parse_topic(text: &str) -> Result<TopicSpec, String> {
    let mut parts = text.splitn(3, ':');
    let name = parts.next().filter(|name| !name.is_empty()).ok_or("a topic has a name")?.to_owned();
    let partitions = parts.next().map_or(Ok(-1), |text| number(text, "partitions").map(i32::from))?;
    let replicas = parts.next().map_or(Ok(-1), |text| number(text, "replicas"))?;
    Ok(TopicSpec { name, partitions, replicas })
}

/// Reads the name of a topic that is to be written or read.
pub(crate) fn parse_topic_name(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        Some((_, partitions)) if partitions.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') => {
            Err("write the topic alone; `consume` takes its partitions as in --partition 0, or 0,3")
        }
        _ if text.is_empty() || !is_plain(text) => {
            Err("a topic's name has letters a-z and A-Z, digits, '.', '_' and '-'")
        }
        _ => Ok(text.to_owned()),
    }
}

/// Whether there is nothing in it that names of topics do not have.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn number(text: &str, what: &str) -> Result<i16, String> {
    let number = text.parse::<NonZeroU16>().ok().and_then(|number| i16::try_from(number.get()).ok());
    number.ok_or_else(|| format!("{text:?} is no number of {what}: 1 to {}", i16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        assert_eq!(parse_topic_name("a.B_c-1").as_deref(), Ok("a.B_c-1"));
        assert!(parse_topic_name("orders:0,3").unwrap_err().contains("--partition"));
        for wrong in ["", "my orders", "orders:x", "ö"] {
            assert!(parse_topic_name(wrong).unwrap_err().contains("letters"), "{wrong}");
        }
    }

    #[test]
    fn a_name_and_two_numbers() {
        let spec = |name: &str, partitions, replicas| Ok(TopicSpec { name: name.to_owned(), partitions, replicas });
        assert_eq!(parse_topic("a"), spec("a", -1, -1));
        assert_eq!(parse_topic("a:6"), spec("a", 6, -1));
        assert_eq!(parse_topic("a:6:3"), spec("a", 6, 3));
        for wrong in ["", ":3", "a:", "a:0", "a:x", "a:3:-1", "a:3:1:1", "a:99999"] {
            assert!(parse_topic(wrong).is_err(), "{wrong}");
        }
    }
}
