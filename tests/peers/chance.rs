//! pidlet beside its peers in random invocations and lives, as many of each kind as `RUNS` says.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use crate::allowed;
use crate::case::{panic_text, without_numbers};
use crate::invocation::{Invocation, Kind, Place};
use crate::life::Life;
use crate::support::{Exit, Random, each_seed, lines_of, pidlet, skipped};

/// How many there are of each kind in a plain `cargo test`: the seeds are from 1 up to this one.
const INVOCATIONS: u64 = 150;
const LIVES: u64 = 40;

/// How many run at a time. They mostly wait.
const AT_ONCE: usize = 4;

/// How long anything expected may take: less than elsewhere, as a random case that hangs is probably the
/// generator's fault.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What is seen of one side.
#[derive(PartialEq, Eq)]
pub struct Seen {
    pub exit: Exit,
    pub out: Vec<String>,
    pub err: Vec<String>,
    /// What the child reports of what it was given.
    pub report: Vec<String>,
}

/// Command lines that end by themselves.
pub fn invocations(kind: Kind) {
    check(kind, INVOCATIONS, |random, place, seed| {
        let mut invocation = Invocation::random(random, kind, place);
        allowed::avoid(&mut invocation);
        compare(&invocation, &invocation, &|program, real| {
            let file = format!("{}/report-{seed}-{real}", place.path());
            let proc = invocation.run(program, place, &file).start();
            proc.wait(PATIENCE);
            let end = proc.finish();
            let clean =
                |text: &str| clean(&text.replace(&file, "FILE").replace(place.path(), "TEMP"));
            let seen = Seen {
                exit: end.exit,
                out: clean(&end.stdout),
                err: clean(&end.stderr),
                report: clean(&lines_of(&file).join("\n")),
            };
            _ = std::fs::remove_file(&file);
            seen
        })
    });
}

/// Lives, in which things happen.
pub fn lives(kind: Kind) {
    check(kind, LIVES, |random, place, _| {
        let mut life = Life::random(random, kind, place);
        allowed::avoid(&mut life.invocation);
        compare(&life, &life.invocation, &|program, _| {
            life.live(program, place, &clean)
        })
    });
}

/// Text free of what may differ, as lines.
fn clean(text: &str) -> Vec<String> {
    without_numbers(text).lines().map(str::to_owned).collect()
}

/// Compares both sides for each seed, and reports all differences together.
fn check(
    kind: Kind,
    usual: u64,
    fault: impl Fn(&mut Random, &Place, u64) -> Option<String> + Sync,
) {
    let peer = kind.peer();
    if !Path::new(peer.path).exists() {
        skipped(&format!("{} is not installed", peer.path));
        return;
    }
    let place = Place::new();
    each_seed(peer.name, usual, AT_ONCE, |seed| {
        fault(&mut Random::new(seed), &place, seed)
    });
}

/// Looks at both sides; returns what differs, if anything. The second argument of `look` is true for the real
/// program.
fn compare(
    what: &dyn Debug,
    invocation: &Invocation,
    look: &dyn Fn(&Path, bool) -> Seen,
) -> Option<String> {
    let [theirs, ours] =
        [(Path::new(invocation.real), true), (pidlet(), false)].map(|(program, real)| {
            let seen = catch_unwind(AssertUnwindSafe(|| look(program, real)));
            seen.map(|mut seen| {
                allowed::level(invocation, &mut seen, real);
                seen
            })
            .map_err(|panic| panic_text(&*panic))
        });
    let show = |seen: &Result<Seen, String>| match seen {
        Ok(seen) => format!(
            "{}\nout {:#?}\nerr {:#?}\nreport {:#?}",
            seen.exit, seen.out, seen.err, seen.report
        ),
        Err(failure) => format!("FAILED {failure}"),
    };
    match (&theirs, &ours) {
        (Ok(one), Ok(other)) if one == other => None,
        _ => Some(format!(
            "{what:?}\n-- theirs: {}\n-- ours: {}\n",
            show(&theirs),
            show(&ours)
        )),
    }
}
