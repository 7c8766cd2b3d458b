//! Standard output, written by a thread of its own: a reader that is slow, or stands still, must not keep the command
//! from ending.

use std::io::{self, Write};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};

/// Standard output, in blocks of whole lines.
#[derive(Debug)]
pub(crate) struct Output {
    /// `None` once closed.
    blocks: Option<mpsc::Sender<Vec<u8>>>,
    /// What became of the thread; `None` once told.
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Output {
    /// Starts the thread. It ends when this is closed or dropped, and everything is written.
    pub(crate) fn open() -> Result<Self> {
        let (blocks, receiver) = mpsc::channel(BLOCKS_AHEAD);
        let (end, ended) = oneshot::channel();
        let write = move || {
            let _nobody_asks = end.send(write_all(receiver));
        };
        thread::Builder::new().name("stdout".to_owned()).spawn(write).map_err(Error::Start)?;
        Ok(Self { blocks: Some(blocks), ended: Some(ended) })
    }

    /// Hands over a block of whole lines. Waits while those before it are not written.
    ///
    /// # Errors
    /// [`Error::Output`]; if the reader has gone away it [is a broken pipe](Error::is_broken_pipe).
    pub(crate) async fn write(&mut self, block: Vec<u8>) -> Result<()> {
        match &self.blocks {
            Some(blocks) if blocks.send(block).await.is_ok() => Ok(()),
            // Only an error ends the thread before the channel is closed.
            _ => self.close().await,
        }
    }

    /// Waits until everything is written. May be called again, also when the wait was cancelled.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.blocks = None;
        let Some(ended) = &mut self.ended else { return Ok(()) };
        let result = ended.await;
        self.ended = None;
        result.unwrap_or(Ok(())).map_err(Error::Output)
    }
}

fn write_all(mut blocks: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    while let Some(block) = blocks.blocking_recv() {
        stdout.write_all(&block)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Waits until the reader of standard output is gone, also while there is nothing to write. Where that cannot be known,
/// or is never so, as with a file, it waits for ever.
pub(crate) async fn reader_gone() -> Error {
    let (sender, gone) = oneshot::channel();
    let watch = move || {
        wait_for_hangup();
        let _nobody_asks = sender.send(());
    };
    let watching = thread::Builder::new().name("stdout-hangup".to_owned()).spawn(watch);
    if watching.is_err() || gone.await.is_err() {
        std::future::pending::<()>().await;
    }
    Error::Output(io::ErrorKind::BrokenPipe.into())
}

/// Blocks for as long as somebody may read.
#[cfg(unix)]
fn wait_for_hangup() {
    use rustix::event::{PollFd, PollFlags, poll};

    let stdout = io::stdout();
    // Errors and hang-ups are reported without being asked for.
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut watched, None) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return,
            Err(_) => park(),
        }
    }
}

#[cfg(not(unix))]
fn wait_for_hangup() {
    park();
}

/// Blocks the thread until the process ends.
fn park() {
    loop {
        thread::park();
    }
}

/// Blocks that wait to be written. A block is as large as its maker chose; a few keep both sides busy.
const BLOCKS_AHEAD: usize = 4;
