//! TCP listeners, one for each broker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::shell::mutex::Mutex;
use crate::shell::{Shared, connection};
use crate::tasks::Tasks;

/// Sockets that listen, and the addresses where.
#[derive(Debug)]
pub(crate) struct Listeners(Vec<(TcpListener, SocketAddr)>);

impl Listeners {
    /// Binds a socket for each broker: the first at `address`, the others on the ports behind it, or anywhere if its port
    /// is 0.
    pub(crate) async fn bind(address: SocketAddr, brokers: usize) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for index in 0..brokers {
            let offset = if address.port() == 0 { 0 } else { u16::try_from(index).unwrap_or(u16::MAX) };
            let port = address.port().checked_add(offset).ok_or_else(|| io::Error::other("there are no ports left"))?;
            let listener = TcpListener::bind(SocketAddr::new(address.ip(), port)).await?;
            let address = listener.local_addr()?;
            listeners.push((listener, address));
        }
        Ok(Self(listeners))
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(_, address)| *address)
    }

    /// Accepts connections for these brokers until the tasks are aborted.
    pub(crate) fn listen(self, shared: &Arc<Shared>, brokers: &[i32], tasks: &Arc<Mutex<Tasks>>) {
        for ((listener, _), broker) in self.0.into_iter().zip(brokers) {
            let accept = accept(listener, Arc::clone(shared), *broker, Arc::clone(tasks));
            tasks.lock().spawn(accept);
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, broker: i32, tasks: Arc<Mutex<Tasks>>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A stopped broker keeps its port, so that nobody else gets it; whoever connects is reset at once.
                if !shared.with(|core, _| core.state.is_alive(broker)) {
                    reset(&stream);
                    continue;
                }
                let _slower = stream.set_nodelay(true);
                let serve = connection::serve(Arc::clone(&shared), broker, peer.ip().to_string(), Box::new(stream));
                tasks.lock().spawn(serve);
            }
            // Out of file descriptors, most likely: some may be free soon.
            Err(error) => {
                tracing::warn!(%error, broker, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn reset(stream: &TcpStream) {
    let _orderly = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
