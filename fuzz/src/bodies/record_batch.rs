//! Record batches of format 2. Magic and checksum are repaired first, so that the fuzzer gets past them.

use kafka_protocol::records::{Compression, Compressor};

use super::batches;

/// Reads the batches of an input in every way there is.
///
/// The first byte says what is repaired: with [`MANY`], the rest is batches one after the other, whose lengths count;
/// without it, one batch, whose length is repaired, too, and whose records are compressed by the codec that
/// [`codec`] gives, so that the fuzzer reaches what is under the compression.
pub fn record_batch(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let repair = if choice & KEEP_CRC == 0 { repair } else { |_: &mut [u8]| {} };
    batches::read(if choice & MANY == 0 { one(codec(choice), data, repair) } else { many(data, repair) });
}

/// The byte that makes an input of [`record_batch`] one batch, compressed with `codec`.
pub fn choosing(codec: Compression) -> u8 {
    codec.code() << 1
}

/// The codec, or `None` for records as they are under the attributes as they are.
fn codec(choice: u8) -> Option<Compression> {
    Compression::from_code(choice >> 1 & 7).filter(|codec| *codec != Compression::None)
}

fn one(codec: Option<Compression>, data: &[u8], repair: fn(&mut [u8])) -> Vec<u8> {
    let Some((header, section)) = data.split_at_checked(HEADER_LEN) else {
        return data.to_vec();
    };
    let mut batch = header.to_vec();
    match codec.map(|codec| (codec, Compressor::new(codec, None).expect("all codecs are compiled in"))) {
        Some((codec, mut compressor)) => {
            batch[ATTRIBUTES_END - 1] = batch[ATTRIBUTES_END - 1] & !7 | codec.code();
            compressor.compress(section, &mut batch).expect("anything can be compressed");
        }
        None => batch.extend(section),
    }
    let len = (batch.len() - LENGTH_END) as i32;
    batch[LENGTH_END - 4..LENGTH_END].copy_from_slice(&len.to_be_bytes());
    repair(&mut batch);
    batch
}

/// A batch of format 2 with a byte more behind its records.
pub(super) fn longer(batch: &[u8]) -> Vec<u8> {
    let mut longer = [batch, &[0]].concat();
    let len = (longer.len() - LENGTH_END) as i32;
    longer[LENGTH_END - 4..LENGTH_END].copy_from_slice(&len.to_be_bytes());
    repair(&mut longer);
    longer
}

fn many(data: &[u8], repair: fn(&mut [u8])) -> Vec<u8> {
    let mut data = data.to_vec();
    let mut rest = &mut data[..];
    while let Some(len) = rest.get(LENGTH_END - 4..LENGTH_END) {
        let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
        let Some((batch, behind)) = rest.split_at_mut_checked(LENGTH_END.saturating_add(len)) else {
            break;
        };
        repair(batch);
        rest = behind;
    }
    data
}

fn repair(batch: &mut [u8]) {
    if batch.len() >= HEADER_LEN {
        batch[MAGIC_AT] = 2;
        let crc = crc32c::crc32c(&batch[CRC_END..]);
        batch[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_be_bytes());
    }
}

/// In the first byte of an input: batches one after the other.
pub const MANY: u8 = 1;
/// In the first byte of an input: magic and checksum are as they are.
pub const KEEP_CRC: u8 = 1 << 4;

const LENGTH_END: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_END: usize = 21;
const ATTRIBUTES_END: usize = 23;
const HEADER_LEN: usize = 61;
