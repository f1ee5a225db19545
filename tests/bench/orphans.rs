//! What orphans cost the init: dead ones that it gets all at once, and living ones that die at once.

use crate::Bench;
use crate::contestants::{Contestant, Kind};
use crate::look;
use crate::report::{Measure, Target};

const TABLE: &str = "CPU an orphan";

pub fn run(bench: &Bench) -> Vec<Measure> {
    let suits = |one: &Contestant| {
        one.name != "tini-static" && one.runs_one() || matches!(one.kind, Kind::S6 | Kind::Runit)
    };
    let mut measures = Vec::new();
    for kind in ["backlog", "burst"] {
        for &count in bench.counts(&[1000, 10_000, 30_000], &[100]) {
            let rounds = bench.rounds(if count > 1000 { 3 } else { 9 }, 1);
            let costs = bench.take_turns(rounds, suits, |one| {
                let cpu = cost(bench, one, &[kind, &count.to_string()])?;
                Some(cpu / count as f64)
            });
            let measure = Measure::new(TABLE, format!("{count} in a {kind}"), "µs");
            let measure = measure.values(&costs, |cost| *cost);
            measures.push(measure.target(Target::Times(1.1, "limit")));
        }
    }
    measures
}

/// Microseconds of CPU from the death of the orphans to the last one's burial.
fn cost(bench: &Bench, contestant: &Contestant, words: &[&str]) -> Option<f64> {
    let place = &bench.place;
    let init = place.run(contestant, 1, words)?.start();
    place.fifo.records::<1>();
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
