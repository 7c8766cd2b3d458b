//! Every link from a page of this repository to another leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What is fetched, built, or not ours.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "corpus"];

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The text of a page without its blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What the links of a page point to: `](…)`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
            kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        })
        .collect()
}

/// Why a link of this page leads nowhere, if it does.
fn broken(page: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let other = page.parent()?.join(file);
    let linked = if file.is_empty() { Some(text.to_owned()) } else { fs::read_to_string(&other).ok() };
    match linked {
        None if other.is_dir() && anchor.is_empty() => None,
        None => Some(format!("{}: there is no {target}", page.display())),
        Some(linked) if anchor.is_empty() || anchors(&prose(&linked)).contains(anchor) => None,
        Some(_) => Some(format!("{}: {file:?} has no heading for #{anchor}", page.display())),
    }
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut found);
    assert!(found.iter().any(|page| page.ends_with("docs/errors.md")), "{found:?}");
    let mut wrong = Vec::new();
    for page in found {
        let text = fs::read_to_string(&page).unwrap();
        let prose = prose(&text);
        wrong.extend(targets(&prose).filter_map(|target| broken(&page, &text, target)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let text = "# A heading, of two words\n";
    assert!(broken(&page, text, "#a-heading-of-two-words").is_none());
    assert!(broken(&page, text, "delivery.md#writing").is_none());
    assert!(broken(&page, text, "#another").is_some());
    assert!(broken(&page, text, "nowhere.md").is_some());
    assert!(broken(&page, text, "delivery.md#nowhere").is_some());
    assert_eq!(targets("a [b](c.md) and [d](#e)").collect::<Vec<_>>(), ["c.md", "#e"]);
}
