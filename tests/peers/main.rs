//! pidlet beside the programs that it stands in for: tini, dumb-init and catatonit.
//!
//! Every case runs twice, as PID 1 and as another process, and each time once with the real program and once
//! with pidlet under that program's name. What can be seen of both must be the same: exit code, text,
//! signals, reaped processes, what the child and the terminal look like. Where pidlet deviates on purpose the
//! case says why, and spells out what each side shows, so that a change of either is noticed.

#[path = "../support/mod.rs"]
mod support;

mod allowed;
mod case;
mod catatonit;
mod chance;
mod common;
mod dumb_init;
mod invocation;
mod life;
mod tini;
mod words;

use case::{Case, Peer, check};
use invocation::Kind;

type Table = fn() -> Vec<Case>;

const TINI_TABLES: [Table; 6] = [
    tini::options,
    tini::environment,
    tini::child,
    tini::ends,
    tini::signals,
    tini::terminal,
];
const DUMB_INIT_TABLES: [Table; 6] = [
    dumb_init::options,
    dumb_init::rewriting,
    dumb_init::child,
    dumb_init::ends,
    dumb_init::signals,
    dumb_init::terminal,
];
const CATATONIT_TABLES: [Table; 6] = [
    catatonit::options,
    catatonit::environment,
    catatonit::child,
    catatonit::ends,
    catatonit::signals,
    catatonit::terminal,
];

/// With fewer, part of the contract would not be tested.
const CASES_MIN: usize = 40;

fn enough(peer: &Peer, tables: &[Table]) {
    let count: usize = tables.iter().map(|table| table().len()).sum();
    println!("{}: {count} cases", peer.name);
    assert!(
        count >= CASES_MIN,
        "{}: {count} cases, {CASES_MIN} wanted",
        peer.name
    );
}

macro_rules! tables {
    ($($test:ident: $peer:expr, $table:expr;)*) => {
        $(#[test] fn $test() { check(&$peer, $table()); })*
    };
}

tables! {
    tini_options: tini::TINI, tini::options;
    tini_environment: tini::TINI, tini::environment;
    tini_child: tini::TINI, tini::child;
    tini_ends: tini::TINI, tini::ends;
    tini_signals: tini::TINI, tini::signals;
    tini_terminal: tini::TINI, tini::terminal;
    dumb_init_options: dumb_init::DUMB_INIT, dumb_init::options;
    dumb_init_rewriting: dumb_init::DUMB_INIT, dumb_init::rewriting;
    dumb_init_child: dumb_init::DUMB_INIT, dumb_init::child;
    dumb_init_ends: dumb_init::DUMB_INIT, dumb_init::ends;
    dumb_init_signals: dumb_init::DUMB_INIT, dumb_init::signals;
    dumb_init_terminal: dumb_init::DUMB_INIT, dumb_init::terminal;
    catatonit_options: catatonit::CATATONIT, catatonit::options;
    catatonit_environment: catatonit::CATATONIT, catatonit::environment;
    catatonit_child: catatonit::CATATONIT, catatonit::child;
    catatonit_ends: catatonit::CATATONIT, catatonit::ends;
    catatonit_signals: catatonit::CATATONIT, catatonit::signals;
    catatonit_terminal: catatonit::CATATONIT, catatonit::terminal;
}

#[test]
fn tini_has_enough_cases() {
    enough(&tini::TINI, &TINI_TABLES);
}

#[test]
fn dumb_init_has_enough_cases() {
    enough(&dumb_init::DUMB_INIT, &DUMB_INIT_TABLES);
}

#[test]
fn catatonit_has_enough_cases() {
    enough(&catatonit::CATATONIT, &CATATONIT_TABLES);
}

macro_rules! chances {
    ($($test:ident: $what:ident of $kind:ident;)*) => {
        $(#[test] fn $test() { chance::$what(Kind::$kind); })*
    };
}

chances! {
    tini_at_random: invocations of Tini;
    tini_lives_at_random: lives of Tini;
    dumb_init_at_random: invocations of DumbInit;
    dumb_init_lives_at_random: lives of DumbInit;
    catatonit_at_random: invocations of Catatonit;
    catatonit_lives_at_random: lives of Catatonit;
}
