//! Connections without sockets: for runs on virtual time.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use kafka_conn::{BrokerAddress, ConnectOptions, Connector, Error, Result, Stream};

use crate::shell::mutex::Mutex;
use crate::shell::{Shared, connection};
use crate::tasks::Tasks;

/// Connects to the brokers of a cluster in memory, by the addresses that its metadata tells, and to nothing else.
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    shared: Arc<Shared>,
    brokers: Arc<BTreeMap<BrokerAddress, i32>>,
    tasks: Arc<Mutex<Tasks>>,
}

impl MemoryConnector {
    pub(crate) fn new(shared: Arc<Shared>, brokers: BTreeMap<BrokerAddress, i32>, tasks: Arc<Mutex<Tasks>>) -> Self {
        Self { shared, brokers: Arc::new(brokers), tasks }
    }
}

#[async_trait]
impl Connector for MemoryConnector {
    async fn connect(&self, address: &BrokerAddress, _: &ConnectOptions) -> Result<Box<dyn Stream>> {
        let refused = || Error::connect(address, io::ErrorKind::ConnectionRefused.into());
        let broker = *self.brokers.get(address).ok_or_else(refused)?;
        if !self.shared.with(|core, _| core.state.is_alive(broker)) {
            return Err(refused());
        }
        let (client, stream) = tokio::io::duplex(BUFFER);
        let serve = connection::serve(Arc::clone(&self.shared), broker, "memory".to_owned(), Box::new(stream));
        if !self.tasks.lock().spawn(serve) {
            return Err(refused());
        }
        Ok(Box::new(client))
    }
}

/// What is on its way in each direction, as in a socket's buffers.
const BUFFER: usize = 256 << 10;
