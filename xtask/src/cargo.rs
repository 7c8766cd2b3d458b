//! Cargo, as this program starts it.

use std::ffi::OsString;
use std::process::Command;

/// The cargo that runs this program, where one does.
///
/// What cargo tells the program that it runs, this one, is left out of the environment: to build scripts that look at it,
/// ring's among them, it would be a change, and all above them would be built anew.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        command.env_remove(name);
    }
    command
}

fn is_of_this_package(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")
}
