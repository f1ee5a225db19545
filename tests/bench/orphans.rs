//! What orphans cost the init: dead ones that it gets all at once, and living ones that die at once or
//! one after the other, so that each death may wake the init while most of the others live.

use crate::Bench;
use crate::contestants::{Contestant, Kind};
use crate::look;
use crate::report::{Measure, Target};

const TABLE: &str = "CPU per orphan";

/// Process ids that are left for the other processes of the machine.
const OTHERS: usize = 2000;

pub fn run(bench: &Bench) -> Vec<Measure> {
    let mut measures = Vec::new();
    for kind in ["backlog", "burst", "trickle"] {
        for &count in bench.counts(&[1000, 10_000, 30_000], &[100]) {
            if count + OTHERS > most_processes() {
                println!("bench: LEFT OUT: {count} orphans are too many for this machine");
                continue;
            }
            let rounds = match count {
                1000 => 21,
                10_000 => 5,
                _ => 3,
            };
            let rounds = bench.rounds(rounds, 1);
            let costs = bench.take_turns(
                rounds,
                |one| suits(one, count),
                |one| {
                    let cpu = cost(bench, one, &[kind, &count.to_string()])?;
                    Some(cpu / count as f64)
                },
            );
            let measure = Measure::new(TABLE, format!("{count} in a {kind}"), "µs");
            let measure = measure.values(&costs, |cost| *cost);
            measures.push(measure.target(Target::Times(1.1, "limit")));
        }
    }
    measures
}

/// How many processes the machine can have.
fn most_processes() -> usize {
    let text = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Whether a contestant reaps with a program of its own. The peers' loops are alike, so that one of them is
/// enough where it takes long.
fn suits(contestant: &Contestant, count: usize) -> bool {
    match contestant.kind {
        Kind::One if count > 10_000 => contestant.name == "tini",
        Kind::One => contestant.name != "tini-static",
        Kind::S6 | Kind::Runit => count <= 10_000,
        kind => matches!(kind, Kind::Limit | Kind::Pidlet),
    }
}

/// Microseconds of CPU from the orphans' death until the last one is reaped.
fn cost(bench: &Bench, contestant: &Contestant, words: &[&str]) -> Option<f64> {
    let place = &bench.place;
    let init = place.run(contestant, 1, words)?.start();
    if place.fifo.records::<1>()[0].other != 0 {
        println!("bench: LEFT OUT: {words:?} are more processes than there may be");
        return None;
    }
    look::wait_idle(&[init.pid()]);
    let before = look::cpu(init.pid());
    place.go.go();
    loop {
        look::wait_idle(&[init.pid()]);
        place.go.go();
        if place.fifo.next().other == 0 {
            break;
        }
    }
    Some((look::cpu(init.pid()) - before) as f64 / 1e3)
}
