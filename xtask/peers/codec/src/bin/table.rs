//! Measures everything in one run, and prints Markdown tables: `table [FILTER]`.
//!
//! Contestants take turns, round after round. What counts is CPU time, which other work on the machine disturbs less
//! than wall time, and of all rounds the median.

use std::collections::HashMap;
use std::process::Command;

use codec_peers::{Case, Contestant, OURS, REGISTRY, Section, cases, repeat};
use nix::time::{ClockId, clock_gettime};

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let mut cases: Vec<_> = cases().into_iter().filter(|case| case.name().contains(&filter)).collect();
    let allocations = allocations();
    for section in Section::ALL {
        let mut cases: Vec<_> = cases.extract_if(.., |case| case.section == section).collect();
        if !cases.is_empty() {
            let results: Vec<_> = cases.iter_mut().map(measure).collect();
            times(section, &cases, &results);
            counts(section, &cases, &allocations);
        }
    }
}

/// Nanoseconds for a unit, by contestant.
type Results = HashMap<&'static str, f64>;

fn measure(case: &mut Case) -> Results {
    eprintln!("{}", case.name());
    let times: Vec<_> = case.contestants.iter_mut().map(times_for_a_round).collect();
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); times.len()];
    for _ in 0..ROUNDS {
        for ((contestant, &times), rounds) in case.contestants.iter_mut().zip(&times).zip(&mut rounds) {
            rounds.push(cpu_time(contestant, times) / times as f64);
        }
    }
    let units = case.section.units() as f64;
    case.contestants.iter().zip(rounds).map(|(contestant, rounds)| (contestant.name, median(rounds) / units)).collect()
}

/// How often the work is done in a round.
fn times_for_a_round(contestant: &mut Contestant) -> u64 {
    let mut times = 1;
    loop {
        let time = cpu_time(contestant, times);
        if time >= ROUND_NS / 2.0 {
            return ((times as f64 * ROUND_NS / time) as u64).max(1);
        }
        times *= 2;
    }
}

/// What doing the work costs, in nanoseconds.
fn cpu_time(contestant: &mut Contestant, times: u64) -> f64 {
    let start = cpu_clock();
    repeat(contestant, times);
    cpu_clock() - start
}

fn cpu_clock() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Unix has this clock");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn times(section: Section, cases: &[Case], results: &[Results]) {
    let unit = section.unit();
    println!("\n## Nanoseconds for a {unit}\n");
    println!("| work | {} | ours / best peer | ours / {REGISTRY} |", section.columns().join(" | "));
    println!("|---|{}", "--:|".repeat(section.columns().len() + 2));
    for (case, results) in cases.iter().zip(results) {
        let ours = results.get(OURS).copied().unwrap_or(f64::NAN);
        let peers = results.iter().filter(|(name, _)| **name != OURS).map(|(_, time)| *time);
        let best = peers.fold(f64::INFINITY, f64::min);
        print!("| {} |", case.name());
        for column in section.columns() {
            match results.get(column) {
                Some(time) if *time < 1000.0 => print!(" {time:.1} |"),
                Some(time) => print!(" {time:.0} |"),
                None => print!(" – |"),
            }
        }
        match results.get(REGISTRY) {
            Some(registry) => println!(" {:.2} | {:.2} |", ours / best, ours / registry),
            None => println!(" {:.2} | – |", ours / best),
        }
    }
}

/// By case and contestant: allocations and bytes.
type Allocations = HashMap<(String, String), (String, String)>;

/// What the program `allocations` counts.
fn allocations() -> Allocations {
    let cargo = std::env::var_os("CARGO").expect("cargo runs this program");
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--quiet", "--ignore-rust-version", "--bin", "allocations"]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("it prints text");
    lines.lines().filter_map(allocation).collect()
}

fn allocation(line: &str) -> Option<((String, String), (String, String))> {
    let mut fields = line.split('\t').map(str::to_owned);
    Some(((fields.next()?, fields.next()?), (fields.next()?, fields.next()?)))
}

fn counts(section: Section, cases: &[Case], allocations: &Allocations) {
    let whole = if section.units() == 1 { "body".to_owned() } else { format!("batch of {}", section.units()) };
    println!("\n## Allocations for a {whole}, and their bytes\n");
    println!("| work | {} |", section.columns().join(" | "));
    println!("|---|{}", "--:|".repeat(section.columns().len()));
    for case in cases {
        print!("| {} |", case.name());
        for column in section.columns() {
            match allocations.get(&(case.name(), (*column).to_owned())) {
                Some((count, bytes)) => print!(" {count} ({bytes}) |"),
                None => print!(" – |"),
            }
        }
        println!();
    }
}

const ROUNDS: usize = 15;

/// How long a contestant works in a round.
const ROUND_NS: f64 = 10e6;
