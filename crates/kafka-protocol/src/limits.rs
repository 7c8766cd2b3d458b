//! What a reader is willing to hold for an input it does not trust.

/// Bounds on what decoding accepts, checked before anything is allocated.
///
/// The defaults let through everything that a sane cluster sends. A count is besides never trusted beyond what the
/// bytes left could hold, so these are the second line of defence, not the first.
///
/// ```
/// use kafka_protocol::Limits;
/// let strict = Limits { max_array_len: 10_000, ..Limits::default() };
/// assert!(strict.max_string_len <= Limits::default().max_string_len);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements of one array. Default 10,000,000.
    pub max_array_len: usize,
    /// Bytes of one string. Default 32,767, the longest that Kafka reads and writes, though flexible versions could hold
    /// more.
    pub max_string_len: usize,
    /// Tagged fields of one struct. Default 1024.
    pub max_tagged_fields: usize,
    /// Bytes that one record batch may decompress to. Default 64 MiB; must exceed the brokers' `message.max.bytes`
    /// times the compression ratio.
    pub max_decompressed_len: usize,
    /// Records of one batch. Default 10,000,000.
    pub max_records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_array_len: 10_000_000,
            max_string_len: i16::MAX as usize,
            max_tagged_fields: 1024,
            max_decompressed_len: 64 << 20,
            max_records: 10_000_000,
        }
    }
}
