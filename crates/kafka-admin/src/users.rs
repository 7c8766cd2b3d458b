//! SCRAM credentials of users (KIP-554): describe, set, delete.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use kafka_conn::Secret;
use kafka_conn::sasl::ScramHash;
use kafka_protocol::ErrorCode;
use kafka_protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResult, UserName,
};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::call::common_code;
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::Outcome;
use crate::resource::Resource;

/// A credential that a user has; its secret is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// Its hash function; `None` for one that is not known here.
    pub hash: Option<ScramHash>,
    /// How often it hashes.
    pub iterations: i32,
}

/// A change of a user's credential.
///
/// `Debug` shows no secret.
#[derive(Clone)]
pub enum ScramAlteration {
    /// The user gets this password, in place of the one that it has for the same hash function.
    Set {
        /// The user.
        user: SmolStr,
        /// The hash function.
        hash: ScramHash,
        /// How often it hashes: 4096 to 16384. Kafka's default is 4096.
        iterations: u32,
        /// The password. It stays here: sent is what is derived from it, with random salt.
        password: Secret,
    },
    /// The user loses the credential with this hash function.
    Delete {
        /// The user.
        user: SmolStr,
        /// The hash function.
        hash: ScramHash,
    },
}

impl ScramAlteration {
    /// A password, with SCRAM-SHA-512 and 4096 iterations.
    pub fn set(user: impl Into<SmolStr>, password: impl Into<Secret>) -> Self {
        Self::Set { user: user.into(), hash: ScramHash::Sha512, iterations: 4096, password: password.into() }
    }

    /// The user.
    pub fn user(&self) -> &SmolStr {
        match self {
            Self::Set { user, .. } | Self::Delete { user, .. } => user,
        }
    }
}

impl fmt::Debug for ScramAlteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { user, hash, iterations, .. } => f
                .debug_struct("Set")
                .field("user", user)
                .field("hash", hash)
                .field("iterations", iterations)
                .finish_non_exhaustive(),
            Self::Delete { user, hash } => f.debug_struct("Delete").field("user", user).field("hash", hash).finish(),
        }
    }
}

impl Admin {
    /// The credentials of these users or, with `None`, of all that have any (DescribeUserScramCredentials). The outcomes
    /// are in the order of `users`, or by user.
    ///
    /// # Errors
    /// Per user: [`NotFound`](ErrorKind::NotFound). For all: [`NotAuthorized`](ErrorKind::NotAuthorized),
    /// [`Connection`](ErrorKind::Connection) (brokers before Kafka 2.7, or 3.5 with KRaft, do not have it).
    pub async fn describe_scram_users(&self, users: Option<&[&str]>) -> Result<Vec<Outcome<Vec<ScramCredential>>>> {
        let names = users.map(|users| users.iter().map(SmolStr::new).collect::<Vec<_>>());
        if names.as_ref().is_some_and(Vec::is_empty) {
            // Brokers would take it for all.
            return Ok(Vec::new());
        }
        let asked = names.iter().flatten().collect::<BTreeSet<_>>();
        let user = |name: &&SmolStr| UserName { name: (*name).clone(), ..UserName::default() };
        let request = DescribeUserScramCredentialsRequest {
            // None at all would ask for everyone, too, but a user who may not ask would never be told so: the brokers of
            // Kafka 3.9 and 4.3 fail over a list that is not there while they refuse it, and answer nothing.
            users: Some(asked.iter().map(user).collect()),
            ..DescribeUserScramCredentialsRequest::default()
        };
        let response = self.ask_any(&request).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let known: BTreeMap<_, _> =
            response.results.into_iter().map(|result| (result.user.clone(), credentials(&result))).collect();
        let outcome = |name: &SmolStr| {
            let result = known.get(name).cloned().unwrap_or_else(|| Err(Error::new(ErrorKind::NoAnswer)));
            Outcome::new(name.clone(), result.map_err(|error| error.about(Resource::User(name.clone()))))
        };
        Ok(names.map_or_else(|| known.keys().map(outcome).collect(), |names| names.iter().map(outcome).collect()))
    }

    /// Sets and deletes credentials (AlterUserScramCredentials). The outcomes are in the order of `alterations`; a user
    /// that occurs more than once has the same outcome each time, and is left as it is where one of its alterations
    /// cannot be.
    ///
    /// Hashing takes a while, and is done on a thread for such work.
    ///
    /// # Errors
    /// Per user: [`NotFound`](ErrorKind::NotFound) where there is nothing to delete,
    /// [`UnacceptableCredential`](ErrorKind::UnacceptableCredential), [`Duplicate`](ErrorKind::Duplicate),
    /// [`NotAuthorized`](ErrorKind::NotAuthorized). For all: [`Connection`](ErrorKind::Connection).
    pub async fn alter_scram_users(&self, alterations: &[ScramAlteration]) -> Result<Vec<Outcome<()>>> {
        let (mut upsertions, mut deletions, mut refused) = (Vec::new(), Vec::new(), BTreeMap::new());
        for alteration in alterations {
            match alteration.clone() {
                ScramAlteration::Set { user, hash, iterations, password } => {
                    match upsertion(user.clone(), hash, iterations, password).await {
                        Ok(upsertion) => upsertions.push(upsertion),
                        Err(error) => _ = refused.insert(user, error),
                    }
                }
                ScramAlteration::Delete { user, hash } => deletions.push(ScramCredentialDeletion {
                    name: user,
                    mechanism: code_of(hash),
                    ..ScramCredentialDeletion::default()
                }),
            }
        }
        upsertions.retain(|upsertion| !refused.contains_key(&upsertion.name));
        deletions.retain(|deletion| !refused.contains_key(&deletion.name));
        let results = self.alter(upsertions, deletions).await?;
        let outcome = |alteration: &ScramAlteration| {
            let user = alteration.user();
            let result = match (refused.get(user), results.iter().find(|result| result.user == *user)) {
                (Some(error), _) => Err(error.clone()),
                (None, Some(answer)) => Error::check(answer.error_code, answer.error_message.as_ref()),
                (None, None) => Err(Error::new(ErrorKind::NoAnswer)),
            };
            Outcome::new(user.clone(), result.map_err(|error| error.about(Resource::User(user.clone()))))
        };
        Ok(alterations.iter().map(outcome).collect())
    }

    async fn alter(
        &self,
        upsertions: Vec<ScramCredentialUpsertion>,
        deletions: Vec<ScramCredentialDeletion>,
    ) -> Result<Vec<AlterUserScramCredentialsResult>> {
        if upsertions.is_empty() && deletions.is_empty() {
            return Ok(Vec::new());
        }
        let request = |_| AlterUserScramCredentialsRequest {
            deletions: deletions.clone(),
            upsertions: upsertions.clone(),
            ..AlterUserScramCredentialsRequest::default()
        };
        let code = |response: &AlterUserScramCredentialsResponse| {
            (common_code(response.results.iter().map(|result| result.error_code)), response.throttle_time_ms)
        };
        Ok(self.ask_controller(request, code).await?.results)
    }
}

fn credentials(result: &DescribeUserScramCredentialsResult) -> Result<Vec<ScramCredential>> {
    Error::check(result.error_code, result.error_message.as_ref())?;
    let credential =
        |info: &CredentialInfo| ScramCredential { hash: hash_of(info.mechanism), iterations: info.iterations };
    Ok(result.credential_infos.iter().map(credential).collect())
}

async fn upsertion(
    name: SmolStr,
    hash: ScramHash,
    iterations: u32,
    password: Secret,
) -> Result<ScramCredentialUpsertion> {
    let unacceptable = || Error::answered(ErrorCode::UNACCEPTABLE_CREDENTIAL, None).about(Resource::User(name.clone()));
    let count = i32::try_from(iterations).map_err(|_| unacceptable())?;
    if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
        return Err(unacceptable());
    }
    let hashed = tokio::task::spawn_blocking(move || {
        let mut salt = vec![0; SALT_LEN];
        getrandom::fill(&mut salt).ok()?;
        let salted = hash.salted_password(password.expose(), &salt, iterations);
        // Wiped when the last request that has it is dropped.
        Some((Bytes::from(salt), Bytes::from_owner(salted)))
    });
    let hashed = hashed.await.ok().flatten();
    let (salt, salted_password) = hashed.ok_or_else(unacceptable)?;
    Ok(ScramCredentialUpsertion {
        name: name.clone(),
        mechanism: code_of(hash),
        iterations: count,
        salt,
        salted_password,
        ..ScramCredentialUpsertion::default()
    })
}

fn code_of(hash: ScramHash) -> i8 {
    match hash {
        ScramHash::Sha256 => 1,
        ScramHash::Sha512 => 2,
    }
}

fn hash_of(code: i8) -> Option<ScramHash> {
    match code {
        1 => Some(ScramHash::Sha256),
        2 => Some(ScramHash::Sha512),
        _ => None,
    }
}

/// As Kafka's own tools make them.
const SALT_LEN: usize = 24;
/// What Kafka takes.
const MIN_ITERATIONS: u32 = 4096;
const MAX_ITERATIONS: u32 = 16384;
