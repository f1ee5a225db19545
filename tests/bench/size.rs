//! How large the programs are, with the libraries that they need.

use std::path::Path;
use std::process::Command;

use crate::Bench;
use crate::report::{Measure, Target};

/// What a supervisor consists of beside the program that is PID 1.
const PARTS: [(&str, &[&str]); 2] = [
    ("s6", &["/usr/bin/s6-supervise"]),
    ("runit", &["/usr/bin/runsv"]),
];

fn bytes(path: &str) -> f64 {
    std::fs::metadata(path).map_or(0.0, |data| data.len() as f64)
}

/// The shared libraries that a program needs, by their paths.
fn libraries(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let path = |line: &str| {
        line.split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(str::to_owned)
    };
    text.unwrap_or_default().lines().filter_map(path).collect()
}

pub fn run(bench: &Bench) -> Vec<Measure> {
    let mut own = Measure::new("File size", "programs", "bytes").target(Target::AtMost(65536.0));
    let mut all = Measure::new("File size", "with shared libraries", "bytes");
    for contestant in &bench.contestants {
        // A Python program is not a file; its interpreter and modules are another measure.
        if contestant.name == "supervisord" || contestant.name == "pidlet -c" {
            continue;
        }
        let parts = PARTS
            .iter()
            .find(|(name, _)| *name == contestant.name)
            .map_or(&[][..], |(_, parts)| parts);
        let program = contestant.program.to_str().expect("the path is UTF-8");
        let size = bytes(program) + parts.iter().map(|part| bytes(part)).sum::<f64>();
        own.values.push((contestant.name, vec![size]));
        let libraries: f64 = libraries(&contestant.program)
            .iter()
            .map(|path| bytes(path))
            .sum();
        all.values.push((contestant.name, vec![size + libraries]));
    }
    vec![own, all]
}
