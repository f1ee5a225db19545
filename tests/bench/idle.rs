//! How often an init is woken up while nothing happens.

use std::time::Duration;

use crate::Bench;
use crate::fifo::Fifo;
use crate::look;
use crate::report::{Measure, Target};

pub fn run(bench: &Bench) -> Vec<Measure> {
    let seconds = bench.rounds(10, 1);
    let fifo = Fifo::new(&bench.temp, "idle");
    let mut inits = Vec::new();
    for one in &bench.contestants {
        let temp = crate::support::Temp::new();
        let Some(run) = one.run(1, &[&bench.tools.payload, &fifo.path], &temp) else {
            continue;
        };
        inits.push((one, run.start(), temp));
        fifo.records(1);
    }
    let all: Vec<Vec<i32>> = inits
        .iter()
        .map(|(_, init, _)| look::with_helpers(init))
        .collect();
    all.iter().for_each(|pids| look::wait_idle(pids));
    let count = |pids: &Vec<i32>| pids.iter().map(|&pid| look::switches(pid)).sum::<u64>();
    let before: Vec<u64> = all.iter().map(count).collect();
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let mut measure =
        Measure::new("Idle", format!("wake-ups in {seconds} s"), "").target(Target::AtMost(0.0));
    for (((one, ..), pids), before) in inits.iter().zip(&all).zip(before) {
        measure
            .values
            .push((one.name, vec![(count(pids) - before) as f64]));
    }
    vec![measure]
}
