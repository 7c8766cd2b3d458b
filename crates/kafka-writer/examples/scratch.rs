use std::time::Instant;
use std::sync::Arc;
use kafka_conn::*;
use kafka_writer::*;
#[tokio::main]
async fn main() {
    let addr = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let len: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let comp: Compression = std::env::args().nth(4).unwrap().parse().unwrap();
    let transport = Transport::connect(TransportConfig { bootstrap: BrokerAddress::parse_list(&addr).unwrap(), ..Default::default() }).await.unwrap();
    let writer = Writer::new(transport, WriterConfig { topic: Some(std::env::args().nth(5).unwrap().into()), balancer: Arc::new(RoundRobin::default()), compression: comp, ..Default::default() }).unwrap();
    let value = bytes::Bytes::from(vec![b'x'; len]);
    let start = Instant::now();
    let mut deliveries = Vec::with_capacity(n);
    for _ in 0..n { deliveries.push(writer.send(kafka_writer::Message { value: Some(value.clone()), ..Default::default() }).await.unwrap()); }
    let sent = start.elapsed();
    for d in deliveries { d.await.unwrap(); }
    println!("sent {sent:?} done {:?}", start.elapsed());
    writer.close().await.unwrap();
}
