//! Standard input, read ahead by a thread of its own: nothing can wait for it and for something else at once.

use std::io::{self, IsTerminal, Read};
use std::thread;

use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::lines::{Block, LineCutter};
use crate::report;

/// The lines of standard input, in blocks.
#[derive(Debug)]
pub(crate) struct Input {
    blocks: mpsc::Receiver<io::Result<Block>>,
}

impl Input {
    /// Starts to read. The thread ends with the input, with the process, or when it finds that nobody listens.
    pub(crate) fn open(max_line: usize) -> Result<Self> {
        if io::stdin().is_terminal() {
            report::line(format_args!("Each line becomes a message. Ctrl-D ends."));
        }
        let (sender, blocks) = mpsc::channel(READ_AHEAD);
        let read = move || {
            if let Err(error) = read(&sender, max_line) {
                let _nobody_listens = sender.blocking_send(Err(error));
            }
        };
        thread::Builder::new().name("stdin".to_owned()).spawn(read).map_err(Error::Start)?;
        Ok(Self { blocks })
    }

    /// The next lines; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Block>> {
        self.blocks.recv().await.transpose().map_err(Error::Input)
    }

    /// Reads no further. What was read is still there to take.
    pub(crate) fn close(&mut self) {
        self.blocks.close();
    }
}

/// Reads to the end of the input, or until nobody listens any more.
fn read(blocks: &mpsc::Sender<io::Result<Block>>, max_line: usize) -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut cutter = LineCutter::new(max_line);
    let mut listening = true;
    while listening {
        // The room is larger than the lock's own buffer, so that the bytes do not pass through it.
        let read = match stdin.read(cutter.room()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        if let Some(block) = cutter.filled(read) {
            listening = blocks.blocking_send(Ok(block)).is_ok();
        }
    }
    if let Some(block) = cutter.finish().filter(|_| listening) {
        let _nobody_listens = blocks.blocking_send(Ok(block));
    }
    Ok(())
}

/// Blocks that wait to be taken: enough to keep reading while others write, about half a MiB.
const READ_AHEAD: usize = 4;
