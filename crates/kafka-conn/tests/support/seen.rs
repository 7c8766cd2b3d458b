//! What a program shows of itself, and whether a secret is in it, in whatever form.
#![allow(unreachable_pub, reason = "tests of two crates use it")]

use std::fmt::Debug;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tracing_subscriber::fmt::MakeWriter;

/// All that anybody might see.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    pub fn note(&self, thing: &impl Debug) {
        writeln!(self.0.lock().unwrap(), "{thing:?} {thing:#?}").unwrap();
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Seen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The forms in which a secret may be seen: as it is, as hex, as a list of numbers, and in base64, wherever in a longer
/// text it stands.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![hex.to_uppercase(), hex, list.join(", "), list.join(",\n        ")];
    forms.extend(std::str::from_utf8(secret).ok().map(str::to_owned));
    for engine in [STANDARD, URL_SAFE] {
        for shift in 0..3 {
            let shifted = [&vec![0; shift][..], secret].concat();
            // Letters at both ends also depend on what stands there.
            let text = engine.encode(shifted);
            forms.push(text.trim_end_matches('=')[4..text.len() - 6].to_owned());
        }
    }
    forms
}

#[track_caller]
pub fn assert_unseen(seen: &str, secret: &[u8]) {
    for form in forms(secret) {
        if let Some(at) = seen.find(&form) {
            let around: String = seen[..at].chars().rev().take(200).collect();
            panic!("{form} was seen after …{}", around.chars().rev().collect::<String>());
        }
    }
}
