//! The driver of a connection, within reach of both its task and its handles.
//!
//! The task drives it: all that is read, and nearly all that is written, is its doing. But the way of a call through the
//! task's queue takes longer than writing a small request; so where the connection is idle, whoever makes a call writes
//! it. The lock is held for one step, never over a wait; and only the task waits for it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
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

    /// Makes a small call right here, if the connection is idle; else it comes back, for the task. `is_first` says,
    /// under the lock, whether the task has taken all calls that were made before.
    ///
    /// Others than small ones are the task's: to write them takes a while, and the caller may have more to do.
    pub(crate) fn call_now(&self, call: Call<Reply>, is_first: impl FnOnce() -> bool) -> Option<Call<Reply>> {
        if call.request.body.len() > MAX_BODY {
            return Some(call);
        }
        let Ok(mut linked) = self.linked.try_lock() else { return Some(call) };
        let Some(Linked { driver, waker: Some(waker) }) = linked.as_mut() else { return Some(call) };
        if !driver.session.is_idle() || !is_first() {
            return Some(call);
        }
        let waker = waker.clone();
        let cx = &mut Context::from_waker(&waker);
        // A stream is perhaps a user's: when it panics, that ends the connection, and not the task of who makes a call.
        let needs_step = catch_unwind(AssertUnwindSafe(|| driver.call_now(cx, call))).unwrap_or_else(|_| {
            tracing::error!("a stream panicked");
            drop(linked.take());
            true
        });
        drop(linked);
        if needs_step {
            waker.wake();
        }
        None
    }

    /// Takes the driver out, to end it.
    pub(crate) fn take(&self) -> Option<Driver<Reply>> {
        self.lock().take().map(|linked| linked.driver)
    }

    /// A step of the task that panics ends it, and what is here with it.
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
    use std::io;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::task::Poll;
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::api_versions::ApiVersionsResponse;
    use kafka_protocol::{ApiKey, Message};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
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
    struct Pipe {
        end: Mutex<Option<tokio::sync::oneshot::Sender<DuplexStream>>>,
        trouble: Arc<AtomicU8>,
    }

    /// A stream of which the test says what becomes of writes.
    struct Troubled {
        stream: DuplexStream,
        trouble: Arc<AtomicU8>,
    }

    const NONE: u8 = 0;
    const FAILS: u8 = 1;
    const PANICS: u8 = 2;

    impl AsyncRead for Troubled {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, into)
        }
    }

    impl AsyncWrite for Troubled {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            match self.trouble.load(Ordering::Relaxed) {
                FAILS => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                PANICS => panic!("a stream that panics"),
                _ => Pin::new(&mut self.stream).poll_write(cx, bytes),
            }
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }

    #[async_trait]
    impl Connector for Pipe {
        async fn connect(&self, _: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
            let (stream, mut broker) = duplex(1 << 20);
            let end = self.end.lock().unwrap().take().unwrap();
            tokio::spawn(async move {
                let mut answer = BytesMut::new();
                ApiVersionsResponse::default().encode(4, &mut answer).unwrap();
                let id = request(&mut broker).await;
                broker.write_u32(4 + u32::try_from(answer.len()).unwrap()).await.unwrap();
                broker.write_all(&id[4..8]).await.unwrap();
                broker.write_all(&answer).await.unwrap();
                end.send(broker).unwrap();
            });
            Ok(Box::new(Troubled { stream, trouble: Arc::clone(&self.trouble) }))
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
        connect_with(&Arc::default()).await
    }

    async fn connect_with(trouble: &Arc<AtomicU8>) -> (Connection, DuplexStream) {
        let (sender, end) = tokio::sync::oneshot::channel();
        let pipe = Pipe { end: Mutex::new(Some(sender)), trouble: Arc::clone(trouble) };
        let dialer = Dialer { connector: Arc::new(pipe), ..Dialer::default() };
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_is_overtaken_by_himself_where_several_call() {
        let (connection, mut broker) = connect().await;
        let answers = tokio::spawn(async move {
            let mut next = [0; 3];
            for _ in 0..next.len() as u32 * CALLS {
                let request = request(&mut broker).await;
                let (caller, number) = (number(&request) >> 16, number(&request) & 0xffff);
                assert_eq!(number, next[caller as usize], "caller {caller}");
                next[caller as usize] += 1;
                broker.write_all(&[0, 0, 0, 5]).await.unwrap();
                broker.write_all(&[&request[4..8], &[0]].concat()).await.unwrap();
            }
        });
        let callers = (0..3).map(|caller| {
            let connection = connection.clone();
            tokio::spawn(async move {
                for number in 0..CALLS / 2 {
                    let numbers = [2 * number, 2 * number + 1].map(|number| caller << 16 | number);
                    let len = if number % 3 == 0 { MAX_BODY } else { 0 };
                    let first = connection.start_raw(numbered(numbers[0], len), CallOptions::default()).await.unwrap();
                    let second = connection.start_raw(numbered(numbers[1], 0), CallOptions::default()).await.unwrap();
                    first.await.unwrap();
                    second.await.unwrap();
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        answers.await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_fails_or_panics_ends_the_connection_and_not_the_caller() {
        for (trouble, unsent) in [(FAILS, true), (PANICS, false)] {
            let now = Arc::new(AtomicU8::new(NONE));
            let (connection, _broker) = connect_with(&now).await;
            now.store(trouble, Ordering::Relaxed);
            let lost = connection.start_raw(numbered(0, 0), CallOptions::default()).await.unwrap();
            // Before the task has seen it.
            let behind = connection.start_raw(numbered(1, 0), CallOptions::default()).await.unwrap();
            let error = lost.await.unwrap_err();
            assert!(error.is_connection() && error.is_unsent() == unsent, "{error:?}");
            let error = behind.await.unwrap_err();
            assert!(error.is_connection() && error.is_unsent() && error.context().api.is_some(), "{error:?}");
            assert!(connection.is_closed());
        }
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_done_when_it_is_written() {
        let (connection, mut broker) = connect().await;
        for expected in 0..3 {
            connection.send_raw(numbered(expected, 0), CallOptions::default()).await.unwrap();
            assert_eq!(number(&request(&mut broker).await), expected);
        }
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
