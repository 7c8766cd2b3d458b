//! The messages that Java judges: of every version of every message, from a seeded generator.

use arbitrary::Unstructured;
use bytes::BytesMut;
use fastrand::Rng;
use kafka_protocol::{AnyMessage, MessageType, messages};
use serde_json::json;

use super::programs::Row;

/// A message and one of its versions.
pub(super) struct Combination {
    facts: &'static MessageType,
    version: i16,
}

/// Every combination there is.
pub(super) fn combinations() -> Vec<Combination> {
    let of_type = |facts: &'static MessageType| {
        (facts.versions.min..=facts.versions.max).map(move |version| Combination { facts, version })
    };
    messages::all().flat_map(of_type).collect()
}

impl Combination {
    /// Whether a release with these messages can judge it.
    pub(super) fn is_in(&self, rows: &[Row]) -> bool {
        let (api, dir) = (self.facts.api, self.facts.kind.name());
        rows.iter().any(|row| row.api == api && row.dir == dir && row.versions.contains(&self.version))
    }

    /// A message at its defaults for number 0, arbitrary ones for the others.
    ///
    /// The seed is mixed with the combination, so that a new message or version leaves the others as they are.
    fn message(&self, seed: u64, number: usize) -> Box<dyn AnyMessage> {
        if number == 0 {
            return (self.facts.new)();
        }
        let name = format!("{seed}/{}/{}/{}/{number}", self.facts.api, self.facts.kind.name(), self.version);
        let mut random = vec![0; SOURCE_BYTES];
        Rng::with_seed(fnv1a(name.as_bytes())).fill(&mut random);
        let message = self.facts.arbitrary(self.version, &mut Unstructured::new(&random));
        message.unwrap_or_else(|error| panic!("{name}: the generator never refuses: {error}"))
    }

    fn line(&self, message: &dyn AnyMessage) -> String {
        let mut encoded = BytesMut::new();
        let version = self.version;
        if let Err(error) = message.encode(version, &mut encoded) {
            panic!("{:?} version {version}: what we made we cannot write: {error}", self.facts);
        }
        let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "api": self.facts.api,
            "key": self.facts.key,
            "dir": self.facts.kind.name(),
            "version": version,
            "json": message.to_json(version),
            "hex": hex,
        })
        .to_string()
    }
}

/// What a message is made of; beyond it, the generator fills in defaults.
const SOURCE_BYTES: usize = 4096;

/// `count` messages of each combination, a line each.
pub(super) fn lines(combinations: &[Combination], seed: u64, count: usize) -> String {
    let mut lines = String::new();
    for combination in combinations {
        for number in 0..count {
            lines.push_str(&combination.line(&*combination.message(seed, number)));
            lines.push('\n');
        }
    }
    lines
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
