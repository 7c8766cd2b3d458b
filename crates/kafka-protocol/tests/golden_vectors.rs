//! The adopted golden vectors: every line that Apache Kafka's own classes wrote holds for our codecs.

mod golden;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// File and number of lines, so that a file that shrinks or goes missing is noticed.
const FILES: [(&str, usize); 9] = [
    ("data.jsonl.gz", 60),
    ("downgrade.jsonl.gz", 1368),
    ("header.jsonl.gz", 15),
    ("murmur2.jsonl", 200),
    ("records.jsonl.gz", 116),
    ("rpc-removed.jsonl.gz", 330),
    ("rpc.jsonl.gz", 1812),
    ("storage.jsonl.gz", 300),
    ("varint.jsonl", 400),
];

fn lines(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let open = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read: Box<dyn Read> = if file.ends_with(".gz") { Box::new(MultiGzDecoder::new(open)) } else { Box::new(open) };
    BufReader::new(read).lines().collect::<Result<_, _>>().expect("the vectors are text")
}

#[test]
fn every_line_holds() {
    let mut bad = BTreeMap::new();
    for (file, count) in FILES {
        let lines = lines(file);
        assert_eq!(lines.len(), count, "lines of {file}");
        for (index, line) in lines.iter().enumerate() {
            if let Err(reason) = golden::check(line) {
                bad.insert(format!("{file}:{}", index + 1), reason);
            }
        }
    }
    assert!(bad.is_empty(), "{} bad, the first of them: {:#?}", bad.len(), bad.iter().take(10).collect::<Vec<_>>());
}

#[test]
fn lines_that_are_wrong_are_found() {
    let good = &lines("rpc.jsonl.gz")[2];
    assert_eq!(golden::check(good), Ok(()));
    for (from, to) in [("\"version\":3", "\"version\":9"), ("\"hex\":\"", "\"hex\":\"00"), ("{\"api\"", "{\"apy\"")] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(&wrong, good);
        assert!(golden::check(&wrong).is_err(), "{wrong}");
    }
}
