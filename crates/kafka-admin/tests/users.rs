//! SCRAM credentials against a broker in memory: an outcome for each user.

mod support;

use std::collections::BTreeSet;

use kafka_admin::{ErrorKind, Resource, ScramAlteration};
use kafka_conn::sasl::ScramHash;
use kafka_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};
use kafka_protocol::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use support::{Broker, encoded};

fn set(user: &str, iterations: u32) -> ScramAlteration {
    ScramAlteration::Set { user: user.into(), hash: ScramHash::Sha256, iterations, password: "secret".into() }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_cannot_be_is_the_failure_of_its_user_alone() {
    let broker = Broker::new().on(ApiKey::ALTER_USER_SCRAM_CREDENTIALS, 0, |version, body| {
        let asked = AlterUserScramCredentialsRequest::decode(version, body).unwrap();
        let set = asked.upsertions.iter().map(|credential| credential.name.clone());
        let users: BTreeSet<_> = set.chain(asked.deletions.iter().map(|credential| credential.name.clone())).collect();
        let result = |user: smol_str::SmolStr| AlterUserScramCredentialsResult {
            error_code: if user == "nobody" { ErrorCode::RESOURCE_NOT_FOUND.0 } else { 0 },
            user,
            ..Default::default()
        };
        let results = users.into_iter().map(result).collect();
        Some(encoded(version, &AlterUserScramCredentialsResponse { results, ..Default::default() }))
    });
    let admin = broker.admin().await;
    let delete = |user: &str| ScramAlteration::Delete { user: user.into(), hash: ScramHash::Sha512 };
    let alterations =
        [set("weak", 1), set("good", 4096), set("slow", u32::MAX), delete("weak"), delete("nobody"), delete("gone")];
    let outcomes = admin.alter_scram_users(&alterations).await.unwrap();
    let told = outcomes.iter().map(|outcome| {
        let kind = outcome.result.as_ref().err().map(|error| error.kind().clone());
        (outcome.item.as_str(), kind)
    });
    let unacceptable = Some(ErrorKind::UnacceptableCredential);
    let expected = [
        ("weak", unacceptable.clone()),
        ("good", None),
        ("slow", unacceptable.clone()),
        ("weak", unacceptable),
        ("nobody", Some(ErrorKind::NotFound)),
        ("gone", None),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let outcomes = admin.alter_scram_users(&[set("weak", 1)]).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(broker.asked(ApiKey::ALTER_USER_SCRAM_CREDENTIALS).len(), 1, "nothing is left to ask for");
}

#[tokio::test(start_paused = true)]
async fn every_user_that_is_asked_about_has_an_outcome_and_no_other() {
    let broker = Broker::new().on(ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS, 0, |version, body| {
        let asked = DescribeUserScramCredentialsRequest::decode(version, body).unwrap();
        let names = match asked.users {
            Some(users) if !users.is_empty() => users.into_iter().map(|user| user.name).collect(),
            _ => vec!["a".into(), "b".into()],
        };
        let known = names.into_iter().filter(|name| name != "missing");
        let result = |user| DescribeUserScramCredentialsResult { user, ..Default::default() };
        let results = known.map(result).collect();
        Some(encoded(version, &DescribeUserScramCredentialsResponse { results, ..Default::default() }))
    });
    let admin = broker.admin().await;
    assert!(admin.describe_scram_users(Some(&[])).await.unwrap().is_empty(), "an empty list is not all");
    assert!(broker.asked(ApiKey::DESCRIBE_USER_SCRAM_CREDENTIALS).is_empty());
    let outcomes = admin.describe_scram_users(Some(&["b", "missing", "a", "b"])).await.unwrap();
    let told: Vec<_> = outcomes.iter().map(|outcome| (outcome.item.as_str(), outcome.is_ok())).collect();
    assert_eq!(told, [("b", true), ("missing", false), ("a", true), ("b", true)]);
    let missing = outcomes[1].result.as_ref().unwrap_err();
    assert_eq!(missing.context().resource, Some(Resource::User("missing".into())));
    assert_eq!(admin.describe_scram_users(None).await.unwrap().len(), 2);
}
