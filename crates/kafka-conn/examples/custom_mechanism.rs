//! A SASL mechanism of one's own, here one that tells what it sees of another:
//! `PASSWORD=… cargo run -p kafka-conn --example custom_mechanism -- HOST:PORT USER`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::sync::Arc;

use async_trait::async_trait;
use kafka_conn::sasl::{Exchange, Mechanism, Reply, SaslError, Scram, ScramHash};
use kafka_conn::{BrokerAddress, Dialer, Result, Secret};

/// Passes everything on, and prints what is not secret.
#[derive(Debug)]
struct Talkative<M>(M);

#[async_trait]
impl<M: Mechanism> Mechanism for Talkative<M> {
    fn name(&self) -> &str {
        self.0.name()
    }

    // Here one may wait: for a ticket, a token, a person.
    async fn start(&self, broker: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        println!("{} to {broker}", self.name());
        Ok(Box::new(TalkativeExchange(self.0.start(broker).await?)))
    }
}

#[derive(Debug)]
struct TalkativeExchange(Box<dyn Exchange>);

impl Exchange for TalkativeExchange {
    fn initial(&mut self) -> Result<Secret, SaslError> {
        let message = self.0.initial()?;
        println!("→ {} bytes", message.len());
        Ok(message)
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Reply, SaslError> {
        println!("← {} bytes", challenge.len());
        let reply = self.0.respond(challenge)?;
        match &reply {
            Reply::Message(message) => println!("→ {} bytes", message.len()),
            Reply::Done => println!("done"),
        }
        Ok(reply)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost".into());
    let user = arguments.next().unwrap_or_else(|| "admin".into());
    let password = std::env::var("PASSWORD").unwrap_or_default();
    let mechanism = Talkative(Scram::new(ScramHash::Sha256, user, password));
    let connection = Dialer { sasl: Some(Arc::new(mechanism)), ..Dialer::default() }.dial(&broker).await?;
    connection.close().await;
    Ok(())
}
