//! How evenly a balancer chooses partitions, for keys of some sort.

use std::fmt;

use bytes::Bytes;
use kafka_conn::Message;
use kafka_writer::{Balancer, Candidates};

use super::{PARTITIONS, numbered};

/// Keys as applications have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeySort {
    /// Texts with a number.
    Numbered,
    /// Random UUIDs, as text.
    Uuids,
    /// Numbers of eight bytes, most significant first.
    Integers,
    Absent,
}

impl KeySort {
    pub(super) const ALL: [Self; 4] = [Self::Numbered, Self::Uuids, Self::Integers, Self::Absent];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Numbered => "numbered keys",
            Self::Uuids => "UUIDs",
            Self::Integers => "integers",
            Self::Absent => "no key",
        }
    }

    fn key(self, number: usize, random: &mut fastrand::Rng) -> Option<Bytes> {
        match self {
            Self::Numbered => Some(numbered(number)),
            Self::Uuids => Some(uuid(random.u128(..)).into()),
            Self::Integers => Some(Bytes::copy_from_slice(&(number as u64).to_be_bytes())),
            Self::Absent => None,
        }
    }
}

/// A UUID of version 4, as text.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{bits:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// What the partitions with the fewest and the most messages have, as multiples of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) lightest: f64,
    pub(super) heaviest: f64,
}

impl Spread {
    /// Lets a balancer choose for [`MESSAGES`].
    pub(super) fn of(balancer: &dyn Balancer, sort: KeySort) -> Self {
        let partitions: Vec<_> = (0..PARTITIONS).collect();
        let candidates = Candidates::new(&partitions, &partitions, &|_| 0);
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut counts = vec![0_u32; partitions.len()];
        for number in 0..MESSAGES {
            let value = Some(Bytes::from_static(&VALUE));
            let message = Message { key: sort.key(number, &mut random), value, ..Message::default() };
            counts[balancer.choose(&message, &candidates) as usize] += 1;
        }
        let mean = MESSAGES as f64 / counts.len() as f64;
        let share = |count: Option<u32>| f64::from(count.unwrap_or_default()) / mean;
        Self { lightest: share(counts.iter().min().copied()), heaviest: share(counts.iter().max().copied()) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.heaviest {
            heaviest if heaviest >= f64::from(PARTITIONS) => f.write_str("all in one"),
            heaviest => write!(f, "{:.2}–{heaviest:.2}", self.lightest),
        }
    }
}

pub(super) const MESSAGES: usize = 100_000;
const SEED: u64 = 1;
const VALUE: [u8; 100] = [b'v'; 100];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::balancers::Ours;

    #[test]
    fn turns_are_even_and_one_partition_is_not() {
        let even = Spread::of(&*Ours::RoundRobin.balancer(), KeySort::Numbered);
        assert_eq!((even, even.to_string()), (Spread { lightest: 1.0, heaviest: 1.0 }, "1.00–1.00".to_owned()));
        let one = Spread::of(&*Ours::Crc32Consistent.balancer(), KeySort::Absent);
        assert_eq!((one.lightest, one.to_string()), (0.0, "all in one".to_owned()));
    }

    #[test]
    fn a_uuid_looks_like_one() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
