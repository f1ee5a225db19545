//! How long it takes to start and to stop services.

use std::time::Duration;

use crate::Bench;
use crate::contestants::{Contestant, Kind};
use crate::look::{self, Watch};
use crate::report::{Measure, Target};
use crate::support::now_ns;

const TABLE: &str = "Start and stop of services";
const TIMEOUT: Duration = Duration::from_secs(60);

struct Times {
    start: f64,
    stop: Option<f64>,
}

pub fn run(bench: &Bench) -> Vec<Measure> {
    let mut measures = Vec::new();
    for &count in bench.counts(&[1, 10, 100, 1000], &[1, 10]) {
        let rounds = bench.rounds(if count == 1000 { 15 } else { 30 }, 2);
        let times = bench.take_turns(rounds, Contestant::runs_several, |one| {
            start_and_stop(bench, one, count)
        });
        let services = format!("{count} service{}", if count == 1 { "" } else { "s" });
        let mut start =
            Measure::new(TABLE, format!("start, {services}"), "ms").values(&times, |one| one.start);
        let mut stop = Measure::new(TABLE, format!("stop, {services}"), "ms");
        let stops = |one: &Times| one.stop.unwrap_or(f64::NAN);
        stop = stop.values(&times, stops);
        if count == 1000 {
            start = start.target(Target::Times(1.15, "limit"));
            stop = stop.target(Target::Times(1.2, "limit"));
        }
        measures.extend([start, stop]);
    }
    measures
}

fn start_and_stop(bench: &Bench, contestant: &Contestant, count: usize) -> Option<Times> {
    let init = bench.place.stamped(contestant, count, &[])?.start();
    let records = bench.place.fifo.many(count + 1);
    let last = records[1..].iter().map(|record| record.time).max();
    let start = (last.unwrap_or(0) - records[0].time) as f64 / 1e6;
    look::wait_idle(&[init.pid()]);
    let watch = Watch::on(&init);
    // runsvdir never waits for its services: there is nothing to measure.
    let signal = match contestant.kind {
        Kind::Runit => return Some(Times { start, stop: None }),
        _ => libc::SIGTERM,
    };
    let since = now_ns();
    init.kill(signal);
    let end = watch.ended(TIMEOUT);
    if end.is_none() {
        println!(
            "bench: {} does not end within {TIMEOUT:?} with {count} services",
            contestant.name
        );
    }
    Some(Times {
        start,
        stop: end.map(|end| (end - since) as f64 / 1e6),
    })
}
