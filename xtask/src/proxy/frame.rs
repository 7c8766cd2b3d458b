//! Kafka's frames, as far as a proxy looks into them: where one ends, and the fixed fields at its front.
//!
//! Sans-IO.

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::ApiKey;

/// Cuts a stream of bytes into whole frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
}

/// A frame that no Kafka client or broker sends: the stream is something else, such as TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The front of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) api: ApiKey,
    pub(super) correlation_id: i32,
}

/// Kafka's own default for the largest request, `socket.request.max.bytes`; the first bytes of TLS mean more.
const SIZE_MAX: usize = 100 << 20;
const SIZE_BYTES: usize = 4;

impl Frames {
    /// Takes what arrived.
    pub(super) fn handle(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that is complete, its size included.
    pub(super) fn poll(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some(size) = self.buffer.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let size = usize::try_from(i32::from_be_bytes(*size)).map_err(|_| Malformed)?;
        if size > SIZE_MAX {
            return Err(Malformed);
        }
        let whole = SIZE_BYTES + size;
        Ok((self.buffer.len() >= whole).then(|| self.buffer.split_to(whole).freeze()))
    }
}

impl RequestHead {
    /// Reads the front of a whole frame: API key, version, correlation id.
    pub(super) fn of(frame: &Bytes) -> Result<Self, Malformed> {
        let mut front = frame.get(SIZE_BYTES..).ok_or(Malformed)?;
        let api = ApiKey(front.try_get_i16().map_err(|_| Malformed)?);
        front.try_get_i16().map_err(|_| Malformed)?;
        Ok(Self { api, correlation_id: front.try_get_i32().map_err(|_| Malformed)? })
    }
}

/// The correlation id of an answer.
pub(super) fn correlation_id(frame: &Bytes) -> Result<i32, Malformed> {
    let mut front = frame.get(SIZE_BYTES..).ok_or(Malformed)?;
    front.try_get_i32().map_err(|_| Malformed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request with nothing behind its correlation id.
    pub(in super::super) fn request(api: ApiKey, correlation_id: i32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 8];
        bytes.extend(api.0.to_be_bytes());
        bytes.extend(0_i16.to_be_bytes());
        bytes.extend(correlation_id.to_be_bytes());
        bytes
    }

    /// An answer with nothing behind its correlation id.
    pub(in super::super) fn answer(correlation_id: i32) -> Vec<u8> {
        [[0, 0, 0, 4], correlation_id.to_be_bytes()].concat()
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let bytes = [request(ApiKey(3), 7), answer(9)].concat();
        for split in 0..=bytes.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for part in [&bytes[..split], &bytes[split..]] {
                frames.handle(part);
                found.extend(std::iter::from_fn(|| frames.poll().unwrap()));
            }
            assert_eq!(found, [request(ApiKey(3), 7), answer(9)], "split at {split}");
            assert_eq!(RequestHead::of(&found[0]), Ok(RequestHead { api: ApiKey(3), correlation_id: 7 }));
            assert_eq!(correlation_id(&found[1]), Ok(9));
        }
    }

    #[test]
    fn what_is_no_kafka_is_refused() {
        for bytes in [&[0xff; 4][..], b"GET / HTTP/1.1", &[0x16, 3, 1, 0]] {
            let mut frames = Frames::default();
            frames.handle(bytes);
            assert_eq!(frames.poll(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(RequestHead::of(&Bytes::from_static(&[0, 0, 0, 2, 0, 3])), Err(Malformed));
        assert_eq!(correlation_id(&Bytes::from_static(&[0, 0, 0, 1, 0])), Err(Malformed));
    }
}
