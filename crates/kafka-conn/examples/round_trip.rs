//! Stands in front of a transport and in its place: `cargo run -p kafka-conn --example round_trip [-- HOST:PORT,…]`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Instant;

use async_trait::async_trait;
use kafka_conn::{
    Answer, AnyRequest, BrokerAddress, Client, Error, ErrorKind, Result, RoundTrip, SendOptions, Transport,
    TransportConfig,
};
use kafka_protocol::AnyMessage;
use kafka_protocol::messages::metadata::{MetadataRequest, MetadataResponse, MetadataResponseTopic};

/// Tells of every request how long it took.
#[derive(Debug)]
struct Timed<T>(T);

#[async_trait]
impl<T: RoundTrip> RoundTrip for Timed<T> {
    async fn round_trip(&self, request: &dyn AnyRequest, options: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
        let start = Instant::now();
        let answer = self.0.round_trip(request, options).await;
        println!("{} took {:?}", request.api_key(), start.elapsed());
        answer
    }
}

/// A cluster with one topic, for a test that needs no more.
#[derive(Debug)]
struct OneTopic;

#[async_trait]
impl RoundTrip for OneTopic {
    async fn round_trip(&self, request: &dyn AnyRequest, _: &SendOptions) -> Result<Answer<Box<dyn AnyMessage>>> {
        if request.downcast_ref::<MetadataRequest>().is_none() {
            return Err(Error::new(ErrorKind::NoBroker));
        }
        let topic = MetadataResponseTopic { name: Some("orders".into()), ..MetadataResponseTopic::default() };
        Ok(Answer::new(Box::new(MetadataResponse { topics: vec![topic], ..MetadataResponse::default() })))
    }
}

/// What is to be tested.
async fn count_topics(client: &Client) -> Result<usize> {
    let all = MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
    Ok(client.call(&all).await?.topics.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    println!("{} topic in the stand-in", count_topics(&Client::new(Timed(OneTopic))).await?);
    if let Some(brokers) = std::env::args().nth(1) {
        let bootstrap = BrokerAddress::parse_list(&brokers)?;
        let transport = Transport::connect(TransportConfig { bootstrap, ..TransportConfig::default() }).await?;
        println!("{} topics in the cluster", count_topics(&Client::new(Timed(transport.clone()))).await?);
        transport.close().await;
    }
    Ok(())
}
