//! Stays connected with tokens that a command prints, a new one before each session ends:
//! `cargo run -p kafka-conn --example oauthbearer -- HOST:PORT COMMAND [ARGUMENT …]`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kafka_conn::sasl::{OAuthBearer, Token};
use kafka_conn::{Dialer, Result};
use kafka_protocol::messages::metadata::MetadataRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let broker = arguments.next().unwrap_or_else(|| "localhost".into());
    let command: Vec<String> = arguments.collect();
    let provider = move || {
        let command = command.clone();
        async move {
            println!("asked for a token");
            let printed = tokio::task::spawn_blocking(move || match command.split_first() {
                Some((program, arguments)) => Command::new(program).args(arguments).output(),
                None => Err(std::io::Error::other("no command to ask")),
            });
            let token = String::from_utf8(printed.await??.stdout)?;
            Ok(Token::new(token.trim()))
        }
    };

    // Whoever sees the token may use it. With TLS, leave out the permission to do without.
    let mechanism = OAuthBearer::new(provider).allow_unencrypted();
    let connection = Dialer { sasl: Some(Arc::new(mechanism)), ..Dialer::default() }.dial(&broker).await?;
    for _ in 0..60 {
        let answer = connection.call(&MetadataRequest::default()).await?;
        println!("{} brokers", answer.brokers.len());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    connection.close().await;
    Ok(())
}
