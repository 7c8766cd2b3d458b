//! Frames: the same ones, whatever the chunks that the stream comes in.

use bytes::Bytes;
use kafka_conn::ErrorKind;
use kafka_conn::frame::FrameDecoder;

use super::memory;

/// A stream cut into frames. The input: an int16 for the largest frame, a byte for the number of cuts, a byte for the
/// length of each chunk, then the stream; chunks repeat from the first one on.
pub fn frames(data: &[u8]) {
    let Some((&[high, low, cuts], rest)) = data.split_first_chunk() else {
        return;
    };
    let max_frame = usize::from(u16::from_be_bytes([high, low]));
    let Some((cuts, stream)) = rest.split_at_checked(usize::from(cuts)) else {
        return;
    };
    let whole = events(max_frame, &[stream]);
    for frame in &whole.frames {
        assert!(frame.len() <= max_frame);
    }
    if let Some(less) = whole.frames.first().and_then(|frame| frame.len().checked_sub(1)) {
        let strict = events(less, &[stream]);
        assert!(strict.frames.is_empty() && strict.refused.is_some(), "{strict:?}");
    }
    assert_eq!(whole.frames.iter().map(|frame| frame.len() + 4).sum::<usize>() + whole.left, stream.len());
    assert_eq!(events(max_frame, &chunks(stream, cuts)), whole);
}

/// What came of a stream.
#[derive(Debug, PartialEq)]
struct Events {
    frames: Vec<Bytes>,
    refused: Option<ErrorKind>,
    /// How many bytes no frame took.
    left: usize,
}

fn chunks<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), stream);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(rest.len().min(usize::from(*cut).max(1)));
        chunks.push(chunk);
        rest = after;
    }
    chunks.push(rest);
    chunks
}

fn events(max_frame: usize, chunks: &[&[u8]]) -> Events {
    let len = chunks.iter().map(|chunk| chunk.len()).sum();
    memory::bounded(len, READ_AHEAD, || {
        let mut decoder = FrameDecoder::new(max_frame);
        let mut events = Events { frames: Vec::new(), refused: None, left: len };
        for (index, chunk) in chunks.iter().enumerate() {
            if index % 2 == 0 {
                decoder.handle_bytes(chunk);
            } else {
                let buffer = decoder.read_buffer();
                assert!(buffer.capacity() > buffer.len(), "a read needs room");
                buffer.extend_from_slice(chunk);
            }
            take(&mut decoder, &mut events);
        }
        assert_eq!(decoder.is_within_frame(), events.left > 0);
        events
    })
}

fn take(decoder: &mut FrameDecoder, events: &mut Events) {
    loop {
        match decoder.poll_frame() {
            Ok(Some(frame)) => {
                assert!(events.refused.is_none(), "an error is for good");
                events.left -= frame.len() + 4;
                events.frames.push(frame);
            }
            Ok(None) => return,
            Err(error) => {
                let kind = error.kind().clone();
                assert_eq!(events.refused.get_or_insert_with(|| kind.clone()), &kind, "the same error comes again");
                return;
            }
        }
    }
}

/// What the decoder sets aside for a read, and once more while its buffer moves.
const READ_AHEAD: usize = 3 * (64 << 10);
