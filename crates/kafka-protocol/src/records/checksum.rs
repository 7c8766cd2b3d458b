//! The checksum of batches of format 2: CRC-32C.

use crc_fast::{CrcAlgorithm, Digest, checksum};

/// The checksum of what follows the field that holds it.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    // It is as wide as the algorithm: 32 bits.
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap_or_default()
}

/// What a checksum becomes when more bytes follow. That of no bytes is 0.
pub(super) fn with_more(checksum: u32, bytes: &[u8]) -> u32 {
    // A checksum is the state of the calculation, inverted.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, (!checksum).into());
    digest.update(bytes);
    u32::try_from(digest.finalize()).unwrap_or_default()
}

/// What a checksum becomes when the beginning of its bytes is replaced by another one as long, and the `rest` bytes
/// behind it are not looked at again. `before` and `after` are the checksums of the two beginnings alone.
///
/// A checksum is linear but for a constant: the difference of two, of equally many bytes, is that of the beginnings,
/// multiplied by x⁸ for each byte behind.
pub(super) fn with_other_beginning(checksum: u32, before: u32, after: u32, rest: usize) -> u32 {
    if let Some(zeros) = ZEROS.get(..rest) {
        // The same by what processors have an instruction for: bytes of zero behind change nothing but the power.
        return checksum ^ !with_more(!(before ^ after), zeros);
    }
    let powers = POWERS.iter().enumerate().filter(|(bit, _)| rest >> bit & 1 == 1);
    checksum ^ powers.fold(before ^ after, |difference, (_, power)| product(difference, *power))
}

/// The product of two polynomials over GF(2), modulo Castagnoli's. The highest bit stands for x⁰.
const fn product(one: u32, other: u32) -> u32 {
    let (mut sum, mut shifted, mut bit) = (0, other, u32::BITS);
    while bit > 0 {
        bit -= 1;
        sum ^= shifted * ((one >> bit) & 1);
        shifted = (shifted >> 1) ^ (CASTAGNOLI * (shifted & 1));
    }
    sum
}

/// The highest bit stands for x³¹ where a polynomial is written down: here for x⁰.
const CASTAGNOLI: u32 = 0x1edc_6f41_u32.reverse_bits();
/// As many as are looked at sooner than a length's powers are multiplied.
const ZEROS: [u8; 4 << 10] = [0; 4 << 10];
const X_8: u32 = 1 << (31 - 8);
/// x⁸ to the power of 1, 2, 4, … : for each bit that a length may have.
#[expect(clippy::indexing_slicing, reason = "done by the compiler, which finds out")]
const POWERS: [u32; usize::BITS as usize] = {
    let mut powers = [X_8; usize::BITS as usize];
    let mut bit = 1;
    while bit < powers.len() {
        powers[bit] = product(powers[bit - 1], powers[bit - 1]);
        bit += 1;
    }
    powers
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn another_beginning_needs_no_look_at_the_rest(
            bytes in proptest::collection::vec(any::<u8>(), 40..3000), other in any::<[u8; 40]>(),
        ) {
            let mut changed = bytes.clone();
            changed[..40].copy_from_slice(&other);
            let rest = bytes.len() - 40;
            let found = with_other_beginning(crc32c(&bytes), crc32c(&bytes[..40]), crc32c(&other), rest);
            prop_assert_eq!(found, crc32c(&changed));
        }

        #[test]
        fn bytes_may_come_in_pieces(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..9)) {
            let found = pieces.iter().fold(0, |checksum, piece| with_more(checksum, piece));
            prop_assert_eq!(found, crc32c(&pieces.concat()));
        }
    }

    #[test]
    fn a_rest_may_be_long() {
        for rest in [0, 1, 1 << 16, (5 << 20) + 4321] {
            let mut bytes = vec![b'x'; 40 + rest];
            let (before, all) = (crc32c(&bytes[..40]), crc32c(&bytes));
            bytes[7] = b'y';
            assert_eq!(with_other_beginning(all, before, crc32c(&bytes[..40]), rest), crc32c(&bytes), "{rest}");
        }
    }

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
