//! How often an init is woken up while nothing happens.

use std::time::Duration;

use crate::Bench;
use crate::look;
use crate::place::Place;
use crate::report::{Measure, Target};

pub fn run(bench: &Bench) -> Vec<Measure> {
    let seconds = bench.rounds(10, 1);
    let start = |one| {
        let place = Place::new(&bench.tools);
        let init = place.run(one, 1, &[])?.start();
        place.fifo.records::<1>();
        let pids = look::with_helpers(&init);
        look::wait_idle(&pids);
        Some((one.name, pids, init, place))
    };
    // All of them at the same time: idle inits do not disturb each other.
    let inits: Vec<_> = bench.contestants.iter().filter_map(start).collect();
    let count = |pids: &[i32]| pids.iter().map(|&pid| look::switches(pid)).sum::<u64>();
    let before: Vec<u64> = inits.iter().map(|(_, pids, ..)| count(pids)).collect();
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let mut measure = Measure::new("Idle", format!("wake-ups in {seconds} s"), "");
    for ((name, pids, ..), before) in inits.iter().zip(before) {
        measure
            .values
            .push((name, vec![(count(pids) - before) as f64]));
    }
    vec![measure.target(Target::AtMost(0.0))]
}
