//! Changing the header of a sealed batch, without a look at its records.

use bytes::{Bytes, BytesMut};

use crate::records::Producer;
use crate::records::batch::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, CRC_AT, HEADER_LEN, LOG_APPEND_TIME, MAGIC_AT, MAX_TIMESTAMP_AT,
    PARTITION_LEADER_EPOCH_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT,
};
use crate::records::checksum::{crc32c, with_other_beginning};
use crate::{DecodeError, DecodeErrorKind};

/// Writes producer id, epoch and base sequence into a sealed batch, and its new checksum, which follows from the old one:
/// the records are not looked at, and what was damaged stays found out. Copies the batch only if somebody else holds its
/// bytes.
///
/// # Errors
/// `Truncated` for bytes that are no whole header, `Magic` for a message set.
pub fn stamp_producer(batch: Bytes, producer: Producer) -> Result<Bytes, DecodeError> {
    change(batch, |header| {
        let Producer { producer_id, producer_epoch, base_sequence } = producer;
        put(header, PRODUCER_ID_AT, producer_id.to_be_bytes());
        put(header, PRODUCER_EPOCH_AT, producer_epoch.to_be_bytes());
        put(header, BASE_SEQUENCE_AT, base_sequence.to_be_bytes());
        Checksum::Changes
    })
}

/// Writes base offset and partition leader epoch into a sealed batch, as a broker does that appends it to its log. The
/// checksum does not cover them. Copies the batch only if somebody else holds its bytes.
///
/// # Errors
/// `Truncated` for bytes that are no whole header, `Magic` for a message set.
pub fn stamp_offset(batch: Bytes, base_offset: i64, partition_leader_epoch: i32) -> Result<Bytes, DecodeError> {
    change(batch, |header| {
        put(header, 0, base_offset.to_be_bytes());
        put(header, PARTITION_LEADER_EPOCH_AT, partition_leader_epoch.to_be_bytes());
        Checksum::Stays
    })
}

/// Gives all records of a sealed batch the timestamp `log_append_time`, in milliseconds since 1970, as a broker does
/// whose topic is configured so, and writes the new checksum. Copies the batch only if somebody else holds its bytes.
///
/// # Errors
/// `Truncated` for bytes that are no whole header, `Magic` for a message set.
pub fn stamp_log_append_time(batch: Bytes, log_append_time: i64) -> Result<Bytes, DecodeError> {
    change(batch, |header| {
        // The flag is in the lower byte of the attributes.
        if let Some(attributes) = header.get_mut(ATTRIBUTES_AT + 1) {
            *attributes |= LOG_APPEND_TIME as u8;
        }
        put(header, MAX_TIMESTAMP_AT, log_append_time.to_be_bytes());
        Checksum::Changes
    })
}

enum Checksum {
    Changes,
    Stays,
}

fn change(batch: Bytes, edit: impl FnOnce(&mut [u8; HEADER_LEN]) -> Checksum) -> Result<Bytes, DecodeError> {
    let mut batch = batch.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let Some(header) = batch.first_chunk_mut() else {
        let kind = DecodeErrorKind::Truncated { needed: HEADER_LEN, remaining: batch.len() };
        return Err(DecodeError::new(kind, 0));
    };
    let magic = i8::from_be_bytes([header[MAGIC_AT]]);
    if magic != 2 {
        return Err(DecodeError::new(DecodeErrorKind::Magic(magic), MAGIC_AT));
    }
    let before = covered_checksum(header);
    if let Checksum::Changes = edit(header) {
        let (after, mut checksum) = (covered_checksum(header), [0; 4]);
        checksum.copy_from_slice(&header[CRC_AT..CRC_AT + 4]);
        let rest = batch.len() - HEADER_LEN;
        let checksum = with_other_beginning(u32::from_be_bytes(checksum), before, after, rest);
        put(&mut batch, CRC_AT, checksum.to_be_bytes());
    }
    Ok(batch.freeze())
}

/// The checksum of what of the header a batch's checksum covers.
fn covered_checksum(header: &[u8; HEADER_LEN]) -> u32 {
    crc32c(&header[ATTRIBUTES_AT..])
}

/// Overwrites what is at a place of the header.
pub(super) fn put<const N: usize>(batch: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = batch.get_mut(at..).and_then(|tail| tail.first_chunk_mut()) {
        *place = bytes;
    }
}
