//! The work of `kafka produce`: lines into the writer, deliveries out of it, and an orderly end.
//!
//! ```text
//!  Input: blocks of lines ──► message ──► Writer::send (waits for room) ──► Delivery ──► Window ──► Tally
//! ```

use bytes::Bytes;
use kafka_writer::{Fate, Writer, WriterConfig};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::commands::produce::ProduceArguments;
use crate::commands::produce::form::Form;
use crate::commands::produce::tally::{Reach, Tally};
use crate::commands::produce::window::Window;
use crate::error::Result;
use crate::exit::Outcome;
use crate::input::Input;
use crate::lines::{Block, lines};
use crate::progress::Progress;
use crate::report;
use crate::signals::{Signal, Signals};

/// Writes all lines. A signal ends the reading; what was read is still written, for as long as `--timeout` says, or
/// until the next signal.
pub(crate) async fn run(arguments: ProduceArguments, mut signals: Signals) -> Result<Outcome> {
    let mut production = tokio::select! {
        biased;
        signal = signals.next() => return Ok(Outcome::Interrupted(signal)),
        production = Production::start(&arguments) => production?,
    };
    let mut progress = Progress::of_writing(production.tally.counts());
    let (stop, stopped) = oneshot::channel();
    let mut work = Box::pin(production.run(stopped));
    let signal = tokio::select! {
        biased;
        signal = signals.next() => signal,
        result = progress.beside(&mut work) => {
            drop(work);
            progress.conclude();
            let outcome = production.tally.conclude();
            return result.map(|()| outcome);
        }
    };
    drop(stop);
    let result = tokio::select! {
        biased;
        _ = signals.next() => Ok(()),
        finished = timeout(arguments.connect.timeout, progress.beside(&mut work)) => finished.unwrap_or(Ok(())),
    };
    drop(work);
    production.interrupted(signal, result)
}

/// A run of the command, from the first line to the last delivery.
struct Production {
    writer: Writer,
    input: Input,
    form: Form,
    window: Window,
    tally: Tally,
}

impl Production {
    /// Looks the topic up before the first line is read: who types should not type in vain.
    async fn start(arguments: &ProduceArguments) -> Result<Self> {
        let form = Form::of(arguments)?;
        let transport = arguments.connect.connect().await?;
        transport.topic(&arguments.topic).await?;
        let config = WriterConfig {
            topic: Some(arguments.topic.as_str().into()),
            balancer: arguments.balancer.balancer(),
            required_acks: arguments.acks,
            idempotence: arguments.idempotence,
            compression: arguments.compression,
            linger: arguments.linger,
            ..WriterConfig::default()
        };
        let input = Input::open(form.max_line(config.batch_bytes))?;
        Ok(Self {
            writer: Writer::new(transport, config)?,
            input,
            form,
            window: Window::default(),
            tally: Tally::default(),
        })
    }

    /// Sends lines until they end, or `stopped` says so; then waits until the fate of each is known.
    async fn run(&mut self, mut stopped: oneshot::Receiver<()>) -> Result<()> {
        let mut reading = true;
        let mut result = Ok(());
        while !self.tally.is_hopeless() {
            tokio::select! {
                biased;
                _ = &mut stopped, if reading => {
                    reading = false;
                    self.input.close();
                }
                () = settle(&mut self.window, &mut self.tally), if !self.window.is_empty() => {}
                block = self.input.next() => match block {
                    Ok(Some(block)) => self.send_block(block).await,
                    Ok(None) => break,
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                },
            }
        }
        // Each delivery says for itself whether the message was written.
        let _closed = self.writer.close().await;
        while !self.window.is_empty() {
            settle(&mut self.window, &mut self.tally).await;
        }
        result
    }

    async fn send_block(&mut self, block: Block) {
        let block = match block {
            Block::Lines(block) => block,
            Block::TooLong => {
                let limit = self.form.max_line(self.writer.config().batch_bytes);
                let line = self.tally.read();
                let reason = format_args!("it is longer than {limit} bytes, more than a batch has room for");
                return self.tally.failed(line, reason, Reach::Message);
            }
        };
        for line in lines(&block) {
            self.tally.bytes(line.len());
            if self.tally.is_hopeless() {
                return;
            }
            while self.window.is_full() {
                settle(&mut self.window, &mut self.tally).await;
            }
            self.send(line).await;
        }
    }

    async fn send(&mut self, line: Bytes) {
        let number = self.tally.read();
        let message = match self.form.message(line) {
            Ok(message) => message,
            Err(error) => return self.tally.failed(number, error, Reach::Message),
        };
        match self.writer.send(message).await {
            Ok(delivery) => self.window.push(number, delivery),
            Err(error) => failed(&mut self.tally, number, error.error()),
        }
    }

    /// The end that somebody wanted; what went wrong beside it is told too.
    fn interrupted(&self, signal: Signal, result: Result<()>) -> Result<Outcome> {
        if let Err(error) = result {
            report::error(&error);
        }
        self.tally.report_interrupted();
        Ok(Outcome::Interrupted(signal))
    }
}

/// Waits for deliveries, and counts them.
async fn settle(window: &mut Window, tally: &mut Tally) {
    window
        .settle(|line, result| match result {
            Ok(_) => tally.written(),
            Err(error) => failed(tally, line, &error),
        })
        .await;
}

fn failed(tally: &mut Tally, line: u64, error: &kafka_writer::Error) {
    tally.failed(line, reason(error), reach(error));
}

/// The error, which names topic and partition, and in any case the fate: of a failure that leaves it open, it says so.
fn reason(error: &kafka_writer::Error) -> String {
    match error.fate() {
        Fate::NotPersisted => format!("{} (the message was not written)", report::chain(error)),
        Fate::PossiblyPersisted => report::chain(error),
    }
}

/// What is not about the message has been tried for as long as the writer tries.
fn reach(error: &kafka_writer::Error) -> Reach {
    if error.is_message() { Reach::Message } else { Reach::All }
}
