//! Batches of records: everyone encodes the same records, and decodes the same bytes, checksum included.

mod digest;
mod krabka;
mod ours;
mod registry;

#[path = "../../../../../crates/kafka-protocol/benches/fixture/records.rs"]
mod fixture;

use bytes::Bytes;
use kafka_protocol::records::Compression;

use self::digest::Digest;
pub(crate) use self::fixture::COUNT;
use self::fixture::{Shape, Source, sources};
use crate::{Case, Contestant, Section};

pub(crate) fn cases() -> Vec<Case> {
    let subjects = Shape::ALL.into_iter().flat_map(|shape| Compression::ALL.map(|codec| (shape, codec)));
    subjects.flat_map(|(shape, codec)| works(shape, codec)).collect()
}

fn works(shape: Shape, codec: Compression) -> [Case; 3] {
    let sources: &'static [Source] = Box::leak(sources(shape).into_boxed_slice());
    let batch = ours::Encoder::new(sources, codec).batch();
    assert_compressible(&batch, sources, codec);
    let digest = Digest::of_sources(sources);
    let case = |work, contestants| Case {
        section: Section::Records,
        subject: format!("{}, {codec}", shape.name()),
        work,
        contestants,
    };
    [
        case(
            "encode",
            vec![
                encoding(ours::Encoder::new(sources, codec), digest),
                encoding(registry::Encoder::new(&batch, codec), digest),
                encoding(krabka::Encoder::new(&batch), digest),
            ],
        ),
        case(
            "decode borrowed",
            vec![
                decoding(crate::OURS, ours::borrowed(&batch), digest),
                decoding(crate::KRABKA, krabka::borrowed(&batch), digest),
            ],
        ),
        case(
            "decode owned",
            vec![
                decoding(crate::OURS, ours::owned(&batch), digest),
                decoding(crate::REGISTRY, registry::owned(&batch), digest),
                decoding(crate::KRABKA, krabka::owned(&batch), digest),
            ],
        ),
    ]
}

/// Someone who encodes the records of a batch, again and again.
trait Encode: 'static {
    /// Whose it is.
    const NAME: &'static str;

    /// Encodes the batch; what the last one needed may be used again.
    fn encode(&mut self) -> &[u8];
}

fn encoding<E: Encode>(mut encoder: E, expected: Digest) -> Contestant {
    let batch = Bytes::copy_from_slice(encoder.encode());
    assert_eq!(ours::borrowed(&batch)(), expected, "{} encodes other records", E::NAME);
    Contestant::new(E::NAME, move || {
        std::hint::black_box(encoder.encode());
    })
}

fn decoding(name: &'static str, mut decode: impl FnMut() -> Digest + 'static, expected: Digest) -> Contestant {
    assert_eq!(decode(), expected, "{name} decodes other records");
    Contestant::new(name, move || {
        std::hint::black_box(decode());
    })
}

/// Text that compresses too well or not at all would measure something else.
fn assert_compressible(batch: &Bytes, sources: &'static [Source], codec: Compression) {
    let plain = ours::Encoder::new(sources, Compression::None).batch();
    let ratio = plain.len() as f64 / batch.len() as f64;
    assert!(codec == Compression::None || (1.9..=4.0).contains(&ratio), "{codec} compresses {ratio:.2} fold");
}
