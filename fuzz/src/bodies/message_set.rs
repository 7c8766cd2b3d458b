//! Messages of format 0 and 1. Magic and checksums are repaired first, so that the fuzzer gets past them.

use kafka_protocol::records::{Compression, Compressor};

use super::batches;

/// Reads the messages of an input in every way there is.
///
/// The first byte says what is made of the rest: messages one after the other, whose lengths count, or, with [`ONE`],
/// one message, whose length is repaired, too. Their format is the bit of [`FORMAT_1`], unless [`KEEP_MAGIC`] is set.
/// With a codec ([`choosing`]) they are compressed and put into an outer message.
pub fn message_set(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let mut messages = data.to_vec();
    if choice & ONE != 0 && messages.len() >= HEADER_LEN {
        let len = (messages.len() - LENGTH_END) as i32;
        messages[LENGTH_END - 4..LENGTH_END].copy_from_slice(&len.to_be_bytes());
    }
    if choice & KEEP_CRC == 0 {
        repair_all(&mut messages, (choice & KEEP_MAGIC == 0).then_some(choice & FORMAT_1));
    }
    batches::read(match codec(choice) {
        Some(codec) => outer(codec, choice, &messages),
        None => messages,
    });
}

/// The bits of the first byte that compress an input's messages with `codec`.
pub fn choosing(codec: Compression) -> u8 {
    codec.code() << 4
}

fn codec(choice: u8) -> Option<Compression> {
    Compression::from_code(choice >> 4 & 3).filter(|codec| *codec != Compression::None)
}

fn repair_all(messages: &mut [u8], magic: Option<u8>) {
    let mut rest = messages;
    while let Some(len) = rest.get(LENGTH_END - 4..LENGTH_END) {
        let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
        let Some((message, behind)) = rest.split_at_mut_checked(LENGTH_END.saturating_add(len)) else {
            break;
        };
        if message.len() > MAGIC_AT {
            message[MAGIC_AT] = magic.unwrap_or(message[MAGIC_AT]);
            repair_checksum(message);
        }
        rest = behind;
    }
}

fn repair_checksum(message: &mut [u8]) {
    let crc = crc32fast::hash(&message[MAGIC_AT..]);
    message[MAGIC_AT - 4..MAGIC_AT].copy_from_slice(&crc.to_be_bytes());
}

/// A message whose value is `messages`, compressed.
fn outer(codec: Compression, choice: u8, messages: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut compressor = Compressor::new(codec, None).expect("all codecs are compiled in");
    compressor.compress(messages, &mut value).expect("anything can be compressed");
    let mut outer = OUTER_OFFSET.to_be_bytes().to_vec();
    outer.extend([0; 8]);
    let log_append_time = if choice & LOG_APPEND_TIME == 0 { 0 } else { 1 << 3 };
    outer.extend([choice & FORMAT_1, codec.code() | log_append_time]);
    if choice & FORMAT_1 != 0 {
        outer.extend(OUTER_TIMESTAMP.to_be_bytes());
    }
    outer.extend((-1i32).to_be_bytes());
    outer.extend((value.len() as i32).to_be_bytes());
    outer.extend(value);
    let len = (outer.len() - LENGTH_END) as i32;
    outer[LENGTH_END - 4..LENGTH_END].copy_from_slice(&len.to_be_bytes());
    repair_checksum(&mut outer);
    outer
}

/// In the first byte of an input: messages of format 1, not 0.
pub const FORMAT_1: u8 = 1;
/// In the first byte of an input: one message.
pub const ONE: u8 = 1 << 1;
/// In the first byte of an input: each message's magic is as it is.
pub const KEEP_MAGIC: u8 = 1 << 2;
/// In the first byte of an input: the outer message has log-append time.
pub const LOG_APPEND_TIME: u8 = 1 << 3;

/// In the first byte of an input: checksums, and magics with them, are as they are.
pub const KEEP_CRC: u8 = 1 << 6;

const LENGTH_END: usize = 12;
const MAGIC_AT: usize = 16;
const HEADER_LEN: usize = 18;
const OUTER_OFFSET: i64 = 1_000;
const OUTER_TIMESTAMP: i64 = 1_700_000_000_000;
