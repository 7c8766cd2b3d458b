//! `Debug` shows no secret.

use std::fmt::Debug;

use bytes::Bytes;
use kafka_protocol::messages::alter_configs::{self, AlterConfigsRequest};
use kafka_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialUpsertion,
};
use kafka_protocol::messages::cluster_metadata::{ConfigRecord, UserScramCredentialRecord};
use kafka_protocol::messages::create_delegation_token::CreateDelegationTokenResponse;
use kafka_protocol::messages::describe_delegation_token::{DescribeDelegationTokenResponse, DescribedDelegationToken};
use kafka_protocol::messages::envelope::{EnvelopeRequest, EnvelopeResponse};
use kafka_protocol::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use kafka_protocol::messages::incremental_alter_configs::{self, IncrementalAlterConfigsRequest};
use kafka_protocol::messages::renew_delegation_token::RenewDelegationTokenRequest;
use kafka_protocol::messages::sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};

const SECRET: &str = "hunter2";

fn secret() -> Bytes {
    Bytes::from_static(SECRET.as_bytes())
}

/// Each of the `fields` of `message` holds the secret; what else it holds is shown.
fn hides(message: &impl Debug, fields: &[&str]) {
    for text in [format!("{message:?}"), format!("{message:#?}")] {
        assert!(!text.contains(SECRET), "{text}");
        assert_eq!(text.matches("***").count(), fields.len(), "{text}");
        for field in fields {
            assert!(text.contains(&format!("{field}: ***")), "{text} does not hide {field}");
        }
    }
}

#[test]
fn what_mechanisms_say_is_hidden() {
    hides(&SaslAuthenticateRequest { auth_bytes: secret(), ..Default::default() }, &["authBytes"]);
    hides(&SaslAuthenticateResponse { auth_bytes: secret(), ..Default::default() }, &["authBytes"]);
}

#[test]
fn delegation_tokens_are_hidden() {
    hides(&CreateDelegationTokenResponse { hmac: secret(), ..Default::default() }, &["hmac"]);
    hides(&RenewDelegationTokenRequest { hmac: secret(), ..Default::default() }, &["hmac"]);
    hides(&ExpireDelegationTokenRequest { hmac: secret(), ..Default::default() }, &["hmac"]);
    let tokens = vec![DescribedDelegationToken { hmac: secret(), ..Default::default() }];
    hides(&DescribeDelegationTokenResponse { tokens, ..Default::default() }, &["hmac"]);
}

#[test]
fn scram_credentials_are_hidden() {
    let upsertion = ScramCredentialUpsertion { salt: secret(), salted_password: secret(), ..Default::default() };
    let request = AlterUserScramCredentialsRequest { upsertions: vec![upsertion], ..Default::default() };
    hides(&request, &["salt", "saltedPassword"]);
    let (salt, stored_key, server_key) = (secret(), secret(), secret());
    let record = UserScramCredentialRecord { salt, stored_key, server_key, ..Default::default() };
    hides(&record, &["salt", "storedKey", "serverKey"]);
}

#[test]
fn values_of_configurations_are_hidden() {
    let value = Some(SECRET.into());
    let config = alter_configs::AlterableConfig { value: value.clone(), ..Default::default() };
    let resource = alter_configs::AlterConfigsResource { configs: vec![config], ..Default::default() };
    hides(&AlterConfigsRequest { resources: vec![resource], ..Default::default() }, &["value"]);
    let config = incremental_alter_configs::AlterableConfig { value: value.clone(), ..Default::default() };
    let resource = incremental_alter_configs::AlterConfigsResource { configs: vec![config], ..Default::default() };
    hides(&IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }, &["value"]);
    hides(&ConfigRecord { value, ..Default::default() }, &["value"]);
}

#[test]
fn messages_in_envelopes_are_hidden() {
    hides(&EnvelopeRequest { request_data: secret(), ..Default::default() }, &["requestData"]);
    hides(&EnvelopeResponse { response_data: Some(secret()), ..Default::default() }, &["responseData"]);
}
