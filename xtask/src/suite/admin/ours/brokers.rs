//! The cluster, its features and quorum, folders, leaders, reassignments.

use kafka_admin::{
    Admin, ClusterDescription, Election, Feature, FeatureDirection, FeatureUpdate, LogDir, QuorumReplica, Replica,
    VoterListener,
};
use kafka_conn::BrokerId;
use serde_json::{Value, json};

use super::{broker, done, ids, number, object, ok, only, operations, partition, text};
use crate::suite::Failure;

pub(super) async fn run(admin: &Admin, call: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match call {
        "cluster.describe" => cluster(admin.describe_cluster().await?),
        "cluster.unregister" => admin.unregister_broker(broker(args, "id")?).await.map(|()| ok())?,
        "features.describe" => {
            let features = admin.describe_features().await?;
            let finalized =
                |(name, feature): (_, &Feature)| Some((ToString::to_string(&name), json!(feature.finalized?)));
            let supported =
                |(name, feature): (_, &Feature)| Some((ToString::to_string(&name), json!(feature.supported?)));
            json!({
                "finalized": object(features.iter().filter_map(finalized)),
                "supported": object(features.iter().filter_map(supported)),
            })
        }
        "features.update" => {
            let direction = match text(args, "way")? {
                "SAFE_DOWNGRADE" => FeatureDirection::SafeDowngrade,
                "UNSAFE_DOWNGRADE" => FeatureDirection::UnsafeDowngrade,
                _ => FeatureDirection::UpgradeOnly,
            };
            let level = i16::try_from(number(args, "level")?)?;
            let update = FeatureUpdate { feature: text(args, "feature")?.into(), level, direction };
            done(admin.update_features(&[update], kafka_admin::Apply::Validate).await?)
        }
        "quorum.describe" => {
            let quorum = admin.describe_quorum().await?;
            json!({
                "leader": quorum.leader.map(|leader| leader.0),
                "voters": replicas(&quorum.voters),
                "observers": replicas(&quorum.observers),
            })
        }
        "quorum.add" => {
            let listener = VoterListener { name: "CONTROLLER".into(), host: "localhost".into(), port: 1 };
            let directory = text(args, "directory")?.parse()?;
            admin.add_raft_voter(None, broker(args, "id")?, directory, &[listener]).await.map(|()| ok())?
        }
        "quorum.remove" => {
            let directory = text(args, "directory")?.parse()?;
            admin.remove_raft_voter(None, broker(args, "id")?, directory).await.map(|()| ok())?
        }
        "folders.describe" => {
            let topic = text(args, "topic")?;
            only(admin.describe_log_dirs(&[broker(args, "broker")?]).await, |folders| folders_of(&folders, topic))?
        }
        "folders.move" => {
            let replica = Replica { broker: broker(args, "broker")?, partition: partition(args)? };
            only(admin.alter_replica_log_dirs(&[(replica, text(args, "folder")?.into())].into()).await, |()| ok())?
        }
        "leaders.elect" => done(admin.elect_leaders(Election::Preferred, Some(&[partition(args)?])).await?),
        "moves.list" => object(admin.list_reassignments(None).await?.into_iter().map(|(partition, going)| {
            (partition.to_string(), json!([ids(&going.replicas), ids(&going.adding), ids(&going.removing)]))
        })),
        "moves.alter" => {
            let replica = |id: &Value| Some(BrokerId(i32::try_from(id.as_i64()?).ok()?));
            let replicas = args["replicas"].as_array().map(|ids| ids.iter().filter_map(replica).collect());
            done(admin.alter_reassignments(&[(partition(args)?, replicas)].into()).await?)
        }
        _ => return super::unknown(call),
    })
}

fn cluster(cluster: ClusterDescription) -> Value {
    let brokers = cluster
        .brokers
        .iter()
        .map(|broker| json!([broker.id.0, broker.host.as_str(), broker.port, broker.rack.as_deref()]));
    json!({
        "id": cluster.id.as_deref(),
        "operations": operations(cluster.authorized_operations),
        "brokers": brokers.collect::<Vec<_>>(),
    })
}

fn replicas(replicas: &[QuorumReplica]) -> Value {
    json!(replicas.iter().map(|replica| json!([replica.id.0, replica.directory.to_string()])).collect::<Vec<_>>())
}

fn folders_of(folders: &[LogDir], topic: &str) -> Value {
    let folder = |folder: &LogDir| {
        let replicas = folder.replicas.iter().filter(|(partition, _)| partition.topic == topic);
        let replicas = replicas.map(|(partition, replica)| {
            (partition.to_string(), json!([replica.size, replica.offset_lag, replica.is_future]))
        });
        (folder.path.to_string(), object(replicas))
    };
    object(folders.iter().map(folder))
}
