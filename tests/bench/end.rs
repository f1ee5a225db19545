//! How long a container outlives the service that mattered.

use std::time::Duration;

use crate::Bench;
use crate::contestants::{Contestant, Kind};
use crate::look::{self, Watch};
use crate::report::Measure;
use crate::support::Run;

const TABLE: &str = "From a command's last act to the container's end";

/// How many commands there are where one dies and the others have to be stopped.
const SEVERAL: usize = 10;

pub fn run(bench: &Bench) -> Vec<Measure> {
    let rounds = bench.rounds(100, 3);
    let only = bench.take_turns(rounds, Contestant::runs_one, |one| {
        end(bench, bench.place.run(one, 1, &["die"])?, 1)
    });
    // None of the peers ends when one of several ends.
    let ends = |one: &Contestant| one.kind == Kind::Pidlet;
    let several = bench.take_turns(rounds, ends, |one| {
        let run = bench
            .place
            .program(&one.program)
            .args(["--", "./payload", "die"]);
        let others = ["---", "./payload"].repeat(SEVERAL - 1);
        end(bench, run.args(others), SEVERAL)
    });
    vec![
        Measure::new(TABLE, "the only command", "µs").values(&only, |end| *end),
        Measure::new(TABLE, format!("one of {SEVERAL} commands"), "µs")
            .values(&several, |end| *end),
    ]
}

fn end(bench: &Bench, run: Run, count: usize) -> Option<f64> {
    let place = &bench.place;
    let init = run.start();
    place.fifo.many(count);
    look::wait_idle(&[init.pid()]);
    let watch = Watch::on(&init);
    place.go.go();
    let end = watch.ended(Duration::from_secs(30))?;
    let [dying] = place.fifo.records();
    Some((end - dying.time) as f64 / 1e3)
}
