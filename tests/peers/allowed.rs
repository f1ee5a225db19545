//! The intended differences between pidlet and its peers, as narrowly as they can be put.
//!
//! The cases of the tables hold each of them, and README lists what matters to users.

use std::ffi::OsString;

use crate::chance::Seen;
use crate::invocation::{End, Invocation, Kind};
use crate::support::Exit;

/// What is compared of a line: the longest that we print is cut at 1024 bytes.
const LINE_MAX: usize = 900;

/// Leaves out of an invocation what would end in another way.
pub fn avoid(invocation: &mut Invocation) {
    let options = invocation.options;
    let Invocation {
        kind,
        args,
        streams,
        ignored,
        ..
    } = invocation;
    let pauses = |arg: &&mut OsString| arg.to_string_lossy().contains('P');
    match kind {
        // A pause does not end by itself.
        Kind::Catatonit => {
            for arg in args.iter_mut().take(options).filter(pauses) {
                *arg = "-g".into();
            }
        }
        // That is catatonit's pause under every name, when it is alone.
        _ if args.len() == 1 && args[0] == "-P" => args.push("true".into()),
        _ => {}
    }
    // A container without input is no fault of its user's.
    if *kind == Kind::Tini && streams[0] == End::Closed {
        streams[0] = End::Null;
    }
    // They do not hear of their child's end then.
    if *kind != Kind::DumbInit {
        ignored.retain(|signal| *signal != libc::SIGCHLD);
    }
}

/// Makes both sides alike where they may differ. `real` is true for the real program.
pub fn level(invocation: &Invocation, seen: &mut Seen, real: bool) {
    // No program has run that could have written the same.
    let nothing_ran = !seen.out.iter().any(|line| line.contains("GNU coreutils"));
    if seen.report.is_empty() && nothing_ran {
        our_own_texts(&mut seen.out);
        our_own_texts(&mut seen.err);
    }
    for line in seen.out.iter_mut().chain(&mut seen.err) {
        *line = spelt(line);
        if let Some((told, _)) = line.split_once("; possibilities: ") {
            *line = told.to_owned();
        }
        *line = line.chars().take(LINE_MAX).collect();
    }
    if invocation.args.iter().any(|arg| arg == "orphans") {
        // An orphan may end after the init.
        let orphan = |line: &String| {
            line.contains("Reaped zombie") || line.ends_with("PID N exited with exit status 0.")
        };
        seen.err.retain(|line| !orphan(line));
    }
    match invocation.kind {
        Kind::Tini => tini(invocation, seen, real),
        Kind::DumbInit => dumb_init(invocation, seen),
        Kind::Catatonit => catatonit(invocation, seen, real),
    }
}

/// Control characters are spelt out in what we say, so that no argument can play tricks with a terminal.
fn spelt(line: &str) -> String {
    let spell = |c: char| match c {
        '\0'..' ' | '\x7f' => format!("\\x{:02x}", c as u32),
        _ => c.to_string(),
    };
    line.chars().map(spell).collect()
}

/// Texts of help and licences are our own.
fn our_own_texts(lines: &mut Vec<String>) {
    const FIRST: [&str; 3] = [
        "MIT OR Apache-2.0; ",
        "The MIT License",
        "catatonit: a container init so simple",
    ];
    const LAST: [&str; 4] = [
        " (tini version 0.19.0)",
        " [OPTIONS] PROGRAM -- [ARGS] | --version",
        " [option] command [[arg] ...]",
        " [-ghLPV] [--] <progname> [<arguments>...]",
    ];
    let begins = |line: &String| {
        FIRST.iter().any(|text| line.starts_with(text))
            || LAST.iter().any(|text| line.ends_with(text))
    };
    if let Some(mut at) = lines.iter().position(begins) {
        if at > 0 && lines[at - 1] == "dumb-init v1.2.5" {
            at -= 1;
        }
        lines.truncate(at);
        lines.push("a text".to_owned());
    }
}

fn tini(invocation: &Invocation, seen: &mut Seen, real: bool) {
    // Where the program could not be executed there never was a child. Without standard error that is not
    // seen.
    let failed = invocation.streams[2] != End::Pipe
        || seen
            .err
            .iter()
            .any(|line| line.starts_with("[FATAL tini (N)] exec "));
    seen.out.retain(|line| {
        let about_child = line.starts_with("[INFO ") || line.ends_with("' with pid 'N'");
        // The levels above are for tini's own developers.
        !(line.starts_with("[TRACE ") || line.starts_with("[DEBUG ") || failed && about_child)
    });
    // What tini says waits in a buffer.
    seen.out.sort_by_key(|line| line.starts_with('['));
    for line in &mut seen.out {
        // Signals have names in place of descriptions, and our version a commit.
        for start in ["exited with signal", "tini version 0.19.0"] {
            if let Some(at) = line.find(start) {
                line.truncate(at + start.len());
            }
        }
    }
    for line in &mut seen.report {
        // KILL at the parent's death is for the program, too.
        if !real && line == "parent-death=9" && invocation.args.iter().any(is_kill) {
            *line = "parent-death=0".to_owned();
        }
    }
}

/// Whether a word may be, or end with, the signal that nothing survives.
fn is_kill(arg: &OsString) -> bool {
    arg.to_string_lossy().ends_with("SIGKILL")
}

/// What dumb-init says of its terminal, its session, and signals that it does not pass on; CHLD comes as
/// often as it likes.
const INNER: [&str; 9] = [
    "Suspending self",
    "Not running in setsid mode.",
    "Unable to detach",
    "Unable to attach",
    "setsid complete",
    "Detached from",
    "Attached to",
    "Ignoring tty hand-off signal",
    "Not forwarding ",
];
const RECEIVED: [&str; 3] = [
    "Received signal 1.",
    "Received signal 17.",
    "Received signal 18.",
];
/// What it says of a child, also of one that could not become a program.
const CHILD: [&str; 6] = [
    "A child with",
    "Child exited",
    "Child spawned",
    "Forwarded",
    "Received",
    "Translating",
];

fn dumb_init(invocation: &Invocation, seen: &mut Seen) {
    let failed = seen.exit == Exit::Code(2);
    let single = invocation.single();
    seen.err.retain(|line| {
        let Some(told) = line.strip_prefix("[dumb-init] ") else {
            return true;
        };
        let starts = |with: &[&str]| with.iter().any(|start| told.starts_with(start));
        // The farewell to a number that was reaped.
        let farewell = single && starts(&["Forwarded", "Translating"]);
        !(starts(&INNER)
            || RECEIVED.contains(&told)
            || farewell
            || failed && starts(&CHILD)
            || is_no_change(told))
    });
    // The shell writes a complaint in pieces.
    let pieces = |line: &String| line.contains("I/O error") || line.contains(": 1: ");
    let tells = |line: &String| line.contains("[dumb-init] ");
    if seen.err.iter().any(pieces) && seen.err.iter().any(tells) {
        seen.err.clear();
    }
    seen.err.sort();
}

/// A signal that is taken as itself, or as 0, is not said to be taken as another one.
fn is_no_change(told: &str) -> bool {
    let pair = told
        .strip_prefix("Translating signal ")
        .and_then(|pair| pair.split_once(" to "));
    pair.is_some_and(|(from, to)| to == "0." || to.strip_suffix('.') == Some(from))
}

fn catatonit(invocation: &Invocation, seen: &mut Seen, real: bool) {
    if invocation.sets("CATATONIT_DEBUG").is_some() {
        // Parent and child write at the same time and in pieces: no line is sure to be whole.
        seen.err.clear();
    }
    if !real {
        return;
    }
    for line in seen.out.iter_mut().chain(&mut seen.err) {
        // Ours is newer.
        *line = line
            .replace(
                "tini version 0.1.7_catatonit",
                "tini version 0.2.1_catatonit",
            )
            .replace("reserved for future use", "no longer supported; see -h");
    }
    for line in &mut seen.report {
        // Three signals stay blocked that were not blocked before.
        if let Some((blocked, behind)) = line
            .strip_prefix("blocked=0x")
            .and_then(|rest| rest.split_once(' '))
        {
            let blocked = u64::from_str_radix(blocked, 16).expect("a set is a number");
            let added = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
            let added = added
                .iter()
                .filter(|signal| !invocation.blocked.contains(signal));
            let added = added.fold(0, |set, signal| set | 1 << (signal - 1));
            *line = format!("blocked={:#x} {behind}", blocked & !added);
        }
    }
}
