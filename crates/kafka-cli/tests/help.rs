//! The help texts, at 80 columns, as they are in `tests/help`. With `UPDATE_HELP=1` in the environment this writes them.

mod common;

use std::fs;
use std::path::Path;

use common::{kafka, run};

const COMMANDS: [&str; 57] = [
    "",
    "topics",
    "topics create",
    "topics list",
    "topics describe",
    "topics alter",
    "topics trim",
    "topics delete",
    "groups",
    "groups list",
    "groups describe",
    "groups delete",
    "groups reset-offsets",
    "groups delete-offsets",
    "offsets",
    "offsets list",
    "configs",
    "configs describe",
    "configs alter",
    "cluster",
    "cluster describe",
    "cluster features",
    "cluster quorum",
    "produce",
    "consume",
    "embedded",
    "bench",
    "bench produce",
    "bench consume",
    "completions",
    "acls",
    "acls list",
    "acls add",
    "acls remove",
    "tokens",
    "tokens create",
    "tokens renew",
    "tokens expire",
    "tokens describe",
    "users",
    "users list",
    "users set",
    "users remove",
    "quotas",
    "quotas list",
    "quotas set",
    "reassign",
    "reassign list",
    "reassign start",
    "reassign cancel",
    "elect",
    "txn",
    "txn list",
    "txn describe",
    "txn abort",
    "logdirs",
    "logdirs list",
];

#[test]
fn help_fits_a_terminal_and_does_not_change_unnoticed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    for command in COMMANDS {
        let arguments = format!("{command} --help");
        let page = format!("{}.txt", if command.is_empty() { "kafka".to_owned() } else { command.replace(' ', "-") });
        let help = run(&mut kafka(&arguments));
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""), "{arguments}");
        let too_wide: Vec<_> = help.stdout.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(too_wide.is_empty(), "{arguments}: {too_wide:?}");
        let file = folder.join(&page);
        if std::env::var_os("UPDATE_HELP").is_some() {
            fs::write(&file, &help.stdout).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(help.stdout, expected, "{page}: if the new text is right, run this test with UPDATE_HELP=1");
    }
}

#[test]
fn without_arguments_there_is_help_and_a_status() {
    let nothing = run(&mut kafka(""));
    assert_eq!((nothing.status, nothing.stdout.as_str()), (Some(2), ""));
    assert!(nothing.stderr.contains("Usage: kafka <COMMAND>"), "{}", nothing.stderr);
}
