//! Delegation tokens (KIP-48): create, renew, expire, describe.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use kafka_conn::{Route, Secret};
use kafka_protocol::messages::create_delegation_token::{CreatableRenewers, CreateDelegationTokenRequest};
use kafka_protocol::messages::describe_delegation_token::{
    DescribeDelegationTokenOwner, DescribeDelegationTokenRequest, DescribedDelegationToken,
};
use kafka_protocol::messages::expire_delegation_token::ExpireDelegationTokenRequest;
use kafka_protocol::messages::renew_delegation_token::RenewDelegationTokenRequest;
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::Attempts;
use crate::error::{Error, ErrorKind, Result};

/// Who: a type, nearly always `User`, and a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// Its type.
    pub kind: SmolStr,
    /// Its name.
    pub name: SmolStr,
}

impl Principal {
    /// A user.
    pub fn user(name: impl Into<SmolStr>) -> Self {
        Self { kind: SmolStr::new_static("User"), name: name.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// What a new token is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewToken {
    /// Whom it stands for, where that is somebody else (Kafka 3.3 and later). Default: this user.
    pub owner: Option<Principal>,
    /// Who may renew it beside its owner. Default: nobody.
    pub renewers: Vec<Principal>,
    /// How long it can live, however often it is renewed. Default: as long as brokers let it
    /// (`delegation.token.max.lifetime.ms`).
    pub max_lifetime: Option<Duration>,
}

/// A token: its id and secret are user name and password with SCRAM.
///
/// `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct DelegationToken {
    /// Its id.
    pub id: SmolStr,
    /// Its secret. Whoever has it is the owner, as far as brokers can tell. As a password, it is written in base64.
    pub hmac: Secret,
    /// Whom it stands for.
    pub owner: Principal,
    /// Who asked for it; before Kafka 3.3 nobody knows, and it is the owner.
    pub requester: Principal,
    /// Who may renew it; empty in the answer to its creation.
    pub renewers: Vec<Principal>,
    /// When it was made, in milliseconds since 1970.
    pub issued_ms: i64,
    /// Until when it holds, unless it is renewed, in milliseconds since 1970.
    pub expires_ms: i64,
    /// Until when it can be renewed, in milliseconds since 1970.
    pub max_ms: i64,
}

impl Admin {
    /// Makes a token (CreateDelegationToken). It takes a moment to be known to all brokers.
    ///
    /// It needs a connection that is authenticated, and not by a token.
    ///
    /// # Errors
    /// [`NotOffered`](crate::ErrorKind::NotOffered) where brokers have no `delegation.token.secret.key`, or on such a
    /// connection, [`NotAuthorized`](crate::ErrorKind::NotAuthorized), [`Connection`](crate::ErrorKind::Connection).
    pub async fn create_delegation_token(&self, token: &NewToken) -> Result<DelegationToken> {
        let renewer = |renewer: &Principal| CreatableRenewers {
            principal_type: renewer.kind.clone(),
            principal_name: renewer.name.clone(),
            ..CreatableRenewers::default()
        };
        let version = Attempts::new(self).version::<CreateDelegationTokenRequest>(Route::Controller).await?;
        let (owner_principal_type, owner_principal_name) = match &token.owner {
            Some(_) if version < FIRST_WITH_OWNER => return Err(Error::new(ErrorKind::NotOffered)),
            Some(owner) => (Some(owner.kind.clone()), Some(owner.name.clone())),
            None if version < FIRST_WITH_OWNER => (Some(SmolStr::default()), Some(SmolStr::default())),
            None => (None, None),
        };
        let request = |_| CreateDelegationTokenRequest {
            owner_principal_type: owner_principal_type.clone(),
            owner_principal_name: owner_principal_name.clone(),
            renewers: token.renewers.iter().map(renewer).collect(),
            max_lifetime_ms: token.max_lifetime.map_or(-1, millis),
            ..CreateDelegationTokenRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, None)?;
        let owner = Principal { kind: response.principal_type, name: response.principal_name };
        let requester =
            Principal { kind: response.token_requester_principal_type, name: response.token_requester_principal_name };
        Ok(DelegationToken {
            id: response.token_id,
            hmac: Secret::from(&response.hmac[..]),
            requester: known(requester, &owner),
            owner,
            renewers: Vec::new(),
            issued_ms: response.issue_timestamp_ms,
            expires_ms: response.expiry_timestamp_ms,
            max_ms: response.max_timestamp_ms,
        })
    }

    /// Lets a token live on for `period`, or for the brokers' default (RenewDelegationToken). Returns until when, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and as
    /// [`create_delegation_token`](Self::create_delegation_token).
    pub async fn renew_delegation_token(&self, hmac: &Secret, period: Option<Duration>) -> Result<i64> {
        let request = |_| RenewDelegationTokenRequest {
            hmac: Bytes::from_owner(hmac.clone()),
            renew_period_ms: period.map_or(-1, millis),
            ..RenewDelegationTokenRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, None).map(|()| response.expiry_timestamp_ms)
    }

    /// Lets a token end after `period`; `None` is at once, and deletes it (ExpireDelegationToken). Returns when, in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// As [`renew_delegation_token`](Self::renew_delegation_token).
    pub async fn expire_delegation_token(&self, hmac: &Secret, period: Option<Duration>) -> Result<i64> {
        let request = |_| ExpireDelegationTokenRequest {
            hmac: Bytes::from_owner(hmac.clone()),
            expiry_time_period_ms: period.map_or(-1, millis),
            ..ExpireDelegationTokenRequest::default()
        };
        let response =
            self.ask_controller(request, |response| (response.error_code, response.throttle_time_ms)).await?;
        Error::check(response.error_code, None).map(|()| response.expiry_timestamp_ms)
    }

    /// The tokens of these owners, or all that this user may see, by id (DescribeDelegationToken). Their secrets are
    /// among it.
    ///
    /// # Errors
    /// As [`create_delegation_token`](Self::create_delegation_token).
    pub async fn describe_delegation_tokens(&self, owners: Option<&[Principal]>) -> Result<Vec<DelegationToken>> {
        let owner = |owner: &Principal| DescribeDelegationTokenOwner {
            principal_type: owner.kind.clone(),
            principal_name: owner.name.clone(),
            ..DescribeDelegationTokenOwner::default()
        };
        let request = DescribeDelegationTokenRequest {
            owners: owners.map(|owners| owners.iter().map(owner).collect()),
            ..DescribeDelegationTokenRequest::default()
        };
        let response = self.ask_any(&request).await?;
        Error::check(response.error_code, None)?;
        let mut tokens: Vec<_> = response.tokens.into_iter().map(token).collect();
        tokens.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(tokens)
    }
}

fn token(token: DescribedDelegationToken) -> DelegationToken {
    let owner = Principal { kind: token.principal_type, name: token.principal_name };
    let requester =
        Principal { kind: token.token_requester_principal_type, name: token.token_requester_principal_name };
    let renewer = |renewer: kafka_protocol::messages::describe_delegation_token::DescribedDelegationTokenRenewer| {
        Principal { kind: renewer.principal_type, name: renewer.principal_name }
    };
    DelegationToken {
        id: token.token_id,
        hmac: Secret::from(&token.hmac[..]),
        requester: known(requester, &owner),
        owner,
        renewers: token.renewers.into_iter().map(renewer).collect(),
        issued_ms: token.issue_timestamp,
        expires_ms: token.expiry_timestamp,
        max_ms: token.max_timestamp,
    }
}

fn known(requester: Principal, owner: &Principal) -> Principal {
    if requester.name.is_empty() { owner.clone() } else { requester }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The version that lets a token be for somebody else.
const FIRST_WITH_OWNER: i16 = 3;
