//! How each package encodes and decodes a message, as its documentation shows it.

use bytes::{Bytes, BytesMut};
use kafka_protocol::Message;
use kafka_wire::KafkaMessage;
use kafka_wire_core::{ApiVersion, DecodeLimits};
use krabka_protocol::DecodeBorrow;
use registry::protocol::{Decodable, Encodable};

use crate::{KAFKA_WIRE, KRABKA, KRABKA_BORROWED, OURS, REGISTRY};

/// A message of somebody's.
pub(super) trait Body: Sized + 'static {
    /// Whose it is.
    const NAME: &'static str;

    /// Decodes a body; what is borrowed from the bytes lives as long as the program.
    fn decode(version: i16, bytes: &'static Bytes) -> Self;

    /// Appends the encoded body.
    fn encode(&self, version: i16, buffer: &mut BytesMut);
}

pub(super) struct Ours<M>(M);

impl<M: Message> Body for Ours<M> {
    const NAME: &'static str = OURS;

    fn decode(version: i16, bytes: &'static Bytes) -> Self {
        Self(M::decode(version, bytes.clone()).expect("the fixture is valid"))
    }

    fn encode(&self, version: i16, buffer: &mut BytesMut) {
        self.0.encode(version, buffer).expect("the fixture is valid");
    }
}

pub(super) struct Registry<M>(M);

impl<M: Encodable + Decodable + 'static> Body for Registry<M> {
    const NAME: &'static str = REGISTRY;

    fn decode(version: i16, bytes: &'static Bytes) -> Self {
        Self(M::decode(&mut bytes.clone(), version).expect("the fixture is valid"))
    }

    fn encode(&self, version: i16, buffer: &mut BytesMut) {
        self.0.encode(buffer, version).expect("the fixture is valid");
    }
}

pub(super) struct KafkaWire<M>(M);

impl<M: KafkaMessage + 'static> Body for KafkaWire<M> {
    const NAME: &'static str = KAFKA_WIRE;

    fn decode(version: i16, bytes: &'static Bytes) -> Self {
        let (version, limits) = (ApiVersion::new(version), DecodeLimits::default());
        Self(M::decode_from_bytes(bytes.clone(), version, limits).expect("the fixture is valid"))
    }

    fn encode(&self, version: i16, buffer: &mut BytesMut) {
        self.0.encode_into(buffer, ApiVersion::new(version)).expect("the fixture is valid");
    }
}

pub(super) struct Krabka<M>(M);

impl<M: krabka_protocol::Encode + krabka_protocol::Decode<'static> + 'static> Body for Krabka<M> {
    const NAME: &'static str = KRABKA;

    fn decode(version: i16, bytes: &'static Bytes) -> Self {
        Self(M::decode(&mut &bytes[..], version).expect("the fixture is valid"))
    }

    fn encode(&self, version: i16, buffer: &mut BytesMut) {
        self.0.encode(buffer, version).expect("the fixture is valid");
    }
}

pub(super) struct KrabkaBorrowed<M>(M);

impl<M: krabka_protocol::Encode + DecodeBorrow<'static>> Body for KrabkaBorrowed<M> {
    const NAME: &'static str = KRABKA_BORROWED;

    fn decode(version: i16, bytes: &'static Bytes) -> Self {
        Self(M::decode_borrow(&mut &bytes[..], version).expect("the fixture is valid"))
    }

    fn encode(&self, version: i16, buffer: &mut BytesMut) {
        self.0.encode(buffer, version).expect("the fixture is valid");
    }
}
