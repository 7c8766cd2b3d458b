//! A connection: frames to the core, one at a time, and its answers back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_conn::Stream;
use kafka_conn::frame::FrameDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::core::ConnectionId;
use crate::shell::{Mail, Shared};

/// Serves a connection to its end. It counts from the beginning, also while it shakes hands.
pub(super) async fn serve(shared: Arc<Shared>, broker: i32, host: String, stream: Box<dyn Stream>) {
    let Some((id, mut mailbox)) = shared.open(broker, &host) else {
        return;
    };
    let max_frame = shared.with(|core, _| core.state.config.limits.max_frame);
    let decoder = FrameDecoder::new(max_frame);
    // Whatever ends the task, the core learns of it.
    let registered = Registered { shared, id };
    let accepted = tokio::select! {
        biased;
        // Nothing was asked yet: the core can only want to be rid of it.
        _ = mailbox.recv() => None,
        stream = registered.shared.security.accept(stream) => stream,
    };
    if let Some(stream) = accepted {
        Serving { registered, mailbox, decoder, stream }.run().await;
    }
}

struct Registered {
    shared: Arc<Shared>,
    id: ConnectionId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.close(self.id);
    }
}

struct Serving {
    registered: Registered,
    mailbox: mpsc::UnboundedReceiver<Mail>,
    decoder: FrameDecoder,
    stream: Box<dyn Stream>,
}

impl Serving {
    async fn run(mut self) {
        while let Some(frame) = self.next_frame().await {
            let Registered { shared, id } = &self.registered;
            shared.with(|core, now| core.handle_request(now, *id, frame));
            match self.next_mail().await {
                Some(Mail::Answer(answer)) => {
                    if self.stream.write_all(&answer).await.is_err() || self.stream.flush().await.is_err() {
                        return;
                    }
                }
                Some(Mail::Done) => {}
                Some(Mail::Close) | None => break,
            }
        }
        let _gone = timeout(SHUTDOWN_TIMEOUT, self.stream.shutdown()).await;
    }

    /// The next frame; `None` when the client or the core has closed the connection, or what comes is no frame.
    async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.decoder.poll_frame().ok()? {
                return Some(frame);
            }
            tokio::select! {
                biased;
                mail = self.mailbox.recv() => {
                    if matches!(mail, Some(Mail::Close) | None) {
                        return None;
                    }
                }
                read = self.stream.read_buf(self.decoder.read_buffer()) => {
                    if read.ok()? == 0 {
                        return None;
                    }
                }
            }
        }
    }

    /// What the core has to say to the request in hand; `None` when the client has gone meanwhile. So much is read ahead
    /// that this is noticed, and no more.
    async fn next_mail(&mut self) -> Option<Mail> {
        let mut ahead = 0;
        loop {
            tokio::select! {
                biased;
                mail = self.mailbox.recv() => return mail,
                read = self.stream.read_buf(self.decoder.read_buffer()), if ahead < MAX_READ_AHEAD => {
                    match read.ok()? {
                        0 => return None,
                        count => ahead += count,
                    }
                }
            }
        }
    }
}

/// Bytes that are read behind a request that is not answered yet: what clients pipeline, mostly.
const MAX_READ_AHEAD: usize = 256 << 10;
/// A courtesy to who may not read any more.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
