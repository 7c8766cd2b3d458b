//! SCRAM against the examples of its RFCs, and against brokers that lie.

use proptest::prelude::*;

use super::*;

#[test]
fn the_exchange_of_rfc_7677() {
    let scram = Scram::new(ScramHash::Sha256, "user", "pencil");
    let mut exchange = scram.exchange("rOprNGfwEbeRWgbNEkqO");
    assert_eq!(text(exchange.initial()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(text_of(exchange.respond(SERVER_FIRST)), CLIENT_FINAL);
    assert!(matches!(exchange.respond(SERVER_FINAL), Ok(Reply::Done)));
    // The derived key is kept: a second exchange comes to the same.
    let mut exchange = scram.exchange("rOprNGfwEbeRWgbNEkqO");
    exchange.initial().unwrap();
    assert_eq!(text_of(exchange.respond(SERVER_FIRST)), CLIENT_FINAL);
}

const SERVER_FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn text(message: Result<Secret, SaslError>) -> String {
    String::from_utf8(message.unwrap().expose().to_vec()).unwrap()
}

fn text_of(reply: Result<Reply, SaslError>) -> String {
    let Ok(Reply::Message(message)) = reply else { panic!("no message: {reply:?}") };
    text(Ok(message))
}
