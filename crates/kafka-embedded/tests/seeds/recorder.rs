//! A connector that writes down what crosses its streams.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Result, Stream};
use kafka_embedded::{Cluster, MemoryConnector};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What happened, in order.
pub(crate) type History = Vec<u8>;

/// Where two histories that should be the same part.
pub(crate) fn difference(first: &History, second: &History) -> String {
    let at = first.iter().zip(second).position(|(a, b)| a != b).unwrap_or_else(|| first.len().min(second.len()));
    format!("the histories have {} and {} bytes, and part at {at}", first.len(), second.len())
}

/// Writes down all that crosses the streams of another connector.
#[derive(Debug)]
pub(crate) struct Recorder {
    inner: MemoryConnector,
    begin: Instant,
    history: Arc<Mutex<History>>,
}

impl Recorder {
    /// One for the streams of a cluster in memory.
    pub(crate) fn new(cluster: &Cluster, history: &Arc<Mutex<History>>) -> Arc<Self> {
        let (begin, inner) = (Instant::now(), cluster.connector().unwrap());
        Arc::new(Self { inner, begin, history: Arc::clone(history) })
    }
}

#[async_trait]
impl Connector for Recorder {
    async fn connect(&self, address: &BrokerAddress, options: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let stream = self.inner.connect(address, options).await;
        let found = if stream.is_ok() { "connected" } else { "refused" };
        self.history.lock().unwrap().extend(format!("{:?} {address} {found}", self.begin.elapsed()).as_bytes());
        Ok(Box::new(Recorded { inner: stream?, begin: self.begin, history: Arc::clone(&self.history) }))
    }
}

struct Recorded {
    inner: Box<dyn Stream>,
    begin: Instant,
    history: Arc<Mutex<History>>,
}

impl Recorded {
    fn record(&self, direction: u8, bytes: &[u8]) {
        let mut history = self.history.lock().unwrap();
        history.extend(self.begin.elapsed().as_nanos().to_be_bytes());
        history.push(direction);
        history.extend(bytes);
    }
}

impl AsyncRead for Recorded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.record(b'<', &buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.record(b'>', &bytes[..count]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
