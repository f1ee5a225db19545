//! What an idle init keeps in memory, its helpers included.

use crate::Bench;
use crate::contestants::Contestant;
use crate::look::{self, Memory};
use crate::report::{Measure, Target};

/// One of the figures in `Memory`.
type Kind = fn(&Memory) -> u64;

const TABLE: &str = "Memory, idle, with helper processes";

pub fn run(bench: &Bench) -> Vec<Measure> {
    let mut measures = Vec::new();
    for &count in bench.counts(&[1, 10, 100, 1000], &[1, 10]) {
        let suits = |one: &Contestant| count == 1 || one.runs_several();
        let all = bench.take_turns(bench.rounds(3, 1), suits, |one| {
            let init = bench.place.run(one, count, &[])?.start();
            bench.place.fifo.many(count);
            let pids = look::with_helpers(&init);
            look::wait_idle(&pids);
            Some((look::memory(&pids), pids.len() as f64 - 1.0))
        });
        let services = format!("{count} service{}", if count == 1 { "" } else { "s" });
        let kinds: [(&str, Kind); 3] = [
            ("resident", |memory| memory.resident),
            ("proportional", |memory| memory.proportional),
            ("private", |memory| memory.private),
        ];
        for (kind, value) in kinds {
            let mut measure = Measure::new(TABLE, format!("{kind}, {services}"), "KiB");
            measure.target = match (kind, count) {
                ("resident", 1) => Some(Target::AtMost(28.0)),
                ("resident", 1000) => Some(Target::AtMost(320.0)),
                _ => None,
            };
            measures.push(measure.values(&all, |(memory, _)| value(memory) as f64));
        }
        let helpers = Measure::new(TABLE, format!("helper processes, {services}"), "");
        measures.push(helpers.values(&all, |(_, helpers)| *helpers));
    }
    measures
}
