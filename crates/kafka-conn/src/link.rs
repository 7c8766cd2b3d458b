//! The driver of a connection, within reach of both its task and its handles.
//!
//! The task drives it: all that is read, and nearly all that is written, is its doing. But the way of a call through the
//! task's queue takes longer than writing a small request; so where the connection is idle, whoever makes a call writes
//! it. The lock is held for one step, never over a wait.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Waker};

use crate::driver::Driver;
use crate::session::Call;
use crate::task::Reply;

/// `None` once the connection is over.
pub(crate) struct Link {
    linked: Mutex<Option<Linked>>,
}

struct Linked {
    driver: Driver<Reply>,
    /// The task's, from its first step on: whatever a call has to wait for wakes the task.
    waker: Option<Waker>,
}

impl Link {
    pub(crate) fn new(driver: Driver<Reply>) -> Self {
        Self { linked: Mutex::new(Some(Linked { driver, waker: None })) }
    }

    /// A step of the task; `None` where the connection is over.
    pub(crate) fn step<R>(
        &self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Driver<Reply>, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let mut linked = self.lock();
        let Linked { driver, waker } = linked.as_mut()?;
        match waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Some(act(driver, cx))
    }

    /// Makes a small call right here, if the connection is idle; else the call comes back, for the task. `is_first` says,
    /// under the lock, whether the task has taken all calls that were made before.
    ///
    /// Others than small ones are the task's: to write them takes a while, and the caller may have more to do.
    pub(crate) fn call_now(&self, call: Call<Reply>, is_first: impl FnOnce() -> bool) -> Result<(), Call<Reply>> {
        if call.request.body.len() > MAX_BODY {
            return Err(call);
        }
        let mut linked = match self.linked.try_lock() {
            Ok(linked) => linked,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(call),
        };
        let Some(Linked { driver, waker: Some(waker) }) = linked.as_mut() else { return Err(call) };
        if !driver.session.is_idle() || !is_first() {
            return Err(call);
        }
        let needs_step = driver.call_now(&mut Context::from_waker(waker), call);
        let waker = needs_step.then(|| waker.clone());
        drop(linked);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Takes the driver out, to end it.
    pub(crate) fn take(&self) -> Option<Driver<Reply>> {
        self.lock().take().map(|linked| linked.driver)
    }

    /// A step that panicked has ended the task, and this with it.
    fn lock(&self) -> MutexGuard<'_, Option<Linked>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Copied into the kernel's buffer in microseconds.
const MAX_BODY: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::api_versions::ApiVersionsResponse;
    use kafka_protocol::{ApiKey, Message};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::runtime;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::address::BrokerAddress;
    use crate::call::{CallOptions, RawRequest};
    use crate::connection::Connection;
    use crate::connector::{ConnectOptions, Connector, Stream};
    use crate::dialer::Dialer;
    use crate::error::Result;

    /// A broker that only says which versions it speaks; the rest of its end of the stream is the test's.
    #[derive(Debug)]
    struct Pipe(Mutex<Option<tokio::sync::oneshot::Sender<DuplexStream>>>);

    #[async_trait]
    impl Connector for Pipe {
        async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
            let (client, mut broker) = duplex(1 << 20);
            let end = self.0.lock().unwrap().take().unwrap();
            tokio::spawn(async move {
                let mut answer = BytesMut::new();
                ApiVersionsResponse::default().encode(4, &mut answer).unwrap();
                let id = request(&mut broker).await;
                broker.write_u32(4 + u32::try_from(answer.len()).unwrap()).await.unwrap();
                broker.write_all(&id[4..8]).await.unwrap();
                broker.write_all(&answer).await.unwrap();
                end.send(broker).unwrap();
            });
            Ok(Box::new(client))
        }
    }

    /// A request without its size.
    async fn request(broker: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = vec![0; broker.read_u32().await.unwrap() as usize];
        broker.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Reads a request, which has this number, and answers it.
    async fn answer(broker: &mut DuplexStream, expected: u32) {
        let request = request(broker).await;
        assert_eq!(number(&request), expected);
        broker.write_u32(5).await.unwrap();
        broker.write_all(&request[4..8]).await.unwrap();
        broker.write_all(&[0]).await.unwrap();
    }

    async fn connect() -> (Connection, DuplexStream) {
        let (sender, end) = tokio::sync::oneshot::channel();
        let dialer = Dialer { connector: Arc::new(Pipe(Mutex::new(Some(sender)))), ..Dialer::default() };
        let connection = dialer.dial("broker").await.unwrap();
        // The task has its first turn.
        tokio::task::yield_now().await;
        (connection, end.await.unwrap())
    }

    /// Ends with its number.
    fn numbered(number: u32, len: usize) -> RawRequest {
        let body = [vec![0; len], number.to_be_bytes().to_vec()].concat();
        RawRequest { api_key: ApiKey::METADATA, version: 12, body: Bytes::from(body).into() }
    }

    fn number(request: &[u8]) -> u32 {
        u32::from_be_bytes(*request.last_chunk().unwrap())
    }

    #[tokio::test]
    async fn a_lone_small_call_is_written_where_it_is_made_and_others_are_not() {
        for (len, at_once) in [(0, true), (MAX_BODY - 4, true), (MAX_BODY, false)] {
            let (connection, mut broker) = connect().await;
            let call = connection.start_raw(numbered(7, len), CallOptions::default()).await.unwrap();
            // Nobody else has had a turn.
            let mut size = pin!(broker.read_u32());
            let written = size.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(written.is_ready(), at_once, "{len} bytes");
            if at_once {
                let behind = connection.start_raw(numbered(8, 0), CallOptions::default()).await.unwrap();
                let mut rest = vec![0; 1 << 20];
                let mut read = pin!(broker.read(&mut rest));
                let Poll::Ready(Ok(read)) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                    panic!("the rest of the first call is there")
                };
                assert_eq!(number(&rest[..read]), 7, "the second one waits for its turn with others");
                drop(behind);
            }
            drop(call);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_go_out_in_the_order_in_which_they_are_made() {
        let (connection, mut broker) = connect().await;
        let answers = tokio::spawn(async move {
            for expected in 0..CALLS {
                answer(&mut broker, expected).await;
            }
        });
        let mut waiting = std::collections::VecDeque::new();
        for number in 0..CALLS {
            let len = if number % 7 == 0 { MAX_BODY } else { number as usize % 100 };
            waiting.push_back(connection.start_raw(numbered(number, len), CallOptions::default()).await.unwrap());
            // Now and then the connection is idle.
            while waiting.len() > number as usize % 5 {
                waiting.pop_front().unwrap().await.unwrap();
            }
        }
        answers.await.unwrap();
    }

    /// The timer that an answered call leaves behind goes off, is of no use to anybody, and then to this call.
    #[tokio::test(start_paused = true)]
    async fn a_call_is_late_in_its_own_time() {
        let second = Duration::from_secs(1);
        let options = CallOptions { timeout: Some(second), ..CallOptions::default() };
        let (connection, mut broker) = connect().await;
        let answered = connection.start_raw(numbered(0, 0), options.clone()).await.unwrap();
        answer(&mut broker, 0).await;
        answered.await.unwrap();
        sleep(2 * second).await;
        let made = Instant::now();
        let late = connection.start_raw(numbered(1, 0), options).await.unwrap();
        let error = timeout(2 * second, late).await.expect("it is told").unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(made.elapsed(), second);
    }

    #[test]
    fn a_stream_does_not_outlive_the_runtime_of_its_task() {
        let tasks = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (connection, mut broker) = tasks.block_on(connect());
        drop(tasks);
        let other = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let left = other.block_on(broker.read_to_end(&mut Vec::new())).unwrap();
        assert_eq!(left, 0, "the other end is told");
        assert!(connection.is_closed());
        let refused = other.block_on(connection.start_raw(numbered(0, 0), CallOptions::default()));
        assert!(refused.is_err_and(|error| error.is_unsent()));
    }

    const CALLS: u32 = 2000;
}
