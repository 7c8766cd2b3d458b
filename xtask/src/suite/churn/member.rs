//! Members of ours, each on a runtime of its own, so that it can crash and freeze alone.

use std::sync::mpsc;

use kafka_conn::{BrokerAddress, Dialer, Message, Transport, TransportConfig};
use kafka_reader::{Reader, ReaderConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::LIMIT;
use super::log::Log;
use super::trail::OURS;
use crate::suite::{Failure, Target};

/// A reader in a group that processes what it gets, until it is told to leave.
pub(crate) struct Member {
    runtime: Crashes,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Failure>>,
    /// Ends the freeze when it is dropped.
    frozen: Option<mpsc::Sender<()>>,
}

/// A runtime that ends as a crash does, wherever it is dropped: its tasks are gone, and nobody waits for them.
struct Crashes(Option<Runtime>);

impl Drop for Crashes {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Member {
    pub(crate) fn start(target: &Target, number: usize, config: ReaderConfig, log: &Log) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let bootstrap = BrokerAddress::parse_list(target.bootstrap())?;
        let log = log.clone();
        let task = runtime.spawn(async move {
            let dialer = Dialer { client_id: format!("{OURS}{number}").into(), ..Dialer::default() };
            let transport =
                Transport::connect(TransportConfig { bootstrap, dialer, ..TransportConfig::default() }).await?;
            work(Reader::new(transport, config).await?, number, stopped, &log).await
        });
        Ok(Self { runtime: Crashes(Some(runtime)), stop, task, frozen: None })
    }

    /// Commits, and says goodbye.
    pub(crate) async fn leave(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        timeout(LIMIT, self.task).await??
    }

    /// Its connections close, and nobody says goodbye.
    pub(crate) fn crash(self) {
        drop(self);
    }

    /// Nothing of it runs any more; its connections stay.
    pub(crate) fn freeze(&mut self) {
        let (thaw, thawed) = mpsc::channel();
        self.frozen = Some(thaw);
        // On the only worker there is.
        if let Some(runtime) = &self.runtime.0 {
            runtime.spawn(async move {
                let _until_dropped = thawed.recv();
            });
        }
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }
}

async fn work(mut reader: Reader, number: usize, mut stopped: watch::Receiver<bool>, log: &Log) -> Result<(), Failure> {
    let mut last: Option<Message> = None;
    loop {
        let message = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            message = reader.read_message() => message?,
        };
        log.read(number, message.partition, message.offset);
        last = Some(message);
    }
    if let Some(last) = &last {
        // It was processed; another member may have the partition by now.
        let _not_owned = reader.commit_messages([last]).await;
    }
    reader.close().await;
    Ok(())
}
