//! Bodies of messages: everyone decodes the same bytes, and must encode them back to the same bytes.

mod contestants;

#[path = "../../../../../crates/kafka-protocol/benches/fixture/bodies.rs"]
mod fixture;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use kafka_protocol::Message;

use self::contestants::{Body, KafkaWire, Krabka, KrabkaBorrowed, Ours, Registry};
use crate::{Case, Contestant, Section};

pub(crate) fn cases() -> Vec<Case> {
    [metadata(), fetch(), produce()].into_iter().flatten().collect()
}

/// One message, as each package has it.
macro_rules! message {
    ($subject:literal, $fixture:expr, $version:expr, $($body:ty),* $(,)?) => {{
        let (bytes, version) = (encoded(&$fixture, $version), $version);
        [
            case($subject, "encode", vec![$(encoding::<$body>(bytes, version)),*]),
            case($subject, "decode", vec![$(decoding::<$body>(bytes, version)),*]),
        ]
    }};
}

fn metadata() -> [Case; 2] {
    message!(
        "Metadata response",
        fixture::metadata(),
        fixture::METADATA_VERSION,
        Ours<kafka_protocol::messages::metadata::MetadataResponse>,
        Registry<registry::messages::MetadataResponse>,
        KafkaWire<kafka_wire::MetadataResponse>,
        Krabka<krabka_protocol::owned::metadata_response::MetadataResponse>,
        KrabkaBorrowed<krabka_protocol::borrowed::metadata_response::MetadataResponse<'static>>,
    )
}

fn fetch() -> [Case; 2] {
    message!(
        "Fetch response",
        fixture::fetch(),
        fixture::FETCH_VERSION,
        Ours<kafka_protocol::messages::fetch::FetchResponse>,
        Registry<registry::messages::FetchResponse>,
        KafkaWire<kafka_wire::FetchResponse>,
        Krabka<krabka_protocol::owned::fetch_response::FetchResponse>,
        KrabkaBorrowed<krabka_protocol::borrowed::fetch_response::FetchResponse<'static>>,
    )
}

fn produce() -> [Case; 2] {
    message!(
        "Produce request",
        fixture::produce(),
        fixture::PRODUCE_VERSION,
        Ours<kafka_protocol::messages::produce::ProduceRequest>,
        Registry<registry::messages::ProduceRequest>,
        KafkaWire<kafka_wire::ProduceRequest>,
        Krabka<krabka_protocol::owned::produce_request::ProduceRequest>,
        KrabkaBorrowed<krabka_protocol::borrowed::produce_request::ProduceRequest<'static>>,
    )
}

fn case(subject: &str, work: &'static str, contestants: Vec<Contestant>) -> Case {
    Case { section: Section::Bodies, subject: subject.to_owned(), work, contestants }
}

/// The bytes that everyone works on. They live as long as the program, as borrowed messages point into them.
fn encoded(message: &impl Message, version: i16) -> &'static Bytes {
    let mut buffer = BytesMut::new();
    message.encode(version, &mut buffer).expect("the fixture is valid");
    Box::leak(Box::new(buffer.freeze()))
}

/// Encodes into a buffer that is used again and again.
fn encoding<B: Body>(bytes: &'static Bytes, version: i16) -> Contestant {
    let body = B::decode(version, bytes);
    let mut buffer = BytesMut::new();
    body.encode(version, &mut buffer);
    assert_eq!(buffer, bytes, "{} encodes something else", B::NAME);
    Contestant::new(B::NAME, move || {
        buffer.clear();
        black_box(&body).encode(version, &mut buffer);
        black_box(&buffer);
    })
}

/// Decodes, and drops what was decoded.
fn decoding<B: Body>(bytes: &'static Bytes, version: i16) -> Contestant {
    Contestant::new(B::NAME, move || {
        black_box(B::decode(version, black_box(bytes)));
    })
}
