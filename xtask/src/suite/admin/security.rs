//! Access control entries, quotas, users, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka_admin::{AclFilter, NewToken, Principal};
use serde_json::{Value, json};

use super::{Failure, Stage, check, ours};

pub(super) async fn acls(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let principal = format!("User:{}", stage.name("acls"));
    let entries = [
        ["TOPIC", "orders", "LITERAL", &principal, "*", "READ", "ALLOW"],
        ["TOPIC", "or", "PREFIXED", &principal, "127.0.0.1", "DESCRIBE_CONFIGS", "DENY"],
        ["GROUP", "*", "LITERAL", &principal, "*", "ALL", "ALLOW"],
        ["CLUSTER", "kafka-cluster", "LITERAL", &principal, "*", "IDEMPOTENT_WRITE", "ALLOW"],
        ["TRANSACTIONAL_ID", "t", "LITERAL", &principal, "*", "WRITE", "ALLOW"],
        ["DELEGATION_TOKEN", "d", "LITERAL", &principal, "*", "DESCRIBE", "ALLOW"],
        ["USER", "User:x", "LITERAL", &principal, "*", "CREATE_TOKENS", "ALLOW"],
    ];
    for entry in entries {
        let made = ours::call(&admin, "acls.create", &json!({ "entry": entry })).await;
        check(made == json!("ok"), || format!("{entry:?}: {made}"))?;
    }
    stage
        .both(&admin, "acls.create", json!({ "entry": ["TOPIC", "t", "LITERAL", "nobody", "*", "READ", "ALLOW"] }))
        .await?;
    let of_principal = json!({ "principal": principal });
    let all = |answer: &Value| answer.as_array().is_some_and(|list| list.len() == entries.len());
    stage.until("acls.list", of_principal.clone(), all).await?;
    stage.both_at_last(&admin, "acls.list", json!({})).await?;

    let filter = AclFilter { principal: Some(principal.as_str().into()), ..AclFilter::default() };
    let plan = admin.plan_acl_deletion(&[filter]).await?;
    check(plan.to_string().lines().count() == entries.len(), || plan.to_string())?;
    // What a filter would match by now, and the plan does not name, stays.
    let later = ["TOPIC", "later", "LITERAL", &principal, "*", "READ", "ALLOW"];
    let made = ours::call(&admin, "acls.create", &json!({ "entry": later })).await;
    check(made == json!("ok"), || made.to_string())?;
    for outcome in admin.apply_acl_deletion_plan(&plan).await? {
        outcome.result?;
    }
    let only_later = json!([later.join(" ")]);
    stage.until("acls.list", of_principal.clone(), |answer| *answer == only_later).await?;
    let again = admin.apply_acl_deletion_plan(&plan).await?;
    check(again.len() == entries.len() && again.iter().all(|one| !one.is_ok()), || format!("{again:?}"))?;
    let gone = ours::call(&admin, "acls.delete", &of_principal).await;
    check(gone == only_later, || gone.to_string())?;
    stage.until("acls.list", of_principal, |answer| *answer == json!([])).await.map(drop)
}

pub(super) async fn quotas(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let user = stage.name("quota");
    for (entity, set) in [
        (json!({ "user": user }), json!({ "producer_byte_rate": 1024.0, "request_percentage": 50.5 })),
        (json!({ "user": user, "client-id": null }), json!({ "consumer_byte_rate": 2048.0 })),
        (json!({ "client-id": user }), json!({ "controller_mutation_rate": 5.0 })),
        (json!({ "ip": "192.0.2.1" }), json!({ "connection_creation_rate": 10.0 })),
    ] {
        let alter = |set: &Value, validate: bool| json!({ "entity": entity, "set": set, "validate": validate });
        stage.both(&admin, "quotas.alter", alter(&set, true)).await?;
        stage.both(&admin, "quotas.alter", alter(&json!({ "no_such_rate": 1.0 }), true)).await?;
        let done = ours::call(&admin, "quotas.alter", &alter(&set, false)).await;
        check(done == json!("ok"), || format!("{entity}: {done}"))?;
        let key =
            |answer: &Value| answer.as_object().is_some_and(|quotas| quotas.values().any(|values| *values == set));
        stage.until("quotas.list", json!({}), key).await?;
        stage.both_at_last(&admin, "quotas.list", json!({})).await?;
        let none: serde_json::Map<_, _> =
            set.as_object().into_iter().flatten().map(|(name, _)| (name.clone(), Value::Null)).collect();
        let done = ours::call(&admin, "quotas.alter", &alter(&Value::Object(none), false)).await;
        check(done == json!("ok"), || format!("{entity}: {done}"))?;
        stage.until("quotas.list", json!({}), |answer| !key(answer)).await?;
    }
    Ok(())
}

pub(super) async fn users(stage: Stage) -> Result<(), Failure> {
    let admin = stage.admin().await?;
    let user = stage.name("user");
    let set = json!({ "user": user, "password": "secret" });
    stage.both(&admin, "users.delete", json!({ "user": user })).await?;
    let made = ours::call(&admin, "users.set", &set).await;
    check(made == json!({ &user: "ok" }), || made.to_string())?;
    let expected = json!([["SCRAM-SHA-512", 4096]]);
    stage.until("users.list", json!({ "users": [] }), |users| users[&user] == expected).await?;
    stage.both_at_last(&admin, "users.list", json!({ "users": [] })).await?;
    stage.both_at_last(&admin, "users.list", json!({ "users": [user] })).await?;
    let gone = ours::call(&admin, "users.delete", &json!({ "user": user })).await;
    check(gone == json!({ &user: "ok" }), || gone.to_string())?;
    stage.until("users.list", json!({ "users": [] }), |users| users.get(&user).is_none()).await.map(drop)
}

pub(super) async fn tokens(stage: Stage) -> Result<(), Failure> {
    let somebody = stage.admin_as("none").await?;
    let renewers = vec![Principal::user("read")];
    let token = somebody.create_delegation_token(&NewToken { renewers, ..NewToken::default() }).await?;
    check(token.owner == Principal::user("none"), || format!("{token:?}"))?;
    let admin = stage.admin().await?;
    let shown = format!("{} User:none User:none [User:read]", token.id);
    let is_listed = |answer: &Value| answer.to_string().contains(&shown);
    // Only its owner, who may always see it, asks on a connection that is somebody's.
    let owner = Some("none");
    stage.until_as(owner, "tokens.list", json!({}), is_listed).await?;
    let hmac = STANDARD.encode(token.hmac.expose());
    stage.await_token(&token.id, &hmac).await?;
    let bearer = stage.admin_with_token(&token.id, &hmac).await?;
    let refused = ours::call(&bearer, "tokens.create", &json!({})).await.to_string();
    check(refused.contains("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED"), || format!("a token's bearer: {refused}"))?;
    let until = somebody.renew_delegation_token(&token.hmac, None).await?;
    check(until >= token.expires_ms, || format!("{until} is before {}", token.expires_ms))?;
    let listed = ours::call(&somebody, "tokens.list", &json!({})).await;
    let javas = stage.java_as(owner, "tokens.list", json!({})).await?;
    check(listed == javas, || format!("ours {listed}, Java's {javas}"))?;
    // Nobody's connection has no tokens; and somebody else's token is not to be renewed.
    stage.both(&admin, "tokens.create", json!({})).await?;
    let (other, renew) = (stage.admin_as("alter").await?, json!({ "hmac": hmac }));
    let (ours, java) =
        (ours::call(&other, "tokens.renew", &renew).await, stage.java_as(Some("alter"), "tokens.renew", renew).await?);
    check(ours == java, || format!("ours {ours}, Java's {java}"))?;
    somebody.expire_delegation_token(&token.hmac, None).await?;
    stage.until_as(owner, "tokens.list", json!({}), |answer| !is_listed(answer)).await?;
    tokens_of_the_command(&stage).await
}

/// The command makes a token and logs in with it, by each mechanism; with another secret, or as if it were a password, it
/// does not.
async fn tokens_of_the_command(stage: &Stage) -> Result<(), Failure> {
    let owner = ["--sasl", "plain", "--sasl-user", "none", "--sasl-unencrypted"];
    let made = stage.command(&["tokens", "create", "--output", "json"], &owner, "none-secret").await?;
    let (shown, said) = (String::from_utf8(made.stdout)?, String::from_utf8_lossy(&made.stderr).into_owned());
    check(made.status.success(), || format!("tokens create: {said}"))?;
    let token: Value = serde_json::from_str(&shown)?;
    let field = |name: &str| token[0][name].as_str().ok_or_else(|| format!("no {name} in {shown}"));
    let (id, secret) = (field("token")?, field("secret")?);
    let is_listed = |answer: &Value| answer.to_string().contains(id);
    stage.until_as(Some("none"), "tokens.list", json!({}), is_listed).await?;
    stage.await_token(id, secret).await?;
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let bearer = ["--sasl", mechanism, "--sasl-user", id, "--sasl-delegation-token"];
        let listed = stage.command(&["topics", "list"], &bearer, secret).await?;
        check(listed.status.success(), || format!("{mechanism}: {}", String::from_utf8_lossy(&listed.stderr)))?;
        for (login, password) in [(&bearer[..], "another secret"), (&bearer[..4], secret)] {
            let refused = stage.command(&["topics", "list"], login, password).await?;
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            check(!refused.status.success() && said.contains("authentication"), || format!("{login:?}: {said}"))?;
        }
    }
    let bearer = ["--sasl", "scram-sha-512", "--sasl-user", id, "--sasl-delegation-token"];
    let refused = stage.command(&["tokens", "describe"], &bearer, secret).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    check(!refused.status.success() && said.contains("not by a token"), || format!("a token's bearer: {said}"))?;
    let ended = stage.command(&["tokens", "expire", "--yes", id], &owner, "none-secret").await?;
    check(ended.status.success(), || String::from_utf8_lossy(&ended.stderr).into_owned())?;
    stage.until_as(Some("none"), "tokens.list", json!({}), |answer| !is_listed(answer)).await.map(drop)
}
