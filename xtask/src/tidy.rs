//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! - a module that says it is sans-IO neither waits, nor reads a clock, nor spawns;
//! - every source file says what it is for, and stands in the map of ARCHITECTURE.md;
//! - generated files are current;
//! - no crate depends on one that it must do without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A rule that is broken, or that cannot be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{} rules of the house are broken:\n{}", .0.len(), .0.join("\n"))]
    Broken(Vec<String>),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Codegen(#[from] codegen::Error),
    #[error("cargo tree: {0}")]
    Tree(String),
}

/// Checks all rules.
pub(crate) fn run() -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    codegen::check()?;
    let mut broken = check_files(&root)?;
    for (package, unwanted) in WITHOUT {
        let tree = tree(&root, package)?;
        let found = tree.lines().map(|line| line.split(' ').next().unwrap_or_default());
        broken.extend(
            found.filter(|name| unwanted.contains(name)).map(|name| format!("{package} must not depend on {name}")),
        );
    }
    if broken.is_empty() { Ok(()) } else { Err(Error::Broken(broken)) }
}

/// What a crate must do without, with all its features.
const WITHOUT: [(&str, &[&str]); 6] = [
    ("codegen", &["kafka-protocol"]),
    ("kafka-protocol", &["tokio", "futures-util", "kafka-conn"]),
    ("kafka-conn", &["kafka-reader", "kafka-writer", "kafka-admin"]),
    ("kafka-reader", &["kafka-writer", "kafka-admin"]),
    ("kafka-writer", &["kafka-reader", "kafka-admin"]),
    ("kafka-admin", &["kafka-reader", "kafka-writer"]),
];

/// What must say that it is sans-IO, so that dropping the words does not drop the check.
const SANS_IO: [&str; 10] = [
    "crates/kafka-conn/src/frame.rs",
    "crates/kafka-conn/src/sasl/scram/mod.rs",
    "crates/kafka-conn/src/session/authentication.rs",
    "crates/kafka-conn/src/session/mod.rs",
    "crates/kafka-conn/src/session/renewal.rs",
    "crates/kafka-embedded/src/core/mod.rs",
    "crates/kafka-reader/src/group/commits.rs",
    "crates/kafka-reader/src/group/membership.rs",
    "crates/kafka-reader/src/session.rs",
    "crates/kafka-writer/src/accumulator/mod.rs",
];

/// How a module says so.
const MARK: &str = "//! Sans-IO.";

/// What a sans-IO module does not contain.
const IMPURE: [&str; 6] = ["tokio", "Instant::now", "SystemTime::now", "thread::", "spawn(", "TcpStream"];

/// Where the map of the source files is.
const MAP: &str = "ARCHITECTURE.md";

/// Files that the map names together.
const GENERATED: &str = "crates/kafka-protocol/src/messages/";

fn check_files(root: &Path) -> Result<Vec<String>, Error> {
    let map = read(&root.join(MAP))?;
    let mut broken = Vec::new();
    for file in sources(root)? {
        let text = read(&root.join(&file))?;
        let name = file.to_string_lossy();
        if !text.lines().take(2).any(|line| line.starts_with("//!")) {
            broken.push(format!("{name}: does not say what it is for (//!)"));
        }
        let mapped = if name.starts_with(GENERATED) { GENERATED } else { &*name };
        if !map.contains(&format!("`{mapped}`")) {
            broken.push(format!("{name}: is not in the map of {MAP}"));
        }
        let sans_io = text.lines().any(|line| line == MARK);
        if SANS_IO.contains(&&*name) && !sans_io {
            broken.push(format!("{name}: does not say {MARK:?}"));
        }
        if sans_io || name.starts_with("crates/kafka-protocol/") {
            broken.extend(impurities(&text).map(|word| format!("{name}: is sans-IO, but contains {word:?}")));
        }
    }
    for name in SANS_IO.iter().filter(|name| !root.join(name).exists()) {
        broken.push(format!("{name}: is gone; take it off the list in tidy"));
    }
    Ok(broken)
}

/// The words in the code of a module, tests and comments aside, that no sans-IO module contains.
fn impurities(text: &str) -> impl Iterator<Item = &'static str> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    IMPURE.into_iter().filter(move |word| code.contains(word))
}

/// Every Rust file of the crates, of this one and of the packages below it, relative to the root.
fn sources(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let packages = ["xtask/src", "xtask/codegen/src", "xtask/pages/src"];
    let mut folders = Vec::from(packages.map(PathBuf::from));
    folders.extend(entries(root, Path::new("crates"))?.into_iter().map(|package| package.join("src")));
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in entries(root, &folder)? {
            match root.join(&entry).is_dir() {
                true => folders.push(entry),
                false if entry.extension().is_some_and(|extension| extension == "rs") => files.push(entry),
                false => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

fn entries(root: &Path, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let context = |source| Error::Io { what: folder.display().to_string(), source };
    let entries = fs::read_dir(root.join(folder)).map_err(context)?;
    entries.map(|entry| Ok(folder.join(entry.map_err(context)?.file_name()))).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Io { what: path.display().to_string(), source })
}

/// The packages under `package`, a line each, as users get them: without what its tests need.
fn tree(root: &Path, package: &str) -> Result<String, Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["tree", "--package", package, "--edges", "normal,build", "--all-features", "--prefix", "none"]);
    let output = command.current_dir(root).output();
    let output = output.map_err(|source| Error::Io { what: "cargo tree".to_owned(), source })?;
    if !output.status.success() {
        return Err(Error::Tree(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        run().unwrap();
    }

    #[test]
    fn impure_code_is_found_and_impure_tests_are_not() {
        let found = |text: &str| impurities(text).collect::<Vec<_>>();
        assert_eq!(found("let now = Instant::now();"), ["Instant::now"]);
        assert_eq!(found("use tokio::sync::mpsc;"), ["tokio"]);
        assert!(found("// tokio is not used here").is_empty());
        assert!(found("fn pure() {}\n#[cfg(test)]\nmod tests {\n    Instant::now();\n}").is_empty());
    }
}
