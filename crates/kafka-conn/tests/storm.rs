//! Connections by the hundred, to brokers that answer and to peers that do not, leave nothing behind: no task, no file
//! descriptor, no memory.
//!
//! Alone in its file: another test beside it would open and close descriptors of the same process.

mod support;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_conn::{BrokerAddress, Connection, Dialer, Error, ErrorKind};
use kafka_protocol::messages::header::RequestHeader;
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use kafka_protocol::{ApiKey, Limits, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// What a peer does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Answers as a broker does.
    Broker,
    /// Accepts, and never says a word.
    StallsAtOnce,
    /// Takes the first request, and stalls.
    StallsInHandshake,
    /// Sends half of its first answer, and stalls.
    StallsInFrame,
    /// Closes at once.
    ClosesAtOnce,
    /// Takes the first request, and closes.
    ClosesInHandshake,
    /// Sends half of its first answer, and resets the connection.
    ResetsInFrame,
    /// Sends bytes that are nothing at all.
    Garbage,
    /// Announces a frame larger than any.
    Huge,
    /// Answers the first request, and no other.
    StallsInCall,
    /// Answers the first request, and half of the second, and closes.
    ClosesInCall,
    /// Answers the first request, and then with what nobody asked for.
    GarbageInCall,
}

impl Peer {
    fn stalls(self) -> bool {
        matches!(self, Self::StallsAtOnce | Self::StallsInHandshake | Self::StallsInFrame | Self::StallsInCall)
    }
}

const HOSTILE: [Peer; 11] = [
    Peer::StallsAtOnce,
    Peer::StallsInHandshake,
    Peer::StallsInFrame,
    Peer::ClosesAtOnce,
    Peer::ClosesInHandshake,
    Peer::ResetsInFrame,
    Peer::Garbage,
    Peer::Huge,
    Peer::StallsInCall,
    Peer::ClosesInCall,
    Peer::GarbageInCall,
];

#[test]
fn a_storm_leaves_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What is set up once, by the runtime and the libraries, is there afterwards: a first, small storm pays for it.
    runtime.block_on(storm(1, HOSTILE.len()));
    let before = descriptors();
    let mut memory = None;
    // Everything runs on this thread, which is the one that is measured.
    let measured = allocation_counter::measure(|| memory = Some(runtime.block_on(storm(OPENED, CUT))));
    let after = descriptors();
    let counts = memory.unwrap();
    eprintln!("{counts:?}, {} bytes more than before, {} at most", measured.bytes_current, measured.bytes_max);
    assert_eq!((counts.opened, counts.failed), (OPENED, CUT));
    assert_eq!(after, before, "file descriptors");
    assert!(measured.bytes_current.unsigned_abs() < 4 << 20, "{} bytes are left", measured.bytes_current);
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown by Debug")]
struct Counts {
    opened: usize,
    failed: usize,
    timed_out: usize,
    tasks_before: usize,
    tasks_after: usize,
}

async fn storm(open: usize, cut: usize) -> Counts {
    let tasks_before = Handle::current().metrics().num_alive_tasks();
    let peers = Peers::start().await;
    let opened = volley(open, |_| async { one_call(&peers, Peer::Broker).await.map_err(|error| error.to_string()) });
    let opened = opened.await.into_iter().map(Result::unwrap).count();
    let failures = volley(cut, |index| {
        let (peers, peer) = (&peers, HOSTILE[index % HOSTILE.len()]);
        async move { (peer, one_call(peers, peer).await) }
    });
    let (mut failed, mut timed_out) = (0, 0);
    for (peer, result) in failures.await {
        let error = result.expect_err(&format!("{peer:?}"));
        assert!(expected(peer, &error), "{peer:?}: {error}");
        failed += 1;
        timed_out += usize::from(error.is_timeout());
    }
    peers.stop();
    let tasks_after = settled(tasks_before).await;
    assert_eq!(tasks_after, tasks_before, "tasks");
    Counts { opened, failed, timed_out, tasks_before, tasks_after }
}

/// So many of them, a hundred at a time.
async fn volley<F: Future>(count: usize, make: impl Fn(usize) -> F) -> Vec<F::Output> {
    let (mut running, mut outputs) = (FuturesUnordered::new(), Vec::new());
    for index in 0..count {
        if running.len() == AT_A_TIME {
            outputs.extend(running.next().await);
        }
        running.push(make(index));
    }
    outputs.extend(running.collect::<Vec<_>>().await);
    outputs
}

/// Opens a connection, makes a call, and closes it or drops it.
async fn one_call(peers: &Peers, peer: Peer) -> Result<(), Error> {
    let timeout = if peer.stalls() { SHORT } else { PLENTY };
    let dialer = Dialer { timeout, call_timeout: timeout, ..Dialer::default() };
    let connection: Connection = dialer.dial_address(peers.address(peer)).await?;
    let remote = connection.socket_addresses().expect("a socket has addresses").remote;
    assert_eq!(remote.port(), peers.address(peer).port());
    connection.call(&MetadataRequest::default()).await?;
    connection.close().await;
    Ok(())
}

fn expected(peer: Peer, error: &Error) -> bool {
    use ErrorKind as Kind;
    match peer {
        stalling if stalling.stalls() => error.is_timeout(),
        // Closed, reset: as the kernel tells it.
        Peer::ClosesAtOnce | Peer::ClosesInHandshake | Peer::ResetsInFrame | Peer::ClosesInCall => {
            error.is_connection()
        }
        Peer::Garbage | Peer::Huge => matches!(error.kind(), Kind::FrameTooLarge { .. } | Kind::InvalidFrame { .. }),
        Peer::GarbageInCall => {
            let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
            matches!(source.unwrap_or(error).kind(), Kind::OutOfStep { .. })
        }
        _ => false,
    }
}

/// A listener for each kind of peer.
struct Peers {
    addresses: Vec<(Peer, BrokerAddress)>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Peers {
    async fn start() -> Self {
        let mut peers = Self { addresses: Vec::new(), tasks: Vec::new() };
        for peer in HOSTILE.into_iter().chain([Peer::Broker]) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            peers.addresses.push((peer, listener.local_addr().unwrap().to_string().parse().unwrap()));
            peers.tasks.push(tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    // Ends when the client closes, which it has to.
                    tokio::spawn(async move { drop(serve(peer, stream).await) });
                }
            }));
        }
        peers
    }

    fn address(&self, peer: Peer) -> &BrokerAddress {
        self.addresses.iter().find_map(|(kind, address)| (*kind == peer).then_some(address)).unwrap()
    }

    fn stop(&self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn serve(peer: Peer, mut stream: TcpStream) -> std::io::Result<()> {
    match peer {
        Peer::StallsAtOnce => return stall(stream).await,
        Peer::ClosesAtOnce => return Ok(()),
        Peer::Garbage => stream.write_all(&[0xff; 64]).await?,
        Peer::Huge => stream.write_all(&i32::MAX.to_be_bytes()).await?,
        _ => {}
    }
    let first = request(&mut stream).await?;
    let versions = frame(&first, &support::api_versions());
    match peer {
        Peer::StallsInHandshake | Peer::Garbage | Peer::Huge => return stall(stream).await,
        Peer::ClosesInHandshake => return Ok(()),
        Peer::StallsInFrame => {
            stream.write_all(&versions[..versions.len() / 2]).await?;
            return stall(stream).await;
        }
        Peer::ResetsInFrame => {
            stream.write_all(&versions[..versions.len() / 2]).await?;
            stream.set_zero_linger()?;
            return Ok(());
        }
        _ => stream.write_all(&versions).await?,
    }
    let second = request(&mut stream).await?;
    let answer = frame(&second, &MetadataResponse::default());
    match peer {
        Peer::StallsInCall => {}
        Peer::ClosesInCall => return stream.write_all(&answer[..answer.len() / 2]).await,
        Peer::GarbageInCall => {
            stream.write_all(&frame(&Seen { id: 77, ..second }, &MetadataResponse::default())).await?
        }
        _ => stream.write_all(&answer).await?,
    }
    stall(stream).await
}

/// Reads until the client closes.
async fn stall(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

struct Seen {
    api: ApiKey,
    version: i16,
    id: i32,
}

async fn request(stream: &mut TcpStream) -> std::io::Result<Seen> {
    let size = stream.read_u32().await?;
    let mut frame = BytesMut::zeroed(size as usize);
    stream.read_exact(&mut frame).await?;
    let api = ApiKey(i16::from_be_bytes([frame[0], frame[1]]));
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let mut bytes = frame.freeze();
    let header =
        RequestHeader::decode_prefix(api.request_header_version(version), &mut bytes, &Limits::default()).unwrap();
    Ok(Seen { api, version, id: header.correlation_id })
}

fn frame(request: &Seen, answer: &impl Message) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_i32(request.id);
    if request.api.response_header_version(request.version) > 0 {
        body.put_u8(0);
    }
    answer.encode(request.version, &mut body).unwrap();
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), &body[..]].concat()
}

/// The number of tasks, once it is what it should be, or when a while is over.
async fn settled(expected: usize) -> usize {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let deadline = tokio::time::Instant::now() + PLENTY;
    while tasks() != expected && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tasks()
}

/// The open file descriptors of this process; elsewhere than on Linux none is counted.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

const OPENED: usize = 200;
const CUT: usize = 1000;
const AT_A_TIME: usize = 100;
/// Longer than anything takes.
const PLENTY: Duration = Duration::from_secs(60);
/// What those who stall are given.
const SHORT: Duration = Duration::from_millis(250);
