//! One connection to one broker: kafka-go's low-level API.

use std::time::{Duration, SystemTime};

use kafka_conn::{
    BrokerId, CallOptions, Compression, Conn, Dialer, ErrorKind, Header, IsolationLevel, LookupOptions, Message,
    ReadBatchConfig, RequiredAcks, Route, Transport, Whence,
};
use kafka_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
};
use kafka_protocol::messages::create_topics::CreatableTopic;
use kafka_protocol::messages::end_txn::EndTxnRequest;
use kafka_protocol::messages::init_producer_id::InitProducerIdRequest;
use kafka_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::records::{BatchBuilder, BatchOptions, Compressor, Producer};
use kafka_protocol::{ApiKey, ErrorCode, Request};

use super::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    let codecs = Compression::ALL.into_iter().map(|codec| {
        scenario(
            format!("conn::written_and_read_{codec}"),
            move |target| async move { round_trip(&target, codec).await },
        )
    });
    let others = [
        scenario("conn::acks", |target| async move { acks(&target).await }),
        scenario("conn::seeks_and_offsets", |target| async move { offsets(&target).await }),
        scenario("conn::empty_partition", |target| async move { empty(&target).await }),
        scenario("conn::large_message", |target| async move { large(&target).await }),
        scenario("conn::read_committed", |target| async move { committed(&target).await }),
        scenario("conn::topics_through_the_controller", |target| async move { topics(&target).await }),
        scenario("conn::leader_through_any_broker", |target| async move { leader(&target).await }),
        scenario("conn::lookups_end", |target| async move { lookups(&target).await }),
    ];
    codecs.chain(others).collect()
}

/// A connection to the leader of partition 0 of a new topic.
async fn connect(target: &Target) -> Result<Conn, Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "conn", 1).await?;
    Ok(Dialer::default().dial_leader(any(target), &topic, 0).await?)
}

/// The first of the brokers.
fn any(target: &Target) -> &str {
    target.bootstrap().split(',').next().unwrap_or_default()
}

fn text(value: &str) -> Message {
    Message { value: Some(value.to_owned().into()), ..Message::default() }
}

/// So many messages, each with its number as the value.
fn numbered(numbers: std::ops::Range<i64>) -> Vec<Message> {
    numbers.map(|number| text(&number.to_string())).collect()
}

async fn round_trip(target: &Target, codec: Compression) -> Result<(), Failure> {
    let mut conn = connect(target).await?;
    let full = Message {
        key: Some("key".into()),
        headers: vec![Header::new("trace", "7"), Header { key: "none".into(), value: None }],
        ..text(&"value ".repeat(100))
    };
    let tombstone = Message { key: Some("key".into()), ..Message::default() };
    let sent = [full, tombstone, text("")];
    for round in 0..3 {
        let written = conn.write_compressed_messages(codec, &sent).await?;
        check(written.offset == Some(3 * round), || format!("round {round}: {written:?}"))?;
    }
    let mut batch = conn.read_batch(1, 1 << 20).await?;
    check(batch.high_watermark() == 9, || format!("{batch:?}"))?;
    for offset in 0..9 {
        let message = batch.read_message()?.ok_or("the batch ends too early")?;
        let expected = &sent[offset % 3];
        let same = (message.offset, &message.key, &message.value, &message.headers)
            == (offset as i64, &expected.key, &expected.value, &expected.headers);
        check(same && message.timestamp.is_some(), || format!("{message:?}"))?;
    }
    check(batch.read_message()?.is_none(), || "more than was written".to_owned())?;
    batch.close()?;
    conn.close().await;
    Ok(())
}

async fn acks(target: &Target) -> Result<(), Failure> {
    let mut conn = connect(target).await?;
    for (acks, offset) in [(RequiredAcks::All, Some(0)), (RequiredAcks::One, Some(1)), (RequiredAcks::None, None)] {
        conn.set_required_acks(acks);
        let written = conn.write_messages(&[text("x")]).await?;
        check(written.offset == offset, || format!("{acks:?}: {written:?}"))?;
    }
    // Nobody answers the last one, but the broker takes the requests of a connection in their order.
    let mut offsets = Vec::new();
    for _ in 0..3 {
        offsets.push(conn.read_message(1 << 20).await?.offset);
    }
    check(offsets == [0, 1, 2], || format!("{offsets:?}"))
}

async fn offsets(target: &Target) -> Result<(), Failure> {
    let mut conn = connect(target).await?;
    let before = SystemTime::now() - Duration::from_secs(60);
    for base in (0..100).step_by(10) {
        conn.write_messages(&numbered(base..base + 10)).await?;
    }
    check(conn.read_offsets().await? == (0, 100), || "not 0 to 100".to_owned())?;
    for (offset, whence, expected) in [
        (0, Whence::Start, 0),
        (7, Whence::Start, 7),
        (42, Whence::Absolute, 42),
        (-2, Whence::Current, 41),
        (1, Whence::End, 99),
        (55, Whence::Absolute, 55),
    ] {
        let sought = conn.seek(offset, whence).await?;
        let message = conn.read_message(1000).await?;
        let value = message.value.as_deref().unwrap_or_default();
        let good = sought == expected && message.offset == expected && value == expected.to_string().as_bytes();
        check(good, || format!("{offset} {whence:?}: {message:?}"))?;
    }
    let outside = conn.seek(101, Whence::Absolute).await.err().ok_or("a seek beyond the end worked")?;
    let out_of_range = ErrorKind::OffsetOutOfRange { offset: 101, first: 0, last: 100 };
    check(*outside.kind() == out_of_range, || outside.to_string())?;
    conn.seek_unchecked(101, Whence::Absolute)?;
    let outside = conn.read_message(1000).await.err().ok_or("a read beyond the end worked")?;
    check(outside.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE), || outside.to_string())?;
    check(conn.read_offset(before).await? == Some(0), || "the first message is not the first since".to_owned())?;
    let after = SystemTime::now() + Duration::from_secs(3600);
    check(conn.read_offset(after).await?.is_none(), || "there is a message from the future".to_owned())
}

async fn empty(target: &Target) -> Result<(), Failure> {
    let mut conn = connect(target).await?;
    conn.set_timeout(Duration::from_secs(2));
    let error = conn.read_message(1000).await.err().ok_or("an empty partition gave a message")?;
    check(error.is_timeout(), || error.to_string())?;
    let config = ReadBatchConfig { max_wait: Some(Duration::from_millis(100)), ..ReadBatchConfig::default() };
    let mut batch = conn.read_batch_with(config).await?;
    check(batch.read_message()?.is_none(), || format!("{batch:?}"))?;
    batch.close()?;
    // The connection goes on, and a read waits for what comes.
    conn.set_timeout(Duration::from_secs(30));
    let mut other = Dialer::default().dial_leader(any(target), conn.topic().unwrap_or_default(), 0).await?;
    let message = Message { value: Some("late".into()), ..Message::default() };
    let messages = [message];
    let (read, written) = tokio::join!(conn.read_message(1000), other.write_messages(&messages));
    check(written?.offset == Some(0) && read?.offset == 0, || "not the message that was written".to_owned())
}

async fn large(target: &Target) -> Result<(), Failure> {
    let mut conn = connect(target).await?;
    let large = "x".repeat(900_000);
    for value in ["a", &large, "b"] {
        conn.write(value.as_bytes()).await?;
    }
    for value in ["a", &large, "b"] {
        let message = conn.read_message(100).await?;
        check(message.value.as_deref() == Some(value.as_bytes()), || format!("offset {}", message.offset))?;
    }
    // More than the broker takes (message.max.bytes).
    let error = conn.write("x".repeat(2_000_000).as_bytes()).await.err().ok_or("2 MB were written")?;
    check(error.code() == Some(ErrorCode::MESSAGE_TOO_LARGE), || error.to_string())?;
    check(conn.write(b"c").await? == 1, || "the connection does not go on".to_owned())
}

/// A transaction that is aborted between two that are committed, with the requests of the protocol.
async fn committed(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "committed", 1).await?;
    let id = target.topic_name("transaction");
    let mut transaction = Transaction::begin(&transport, &topic, &id).await?;
    for commit in [true, false, true] {
        transaction.write(2, commit).await?;
    }
    let mut conn = Dialer::default().dial_leader(any(target), &topic, 0).await?;
    // Each transaction is two messages and a marker.
    for (isolation_level, expected) in
        [(IsolationLevel::ReadUncommitted, vec![0, 1, 3, 4, 6, 7]), (IsolationLevel::ReadCommitted, vec![0, 1, 6, 7])]
    {
        conn.seek(0, Whence::Start).await?;
        let mut offsets = Vec::new();
        while conn.offset() != (9, Whence::Absolute) {
            let mut batch =
                conn.read_batch_with(ReadBatchConfig { isolation_level, ..ReadBatchConfig::default() }).await?;
            while let Some(message) = batch.read_message()? {
                offsets.push(message.offset);
            }
            batch.close()?;
        }
        check(offsets == expected, || format!("{isolation_level:?}: {offsets:?}"))?;
    }
    Ok(())
}

/// A transactional producer of a few requests.
struct Transaction<'a> {
    transport: &'a Transport,
    topic: &'a str,
    id: &'a str,
    producer: Producer,
}

impl<'a> Transaction<'a> {
    async fn begin(transport: &'a Transport, topic: &'a str, id: &'a str) -> Result<Self, Failure> {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let mut transaction = Self { transport, topic, id, producer: Producer::NONE };
        let answer = transaction.at_coordinator(&request, None, |answer| answer.error_code).await?;
        let (producer_id, producer_epoch) = (answer.producer_id, answer.producer_epoch);
        transaction.producer = Producer { producer_id, producer_epoch, base_sequence: 0 };
        Ok(transaction)
    }

    async fn write(&mut self, count: i32, commit: bool) -> Result<(), Failure> {
        let Producer { producer_id, producer_epoch, .. } = self.producer;
        let topic = AddPartitionsToTxnTopic { name: self.topic.into(), partitions: vec![0], ..Default::default() };
        let add = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.into(),
            v3_and_below_producer_id: producer_id,
            v3_and_below_producer_epoch: producer_epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        let code = |answer: &AddPartitionsToTxnResponse| {
            answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        };
        self.at_coordinator(&add, Some(3), code).await?;
        self.produce(count).await?;
        let end = EndTxnRequest {
            transactional_id: self.id.into(),
            producer_id,
            producer_epoch,
            committed: commit,
            ..Default::default()
        };
        self.at_coordinator(&end, Some(4), |answer| answer.error_code).await.map(drop)
    }

    async fn produce(&mut self, count: i32) -> Result<(), Failure> {
        let options = BatchOptions { producer: self.producer, transactional: true, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        for _ in 0..count {
            builder.append(i64::try_from(now)?, None, Some(b"v"), [])?;
        }
        self.producer.base_sequence += count;
        let records = Some(builder.seal(&mut Compressor::default())?);
        let partition = PartitionProduceData { index: 0, records, ..Default::default() };
        let topic = TopicProduceData { name: self.topic.into(), partition_data: vec![partition], ..Default::default() };
        let request = ProduceRequest {
            transactional_id: Some(self.id.into()),
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        let options = CallOptions { max_version: Some(11), ..CallOptions::default() };
        let answer = self.transport.call_with(&request, Route::Leader(self.topic, 0), options).await?;
        ok(answer.responses[0].partition_responses[0].error_code)
    }

    /// Again while the coordinator is loading, or at the end of the last transaction, which it has answered before.
    async fn at_coordinator<R: Request>(
        &self,
        request: &R,
        max_version: Option<i16>,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, Failure> {
        let options = CallOptions { max_version, ..CallOptions::default() };
        loop {
            let answer = self.transport.call_with(request, Route::Transaction(self.id), options.clone()).await?;
            let refused = ErrorCode(code(&answer));
            if !refused.is_retriable() && refused != ErrorCode::CONCURRENT_TRANSACTIONS {
                return ok(refused.0).map(|()| answer);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn ok(code: i16) -> Result<(), Failure> {
    check(code == 0, || ErrorCode(code).to_string())
}

async fn topics(target: &Target) -> Result<(), Failure> {
    let dialer = Dialer::default();
    let conn = Conn::new(dialer.dial(any(target)).await?);
    let versions = conn.api_versions().await?;
    let fetch = versions.of(ApiKey::FETCH);
    check(fetch == conn.connection().versions(ApiKey::FETCH) && fetch.max >= 12, || format!("Fetch {fetch}"))?;
    let ends = (conn.local_addr(), conn.remote_addr().map(|address| address.to_string()));
    check(ends.0.is_some() && ends.1.as_deref() == Some(any(target)), || format!("socket {ends:?}"))?;
    let controller = conn.controller().await?;
    let brokers = conn.brokers().await?;
    check(brokers.contains(&controller), || format!("{controller:?} is none of {brokers:?}"))?;
    let conn = Conn::new(dialer.dial_address(&controller.address).await?);
    let name = target.topic_name("created");
    let topic = |num_partitions| CreatableTopic {
        name: name.as_str().into(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    // Twice: one that is there already counts as created.
    for _ in 0..2 {
        for outcome in conn.create_topics(&[topic(3)]).await? {
            outcome.result?;
        }
    }
    let found = dialer.lookup_partitions(any(target), &name).await?;
    check(found.len() == 3, || format!("{found:?}"))?;
    let all = conn.read_partitions(&[]).await?;
    check(all.iter().filter(|info| info.topic == name).count() == 3, || "not among all topics".to_owned())?;
    for outcome in conn.delete_topics(&[&name]).await? {
        outcome.result?;
    }
    let outcomes = conn.delete_topics(&["no-such-topic"]).await?;
    let error = outcomes.into_iter().next().and_then(|outcome| outcome.result.err()).ok_or("deleted nothing")?;
    check(error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), || error.to_string())
}

async fn leader(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "led", 4).await?;
    let dialer = Dialer::default();
    for broker in target.bootstrap().split(',') {
        for partition in 0..4 {
            let led_by: BrokerId = transport.leader(&topic, partition).await?;
            let found = dialer.lookup_leader(broker, &topic, partition).await?;
            check(found.id == led_by, || format!("partition {partition}: {found:?}, not {led_by}"))?;
            let mut conn = dialer.dial_leader(broker, &topic, partition).await?;
            conn.write(b"x").await?;
            let info = dialer.lookup_partition(broker, &topic, partition).await?;
            let mut conn = dialer.dial_partition(&info).await?;
            check(conn.read(&mut [0; 8]).await? == 1, || "not what was written".to_owned())?;
        }
    }
    Ok(())
}

async fn lookups(target: &Target) -> Result<(), Failure> {
    let transport = target.transport().await?;
    let topic = target.new_topic(&transport, "found", 1).await?;
    let dialer = Dialer { timeout: Duration::from_secs(3), ..Dialer::default() };
    let missing = target.topic_name("missing");
    for (topic, partition, kind) in [(&missing, 0, ErrorKind::UnknownTopic), (&topic, 7, ErrorKind::UnknownPartition)] {
        let error = dialer.dial_leader(any(target), topic, partition).await.err().ok_or("found what is not there")?;
        check(*error.kind() == kind, || error.to_string())?;
    }
    // The brokers of the suite do not create topics by themselves, whoever asks for it; if one does, it shows.
    let options = LookupOptions { allow_auto_topic_creation: true };
    match dialer.dial_leader_with(any(target), &missing, 0, options).await {
        Ok(conn) => check(conn.topic() == Some(&missing), || format!("{conn:?}")),
        Err(error) => check(*error.kind() == ErrorKind::UnknownTopic, || error.to_string()),
    }
}
