//! `make bench`: pidlet beside its peers and beside the least that an init can do (`limit.c`).
//!
//! Every row of the table is a file here. All contestants of a row take turns, round by round, so that
//! whatever else the machine does hits all of them alike, and each runs as PID 1 of a namespace of its own.
//!
//! - `ROWS=start,orphans` runs these rows alone.
//! - `BENCH=quick` runs all with few rounds and small counts: whether they still work, not how fast it is.
//! - `BENCH_ALSO=PATH` takes another pidlet as one more contestant.
//!
//! A full run writes `docs/BENCHMARKS.md`, every other one `target/bench/BENCHMARKS.md`.

#[path = "../support/mod.rs"]
mod support;

mod contestants;
mod end;
mod fifo;
mod idle;
mod log;
mod look;
mod memory;
mod orphans;
mod place;
mod report;
mod services;
mod signals;
mod size;
mod start;
mod stats;
mod tools;

use contestants::Contestant;
use place::Place;
use report::Measure;
use std::path::PathBuf;
use std::time::Instant;
use tools::Tools;

/// What every row is given.
pub struct Bench {
    /// Few rounds and small counts.
    pub quick: bool,
    pub tools: Tools,
    pub contestants: Vec<Contestant>,
    pub place: Place,
}

impl Bench {
    /// How often something is done: `full` times, or `quick` times.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// How many of something: all counts, or those of a quick run.
    pub fn counts(&self, full: &'static [usize], quick: &'static [usize]) -> &'static [usize] {
        if self.quick { quick } else { full }
    }

    /// Lets all contestants that `suit` take turns, `rounds` times, and collects what `measure` says of each.
    /// Those that are slow by nature have fewer turns.
    pub fn take_turns<T>(
        &self,
        rounds: usize,
        suits: impl Fn(&Contestant) -> bool,
        mut measure: impl FnMut(&Contestant) -> Option<T>,
    ) -> Vec<(&Contestant, Vec<T>)> {
        let suitable = self.contestants.iter().filter(|one| suits(one));
        let mut results: Vec<_> = suitable.map(|one| (one, Vec::new())).collect();
        for round in 0..rounds {
            for (contestant, values) in &mut results {
                if round < contestant.rounds(rounds) {
                    values.extend(measure(contestant));
                }
            }
        }
        results.retain(|(_, values)| !values.is_empty());
        results
    }
}

/// A row: its name for `ROWS`, and what it measures.
type Row = (&'static str, fn(&Bench) -> Vec<Measure>);

const ROWS: [Row; 9] = [
    ("size", size::run),
    ("start", start::run),
    ("memory", memory::run),
    ("services", services::run),
    ("signals", signals::run),
    ("end", end::run),
    ("idle", idle::run),
    ("log", log::run),
    ("orphans", orphans::run),
];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() {
    let wanted = variable("ROWS");
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    for name in &wanted {
        let known = ROWS.iter().any(|(row, _)| row == name);
        assert!(
            known,
            "ROWS: there is no {name:?}; there are {:?}",
            ROWS.map(|(row, _)| row)
        );
    }
    let quick = variable("BENCH") == "quick";
    let tools = Tools::build();
    let also = variable("BENCH_ALSO");
    let contestants = contestants::found(&tools, (!also.is_empty()).then(|| PathBuf::from(also)));
    let place = Place::new(&tools);
    let bench = Bench {
        quick,
        tools,
        contestants,
        place,
    };
    let mut measures = Vec::new();
    let start = Instant::now();
    for (name, row) in ROWS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
    {
        let since = Instant::now();
        let found = row(&bench);
        print!("{}", report::tables(&bench, &found));
        println!("\n({name}: {:.1} s)\n", since.elapsed().as_secs_f64());
        measures.extend(found);
    }
    let complete = wanted.is_empty() && !quick && variable("BENCH_ALSO").is_empty();
    report::write(&bench, &measures, complete);
    println!("bench: {:.0} s altogether", start.elapsed().as_secs_f64());
}
