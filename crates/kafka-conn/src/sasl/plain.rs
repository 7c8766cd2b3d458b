//! PLAIN (RFC 4616): user name and password as they are.
//!
//! Sans-IO.

use async_trait::async_trait;
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::{Exchange, Mechanism, Protection, Reply, SaslError};
use crate::address::BrokerAddress;
use crate::secret::Secret;

/// SASL PLAIN: the broker is sent the password itself. So it is refused over a connection without TLS, unless
/// [allowed](Self::allow_unencrypted).
///
/// ```
/// use std::sync::Arc;
///
/// use kafka_conn::Dialer;
/// use kafka_conn::sasl::Plain;
///
/// let dialer = Dialer { sasl: Some(Arc::new(Plain::new("billing", "secret"))), ..Dialer::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Plain {
    user: SmolStr,
    password: Secret,
    protection: Protection,
}

impl Plain {
    /// A user and a password.
    pub fn new(user: impl Into<SmolStr>, password: impl Into<Secret>) -> Self {
        Self { user: user.into(), password: password.into(), protection: Protection::Required }
    }

    /// Sends the password over unencrypted connections, too: whoever sees the traffic has it then.
    #[must_use]
    pub fn allow_unencrypted(self) -> Self {
        Self { protection: Protection::Optional, ..self }
    }
}

#[async_trait]
impl Mechanism for Plain {
    fn name(&self) -> &str {
        "PLAIN"
    }

    fn protection(&self) -> Protection {
        self.protection
    }

    async fn start(&self, _: &BrokerAddress) -> Result<Box<dyn Exchange>, SaslError> {
        Ok(Box::new(self.clone()))
    }
}

impl Exchange for Plain {
    /// `\0 user \0 password`: nobody is acted for.
    fn initial(&mut self) -> Result<Secret, SaslError> {
        let (user, password) = (self.user.as_bytes(), self.password.expose());
        if user.contains(&0) || password.contains(&0) {
            return Err(SaslError::Credentials(
                "a user name or password has a zero byte, which PLAIN cannot say".into(),
            ));
        }
        let mut message = Zeroizing::new(Vec::with_capacity(2 + user.len() + password.len()));
        for part in [user, password] {
            message.push(0);
            message.extend_from_slice(part);
        }
        Ok(std::mem::take(&mut *message).into())
    }

    fn respond(&mut self, _: &[u8]) -> Result<Reply, SaslError> {
        Ok(Reply::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_rfc_4616() {
        let mut exchange = Plain::new("tim", "tanstaaftanstaaf");
        assert_eq!(exchange.initial().unwrap().expose(), b"\0tim\0tanstaaftanstaaf");
        assert!(matches!(exchange.respond(b"").unwrap(), Reply::Done));
    }

    #[test]
    fn a_zero_byte_is_refused() {
        assert!(matches!(Plain::new("a\0b", "c").initial(), Err(SaslError::Credentials(_))));
        assert!(matches!(Plain::new("a", "b\0c").initial(), Err(SaslError::Credentials(_))));
    }

    #[test]
    fn only_over_tls_unless_allowed() {
        assert_eq!(Plain::new("a", "b").protection(), Protection::Required);
        assert_eq!(Plain::new("a", "b").allow_unencrypted().protection(), Protection::Optional);
        assert!(format!("{:?}", Plain::new("a", "canary")).contains("***"));
    }
}
