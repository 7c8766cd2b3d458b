//! The bound on what decoding holds: 64 bytes for each of its input, and 64 KiB.

/// Runs `decode` on an input of `len` bytes. Panics if it held more than the bound at its peak, `extra` bytes aside.
///
/// While a buffer moves to a larger place, both places count.
pub fn bounded<T>(len: usize, extra: usize, decode: impl FnOnce() -> T) -> T {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(decode())).bytes_max;
    let bound = (PER_BYTE * len + FREE + extra) as u64;
    assert!(held <= bound, "held {held} bytes for an input of {len}, {bound} is the bound");
    result.expect("`decode` has returned")
}

const PER_BYTE: usize = 64;
const FREE: usize = 64 << 10;
