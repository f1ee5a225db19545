//! What a start costs: from the init's exec to its child's first instruction.

use std::path::Path;

use crate::Bench;
use crate::contestants::Contestant;
use crate::look;
use crate::report::{Measure, Target};
use crate::support;

const TABLE: &str = "Start, one command";

pub fn run(bench: &Bench) -> Vec<Measure> {
    let place = &bench.place;
    let times = bench.take_turns(
        bench.rounds(300, 5),
        |_| true,
        |one| {
            let _init = place.stamped(one, 1, &[])?.start();
            let [before, after] = place.fifo.records();
            Some((after.time - before.time) as f64 / 1e3)
        },
    );
    let faults = bench.take_turns(
        bench.rounds(10, 1),
        |_| true,
        |one| {
            let init = place.stamped(one, 1, &[])?.start();
            let [before, _] = place.fifo.records();
            let pids = look::with_helpers(&init);
            look::wait_idle(&pids);
            let faults: u64 = pids.iter().map(|&pid| look::page_faults(pid)).sum();
            Some((faults - before.other) as f64)
        },
    );
    let mut measures = vec![
        Measure::new(TABLE, "start to the child's first instruction", "µs")
            .target(Target::Times(1.35, "limit"))
            .values(&times, |time| *time),
        Measure::new(TABLE, "page faults until idle", "").values(&faults, |faults| *faults),
    ];
    let strace = Path::new("/usr/bin/strace");
    if strace.exists() {
        let calls = bench.take_turns(1, |_| true, |one| system_calls(bench, one, strace));
        let calls = Measure::new(TABLE, "system calls until the child's exec", "")
            .values(&calls, |calls| *calls);
        measures.push(calls);
    } else {
        support::skipped("strace is missing: system calls are not counted");
    }
    measures
}

/// The system calls of the init and its child between their execs, the child's exec included.
fn system_calls(bench: &Bench, contestant: &Contestant, strace: &Path) -> Option<f64> {
    let place = &bench.place;
    let trace = place.temp.join("trace");
    let line = contestant.command_line(1, &[], &place.temp)?;
    // With -D strace is the child, so that the init stays the first process of its namespace.
    let traced = place.program(strace).args(["-D", "-f", "-o", &trace]);
    let init = traced.args(&line).start();
    place.fifo.records::<1>();
    drop(init);
    let text = std::fs::read_to_string(trace).expect("a trace");
    let execs = ["execve(\"./payload\"", "execve(\"./run\""];
    Some(calls_until(&text, &execs) as f64)
}

/// The calls of a trace between the first exec and the successful one that begins with one of `last`, which
/// counts.
fn calls_until(trace: &str, last: &[&str]) -> usize {
    let calls = trace.lines().skip(1).map(|line| {
        line.split_once(' ')
            .map_or("", |(_, call)| call.trim_start())
    });
    let mut count = 0;
    for call in calls.filter(|call| call.starts_with(|first: char| first.is_ascii_lowercase())) {
        count += 1;
        if last.iter().any(|last| call.starts_with(last)) && !call.contains("= -1 ") {
            break;
        }
    }
    count
}
