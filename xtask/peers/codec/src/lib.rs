//! Our codec beside published ones, on the same work.
//!
//! [`cases`] are pieces of work, each with everyone who does it. They are measured by `benches/codec.rs` (criterion) and
//! by the programs in `src/bin`.

mod bodies;
mod records;

#[path = "../../../../crates/kafka-protocol/benches/fixture/text.rs"]
mod text;

use std::fmt;

/// Everything that is compared.
pub fn cases() -> Vec<Case> {
    bodies::cases().into_iter().chain(records::cases()).collect()
}

/// One piece of work, and everyone who does it.
#[derive(Debug)]
pub struct Case {
    /// What the work is part of: cases of one section have the same columns.
    pub section: Section,
    /// What is worked on: a message, or a shape of records and a codec.
    pub subject: String,
    /// What is done with it.
    pub work: &'static str,
    /// Who does it, ours first.
    pub contestants: Vec<Contestant>,
}

impl Case {
    /// What the command line selects it by.
    pub fn name(&self) -> String {
        format!("{}, {}", self.subject, self.work)
    }
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Messages without a look at the records in them.
    Bodies,
    /// Batches of records.
    Records,
}

impl Section {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Bodies, Self::Records];

    /// Whose results are shown, in this order.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Bodies => &[OURS, REGISTRY, KAFKA_WIRE, KRABKA, KRABKA_BORROWED],
            Self::Records => &[OURS, REGISTRY, KRABKA],
        }
    }

    /// What one result is of.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Bodies => "body",
            Self::Records => "record",
        }
    }

    /// How many units there are in one piece of work.
    pub fn units(self) -> usize {
        match self {
            Self::Bodies => 1,
            Self::Records => records::COUNT,
        }
    }
}

/// Ours.
pub const OURS: &str = "ours";
/// The `kafka-protocol` of the public registry.
pub const REGISTRY: &str = "kafka-protocol 0.18";
/// The package `kafka-wire`, which has no records.
pub const KAFKA_WIRE: &str = "kafka-wire 0.1";
/// The package `krabka-protocol`, its owned messages.
pub const KRABKA: &str = "krabka 0.8";
/// The same package, its borrowed messages.
pub const KRABKA_BORROWED: &str = "krabka 0.8, borrowed";

/// Someone who does a piece of work.
pub struct Contestant {
    /// Who it is.
    pub name: &'static str,
    /// Does the work once.
    pub run: Box<dyn FnMut()>,
}

impl Contestant {
    fn new(name: &'static str, run: impl FnMut() + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Does the work `times` times.
#[inline(never)]
pub fn repeat(contestant: &mut Contestant, times: u64) {
    for _ in 0..times {
        (contestant.run)();
    }
}
