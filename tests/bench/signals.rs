//! How long a signal takes through the init.

use crate::Bench;
use crate::contestants::{Contestant, Kind};
use crate::look;
use crate::report::{Measure, Target};
use crate::stats::percentile;
use crate::support::now_ns;

const TABLE: &str = "Signal through the init";

pub fn run(bench: &Bench) -> Vec<Measure> {
    let pings = bench.rounds(2000, 50);
    let latencies = bench.take_turns(bench.rounds(9, 2), Contestant::runs_one, |one| {
        ping(bench, one, pings)
    });
    let mut measures = Vec::new();
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let mut measure = Measure::new(TABLE, format!("to the only command, {name}"), "µs");
        measure.target = (part == 0.5).then_some(Target::Times(1.1, "limit"));
        measures.push(measure.values(&latencies, |latencies| percentile(latencies, part)));
    }
    let count = if bench.quick { 10 } else { 1000 };
    let forwards = |one: &Contestant| matches!(one.kind, Kind::Limit | Kind::Pidlet | Kind::Plan);
    let group = bench.take_turns(bench.rounds(7, 2), forwards, |one| {
        let init = bench.place.run(one, count, &["echo"])?.start();
        bench.place.fifo.many(count);
        look::wait_idle(&[init.pid()]);
        let since = now_ns();
        init.kill(libc::SIGUSR1);
        let records = bench.place.fifo.many(count);
        let last = records.iter().map(|record| record.time).max()?;
        Some((last - since) as f64 / 1e6)
    });
    measures.push(
        Measure::new(TABLE, format!("to the last of {count} commands"), "ms")
            .values(&group, |one| *one),
    );
    measures
}

/// Sends a signal, waits for the answer, and so on.
fn ping(bench: &Bench, contestant: &Contestant, pings: usize) -> Option<Vec<f64>> {
    let init = bench.place.run(contestant, 1, &["echo"])?.start();
    bench.place.fifo.records::<1>();
    look::wait_idle(&[init.pid()]);
    let latency = || {
        let since = now_ns();
        init.kill(libc::SIGUSR1);
        (bench.place.fifo.next().time - since) as f64 / 1e3
    };
    Some((0..pings).map(|_| latency()).collect())
}
