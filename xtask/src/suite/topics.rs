//! Topics: made, listed and deleted, as Java's tool sees it too.

use kafka_admin::Admin;

use super::target::create;
use super::{Failure, Scenario, Target, check, scenario};

pub(super) fn scenarios() -> Vec<(String, Scenario)> {
    vec![
        scenario("topics::created_listed_and_deleted", |target| async move { life(&target).await }),
        scenario("topics::errors_are_told_by_topic", |target| async move { errors(&target).await }),
    ]
}

async fn life(target: &Target) -> Result<(), Failure> {
    let admin = Admin::new(target.transport().await?);
    let name = target.topic_name("life");
    create(&admin, &name, 3).await?;
    let listed = admin.list_topics().await?;
    let found = listed.iter().find(|topic| topic.item == name);
    let partitions = found.and_then(|topic| topic.result.as_ref().ok()).map(|listing| listing.partitions);
    check(partitions == Some(3), || format!("listed as {found:?}"))?;
    check(java_topics(target).await?.contains(&name), || "Java does not see it".to_owned())?;
    delete(&admin, &name).await?;
    let gone = !java_topics(target).await?.contains(&name);
    check(gone, || "Java still sees it".to_owned())
}

async fn errors(target: &Target) -> Result<(), Failure> {
    let admin = Admin::new(target.transport().await?);
    let name = target.topic_name("errors");
    create(&admin, &name, 1).await?;
    for (topic, expected) in [(name.as_str(), "exists"), ("no spaces allowed", "name")] {
        let outcome = create(&admin, topic, 1).await;
        let error = outcome.err().ok_or_else(|| format!("{topic:?} was made"))?;
        let text = error.to_string();
        check(text.contains(topic) && text.contains(expected), || format!("says neither topic nor cause: {text}"))?;
    }
    let outcome = delete(&admin, "no-such-topic").await;
    let error = outcome.err().ok_or("a topic that does not exist was deleted")?;
    check(error.to_string().contains("no-such-topic"), || format!("does not name the topic: {error}"))
}

async fn delete(admin: &Admin, name: &str) -> Result<(), Failure> {
    for outcome in admin.delete_topics(&[name]).await? {
        outcome.result?;
    }
    Ok(())
}

async fn java_topics(target: &Target) -> Result<Vec<String>, Failure> {
    let printed = target.tool("TopicCommand", vec!["--list".to_owned()], None).await?;
    Ok(String::from_utf8(printed)?.lines().map(str::to_owned).collect())
}
