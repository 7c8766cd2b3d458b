//! The checksum of batches of format 2: CRC-32C.

use crc_fast::{CrcAlgorithm, checksum};

/// The checksum of what follows the field that holds it.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    // It is as wide as the algorithm: 32 bits.
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4, and another implementation.
    #[test]
    fn is_castagnolis() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(5000).collect();
        for len in [0, 1, 15, 16, 255, 256, 257, 1024, 4999] {
            assert_eq!(crc32c(&bytes[..len]), ::crc32c::crc32c(&bytes[..len]), "{len}");
        }
    }
}
