//! The commands that documents and help texts show are commands, and their profiles are profiles: each is parsed as the real
//! one is.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::args::Arguments;
use crate::connect::check_profiles;

/// Something that begins with `kafka`, and where it stands.
#[derive(Debug)]
struct Shown {
    line: usize,
    text: String,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a block of shell commands: it is complete.
    Block,
    /// In a sentence or a table: it may only name a command.
    Text,
}

/// What a document shows, commands or not.
fn shown(markdown: &str) -> Vec<Shown> {
    let mut all = Vec::new();
    let mut fence: Option<&str> = None;
    let mut continued = String::new();
    for (line, text) in (1..).zip(markdown.lines()) {
        match (fence, text.trim_start().strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language.trim()),
            (Some(_), Some(_)) => fence = None,
            (Some("sh" | "bash" | "console"), None) => {
                continued += text;
                match continued.strip_suffix('\\') {
                    Some(begun) => continued = format!("{begun} "),
                    None => all.push(Shown { line, text: std::mem::take(&mut continued), place: Place::Block }),
                }
            }
            (Some(_), None) => {}
            (None, None) => {
                let spans = text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("kafka "));
                all.extend(spans.map(|span| Shown { line, text: span.replace("\\|", "|"), place: Place::Text }));
            }
        }
    }
    all
}

/// The words of each command of a line, as a shell divides them; files that it redirects to or from are none of them.
fn shell_commands(line: &str) -> Vec<Vec<String>> {
    let mut shell = Shell { commands: vec![Vec::new()], ..Shell::default() };
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => shell.quoted(c, &mut chars),
            '\\' => shell.word().extend(chars.next()),
            '#' if shell.word.is_none() => break,
            '<' | '>' => {
                // The number of a file, as in 2>.
                shell.word.take_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
                shell.finish();
                shell.redirected = true;
            }
            '|' | ';' | '&' | '(' | ')' | '$' => {
                shell.finish();
                shell.redirected = false;
                shell.commands.push(Vec::new());
            }
            c if c.is_whitespace() => shell.finish(),
            other => shell.word().push(other),
        }
    }
    shell.finish();
    shell.commands.retain(|command| !command.is_empty());
    shell.commands
}

#[derive(Default)]
struct Shell {
    commands: Vec<Vec<String>>,
    word: Option<String>,
    /// The next word is a file.
    redirected: bool,
}

impl Shell {
    fn word(&mut self) -> &mut String {
        self.word.get_or_insert_default()
    }

    fn quoted(&mut self, quote: char, chars: &mut std::str::Chars<'_>) {
        let word = self.word();
        while let Some(c) = chars.next().filter(|c| *c != quote) {
            match c {
                '\\' if quote == '"' => word.extend(chars.next()),
                other => word.push(other),
            }
        }
    }

    fn finish(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.redirected)
            && let Some(command) = self.commands.last_mut()
        {
            command.push(word);
        }
    }
}

/// What is wrong with the commands of a document.
fn complaints(markdown: &str, found: &mut usize) -> Vec<String> {
    let mut complaints = Vec::new();
    for Shown { line, text, place } in shown(markdown) {
        for command in shell_commands(&text).iter().filter(|words| words.first().is_some_and(|word| word == "kafka")) {
            *found += 1;
            if let Err(wrong) = check(command, place) {
                complaints.push(format!("line {line}: {text}\n{wrong}"));
            }
        }
    }
    complaints
}

fn check(words: &[String], place: Place) -> Result<(), String> {
    // `kafka topics …` names a command, as does `kafka topics COMMAND`.
    let (words, open) = match words.split_last() {
        Some((last, begin)) if place == Place::Text && (last == "…" || last == "COMMAND") => (begin, true),
        _ => (words, words.iter().all(|word| !word.starts_with('-'))),
    };
    let Err(error) = Arguments::try_parse_from(words) else { return Ok(()) };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::MissingRequiredArgument
            if place == Place::Text && open =>
        {
            Ok(())
        }
        _ => Err(error.to_string()),
    }
}

/// The profile files that a document shows.
fn profile_files(markdown: &str) -> impl Iterator<Item = &str> {
    let blocks = markdown.split("\n```toml\n").skip(1).filter_map(|block| block.split("\n```").next());
    blocks.filter(|block| block.contains("brokers"))
}

/// README.md, and all that is in docs and the crates' own pages.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md"), root.join("docker/README.md")];
    let entries = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(entries("docs").filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    documents.extend(entries("crates").map(|package| package.join("README.md")).filter(|page| page.exists()));
    documents.sort();
    documents
}

#[test]
fn each_command_in_the_documents_is_one() {
    let (mut found, mut wrong) = (0, Vec::new());
    for path in documents() {
        let markdown = fs::read_to_string(&path).unwrap();
        wrong.extend(complaints(&markdown, &mut found).into_iter().map(|text| format!("{}, {text}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 80, "only {found} commands were found: is the search for them broken?");
}

#[test]
fn each_profile_in_the_documents_is_one() {
    let mut found = 0;
    for path in documents() {
        let markdown = fs::read_to_string(&path).unwrap();
        for text in profile_files(&markdown) {
            found += 1;
            let wrong = check_profiles(text, &path);
            assert!(wrong.is_ok(), "{}: {text}\n{}", path.display(), wrong.unwrap_err());
        }
    }
    assert!(found > 1, "only {found}");
    assert!(check_profiles("[default]\nbroker = ['one']", Path::new("x")).is_err());
}

#[test]
fn each_command_in_the_help_texts_is_one() {
    let (mut left, mut found) = (vec![Arguments::command()], 0);
    while let Some(command) = left.pop() {
        if let Some(text) = command.get_after_help() {
            let block = format!("```sh\n{text}\n```\n");
            let wrong = complaints(&block, &mut found);
            assert!(wrong.is_empty(), "kafka {}: {}", command.get_name(), wrong.join("\n"));
        }
        left.extend(command.get_subcommands().cloned());
    }
    assert!(found > 5, "only {found}");
}

#[test]
fn what_is_no_command_is_found() {
    let wrong = |markdown: &str| complaints(markdown, &mut 0).len();
    for good in [
        "```sh\nkafka topics list\n```",
        "```sh\nexport A=b; kafka topics list | grep x  # kafka nonsense\n```",
        "```sh\nkafka topics create orders \\\n  --partitions 3\n```",
        "```sh\nkafka produce t < 'a file'\nsource <(kafka completions bash)\n```",
        "```text\nkafka nonsense\n```",
        "| `kafka consume t -f '%s\\n' \\| sort` | `kafka topics …` |",
        "`kafka consume` reads, `kafka` alone does nothing; kafka-topics.sh is another, as is `kafka-topics.sh --list`",
    ] {
        assert_eq!(wrong(good), 0, "{good}");
    }
    for (bad, count) in [
        ("```sh\nkafka topics liszt\n```", 1),
        ("```sh\nkafka consume\n```", 1),
        ("```sh\necho x | kafka produce\n```", 1),
        ("```sh\nsource <(kafka completions tcsh)\n```", 1),
        ("```sh\nkafka topics create orders \\\n  --partition 3\n```", 1),
        ("see `kafka topics create orders --partitions x` and `kafka nonsense`", 2),
        ("`kafka consume --exit-at-end`", 1),
        ("| `kafka consume t -o middle \\| sort` |", 1),
    ] {
        assert_eq!(wrong(bad), count, "{bad}");
    }
}

#[test]
fn lines_are_divided_as_a_shell_does() {
    let commands = shell_commands(r#"a 'b c' "d \" e" f\ g'h' >x 2>> 'y z' | i -j '' $(k l) <(m) && n # o"#);
    let expected: [&[&str]; 5] = [&["a", "b c", "d \" e", "f gh"], &["i", "-j", ""], &["k", "l"], &["m"], &["n"]];
    assert_eq!(commands, expected);
}
