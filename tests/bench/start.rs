//! What a start costs: from the init's exec to its child's first instruction.

use std::path::Path;

use crate::Bench;
use crate::contestants::{Contestant, quiet};
use crate::fifo::Fifo;
use crate::look;
use crate::report::{Measure, Target};
use crate::support::{Run, Temp};

const TABLE: &str = "Start, one command";

struct Start {
    microseconds: f64,
    page_faults: f64,
}

pub fn run(bench: &Bench) -> Vec<Measure> {
    let fifo = Fifo::new(&bench.temp, "start");
    let rounds = bench.rounds(200, 5);
    let starts = bench.take_turns(rounds, |_| true, |one| start(bench, one, &fifo));
    let mut measures = vec![
        Measure::new(TABLE, "start to the child's first instruction", "µs")
            .target(Target::Times(1.35, "limit"))
            .values(&starts, |start| start.microseconds),
        Measure::new(TABLE, "page faults until idle", "")
            .values(&starts, |start| start.page_faults),
    ];
    let strace = Path::new("/usr/bin/strace");
    if strace.exists() {
        let calls = bench.take_turns(1, |_| true, |one| system_calls(bench, one, strace, &fifo));
        measures.push(
            Measure::new(TABLE, "system calls until the child is exec'ed", "")
                .values(&calls, |calls| *calls),
        );
    } else {
        println!("bench: strace is MISSING here, and system calls are not counted");
    }
    measures
}

fn start(bench: &Bench, contestant: &Contestant, fifo: &Fifo) -> Option<Start> {
    let line = contestant.command_line(1, &[&bench.tools.payload, &fifo.path], &bench.temp)?;
    let stamped = Run::new(&bench.tools.payload)
        .args(["stamp", &fifo.path])
        .args(&line);
    let init = quiet(stamped).start();
    let records = fifo.records(2);
    look::wait_idle(&[init.pid()]);
    let helpers = look::with_helpers(&init);
    let faults: u64 = helpers.iter().map(|&pid| look::page_faults(pid)).sum();
    Some(Start {
        microseconds: (records[1].time - records[0].time) as f64 / 1e3,
        page_faults: (faults - records[0].other) as f64,
    })
}

/// What the init and its child call between their execs, the child's exec included.
fn system_calls(bench: &Bench, contestant: &Contestant, strace: &Path, fifo: &Fifo) -> Option<f64> {
    let temp = Temp::new();
    let trace = temp.join("trace");
    let line = contestant.command_line(1, &[&bench.tools.payload, &fifo.path], &bench.temp)?;
    // With -D it is strace that is the child, and the init stays the first process of its namespace.
    let traced = Run::new(strace)
        .args(["-D", "-f", "-o", &trace])
        .args(&line);
    let init = quiet(traced).start();
    fifo.records(1);
    drop(init);
    let text = std::fs::read_to_string(trace).expect("a trace");
    Some(calls_until(&text, &format!("execve(\"{}\"", bench.tools.payload)) as f64)
}

/// The calls of a trace between the first exec and the successful one that begins with `last`, which counts.
fn calls_until(trace: &str, last: &str) -> usize {
    let calls = trace.lines().skip(1).map(|line| {
        line.split_once(' ')
            .map_or("", |(_, call)| call.trim_start())
    });
    let mut count = 0;
    for call in calls.filter(|call| call.starts_with(|first: char| first.is_ascii_lowercase())) {
        count += 1;
        if call.starts_with(last) && !call.contains("= -1 ") {
            break;
        }
    }
    count
}
