//! Measures how long each package's own compile unit takes in a release build whose dependencies are built already.
//!
//! Each package is built in a small project of its own, in a temporary folder, as cargo would otherwise join the
//! features of all of them. Three rounds, the packages taking turns; of each, the median of what cargo's timings say and
//! of the CPU time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::Value;

fn main() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let projects: Vec<_> = SUBJECTS.iter().map(|subject| Project::new(subject, folder.path())).collect();
    for project in &projects {
        eprintln!("building the dependencies: {}", project.subject.title);
        project.build();
    }
    let mut rounds = vec![Vec::new(); projects.len()];
    for round in 1..=ROUNDS {
        for (project, rounds) in projects.iter().zip(&mut rounds) {
            eprintln!("round {round}: {}", project.subject.title);
            rounds.push(project.measure());
        }
    }
    print(&rounds);
}

/// Theirs and ours have the same name.
const PACKAGE: &str = "kafka-protocol";

/// A package with some of its features.
struct Subject {
    title: &'static str,
    dependency: &'static str,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        title: "kafka-protocol 0.18, client and broker",
        dependency: r#"kafka-protocol = { version = "0.18.0", default-features = false, features = ["client", "broker"] }"#,
    },
    Subject { title: "ours, everything", dependency: r#"kafka-protocol = { path = "OURS", features = ["full"] }"# },
    Subject {
        title: "ours, what a reader needs (fetch, group)",
        dependency: r#"kafka-protocol = { path = "OURS", features = ["fetch", "group"] }"#,
    },
];

struct Project {
    subject: &'static Subject,
    folder: PathBuf,
}

#[derive(Clone, Copy)]
struct Round {
    /// Wall time, as cargo tells it.
    unit: f64,
    /// Of the compiler, on all cores, and of cargo.
    cpu: f64,
}

impl Project {
    fn new(subject: &'static Subject, parent: &Path) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ours =
            here.join("../../../crates/kafka-protocol").canonicalize().expect("our package is in this repository");
        let dependency = subject.dependency.replace("OURS", &ours.display().to_string());
        let folder = parent.join(subject.title.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&folder))
                .and_then(|()| fs::write(path, text))
                .expect("it is ours");
        };
        let manifest =
            "[package]\nname = \"unit\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n";
        write("Cargo.toml", &format!("{manifest}{dependency}\n"));
        write("src/lib.rs", "");
        fs::copy(here.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file is committed");
        Self { subject, folder }
    }

    fn build(&self) {
        self.cargo(&["build", "--release", "--timings", "--package", PACKAGE]);
    }

    /// Builds the package again, and nothing else.
    fn measure(&self) -> Round {
        self.cargo(&["clean", "--release", "--package", PACKAGE]);
        let before = children_cpu();
        self.build();
        let cpu = children_cpu() - before;
        Round { unit: self.unit_time(), cpu }
    }

    fn cargo(&self, arguments: &[&str]) {
        let cargo = std::env::var_os("CARGO").expect("cargo runs this program");
        let mut command = Command::new(cargo);
        let command =
            command.args(arguments).current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.join("target"));
        let output = command.output().expect("cargo is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What cargo's report says of the package's library, in seconds.
    fn unit_time(&self) -> f64 {
        let report = self.folder.join("target/cargo-timings/cargo-timing.html");
        let report = fs::read_to_string(report).expect("cargo writes a report");
        let data = report.split_once("const UNIT_DATA = ").expect("the report has the units").1;
        let data = data.split_once("];").expect("the units end").0;
        let units: Vec<Value> = serde_json::from_str(&format!("{data}]")).expect("the units are JSON");
        let unit = units.iter().find(|unit| unit["name"] == PACKAGE);
        unit.and_then(|unit| unit["duration"].as_f64()).expect("the package was built")
    }
}

/// What the processes that this one waited for have used, in seconds.
fn children_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every Unix knows this");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

fn print(rounds: &[Vec<Round>]) {
    let medians: Vec<_> =
        rounds.iter().map(|rounds| (median(rounds, |round| round.unit), median(rounds, |round| round.cpu))).collect();
    let Some(&(base_unit, base_cpu)) = medians.first() else {
        return;
    };
    println!("| package | unit, s | CPU, s | unit / first | CPU / first |");
    println!("|---|--:|--:|--:|--:|");
    for (subject, (unit, cpu)) in SUBJECTS.iter().zip(medians) {
        let (unit_ratio, cpu_ratio) = (unit / base_unit, cpu / base_cpu);
        println!("| {} | {unit:.1} | {cpu:.1} | {unit_ratio:.2} | {cpu_ratio:.2} |", subject.title);
    }
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<_> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const ROUNDS: usize = 3;
