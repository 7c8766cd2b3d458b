//! The references name all that there is: every option, and every kind of error.

use std::fs;
use std::path::Path;

/// A page, and the types that have a table in it, under a heading or a line with their path.
const OPTIONS: [(&str, &str); 7] = [
    ("kafka_conn::Dialer", "crates/kafka-conn/src/dialer.rs"),
    ("kafka_conn::ConnectionLimits", "crates/kafka-conn/src/dialer.rs"),
    ("kafka_conn::TlsConfig", "crates/kafka-conn/src/tls/mod.rs"),
    ("kafka_conn::TransportConfig", "crates/kafka-conn/src/transport.rs"),
    ("kafka_writer::WriterConfig", "crates/kafka-writer/src/config.rs"),
    ("kafka_reader::ReaderConfig", "crates/kafka-reader/src/config.rs"),
    ("kafka_reader::GroupConfig", "crates/kafka-reader/src/group/config.rs"),
];

const KINDS: [(&str, &str); 4] = [
    ("kafka_conn::ErrorKind", "crates/kafka-conn/src/error/kind.rs"),
    ("kafka_writer::ErrorKind", "crates/kafka-writer/src/error.rs"),
    ("kafka_reader::ErrorKind", "crates/kafka-reader/src/error.rs"),
    ("kafka_admin::ErrorKind", "crates/kafka-admin/src/error.rs"),
];

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

/// The names that a type declares: its public fields, or its variants.
fn declared(source: &str, declaration: &str) -> Vec<String> {
    let body = source.split_once(&format!("{declaration} {{\n")).unwrap_or_else(|| panic!("no {declaration}")).1;
    let body = body.split("\n}").next().unwrap_or_default();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let code = lines.filter(|line| line.starts_with(|first: char| first.is_alphabetic()));
    code.map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    })
    .collect()
}

/// The first cells of the first table behind a mention of this type.
fn rows(page: &str, type_path: &str) -> Vec<String> {
    let behind = page.split_once(&format!("`{type_path}`")).unwrap_or_else(|| panic!("no {type_path}")).1;
    let table = behind.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with('|'));
    table.filter_map(|line| Some(line.split('`').nth(1)?.to_owned())).collect()
}

fn compare(page: &str, types: &[(&str, &str)], keyword: &str) {
    let page = read(page);
    for (type_path, file) in types {
        let name = type_path.rsplit("::").next().unwrap_or_default();
        let (mut declared, mut rows) =
            (declared(&read(file), &format!("pub {keyword} {name}")), rows(&page, type_path));
        assert!(declared.len() > 2, "{type_path}: {declared:?}");
        declared.sort();
        rows.sort();
        assert_eq!(rows, declared, "{type_path}: the table, and the source");
    }
}

#[test]
fn every_option_is_in_the_reference() {
    compare("docs/configuration.md", &OPTIONS, "struct");
}

#[test]
fn every_kind_of_error_is_in_the_reference() {
    compare("docs/errors.md", &KINDS, "enum");
}

#[test]
fn declarations_and_rows_are_found() {
    let source = "pub enum E {\n    /// Text.\n    #[error(\"a\")]\n    A(u8),\n    B {\n        /// Inner.\n        c: u8,\n    },\n}\n";
    assert_eq!(declared(source, "pub enum E"), ["A", "B"]);
    assert_eq!(rows("x `t::E`\n\n| kind |\n|---|\n| `A` | `B` |\n| `C` (halt) |\n\n| `D` |", "t::E"), ["A", "C"]);
}
