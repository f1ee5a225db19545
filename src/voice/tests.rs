//! The lines, word for word, and when which style says them.

use std::string::String;
use std::vec::Vec;
use std::{assert, assert_eq};

use super::*;
use crate::plan::Essential;
use crate::supervise::Surroundings;
use crate::supervise::tests::{World, nothing, persona, plan, until};
use crate::words::signal::SignalSet;

const STYLES: [(Style, Text); 4] = [
    (Style::Pidlet, PIDLET),
    (Style::Tini, tini::WORDS),
    (Style::DumbInit, dumb_init::WORDS),
    (Style::Catatonit, catatonit::WORDS),
];

/// All lines that are said while `rows` happen to `count` services.
#[track_caller]
fn said(count: usize, set: impl FnOnce(&mut Plan), rows: &str) -> Vec<String> {
    let surroundings = Surroundings {
        init: true,
        no_shell: true,
        ignore_once: SignalSet::NONE,
    };
    let mut world = World::new(plan(count, set), surroundings);
    for row in rows.split(", ") {
        world.happens(row);
    }
    world.lines
}

#[test]
fn every_style_has_a_line_for_every_kind() {
    for (style, words) in STYLES {
        let words = String::from_utf8(words.read().collect()).unwrap();
        assert!(words.ends_with('\n'), "{style:?}");
        // The peers have no words for what only a plan file can ask for.
        let last = match style {
            Style::Pidlet => Kind::NotSet,
            _ => Kind::End,
        };
        assert_eq!(words.lines().count(), last as usize + 1, "{style:?}");
        for line in words.lines() {
            let level = line.chars().next();
            assert!(
                level.is_none_or(|level| level.is_ascii_digit()),
                "{style:?}: {line}"
            );
        }
    }
    let all = 0..=Kind::NotChecked as usize;
    assert!(
        all.into_iter()
            .all(|kind| PIDLET.line(kind).read().count() > 1)
    );
}

/// A reader of a log can find each line in the manual page, by its longest part that is always the same.
#[test]
fn every_line_but_those_of_vv_is_in_the_manual_page() {
    let page = include_str!("../../docs/pidlet.8").replace("\\(dq", "\"");
    let (_, page) = page.split_once(".Sh DIAGNOSTICS").unwrap();
    let words = String::from_utf8(PIDLET.read().collect()).unwrap();
    for line in words.lines().filter(|line| !line.starts_with('4')) {
        // The level in front, and the code behind each `%`, are one byte.
        let parts = line.split('%').filter_map(|part| part.get(1..));
        let parts = parts.map(|part| part.trim_matches([' ', ':', ';', '(', ')', '"']));
        let parts = parts.map(|part| part.trim_end_matches(" after").trim_end_matches(','));
        let longest = parts.max_by_key(|part| part.len()).unwrap();
        assert!(page.contains(longest), "{longest:?} of {line:?}");
    }
}

/// Where the ends of orphans are not heeded, no style would have reported them.
#[test]
fn the_ends_of_orphans_are_heeded_wherever_they_are_reported() {
    for (style, words) in STYLES {
        let mut plan = Plan::new(style);
        for verbosity in 0..6 {
            plan.verbosity = verbosity;
            for kind in [Kind::OrphanExited, Kind::OrphanKilled] {
                let level = words.line(kind as usize).read().next();
                let level = level.map(|level| u32::from(level & 0xf));
                let said = level.is_some_and(|level| level <= verbosity)
                    && (plan.warn_on_reap || style != Style::Tini);
                assert!(
                    !said || plan.reports_orphans(),
                    "{style:?} {verbosity} {kind:?}"
                );
            }
        }
        plan.verbosity = 1;
        plan.warn_on_reap = true;
        assert!(plan.reports_orphans());
    }
}

/// The last line for a number of services and what happens to them.
const LAST_LINES: [(usize, &str, &str); 15] = [
    (
        1,
        "start, 12449ms a exits 3, gone",
        "a (pid 100) exited with code 3 after 12.4s; container exits 3",
    ),
    (
        1,
        "start, a exits 0, gone",
        "a (pid 100) exited with code 0 after 0.0s; container exits 0",
    ),
    (
        2,
        "start, b exits 7, 187s a exits 1, gone",
        "b (pid 101) exited with code 7 after 0.0s; container exits 7",
    ),
    (
        1,
        "start, 1s a killed SEGV, gone",
        "a (pid 100) was killed by signal 11 (SEGV) after 1.0s; container exits 139",
    ),
    (
        1,
        "start, a killed RTMIN+1, gone",
        "a (pid 100) was killed by signal 35 (RTMIN+1) after 0.0s; container exits 163",
    ),
    (
        1,
        "start, a killed KILL memory, gone",
        "a (pid 100) was killed by the kernel: out of memory, after 0.0s; container exits 137",
    ),
    (
        1,
        "start, a killed KILL, gone",
        "a (pid 100) was killed by signal 9 (KILL) from outside after 0.0s; container exits 137",
    ),
    (
        1,
        "start, 2s TERM, a killed TERM, gone",
        "stopped by TERM: a (pid 100) was killed by signal 15 (TERM) after 2.0s; container exits 143",
    ),
    (
        1,
        "start, INT, 1h a exits 0, gone",
        "a (pid 100) exited with code 0 after 1h00m; container exits 0",
    ),
    (
        2,
        "start, INT, a exits 0, 8s, b killed KILL, gone",
        "stopped by INT: b (pid 101) did not stop in time and was killed after 8.0s; container exits 137",
    ),
    (
        2,
        "start, TERM, a killed TERM, b exits 0, gone",
        "stopped by TERM: a (pid 100) was killed by signal 15 (TERM) after 0.0s; container exits 143",
    ),
    (
        2,
        "TERM, gone",
        "stopped by TERM: all services have ended; container exits 0",
    ),
    (
        1,
        "start a ENOENT, gone",
        "a: cannot run \"a\": No such file or directory; container exits 127",
    ),
    (
        2,
        "start, TERM, 8s, 2s",
        "stopped by TERM: a (pid 100) did not stop in time and was killed after 10.0s; container exits 137",
    ),
    (
        2,
        "start a, start b EAGAIN, a exits 0, gone",
        "b: cannot make a process for \"b\": Resource temporarily unavailable; container exits 125",
    ),
];

#[test]
fn the_last_line_says_how_it_ended_and_why() {
    for (count, rows, line) in LAST_LINES {
        let said = said(count, nothing, rows);
        assert_eq!(
            said.last().unwrap().strip_prefix("pidlet: "),
            Some(line),
            "{rows}"
        );
    }
    let all = said(2, until(Essential::No), "start, a exits 0, b exits 0, gone");
    assert_eq!(all, ["pidlet: all services have ended; container exits 0"]);
}

#[test]
fn the_last_line_knows_the_stop_signal_of_the_only_service() {
    let set = |plan: &mut Plan| {
        plan.grace = Some(Span::seconds(3));
        plan.lame_duck = Span::seconds(1);
    };
    for (rows, line) in [
        (
            "start, TERM, a exits 0, gone",
            "pidlet: stopped by TERM: a (pid 100) exited with code 0 after 0.0s; container exits 0",
        ),
        (
            "start, TERM, 1s, a exits 0, gone",
            "pidlet: stopped by TERM: a (pid 100) exited with code 0 after 1.0s; container exits 0",
        ),
        (
            "start, TERM, 1s, INT, 1s, a exits 0, gone",
            "pidlet: stopped by INT: a (pid 100) exited with code 0 after 2.0s; container exits 0",
        ),
        (
            "start, TERM, 3s, a killed KILL, gone",
            "pidlet: stopped by TERM: a (pid 100) did not stop in time and was killed after 3.0s; \
             container exits 137",
        ),
    ] {
        assert_eq!(said(1, set, rows).last().unwrap(), line, "{rows}");
    }
}

#[test]
fn a_fault_that_does_not_end_the_container_is_reported_at_once() {
    let said = said(2, until(Essential::No), "start a ENOENT");
    assert_eq!(
        said,
        ["pidlet: a: cannot run \"a\": No such file or directory"]
    );
}

/// Only this line reports it, unless the last line does.
#[test]
fn a_failure_in_the_stop_is_reported_at_once() {
    let failed = "pidlet: a (pid 100) exited with code 3 after 1.0s";
    let end = "pidlet: b (pid 101) exited with code 0 after 0.0s; container exits 0";
    for (how, lines) in [
        ("a exits 3", &[failed, end][..]),
        ("a exits 0", &[end]),
        ("a exits 143", &[end]),
        ("a killed TERM", &[end]),
    ] {
        let rows = std::format!("start, b exits 0, 1s {how}, gone");
        assert_eq!(said(2, |_| (), &rows), lines, "{how}");
    }
    // The lame-duck delay is part of the stop.
    let duck = |plan: &mut Plan| plan.lame_duck = Span::seconds(5);
    let end =
        "pidlet: stopped by TERM: a (pid 100) exited with code 3 after 1.0s; container exits 3";
    let rows = "start, TERM, 1s a exits 3, b exits 4, gone";
    let other = "pidlet: b (pid 101) exited with code 4 after 1.0s";
    assert_eq!(said(2, duck, rows), [failed, other, end]);
    // With a single service the last line says it.
    assert_eq!(said(1, duck, "start, TERM, 1s a exits 3, gone"), [end]);
}

#[test]
fn a_hold_says_why() {
    let hold = |plan: &mut Plan| plan.hold = true;
    assert_eq!(
        said(2, hold, "start, a exits 3"),
        ["pidlet: a (pid 100) exited with code 3 after 0.0s; held until a stop signal"]
    );
    assert_eq!(
        said(1, hold, "start a EACCES"),
        ["pidlet: a: cannot run \"a\": Permission denied; held until a stop signal"]
    );
}

/// Everything that can be said in one life, with the verbosity from which on it is said.
const A_LIFE: [(u32, &str); 20] = [
    (3, "a (pid 100) runs"),
    (0, "b: cannot run \"b\": No such file or directory"),
    (3, "c (pid 102) runs"),
    (3, "d (pid 103) runs"),
    (4, "received HUP"),
    (4, "HUP is rewritten to USR1"),
    (4, "passed on USR1"),
    (4, "received QUIT"),
    (4, "QUIT is not passed on"),
    (4, "reaped an orphan (pid 999): exited with code 3"),
    (4, "reaped an orphan (pid 999): killed by signal 11 (SEGV)"),
    (1, "a (pid 100) exited with code 3 after 0.5s"),
    (3, "d (pid 103) exited with code 0 after 0.5s"),
    (4, "received TERM"),
    (3, "stopping after a delay of 250ms"),
    (3, "stopping within 8s"),
    (1, "c (pid 102) did not stop within 8s: killed"),
    (
        3,
        "c (pid 102) did not stop in time and was killed after 8.5s",
    ),
    (
        1,
        "processes left over are not stopped: without /proc they cannot be found",
    ),
    (
        1,
        "stopped by TERM: a (pid 100) exited with code 3 after 0.5s; container exits 3",
    ),
];

#[test]
fn each_verbosity_adds_its_messages() {
    const HAPPENS: &str = "start a, start b ENOENT, start c, start d, HUP, QUIT, z exits 3, \
        z killed SEGV, 500ms a exits 3, d exits 0, TERM, 250ms, 7750ms, c killed KILL, no proc";
    for verbosity in 0..=4 {
        let set = |plan: &mut Plan| {
            plan.verbosity = verbosity;
            plan.until = Essential::No;
            plan.lame_duck = Span(250);
            plan.routes.set(Signal::HUP, Signal::new(10));
            plan.routes.set(Signal::QUIT, None);
        };
        let share = A_LIFE.iter().filter(|(from, _)| *from <= verbosity);
        let share: Vec<String> = share
            .map(|(_, line)| std::format!("pidlet: {line}"))
            .collect();
        assert_eq!(said(4, set, HAPPENS), share, "verbosity {verbosity}");
    }
}

#[test]
fn success_needs_more_verbosity_than_failure_and_a_fault_needs_none() {
    for (rows, from) in [
        ("start, a exits 0, gone", 2),
        ("start, a exits 1, gone", 1),
        ("start a ENOENT, gone", 0),
    ] {
        for verbosity in 0..=2 {
            let said = said(1, |plan| plan.verbosity = verbosity, rows);
            assert_eq!(
                said.len(),
                usize::from(verbosity >= from),
                "{rows} {verbosity}"
            );
        }
    }
}

/// What the peers say at each verbosity of theirs.
const PEERS: [(Style, u32, &str, &[&str]); 9] = [
    (
        Style::Tini,
        1,
        "start, z exits 0, z killed SEGV, HUP, a exits 3",
        &[],
    ),
    (
        Style::Tini,
        3,
        "start, HUP, a exits 3",
        &[
            "[INFO  tini (1)] Spawned child process 'a' with pid '100'",
            "[DEBUG tini (1)] Passing signal: 'HUP'",
            "[INFO  tini (1)] Main child exited normally (with status '3')",
        ],
    ),
    (
        Style::Tini,
        2,
        "start, a killed KILL",
        &[
            "[INFO  tini (1)] Spawned child process 'a' with pid '100'",
            "[INFO  tini (1)] Main child exited with signal (with signal 'KILL')",
        ],
    ),
    (
        Style::Tini,
        0,
        "start a ENOENT",
        &["[FATAL tini (1)] exec a failed: No such file or directory"],
    ),
    (Style::DumbInit, 0, "start, HUP, a exits 3", &[]),
    (
        Style::DumbInit,
        1,
        "start, HUP, z exits 4, a killed SEGV",
        &[
            "[dumb-init] Child spawned with PID 100.",
            "[dumb-init] Received signal 1.",
            "[dumb-init] Forwarded signal 1 to children.",
            "[dumb-init] A child with PID 999 exited with exit status 4.",
            "[dumb-init] A child with PID 100 was terminated by signal 11.",
            "[dumb-init] Forwarded signal 15 to children.",
            "[dumb-init] Child exited with status 139. Goodbye.",
        ],
    ),
    (
        Style::DumbInit,
        0,
        "start a EACCES",
        &["[dumb-init] a: Permission denied"],
    ),
    (
        Style::Catatonit,
        1,
        "start, HUP, a killed TERM",
        &[
            "DEBUG (catatonit:1): spawned pid1 as 100",
            "DEBUG (catatonit:1): passed on HUP",
            "DEBUG (catatonit:1): pid1 was killed by TERM",
        ],
    ),
    (
        Style::Catatonit,
        0,
        "start a ENOENT",
        &["ERROR (catatonit:1): failed to exec pid1: No such file or directory"],
    ),
];

#[test]
fn the_peers_messages() {
    for (style, verbosity, rows, lines) in PEERS {
        let set = |plan: &mut Plan| {
            persona(style)(plan);
            plan.verbosity = verbosity;
        };
        assert_eq!(said(1, set, rows), lines, "{style:?} {verbosity} {rows}");
    }
    // tini's -w.
    let set = |plan: &mut Plan| {
        persona(Style::Tini)(plan);
        plan.verbosity = 1;
        plan.warn_on_reap = true;
    };
    let reaped = "[WARN  tini (1)] Reaped zombie process with pid=999";
    assert_eq!(said(1, set, "start, z exits 0, z killed SEGV"), [reaped; 2]);
}

#[test]
fn warnings_that_the_peers_have_no_words_for_are_ours() {
    let late = "pidlet: a (pid 100) did not stop within 8s: killed";
    // Only tini can be asked to say less.
    for (style, verbosity, lines) in [
        (Style::Tini, 0, &[][..]),
        (Style::Tini, 1, &[late]),
        (Style::DumbInit, 0, &[late]),
        (Style::Catatonit, 0, &[late]),
    ] {
        let set = |plan: &mut Plan| {
            persona(style)(plan);
            plan.verbosity = verbosity;
            plan.grace = Some(Span::seconds(8));
        };
        assert_eq!(said(1, set, "start, TERM, 8s"), lines, "{style:?}");
    }
}

#[test]
fn only_tinis_reports_go_to_standard_output() {
    let stream = |style, verbosity, message| {
        let plan = plan(1, |plan| {
            persona(style)(plan);
            plan.verbosity = verbosity;
        });
        let surroundings = Surroundings {
            init: true,
            no_shell: true,
            ignore_once: SignalSet::NONE,
        };
        let mut line = Line::new();
        write(
            message,
            &World::new(plan, surroundings).supervisor,
            1,
            &mut line,
        )
    };
    let passed_on = Message::of_signal(Kind::PassedOn, Signal::HUP);
    assert_eq!(stream(Style::Tini, 3, passed_on), Some(Stream::Out));
    assert_eq!(stream(Style::Tini, 2, passed_on), None);
    assert_eq!(
        stream(Style::Tini, 1, Message::of(Kind::NotSubreaper)),
        Some(Stream::Err)
    );
    assert_eq!(stream(Style::Pidlet, 4, passed_on), Some(Stream::Err));
    assert_eq!(stream(Style::Catatonit, 1, passed_on), Some(Stream::Err));
    // What a style has no line for is not said where everything goes as it should.
    assert_eq!(stream(Style::Tini, 9, Message::of(Kind::Stopping)), None);
}
