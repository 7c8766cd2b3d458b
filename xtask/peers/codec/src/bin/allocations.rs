//! Counts what each contestant allocates for one piece of work, once everything that is kept is warm.
//!
//! A line for each: the case, the contestant, allocations, bytes, separated by tabs. Counting slows allocating down, so
//! this is a program apart from the one that measures time.

use std::alloc::System;

use codec_peers::{cases, repeat};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    for case in cases() {
        let name = case.name();
        for mut contestant in case.contestants {
            repeat(&mut contestant, 3);
            let region = Region::new(ALLOCATOR);
            repeat(&mut contestant, TIMES);
            let change = region.change();
            let allocations = (change.allocations + change.reallocations) as f64 / TIMES as f64;
            let bytes = change.bytes_allocated as f64 / TIMES as f64;
            println!("{name}\t{}\t{allocations:.1}\t{bytes:.0}", contestant.name);
        }
    }
}

const TIMES: u64 = 10;
