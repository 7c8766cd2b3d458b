//! The sockets of one connection through the proxy, and the loops that carry frames between them.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::sleep_until;

use super::link::{Answer, Link, State};
use super::rule::{ConnectionFault, Rules};

/// Carries frames until either side closes, a fault cuts the connection, or the future is dropped: then both sockets
/// close.
pub(super) async fn relay(client: TcpStream, broker: i32, address: SocketAddr, rules: Arc<Mutex<Rules>>) {
    let fault = lock(&rules).handle_connection(broker);
    match fault {
        None => {}
        Some(ConnectionFault::Cut) => return,
        Some(ConnectionFault::Stall) => pending().await,
        Some(ConnectionFault::Delay(delay)) => tokio::time::sleep(delay).await,
    }
    // A broker that is down looks to the client as if it closed the connection: the proxy has accepted it already.
    let Ok(upstream) = TcpStream::connect(address).await else {
        return;
    };
    // Small frames must not wait for one another.
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let link = Mutex::new(Link::new(broker));
    let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), upstream.into_split());
    // The end of either is the end of both.
    tokio::select! {
        _ = carry_requests(from_client, to_broker, &link, &rules) => {}
        _ = carry_answers(from_broker, to_client, &link, &rules) => {}
    }
}

async fn carry_requests(
    mut client: OwnedReadHalf,
    mut broker: OwnedWriteHalf,
    link: &Mutex<Link>,
    rules: &Mutex<Rules>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        lock(link).handle_request_bytes(Instant::now(), &buffer[..length], &mut lock(rules));
        while let Some(frame) = next_request(link) {
            broker.write_all(&frame).await?;
        }
        go_on(link).await?;
    }
}

async fn carry_answers(
    mut broker: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    link: &Mutex<Link>,
    rules: &Mutex<Rules>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = broker.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        lock(link).handle_answer_bytes(&buffer[..length], &mut lock(rules));
        while let Some(Answer { frame, not_before }) = next_answer(link) {
            sleep_until(not_before.into()).await;
            client.write_all(&frame).await?;
        }
        go_on(link).await?;
    }
}

/// Ends the connection if it is cut, and waits for its end if it is stalled.
async fn go_on(link: &Mutex<Link>) -> io::Result<()> {
    let state = lock(link).state();
    match state {
        State::Open | State::Silent => Ok(()),
        State::Stalled => pending().await,
        State::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Functions of their own, so that no lock is held over the write that follows.
fn next_request(link: &Mutex<Link>) -> Option<Bytes> {
    lock(link).poll_to_broker()
}

fn next_answer(link: &Mutex<Link>) -> Option<Answer> {
    lock(link).poll_to_client()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one read takes at most.
const BUFFER: usize = 64 << 10;
