//! SCRAM against the example of its RFC and others that Python's `hashlib` computed, and against brokers that lie.

use proptest::prelude::*;

use super::*;

/// RFC 7677, section 3.
const RFC_7677: Vector = Vector {
    hash: ScramHash::Sha256,
    user: "user",
    password: "pencil",
    nonce: "rOprNGfwEbeRWgbNEkqO",
    client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

const SHA_512: Vector = Vector {
    hash: ScramHash::Sha512,
    server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=8192",
    client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   p=6HZ5rUA3PgkE/X3DbWzXrokJFsM9zr9o7EgisWdnKczXrIzjgD4BKpBTn7XAOVwLeZUg1pFRTcesJnSwFTQsIw==",
    server_final: "v=RqO11yK/xS8vUqXJmCYvXcKjTIkTicWzQEDh94upkSMgEZfW9mqg9ws9DPT5rQ74uE1weAEpGS1Y6Q6l6KVKXw==",
    ..RFC_7677
};

/// What has another meaning in messages, and what SASLprep would change: a soft hyphen and a superscript.
const AS_IT_IS: Vector = Vector {
    user: "a,b=c",
    password: "p\u{e4}ss\u{ad},=\u{b2}",
    nonce: "abc",
    client_first: "n,,n=a=2Cb=3Dc,r=abc",
    server_first: "r=abcdef,s=AQID,i=4096",
    client_final: "c=biws,r=abcdef,p=qKMUmcVy0IDRfQ7Qq/7hVEQNM/4f1186keeO/x7WrUI=",
    server_final: "v=eBYIJdTMqPayrNBtRAScZGuS7UwBMGq9URJ0hotmru8=",
    ..RFC_7677
};

struct Vector {
    hash: ScramHash,
    user: &'static str,
    password: &'static str,
    nonce: &'static str,
    client_first: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

impl Vector {
    fn scram(&self) -> Scram {
        Scram::new(self.hash, self.user, self.password)
    }

    /// Past the client's first message.
    fn first(&self) -> ScramExchange {
        let mut exchange = self.scram().exchange(self.nonce);
        exchange.initial().unwrap();
        exchange
    }

    /// Past the client's last message.
    fn last(&self) -> ScramExchange {
        let mut exchange = self.first();
        exchange.respond(self.server_first.as_bytes()).unwrap();
        exchange
    }
}

#[test]
fn a_delegation_token_says_that_it_is_one() {
    let initial = |scram: Scram| scram.exchange("abc").initial().unwrap().expose().to_vec();
    let token = Scram::delegation_token(ScramHash::Sha256, "id", "c2VjcmV0");
    assert_eq!(initial(token), b"n,,n=id,r=abc,tokenauth=true");
    assert_eq!(initial(Scram::new(ScramHash::Sha256, "id", "c2VjcmV0")), b"n,,n=id,r=abc");
}

#[test]
fn the_examples() {
    for vector in [RFC_7677, SHA_512, AS_IT_IS] {
        let scram = vector.scram();
        // The second time, the key is known.
        for _ in 0..2 {
            let mut exchange = scram.exchange(vector.nonce);
            assert_eq!(exchange.initial().unwrap().expose(), vector.client_first.as_bytes());
            let Reply::Message(message) = exchange.respond(vector.server_first.as_bytes()).unwrap() else {
                panic!("done too early")
            };
            assert_eq!(message.expose(), vector.client_final.as_bytes());
            assert!(matches!(exchange.respond(vector.server_final.as_bytes()), Ok(Reply::Done)));
        }
    }
}

#[test]
fn a_key_is_kept_for_its_salt_only() {
    let scram = RFC_7677.scram();
    for first in ["r=abcX,s=AQID,i=4096", "r=abcX,s=AQIE,i=4096", "r=abcX,s=AQID,i=4097", "r=abcX,s=AQID,i=4096"] {
        let mut exchange = scram.exchange("abc");
        exchange.initial().unwrap();
        let known = exchange.respond(first.as_bytes()).unwrap();
        let mut exchange = RFC_7677.scram().exchange("abc");
        exchange.initial().unwrap();
        let fresh = exchange.respond(first.as_bytes()).unwrap();
        let (Reply::Message(known), Reply::Message(fresh)) = (known, fresh) else { panic!("done too early") };
        assert_eq!(known.expose(), fresh.expose(), "{first}");
    }
}

#[test]
fn a_nonce_that_does_not_continue_ours_is_refused() {
    for nonce in ["rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkq", "XrOprNGfwEbeRWgbNEkqO", "other"] {
        let first = format!("r={nonce},s=AQID,i=4096");
        let result = RFC_7677.first().respond(first.as_bytes());
        assert!(matches!(result, Err(SaslError::Challenge(what)) if what.contains("nonce")), "{nonce}: {result:?}");
    }
}

#[test]
fn iterations_have_bounds() {
    for (iterations, good) in [(1, false), (4095, false), (4096, true), (1_000_001, false), (u32::MAX, false)] {
        let first = format!("r={}X,s=AQID,i={iterations}", RFC_7677.nonce);
        let result = RFC_7677.first().respond(first.as_bytes());
        assert_eq!(result.is_ok(), good, "{iterations}: {result:?}");
    }
}

#[test]
fn a_broker_that_does_not_know_the_password_is_found_out() {
    let other = "v=AAriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    assert!(matches!(RFC_7677.last().respond(other.as_bytes()), Err(SaslError::Unproven)));
    // A part of the signature is none.
    assert!(matches!(RFC_7677.last().respond(b"v=6rri"), Err(SaslError::Unproven)));
    for silence in ["", "v=", "x=y"] {
        assert!(matches!(RFC_7677.last().respond(silence.as_bytes()), Err(SaslError::Challenge(_))), "{silence}");
    }
}

#[test]
fn a_broker_that_refuses_is_heard() {
    let refused = |result| matches!(result, Err(SaslError::Refused(why)) if why == "invalid-proof");
    assert!(refused(RFC_7677.last().respond(b"e=invalid-proof")));
    assert!(refused(RFC_7677.first().respond(b"e=invalid-proof")));
}

#[test]
fn messages_out_of_turn_are_refused() {
    let mut exchange = RFC_7677.scram().exchange("abc");
    assert!(exchange.respond(RFC_7677.server_first.as_bytes()).is_err());
    let mut exchange = RFC_7677.first();
    assert!(exchange.initial().is_err(), "an exchange is good for one authentication");
    let mut exchange = RFC_7677.last();
    exchange.respond(RFC_7677.server_final.as_bytes()).unwrap();
    assert!(exchange.respond(RFC_7677.server_final.as_bytes()).is_err());
    // What failed is over: another answer does not mend it.
    let mut exchange = RFC_7677.last();
    exchange.respond(b"v=AQID").unwrap_err();
    assert!(exchange.respond(RFC_7677.server_final.as_bytes()).is_err());
}

#[test]
fn nothing_secret_is_shown() {
    let scram = RFC_7677.scram();
    let shown = format!("{scram:?} {:?} {:?}", RFC_7677.first(), RFC_7677.last());
    assert!(!shown.contains("pencil") && shown.contains("user"), "{shown}");
}

proptest! {
    #[test]
    fn no_message_panics(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)) {
        let mut exchange = RFC_7677.first();
        for message in messages {
            prop_assert!(exchange.respond(&message).is_err());
        }
    }

    #[test]
    fn no_message_of_the_right_form_panics(
        nonce in "[!-~]{0,40}", salt in "[A-Za-z0-9+/=]{0,30}", iterations in "[0-9]{0,5}", rest in "(,[a-z]=[ -~]{0,9}){0,2}",
        signature in "[A-Za-z0-9+/=]{0,60}",
    ) {
        let mut exchange = RFC_7677.first();
        let first = format!("r={}{nonce},s={salt},i={iterations}{rest}", RFC_7677.nonce);
        let _either = exchange.respond(first.as_bytes());
        let last = format!("v={signature}");
        prop_assert!(exchange.respond(last.as_bytes()).is_err());
    }
}
