//! What is told of requests: a span for each, within its caller's.

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use kafka_conn::{BrokerId, Route};
use kafka_protocol::ApiKey;
use kafka_protocol::messages::metadata::MetadataRequest;
use support::cluster::{Cluster, Reply};
use tracing::{Instrument as _, info_span};
use tracing_subscriber::fmt::MakeWriter;

/// Text that several writers append to.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Text {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_is_told_of_with_all_that_identifies_it() {
    let text = Text::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(text.clone()).finish());
    let cluster = Cluster::new(&[(1, "one")]);
    let transport = cluster.connect("one").await;
    let (request, route) = (MetadataRequest::default(), Route::Broker(BrokerId(1)));
    transport.call(&request, route).instrument(info_span!("caller")).await.unwrap();
    let lines = text.lines();
    let answered: Vec<_> = lines.iter().filter(|line| line.contains("answered")).collect();
    assert_eq!(answered.len(), 2, "the transport's own, and ours: {lines:#?}");
    for field in ["broker=one:9092", "api=Metadata", "version=13", "correlation_id=", "duration=", "bytes="] {
        assert!(answered.iter().all(|line| line.contains(field)), "{field} in {answered:#?}");
    }
    assert!(answered[1].contains("caller:request{"), "{answered:#?}");
    cluster.on(ApiKey::METADATA, |_, _| Reply::Hangup);
    transport.call(&MetadataRequest::default(), Route::Broker(BrokerId(1))).await.unwrap_err();
    let lines = text.lines();
    let failed = lines.iter().find(|line| line.contains("failed")).unwrap();
    for field in ["broker=one:9092", "api=Metadata", "duration=", "lost"] {
        assert!(failed.contains(field), "{field} in {failed}");
    }
}
