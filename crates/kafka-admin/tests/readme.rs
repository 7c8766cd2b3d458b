//! The table of the README: a row for each API key that brokers take from clients, and nothing in it that is not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kafka_conn::Routing;
use kafka_protocol::ApiKey;

const README: &str = include_str!("../README.md");

/// A row: key, API, calls, tests.
struct Row<'a> {
    key: i16,
    api: &'a str,
    call: &'a str,
    shown_by: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let table = README.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Key"));
    let cells = table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| match cells[..] {
            [key, api, call, shown_by] => Row { key: key.parse().unwrap(), api, call, shown_by },
            _ => panic!("{cells:?} is no row"),
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_api_that_brokers_take_has_a_row() {
    let schema = fs::read_to_string(root().join("crates/kafka-protocol/schema/kafka.schema")).unwrap();
    let requests = schema.lines().filter_map(|line| line.strip_prefix("request "));
    let taken = requests.filter_map(|line| {
        let listeners = line.rsplit_once(" on ")?.1.trim_end_matches(" {");
        let mut words = line.split(' ');
        let (key, api) = (words.next()?.parse::<i16>().ok()?, words.next()?);
        listeners.split(',').any(|listener| listener == "broker").then_some((key, api))
    });
    let taken: BTreeMap<_, _> = taken.collect();
    let listed: BTreeMap<_, _> = rows().iter().map(|row| (row.key, row.api)).collect();
    assert!(taken.len() > 70, "{} requests in the schema", taken.len());
    assert_eq!(listed, taken);
}

#[test]
fn only_what_clients_do_not_send_has_no_call() {
    for row in rows() {
        let is_internal = Routing::of(ApiKey(row.key)) == Some(Routing::Internal);
        assert_eq!(row.call == "brokers among themselves", is_internal, "{}", row.api);
        assert_eq!(row.shown_by.is_empty(), is_internal, "{}", row.api);
    }
}

#[test]
fn each_call_is_there() {
    let crates = root().join("crates");
    let mut known = BTreeMap::new();
    for row in rows() {
        for part in row.call.split("; ").filter(|part| part.contains('`')) {
            let (name, calls) = part.split_once(": `").map_or(("kafka-admin", part), |(name, _)| (name, part));
            let text = known.entry(name).or_insert_with(|| sources(&crates.join(name).join("src")));
            for call in quoted(calls) {
                let function = call.rsplit("::").next().unwrap();
                let is_there = [" fn ", " async fn "]
                    .iter()
                    .any(|kind| ["(", "<"].iter().any(|end| text.contains(&format!("pub{kind}{function}{end}"))));
                assert!(is_there, "{}: {name} has no {call}", row.api);
            }
        }
    }
}

#[test]
fn each_test_is_there() {
    let suites = sources(&root().join("xtask/src/suite"));
    for row in rows() {
        for test in quoted(row.shown_by) {
            // Of a name that ends so, many begin.
            let end = if test.ends_with("::") { "" } else { "\"" };
            assert!(suites.contains(&format!("\"{test}{end}")), "{}: no suite has {test}", row.api);
        }
    }
}

#[test]
fn each_call_of_the_crate_is_in_the_table() {
    let text = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let calls: Vec<_> = rows().iter().flat_map(|row| quoted(row.call)).collect();
    let functions = text.split("    pub async fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
    for function in functions {
        assert!(calls.contains(&function), "{function} is in no row");
    }
}
