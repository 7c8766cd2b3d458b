//! The definitions in the jars of a release.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Error;
use super::definition::{self, Message};

/// Longer than any definition.
const MAX_DEFINITION: u64 = 1 << 20;

/// Every definition of the release in `folder`, by its message's name.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, Message>, Error> {
    let mut messages = BTreeMap::new();
    for jar in kafka_jars(folder).map_err(|source| Error::File { path: folder.to_owned(), source })? {
        for (file, text) in definitions(&jar).map_err(|source| Error::Jar { path: jar.clone(), source })? {
            let message =
                definition::parse(&text).map_err(|source| Error::Definition { jar: jar.clone(), file, source })?;
            messages.insert(message.name.clone(), message);
        }
    }
    Ok(messages)
}

fn kafka_jars(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(entries.into_iter().filter(|path| name(path).starts_with("kafka") && name(path).ends_with(".jar")).collect())
}

/// Each definition is a file in a folder `message` or, for the records of the metadata log, `metadata`.
fn definitions(jar: &Path) -> Result<Vec<(String, String)>, ZipError> {
    let mut archive = ZipArchive::new(File::open(jar)?)?;
    let is_definition = |name: &&str| {
        let path = name.strip_prefix("common/").unwrap_or(name);
        path.ends_with(".json") && (path.starts_with("message/") || path.starts_with("metadata/"))
    };
    let names: Vec<String> = archive.file_names().filter(is_definition).map(str::to_owned).collect();
    names
        .into_iter()
        .map(|name| {
            let mut text = String::new();
            archive.by_name(&name)?.take(MAX_DEFINITION).read_to_string(&mut text)?;
            Ok((name, text))
        })
        .collect()
}
