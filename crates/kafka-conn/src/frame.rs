//! Frames: what TCP's stream of bytes is cut into. Each is led by its size, a big-endian `int32`.
//!
//! Sans-IO.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind};

/// Cuts a stream of bytes, in chunks of whatever size they come, into frames.
///
/// Nothing is allocated because a peer says so: the buffer grows as bytes come, at most doubling, or at once to the size
/// of the largest frame that the peer has completed before. Frames are slices of that buffer, never copied.
///
/// ```
/// use kafka_conn::frame::FrameDecoder;
///
/// let mut decoder = FrameDecoder::new(1024);
/// decoder.handle_bytes(&[0, 0, 0, 5, b'h', b'e']);
/// assert_eq!(decoder.poll_frame()?, None);
/// decoder.handle_bytes(b"llo\0\0");
/// assert_eq!(decoder.poll_frame()?.as_deref(), Some(&b"hello"[..]));
/// assert_eq!(decoder.poll_frame()?, None);
/// assert!(decoder.is_within_frame());
/// # Ok::<(), kafka_conn::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    max_frame: usize,
    /// The size of the largest frame so far, its prefix included: a size that the peer has shown to mean.
    proven: usize,
}

impl FrameDecoder {
    /// A decoder for frames of at most `max_frame` bytes, not counting the size before them.
    pub fn new(max_frame: usize) -> Self {
        Self { buffer: BytesMut::new(), max_frame, proven: 0 }
    }

    /// Sets the limit for the frames whose end has not come yet.
    pub fn set_max_frame(&mut self, max_frame: usize) {
        self.max_frame = max_frame;
    }

    /// The buffer to append received bytes to, with room set aside for a sensible number of them.
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        let have = self.buffer.len();
        let room = self.buffer.capacity() - have;
        // Without a size to go by, any room will do; a chunk is asked for when there is next to none.
        let wanted = match self.announced() {
            Some(whole) => whole.saturating_sub(have).min(have.max(self.proven).max(CHUNK)),
            None if room < MIN_ROOM => CHUNK,
            None => 0,
        };
        if wanted > room {
            self.buffer.reserve(wanted);
        }
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// Takes received bytes by copying them, for those who have them elsewhere.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, without its size; `None` while it is not complete. To be called until it says `None`.
    ///
    /// # Errors
    /// [`FrameTooLarge`](ErrorKind::FrameTooLarge), [`InvalidFrame`](ErrorKind::InvalidFrame) for a negative size,
    /// [`TlsOnPlain`](ErrorKind::TlsOnPlain) and [`NotKafka`](ErrorKind::NotKafka) for what no size can be. The stream
    /// is of no use then: the same error comes again.
    pub fn poll_frame(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = frame_size(*prefix, self.max_frame)?;
        let whole = PREFIX.saturating_add(size);
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.proven = self.proven.max(whole);
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// Whether the bytes end within a frame, which an orderly end of the stream never does.
    pub fn is_within_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The size of the frame at the front, prefix included, where it is known and legal.
    fn announced(&self) -> Option<usize> {
        let prefix = self.buffer.first_chunk::<PREFIX>()?;
        frame_size(*prefix, self.max_frame).ok().map(|size| PREFIX.saturating_add(size))
    }
}

/// Reads a size, or recognises what stands in its place: other protocols' first bytes are absurdly large sizes.
fn frame_size(prefix: [u8; PREFIX], max_frame: usize) -> Result<usize, Error> {
    let size = i32::from_be_bytes(prefix);
    let Ok(unsigned) = usize::try_from(size) else {
        return Err(Error::new(ErrorKind::InvalidFrame { size }));
    };
    if unsigned <= max_frame {
        return Ok(unsigned);
    }
    Err(Error::new(match prefix {
        // An alert or a handshake record of TLS 1.0 to 1.3 (which says 3.3, too).
        [0x15 | 0x16, 3, 0..=4, _] => ErrorKind::TlsOnPlain,
        [b'H', b'T', b'T', b'P'] => ErrorKind::NotKafka,
        _ => ErrorKind::FrameTooLarge { size: unsigned as u64, limit: max_frame as u64 },
    }))
}

const PREFIX: usize = 4;
/// What is read at once when nothing larger is on its way.
const CHUNK: usize = 64 << 10;
/// With less room than this, a read would not be worth its system call.
const MIN_ROOM: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_all(decoder: &mut FrameDecoder) -> Vec<Bytes> {
        std::iter::from_fn(|| decoder.poll_frame().unwrap()).collect()
    }

    fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend(i32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend(frame);
        }
        bytes
    }

    fn kind_of(bytes: &[u8]) -> ErrorKind {
        let mut decoder = FrameDecoder::new(100 << 20);
        decoder.handle_bytes(bytes);
        decoder.poll_frame().unwrap_err().kind().clone()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            cuts in prop::collection::vec(1usize..200, 1..50),
            through_buffer in any::<bool>(),
        ) {
            let bytes = encode(&frames);
            let mut decoder = FrameDecoder::new(1024);
            let mut decoded = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = after;
                if through_buffer {
                    let buffer = decoder.read_buffer();
                    prop_assert!(buffer.capacity() > buffer.len());
                    buffer.extend_from_slice(chunk);
                } else {
                    decoder.handle_bytes(chunk);
                }
                decoded.extend(decode_all(&mut decoder));
            }
            prop_assert!(!decoder.is_within_frame());
            prop_assert_eq!(decoded, frames);
        }

        #[test]
        fn a_truncated_frame_is_none(frame in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&[frame]);
            let mut decoder = FrameDecoder::new(1024);
            let cut = cut.index(bytes.len());
            decoder.handle_bytes(&bytes[..cut]);
            prop_assert_eq!(decoder.poll_frame().unwrap(), None);
            prop_assert_eq!(decoder.is_within_frame(), cut > 0);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = FrameDecoder::new(64);
            decoder.handle_bytes(&bytes);
            while let Ok(Some(_)) = decoder.poll_frame() {}
            decoder.read_buffer();
        }
    }

    #[test]
    fn what_is_no_frame() {
        assert_eq!(kind_of(&[0x15, 3, 3, 0, 2, 2, 80]), ErrorKind::TlsOnPlain);
        assert_eq!(kind_of(&[0x16, 3, 1, 0]), ErrorKind::TlsOnPlain);
        assert_eq!(kind_of(b"HTTP/1.1 400 Bad Request\r\n"), ErrorKind::NotKafka);
        assert_eq!(kind_of(&[0xff; 4]), ErrorKind::InvalidFrame { size: -1 });
        let limit = 100 << 20;
        assert_eq!(kind_of(b"SSH-2.0"), ErrorKind::FrameTooLarge { size: 0x5353_482d, limit });
    }

    #[test]
    fn a_claimed_size_allocates_nothing() {
        let mut decoder = FrameDecoder::new(100 << 20);
        decoder.handle_bytes(&(100u32 << 20).to_be_bytes());
        assert_eq!(decoder.poll_frame().unwrap(), None);
        assert!(decoder.read_buffer().capacity() <= 2 * CHUNK);
    }

    #[test]
    fn a_large_frame_is_moved_only_a_few_times() {
        let size = 8 << 20;
        let mut decoder = FrameDecoder::new(100 << 20);
        decoder.handle_bytes(&u32::try_from(size).unwrap().to_be_bytes());
        let mut grown = 0;
        while decoder.buffer.len() < size + PREFIX {
            let before = decoder.buffer.capacity();
            let buffer = decoder.read_buffer();
            grown += usize::from(buffer.capacity() != before);
            let room = (buffer.capacity() - buffer.len()).min(size + PREFIX - buffer.len());
            buffer.resize(buffer.len() + room, 7);
        }
        assert!(grown <= 10, "{grown}");
        assert_eq!(decoder.poll_frame().unwrap().map(|frame| frame.len()), Some(size));
        // The next one of that size gets its room at once.
        decoder.handle_bytes(&u32::try_from(size).unwrap().to_be_bytes());
        assert!(decoder.read_buffer().capacity() >= size + PREFIX);
    }
}
