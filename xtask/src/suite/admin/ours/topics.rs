//! Topics, partitions, records, offsets, configurations.

use std::collections::BTreeMap;

use kafka_admin::{
    Admin, ConfigEntry, ConfigOperation, ConfigResource, ConfigResourceType, ConfigSource, DeleteBefore, ListedOffset,
    MorePartitions, NewTopic, OffsetSpec, TopicDescription,
};
use kafka_conn::IsolationLevel;
use serde_json::{Value, json};

use super::{apply, constant, done, each, ids, number, object, ok, only, operations, partition, sorted, text, texts};
use crate::suite::Failure;

pub(super) async fn run(admin: &Admin, call: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match call {
        "topics.list" => sorted(admin.list_topics().await?.into_iter().map(|topic| topic.item.to_string())),
        "topics.describe" => each(admin.describe_topics(&texts(args, "names")).await?, topic),
        "topics.create" => {
            let counts = (i32::try_from(number(args, "partitions")?)?, i16::try_from(number(args, "replication")?)?);
            let mut topic = NewTopic::new(text(args, "name")?, counts.0, counts.1);
            for (name, value) in args["configs"].as_object().into_iter().flatten() {
                topic = topic.with_config(name, value.as_str().unwrap_or_default());
            }
            each(admin.create_topics(&[topic], apply(args)).await?, |_| ok())
        }
        "topics.delete" => done(admin.delete_topics(&texts(args, "names")).await?),
        "partitions.create" => {
            let more = MorePartitions::new(text(args, "name")?, i32::try_from(number(args, "total")?)?);
            done(admin.create_partitions(&[more], apply(args)).await?)
        }
        "records.delete" => {
            let before = [(partition(args)?, DeleteBefore::Offset(number(args, "before")?))].into();
            each(admin.delete_records(&before).await?, |start| json!(start))
        }
        "offsets.list" => {
            let place = match text(args, "at")? {
                "earliest" => OffsetSpec::Earliest,
                "latest" => OffsetSpec::Latest,
                "max-timestamp" => OffsetSpec::MaxTimestamp,
                time => OffsetSpec::Time(time.parse()?),
            };
            let places = [(partition(args)?, place)];
            each(admin.list_offsets(&places, IsolationLevel::ReadUncommitted).await?, offset)
        }
        "configs.describe" => only(admin.describe_configs(&[resource(args)?]).await?, settings)?,
        "configs.alter" => {
            let operation = |value: &Value| match value.as_str() {
                Some(value) => ConfigOperation::Set(value.into()),
                None => ConfigOperation::Delete,
            };
            let set = args["set"].as_object().into_iter().flatten();
            let set = set.map(|(name, value)| (name.into(), operation(value))).collect();
            let changes = [(resource(args)?, set)].into();
            only(admin.incremental_alter_configs(&changes, apply(args)).await?, |()| ok())?
        }
        "configs.replace" => {
            let set = args["set"].as_object().into_iter().flatten();
            let set = set.map(|(name, value)| (name.into(), value.as_str().unwrap_or_default().into()));
            let settings = [(resource(args)?, set.collect::<BTreeMap<_, _>>())].into();
            only(admin.replace_configs(&settings, apply(args)).await?, |()| ok())?
        }
        "configs.list" => {
            let kinds: Vec<_> = texts(args, "kinds").into_iter().filter_map(ConfigResourceType::from_name).collect();
            let listed = admin.list_config_resources(&kinds).await?;
            sorted(listed.into_iter().map(|one| format!("{} {}", constant(one.kind), one.name)))
        }
        "metrics.list" => {
            let listed = admin.list_config_resources(&[ConfigResourceType::CLIENT_METRICS]).await?;
            sorted(listed.into_iter().map(|one| one.name.to_string()))
        }
        _ => return super::unknown(call),
    })
}

fn resource(args: &Value) -> Result<ConfigResource, Failure> {
    let kind = ConfigResourceType::from_name(text(args, "kind")?).ok_or("no such kind of resource")?;
    Ok(ConfigResource { kind, name: text(args, "name")?.into() })
}

fn topic(topic: TopicDescription) -> Value {
    let partitions = topic.partitions.into_iter().map(|partition| {
        let mut in_sync = ids(&partition.in_sync);
        in_sync.sort_unstable();
        json!([partition.index, partition.leader.map(|leader| leader.0), ids(&partition.replicas), in_sync])
    });
    json!({
        "id": topic.id.to_string(),
        "internal": topic.is_internal,
        "operations": operations(topic.authorized_operations),
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

fn offset(offset: ListedOffset) -> Value {
    json!([offset.offset, offset.timestamp, offset.leader_epoch])
}

fn settings(entries: Vec<ConfigEntry>) -> Value {
    let setting = |entry: ConfigEntry| {
        let kind = entry.kind.map_or_else(|| "UNKNOWN".to_owned(), constant);
        let shown = json!([entry.value.as_deref(), source(entry.source), kind, entry.is_sensitive, entry.is_read_only]);
        (entry.name.to_string(), shown)
    };
    object(entries.into_iter().map(setting))
}

/// Java's names are longer.
fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::TOPIC => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::BROKER => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DEFAULT_BROKER => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::STATIC => "STATIC_BROKER_CONFIG",
        ConfigSource::DEFAULT => "DEFAULT_CONFIG",
        ConfigSource::BROKER_LOGGER => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::CLIENT_METRICS => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::GROUP => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}
