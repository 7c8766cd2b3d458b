//! The proxy on real sockets, before a peer that answers every request and counts them.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::ApiKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frame::tests::{answer, request};
use super::*;

/// Longer than anything here takes: what does not happen fails, and does not hang.
const LIMIT: Duration = Duration::from_secs(20);

fn run(test: impl Future<Output = io::Result<()>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await }).unwrap().unwrap();
}

/// A proxy before a peer, which counts the requests that it has answered.
struct Scene {
    doors: Doors,
    proxy: Proxy,
    applied: Arc<AtomicUsize>,
}

impl Scene {
    async fn new(rules: Vec<Rule>) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let applied = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&applied);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(peer(stream, Arc::clone(&count)));
            }
        });
        let doors = Doors::bind(1)?;
        let proxy = doors.serve(&[(1, address)], 1)?;
        proxy.set_rules(rules);
        Ok(Self { doors, proxy, applied })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.doors.addresses()[0]).await
    }

    fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }
}

/// Answers each request by its correlation id alone.
async fn peer(mut stream: TcpStream, applied: Arc<AtomicUsize>) -> io::Result<()> {
    loop {
        let mut bytes = [0; 12];
        stream.read_exact(&mut bytes).await?;
        applied.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&[&[0, 0, 0, 4], &bytes[8..]].concat()).await?;
    }
}

async fn call(stream: &mut TcpStream, api: ApiKey, id: i32) -> io::Result<()> {
    stream.write_all(&request(api, id)).await?;
    let mut found = [0; 8];
    stream.read_exact(&mut found).await?;
    assert_eq!(found[..], answer(id));
    Ok(())
}

/// What comes before the connection ends.
async fn rest(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    // A cut may show as a reset: the end all the same.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes.len()
}

fn next(fault: Fault) -> Vec<Rule> {
    vec![Rule { broker: None, often: Often::Next(1), fault }]
}

fn produce(fault: RequestFault) -> Vec<Rule> {
    next(Fault::Request(Some(ApiKey::PRODUCE), fault))
}

#[test]
fn without_rules_everything_passes() {
    run(async {
        let scene = Scene::new(Vec::new()).await?;
        let mut stream = scene.connect().await?;
        for id in 0..100 {
            call(&mut stream, ApiKey::PRODUCE, id).await?;
        }
        let counts = scene.proxy.counts();
        assert_eq!((counts.connections, counts.requests, counts.answers), (1, 100, 100));
        assert_eq!(scene.applied(), 100);
        Ok(())
    });
}

#[test]
fn a_request_whose_answer_is_dropped_was_applied() {
    run(async {
        let scene = Scene::new(produce(RequestFault::DropAnswerAndCut)).await?;
        let mut stream = scene.connect().await?;
        call(&mut stream, ApiKey::FETCH, 1).await?;
        stream.write_all(&request(ApiKey::PRODUCE, 2)).await?;
        assert_eq!(rest(&mut stream).await, 0);
        assert_eq!(scene.applied(), 2);
        assert_eq!(scene.proxy.counts().request_faults[&ApiKey::PRODUCE], 1);
        // The rule is used up.
        call(&mut scene.connect().await?, ApiKey::PRODUCE, 3).await
    });
}

#[test]
fn a_request_that_is_cut_was_not_applied() {
    run(async {
        let scene = Scene::new(produce(RequestFault::Cut)).await?;
        let mut stream = scene.connect().await?;
        stream.write_all(&request(ApiKey::PRODUCE, 1)).await?;
        assert_eq!(rest(&mut stream).await, 0);
        assert_eq!(scene.applied(), 0);
        Ok(())
    });
}

#[test]
fn a_silent_connection_stays_open_until_it_is_cut() {
    run(async {
        let scene = Scene::new(produce(RequestFault::DropAnswerAndFallSilent)).await?;
        let mut stream = scene.connect().await?;
        for id in 1..=2 {
            stream.write_all(&request(ApiKey::PRODUCE, id)).await?;
        }
        while scene.applied() < 2 {
            tokio::task::yield_now().await;
        }
        // Others are not concerned.
        let mut other = scene.connect().await?;
        call(&mut other, ApiKey::PRODUCE, 1).await?;
        scene.proxy.cut_all();
        assert_eq!(rest(&mut stream).await, 0);
        assert_eq!(rest(&mut other).await, 0);
        call(&mut scene.connect().await?, ApiKey::PRODUCE, 1).await
    });
}

#[test]
fn a_stalled_connection_ends_with_the_proxy() {
    run(async {
        let scene = Scene::new(produce(RequestFault::Stall)).await?;
        let mut stream = scene.connect().await?;
        stream.write_all(&request(ApiKey::PRODUCE, 1)).await?;
        while scene.proxy.counts().requests < 1 {
            tokio::task::yield_now().await;
        }
        drop(scene.proxy);
        assert_eq!(rest(&mut stream).await, 0);
        assert_eq!(scene.applied.load(Ordering::SeqCst), 0);
        Ok(())
    });
}

#[test]
fn new_connections_are_cut_stalled_and_delayed() {
    run(async {
        let scene = Scene::new(next(Fault::Connection(ConnectionFault::Cut))).await?;
        assert_eq!(rest(&mut scene.connect().await?).await, 0);

        scene.proxy.set_rules(next(Fault::Connection(ConnectionFault::Stall)));
        let mut stalled = scene.connect().await?;
        while scene.proxy.counts().connections < 2 {
            tokio::task::yield_now().await;
        }
        stalled.write_all(&request(ApiKey::PRODUCE, 1)).await?;
        scene.proxy.set_rules(next(Fault::Connection(ConnectionFault::Delay(Duration::from_millis(1)))));
        call(&mut scene.connect().await?, ApiKey::PRODUCE, 2).await?;
        assert_eq!(scene.applied(), 1);
        scene.proxy.cut_all();
        assert_eq!(rest(&mut stalled).await, 0);
        assert_eq!(scene.proxy.counts().connection_faults, 3);
        Ok(())
    });
}

#[test]
fn what_is_no_kafka_is_closed() {
    run(async {
        let scene = Scene::new(Vec::new()).await?;
        let mut stream = scene.connect().await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
        assert_eq!(rest(&mut stream).await, 0);
        assert_eq!(scene.proxy.counts().malformed, 1);
        Ok(())
    });
}
