//! Which message and version an input is of: its first three bytes say so.

use std::sync::LazyLock;

use kafka_protocol::{MessageKind, MessageType, messages};

/// A set of messages that an input can choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// All requests.
    Requests,
    /// All responses.
    Responses,
    /// The rest: headers, embedded data, what Kafka stores.
    Others,
}

impl Pool {
    fn of(facts: &MessageType) -> Self {
        match facts.kind {
            MessageKind::Request => Self::Requests,
            MessageKind::Response => Self::Responses,
            _ => Self::Others,
        }
    }

    fn messages(self) -> &'static [&'static MessageType] {
        &POOLS[self as usize]
    }
}

static POOLS: LazyLock<[Vec<&'static MessageType>; 3]> = LazyLock::new(|| {
    [Pool::Requests, Pool::Responses, Pool::Others]
        .map(|pool| messages::all().filter(|facts| Pool::of(facts) == pool).collect())
});

/// The message and version that `data` begins with, and what follows: a byte for the pool, one for the message, one for
/// its version. Every value of each means something, so that a fuzzer wastes nothing; the highest bit of the first one is
/// left to the target.
pub fn select<'a>(pools: &[Pool], data: &'a [u8]) -> Option<(&'static MessageType, i16, &'a [u8])> {
    let (&[pool, message, version], body) = data.split_first_chunk()?;
    let messages = pools.get(usize::from(pool & 0x7f) % pools.len())?.messages();
    let facts = *messages.get(usize::from(message) % messages.len())?;
    let count = facts.versions.max - facts.versions.min + 1;
    Some((facts, facts.versions.min + i16::from(version) % count, body))
}

/// What an input begins with for [`select`] to find this message and version; `None` if it is in none of the pools.
pub fn selecting(pools: &[Pool], facts: &MessageType, version: i16) -> Option<[u8; 3]> {
    let pool = pools.iter().position(|pool| *pool == Pool::of(facts))?;
    let messages = pools.get(pool)?.messages();
    let message = messages.iter().position(|other| std::ptr::eq(*other, facts))?;
    let version = version.checked_sub(facts.versions.min)?;
    Some([u8::try_from(pool).ok()?, u8::try_from(message).ok()?, u8::try_from(version).ok()?])
}
