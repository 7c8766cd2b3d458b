//! Access control entries, quotas, users, tokens.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use kafka_admin::{
    AclEntry, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType, Admin, DelegationToken,
    NewToken, Principal, QuotaAlteration, QuotaEntity, QuotaFilter, ScramAlteration, ScramCredential,
};
use kafka_conn::Secret;
use kafka_conn::sasl::ScramHash;
use serde_json::{Value, json};

use super::{apply, constant, done, each, object, ok, only, sorted, text, texts};
use crate::suite::Failure;

pub(super) async fn run(admin: &Admin, noun: &str, verb: &str, args: &Value) -> Result<Value, Failure> {
    match noun {
        "acls" => acls(admin, verb, args).await,
        "quotas" => quotas(admin, verb, args).await,
        "users" => users(admin, verb, args).await,
        "tokens" => tokens(admin, verb, args).await,
        _ => super::unknown(noun),
    }
}

async fn acls(admin: &Admin, verb: &str, args: &Value) -> Result<Value, Failure> {
    let filter = AclFilter { principal: args["principal"].as_str().map(Into::into), ..AclFilter::default() };
    Ok(match verb {
        "list" => sorted(admin.describe_acls(&filter).await?.into_iter().map(shown)),
        "create" => only(admin.create_acls(&[entry(&texts(args, "entry"))?]).await?, |()| ok())?,
        "delete" => {
            only(admin.delete_acls(&[filter]).await?, |removed| sorted(removed.into_iter().map(|one| shown(one.item))))?
        }
        _ => return super::unknown(verb),
    })
}

/// In the words of Java's constants, in the order of [`shown`].
pub(super) fn entry(words: &[&str]) -> Result<AclEntry, Failure> {
    let &[kind, name, pattern, principal, host, operation, permission] = words else {
        return Err("seven words make an entry".into());
    };
    let unknown = || format!("{words:?} is no entry");
    Ok(AclEntry {
        resource_type: AclResourceType::from_name(kind).ok_or_else(unknown)?,
        resource_name: name.into(),
        pattern_type: AclPatternType::from_name(pattern).ok_or_else(unknown)?,
        principal: principal.into(),
        host: host.into(),
        operation: AclOperation::from_name(operation).ok_or_else(unknown)?,
        permission: AclPermission::from_name(permission).ok_or_else(unknown)?,
    })
}

fn shown(entry: AclEntry) -> String {
    let (kind, pattern) = (constant(entry.resource_type), constant(entry.pattern_type));
    let (operation, permission) = (constant(entry.operation), constant(entry.permission));
    format!("{kind} {} {pattern} {} {} {operation} {permission}", entry.resource_name, entry.principal, entry.host)
}

async fn quotas(admin: &Admin, verb: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match verb {
        "list" => {
            object(admin.describe_client_quotas(&QuotaFilter::default()).await?.into_iter().map(|(entity, set)| {
                let part = |(kind, name): (_, Option<_>)| match name {
                    Some(name) => {
                        format!("{kind}={name}", kind = ToString::to_string(&kind), name = ToString::to_string(&name))
                    }
                    None => format!("{}=<default>", ToString::to_string(&kind)),
                };
                let entity: Vec<_> = entity.0.into_iter().map(part).collect();
                (entity.join(","), object(set.into_iter().map(|(name, value)| (name.to_string(), json!(value)))))
            }))
        }
        "alter" => {
            let parts = args["entity"].as_object().into_iter().flatten();
            let entity = parts.map(|(kind, name)| (kind.into(), name.as_str().map(Into::into))).collect();
            let set = args["set"].as_object().into_iter().flatten();
            let values = set.map(|(name, value)| (name.into(), value.as_f64())).collect();
            let alteration = QuotaAlteration { entity: QuotaEntity(entity), values };
            only(admin.alter_client_quotas(&[alteration], apply(args)).await?, |()| ok())?
        }
        _ => return super::unknown(verb),
    })
}

async fn users(admin: &Admin, verb: &str, args: &Value) -> Result<Value, Failure> {
    Ok(match verb {
        "list" => {
            let users = texts(args, "users");
            let users = (!users.is_empty()).then_some(users.as_slice());
            each(admin.describe_scram_users(users).await?, |credentials: Vec<ScramCredential>| {
                let all: BTreeMap<_, _> =
                    credentials.iter().map(|one| (one.hash.map_or("?", mechanism), one.iterations)).collect();
                json!(all.into_iter().collect::<Vec<_>>())
            })
        }
        "set" => {
            let set = ScramAlteration::set(text(args, "user")?, text(args, "password")?);
            done(admin.alter_scram_users(&[set]).await?)
        }
        "delete" => {
            let gone = ScramAlteration::Delete { user: text(args, "user")?.into(), hash: ScramHash::Sha512 };
            done(admin.alter_scram_users(&[gone]).await?)
        }
        _ => return super::unknown(verb),
    })
}

fn mechanism(hash: ScramHash) -> &'static str {
    match hash {
        ScramHash::Sha256 => "SCRAM-SHA-256",
        ScramHash::Sha512 => "SCRAM-SHA-512",
    }
}

async fn tokens(admin: &Admin, verb: &str, args: &Value) -> Result<Value, Failure> {
    let hmac = || Ok::<_, Failure>(Secret::from(STANDARD.decode(text(args, "hmac")?)?));
    Ok(match verb {
        "create" => {
            let owner = args["owner"].as_str().map(Principal::user);
            json!(admin.create_delegation_token(&NewToken { owner, ..NewToken::default() }).await?.owner.to_string())
        }
        "list" => sorted(admin.describe_delegation_tokens(None).await?.iter().map(token)),
        "renew" => json!(admin.renew_delegation_token(&hmac()?, None).await?),
        "expire" => json!(admin.expire_delegation_token(&hmac()?, None).await?),
        _ => return super::unknown(verb),
    })
}

fn token(token: &DelegationToken) -> String {
    let renewers: Vec<_> = token.renewers.iter().map(ToString::to_string).collect();
    let times = [token.issued_ms, token.expires_ms, token.max_ms].map(|time| time.to_string()).join(" ");
    format!("{} {} {} [{}] {times}", token.id, token.owner, token.requester, renewers.join(", "))
}
