//! Does one piece of work again and again, for a profiler: `repeat "Fetch response, decode" ours 1000`.
//!
//! With callgrind, `--toggle-collect='codec_peers::repeat*'` leaves the preparation out.

use std::process::ExitCode;

use codec_peers::{cases, repeat};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [case, contestant, times] = &arguments[..] else {
        eprintln!("usage: repeat CASE CONTESTANT TIMES; cases are:");
        for case in cases() {
            let names: Vec<_> = case.contestants.iter().map(|contestant| contestant.name).collect();
            eprintln!("  {:?} of {}", case.name(), names.join("; "));
        }
        return ExitCode::FAILURE;
    };
    let found = cases().into_iter().find(|found| found.name() == *case);
    let mut contestants = found.into_iter().flat_map(|found| found.contestants);
    let (Some(mut contestant), Ok(times)) = (contestants.find(|found| found.name == *contestant), times.parse()) else {
        eprintln!("no such case, contestant or number");
        return ExitCode::FAILURE;
    };
    (contestant.run)();
    repeat(&mut contestant, times);
    ExitCode::SUCCESS
}
