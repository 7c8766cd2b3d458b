//! Who wrote a batch, and which of its batches this is.

/// The producer's identity and the place of a batch in its sequence (KIP-98). Default: [`Producer::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer id, or -1 without idempotence.
    pub producer_id: i64,
    /// The producer epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the batch's first record, or -1.
    pub base_sequence: i32,
}

impl Producer {
    /// What a producer without idempotence writes: -1 in all fields.
    pub const NONE: Self = Self { producer_id: -1, producer_epoch: -1, base_sequence: -1 };
}

impl Default for Producer {
    fn default() -> Self {
        Self::NONE
    }
}

/// The sequence number `delta` records behind `base_sequence`; after 2^31 - 1 comes 0. -1 where there is none.
pub(super) fn sequence(base_sequence: i32, delta: i32) -> i32 {
    if base_sequence < 0 { -1 } else { base_sequence.wrapping_add(delta) & i32::MAX }
}
