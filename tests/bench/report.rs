//! What was measured, as tables and as pictures.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::Bench;
use crate::stats::{median, percentile};
use crate::support;
use crate::tools;

/// What a figure of pidlet's should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// At most so many times the figure of another contestant.
    Times(f64, &'static str),
    AtMost(f64),
    AtLeast(f64),
}

/// Something that was measured of several contestants.
pub struct Measure {
    /// The table that it belongs to.
    pub table: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub target: Option<Target>,
    /// Contestants with their values.
    pub values: Vec<(&'static str, Vec<f64>)>,
}

impl Measure {
    pub fn new(table: &'static str, what: impl Into<String>, unit: &'static str) -> Measure {
        Measure {
            table,
            what: what.into(),
            unit,
            target: None,
            values: Vec::new(),
        }
    }

    pub fn target(mut self, target: Target) -> Measure {
        self.target = Some(target);
        self
    }

    /// Adds the figures that `value` finds in the results.
    pub fn values<T>(
        mut self,
        results: &[(&crate::Contestant, Vec<T>)],
        value: impl Fn(&T) -> f64,
    ) -> Measure {
        for (contestant, results) in results {
            self.values
                .push((contestant.name, results.iter().map(&value).collect()));
        }
        self
    }

    fn of(&self, name: &str) -> Option<f64> {
        let found = self.values.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, values)| median(values))
            .filter(|value| value.is_finite())
    }

    fn more_is_better(&self) -> bool {
        self.unit.ends_with("/s")
    }

    /// The best of the contestants other than the limit and pidlet.
    fn best_peer(&self) -> Option<f64> {
        let peers = self
            .values
            .iter()
            .filter(|(name, _)| *name != "limit" && !name.contains("pidlet"));
        let medians = peers.map(|(_, values)| median(values));
        if self.more_is_better() {
            medians.reduce(f64::max)
        } else {
            medians.reduce(f64::min)
        }
    }

    /// The target in words, and whether it is reached.
    fn verdict(&self) -> String {
        let (Some(target), Some(own)) = (self.target, self.of("pidlet")) else {
            return String::new();
        };
        let (text, reached) = match target {
            Target::AtMost(most) => (format!("≤ {}", figure(most)), own <= most),
            Target::AtLeast(least) => (format!("≥ {}", figure(least)), own >= least),
            Target::Times(factor, name) => {
                let other = self.of(name).unwrap_or(f64::NAN);
                (format!("≤ {factor} × {name}"), own <= factor * other)
            }
        };
        format!("{text}: {}", if reached { "yes" } else { "**no**" })
    }
}

/// Three significant digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => String::new(),
        _ if value == value.trunc() && value.abs() < 1e9 => format!("{value}"),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn cell(values: &[f64]) -> String {
    let [low, middle, high] = [0.1, 0.5, 0.9].map(|part| figure(percentile(values, part)));
    if low == high {
        middle
    } else {
        format!("{middle} ({low}–{high})")
    }
}

fn ratio(own: Option<f64>, other: Option<f64>) -> String {
    match (own, other) {
        (Some(own), Some(other)) if other > 0.0 => format!("{:.2}", own / other),
        _ => String::new(),
    }
}

/// All tables of some measures, in their order.
pub fn tables(bench: &Bench, measures: &[Measure]) -> String {
    let mut text = String::new();
    let mut names: Vec<&str> = Vec::new();
    for measure in measures {
        if !names.contains(&measure.table) {
            names.push(measure.table);
        }
    }
    for table in names {
        let rows: Vec<&Measure> = measures.iter().filter(|one| one.table == table).collect();
        write_table(&mut text, bench, table, &rows);
    }
    text
}

fn write_table(text: &mut String, bench: &Bench, table: &str, rows: &[&Measure]) {
    let mut columns: Vec<&str> = bench.contestants.iter().map(|one| one.name).collect();
    for (name, _) in rows.iter().flat_map(|row| &row.values) {
        if !columns.contains(name) {
            columns.push(name);
        }
    }
    columns.retain(|column| rows.iter().any(|row| row.of(column).is_some()));
    let _ = writeln!(text, "\n## {table}\n");
    let _ = writeln!(
        text,
        "| | × limit | × best peer | target | {} |",
        columns.join(" | ")
    );
    let _ = writeln!(text, "|---|---|---|---|{}", "---|".repeat(columns.len()));
    for row in rows {
        let own = row.of("pidlet");
        let _ = write!(
            text,
            "| {}{}{} | {} | {} | {} |",
            row.what,
            if row.unit.is_empty() { "" } else { ", " },
            row.unit,
            ratio(own, row.of("limit")),
            ratio(own, row.best_peer()),
            row.verdict()
        );
        for column in &columns {
            let values = row.values.iter().find(|(name, _)| name == column);
            let _ = write!(
                text,
                " {} |",
                values.map(|(_, values)| cell(values)).unwrap_or_default()
            );
        }
        text.push('\n');
    }
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The machine that it ran on, without any names.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = first_line("uname", &["-sr"]);
    format!(
        "{}, {cores} cores, {kernel}",
        model.unwrap_or("unknown processor")
    )
}

const HEAD: &str = "\
# How pidlet compares

Written by `make bench`. Every contestant is PID 1 of its own namespace, and all take turns, round by round.
A cell is the median, with the 10th and 90th percentiles in brackets where they differ. *limit* is a program
without a libc that does the least that an init can do ([`limit.c`](../tests/bench/limit.c)); *pidlet* has
its commands on the command line, *pidlet -c* in a plan file. The first three columns are the ratio of
*pidlet* to the limit, its ratio to the best peer, and the project's own target.
";

/// Writes the report and its pictures.
pub fn write(bench: &Bench, measures: &[Measure], complete: bool) {
    let mut text = HEAD.to_owned();
    let _ = writeln!(
        text,
        "\n- {}\n- {}",
        first_line("date", &["-u", "+%F"]),
        machine()
    );
    let peers = bench.contestants.iter().filter(|one| !one.is_ours());
    let versions: Vec<String> = peers
        .map(|one| format!("{} {}", one.name, one.version))
        .collect();
    let _ = writeln!(
        text,
        "- pidlet {}; {}",
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    );
    text += &tables(bench, measures);
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = if complete {
        home.join("docs")
    } else {
        tools::directory()
    };
    std::fs::write(directory.join("BENCHMARKS.md"), text).expect("the report can be written");
    draw(&directory);
    println!(
        "bench: written to {}",
        directory.join("BENCHMARKS.md").display()
    );
}

/// Draws the pictures beside the report.
fn draw(directory: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/plot.py");
    // Debian's own: another Python does not know Debian's modules.
    let mut python = Command::new("/usr/bin/python3");
    let drawn = python.arg(script).arg(directory).status();
    if !drawn.is_ok_and(|status| status.success()) {
        support::skipped("python3-matplotlib is missing: no pictures are drawn");
    }
}
