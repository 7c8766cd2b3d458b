//! A client of a few lines, on the core itself: no socket, no task, time as the test says.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_embedded::core::{Config, ConnectionId, Core, Output};
use kafka_protocol::messages::header::{RequestHeader, ResponseHeader};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, Producer};
use kafka_protocol::{ApiKey, Limits, Message, Request};

/// A cluster, a point in time, and what its connections were told.
pub struct Script {
    pub core: Core,
    pub now: Instant,
    pub outputs: Vec<Output>,
}

impl Script {
    pub fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { core: Core::new(config, now), now, outputs: Vec::new() }
    }

    pub fn open(&mut self, broker: i32) -> ConnectionId {
        self.core.handle_open(self.now, broker, "test").expect("the broker listens")
    }

    /// Lets time pass, in the steps that the core asks for.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
        }
        self.now = end;
        self.collect();
    }

    pub fn send<R: Request>(&mut self, connection: ConnectionId, version: i16, request: &R) {
        self.core.handle_request(self.now, connection, frame(version, request));
        self.collect();
    }

    pub fn collect(&mut self) {
        while let Some(output) = self.core.poll() {
            self.outputs.push(output);
        }
    }

    /// What a connection was told first, if anything.
    pub fn take(&mut self, connection: ConnectionId) -> Option<Output> {
        let of = |output: &Output| match output {
            Output::Answer { connection: id, .. }
            | Output::Done { connection: id }
            | Output::Close { connection: id } => *id == connection,
        };
        let at = self.outputs.iter().position(of)?;
        Some(self.outputs.remove(at))
    }

    /// The answer that a connection was given, if any.
    pub fn answer<R: Request>(&mut self, connection: ConnectionId, version: i16) -> Option<R::Response> {
        match self.take(connection)? {
            Output::Answer { frame, .. } => Some(read::<R>(version, frame)),
            other => panic!("{other:?}"),
        }
    }

    /// Asks, and expects the answer at once.
    pub fn call<R: Request>(&mut self, connection: ConnectionId, version: i16, request: &R) -> R::Response {
        self.send(connection, version, request);
        self.answer::<R>(connection, version).expect("answered at once")
    }
}

pub fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let api = ApiKey(R::TYPE.key.unwrap());
    let mut frame = BytesMut::new();
    let header = RequestHeader {
        request_api_key: api.0,
        request_api_version: version,
        correlation_id: 7,
        client_id: Some("script".into()),
        ..Default::default()
    };
    header.encode(api.request_header_version(version), &mut frame).unwrap();
    request.encode(version, &mut frame).unwrap();
    frame.freeze()
}

fn read<R: Request>(version: i16, mut frame: Bytes) -> R::Response {
    assert_eq!(frame.get_i32() as usize, frame.len());
    let header_version = ApiKey(R::TYPE.key.unwrap()).response_header_version(version);
    let header = ResponseHeader::decode_prefix(header_version, &mut frame, &Limits::default()).unwrap();
    assert_eq!(header.correlation_id, 7);
    R::Response::decode(version, frame).unwrap()
}

/// A batch of `count` records.
pub fn batch(count: i64, producer: Producer) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for number in 0..count {
        builder.append(1_000 + number, None, Some(b"value"), []).unwrap();
    }
    builder.seal(&mut Compressor::default()).unwrap()
}
