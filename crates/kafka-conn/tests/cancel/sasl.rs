//! Futures of SASL mechanisms, and of what gives them their credentials.

use kafka_conn::BrokerAddress;
use kafka_conn::sasl::{Mechanism, OAuthBearer, Token, TokenProvider};

use super::{Row, dropped_after, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("TokenProvider::token", |polls| {
            let provider = provider();
            let completed = dropped_after(polls, provider.token()).await.is_some();
            assert!(provider.token().await.is_ok());
            completed
        }),
        row!("Mechanism::start", |polls| {
            let mechanism = OAuthBearer::new(provider());
            let broker: BrokerAddress = "one".parse().unwrap();
            let completed = dropped_after(polls, mechanism.start(&broker)).await.is_some();
            let mut exchange = mechanism.start(&broker).await.unwrap();
            assert!(exchange.initial().is_ok());
            completed
        }),
    ]
}

/// Gives tokens, but not at once.
fn provider() -> impl TokenProvider {
    || async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        Ok(Token::new("token"))
    }
}
