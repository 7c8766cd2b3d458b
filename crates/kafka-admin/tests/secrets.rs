//! Calls with secrets, at the most verbose logging: none shows up in logs, errors or `Debug`, in no form.

#[path = "../../kafka-conn/tests/support/seen.rs"]
mod seen;
mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use kafka_admin::{NewToken, ScramAlteration};
use kafka_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};
use kafka_protocol::messages::create_delegation_token::CreateDelegationTokenResponse;
use kafka_protocol::messages::describe_delegation_token::{DescribeDelegationTokenResponse, DescribedDelegationToken};
use kafka_protocol::messages::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
use kafka_protocol::messages::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use kafka_protocol::{ApiKey, ErrorCode, Message};
use seen::{Seen, assert_unseen};
use support::{Broker, encoded};

const HMAC: &[u8] = b"canary-hmac-52e8-0b1d-77aa";
const PASSWORD: &str = "canary-Pa55word-c40e";

/// What a broker was sent of passwords: what is derived from them.
type Salted = Arc<Mutex<Vec<Vec<u8>>>>;

fn broker(salted: &Salted) -> Broker {
    let salted = Arc::clone(salted);
    let renew = |version, body| {
        assert_eq!(RenewDelegationTokenRequest::decode(version, body).unwrap().hmac, HMAC);
        Some(encoded(version, &RenewDelegationTokenResponse::default()))
    };
    let expire = |version, body| {
        assert_eq!(ExpireDelegationTokenRequest::decode(version, body).unwrap().hmac, HMAC);
        let error_code = ErrorCode::DELEGATION_TOKEN_EXPIRED.0;
        Some(encoded(version, &ExpireDelegationTokenResponse { error_code, ..Default::default() }))
    };
    Broker::new()
        .on(ApiKey::CREATE_DELEGATION_TOKEN, 3, |version, _| {
            let answer = CreateDelegationTokenResponse {
                token_id: "the token".into(),
                hmac: HMAC.into(),
                ..CreateDelegationTokenResponse::default()
            };
            Some(encoded(version, &answer))
        })
        .on(ApiKey::RENEW_DELEGATION_TOKEN, 2, renew)
        .on(ApiKey::EXPIRE_DELEGATION_TOKEN, 2, expire)
        .on(ApiKey::DESCRIBE_DELEGATION_TOKEN, 3, |version, _| {
            let token =
                DescribedDelegationToken { token_id: "the same".into(), hmac: HMAC.into(), ..Default::default() };
            Some(encoded(version, &DescribeDelegationTokenResponse { tokens: vec![token], ..Default::default() }))
        })
        .on(ApiKey::ALTER_USER_SCRAM_CREDENTIALS, 0, move |version, body| {
            let asked = AlterUserScramCredentialsRequest::decode(version, body).unwrap();
            let passwords = asked.upsertions.iter().map(|credential| credential.salted_password.to_vec());
            salted.lock().unwrap().extend(passwords);
            Some(encoded(version, &AlterUserScramCredentialsResponse::default()))
        })
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_seen() {
    let mut seen = Seen::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    tracing::subscriber::set_global_default(subscriber.with_writer(seen.clone()).finish()).unwrap();
    let salted = Salted::default();
    let admin = broker(&salted).admin().await;

    let token = admin.create_delegation_token(&NewToken::default()).await.unwrap();
    seen.note(&(&token, &token.hmac));
    assert_eq!(token.hmac.expose(), HMAC);
    admin.renew_delegation_token(&token.hmac, None).await.unwrap();
    let refused = admin.expire_delegation_token(&token.hmac, None).await.unwrap_err();
    seen.note(&refused);
    writeln!(seen, "{refused} {refused:#}").unwrap();
    seen.note(&admin.describe_delegation_tokens(None).await.unwrap());
    let alteration = ScramAlteration::set("billing", PASSWORD);
    seen.note(&alteration);
    seen.note(&admin.alter_scram_users(&[alteration]).await.unwrap());

    let text = seen.text();
    for expected in ["TRACE", "ExpireDelegationToken", "the token", "the same", "billing"] {
        assert!(text.contains(expected), "the test sees too little: {expected}");
    }
    assert_unseen(&text, HMAC);
    assert_unseen(&text, PASSWORD.as_bytes());
    assert_eq!(salted.lock().unwrap().len(), 1);
    assert_unseen(&text, &salted.lock().unwrap()[0]);
}
