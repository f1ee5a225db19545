//! What a case is, and how a table of them is run against both sides.

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Ended, Mode, Proc, Run, TIMEOUT, Temp, holds_within, pidlet, probe, skipped};

/// How many cases of a table run at a time. They mostly wait.
const WORKERS: usize = 8;

/// What a case shows of a side that does not end, and of a shell whose job is stuck.
pub const HANGS: &str = "still there";
pub const SILENT: &str = "the shell hears nothing";

/// How long to wait for what must not happen.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A program that pidlet stands in for.
pub struct Peer {
    pub name: &'static str,
    pub path: &'static str,
    /// Given to both sides.
    pub env: &'static [(&'static str, &'static str)],
    /// A defect of the real one that shows in many places, and what would be there without it. One case
    /// records it.
    pub defect: Option<(&'static str, &'static str)>,
}

/// One side of a comparison: a program in a mode, with a directory for its files.
pub struct Side<'a> {
    pub peer: &'a Peer,
    pub program: &'a Path,
    pub mode: Mode,
    pub temp: Temp,
    /// What it must show, where the sides differ.
    pub expected: Option<&'a str>,
}

impl Side<'_> {
    /// True for the real program.
    pub fn is_peer(&self) -> bool {
        self.program == Path::new(self.peer.path)
    }

    /// Whether it is expected to hang: then there is no event to wait for.
    pub fn is_to_hang(&self) -> bool {
        let expected = self.expected.unwrap_or_default();
        expected.contains(HANGS) || expected.contains(SILENT)
    }

    /// Waits until it holds, briefly if the side is expected to hang. Otherwise either side, the peer too,
    /// has all the time that a loaded machine takes.
    pub fn holds(&self, holds: &mut dyn FnMut() -> bool) -> bool {
        let patience = if self.is_to_hang() { PATIENCE } else { TIMEOUT };
        holds_within(patience, holds)
    }

    /// Shows it once it is as expected, or as it is when the time is over.
    pub fn show_when_as_expected(&self, show: &dyn Fn() -> String) -> String {
        let mut seen = String::new();
        holds_within(TIMEOUT, &mut || {
            seen = show();
            self.expected.is_none_or(|expected| seen == expected)
        });
        seen
    }

    /// The program's path as an argument for another one.
    pub fn path(&self) -> &str {
        self.program
            .to_str()
            .expect("the paths of programs are UTF-8")
    }

    /// The mode and the environment of this side for a run.
    pub fn configure(&self, run: Run) -> Run {
        let env = self.peer.env.iter();
        env.fold(run.mode(self.mode), |run, (name, value)| {
            run.env(name, value)
        })
    }

    /// The program under the peer's name with these arguments.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        self.configure(Run::new(self.program).arg0(self.peer.name).args(args))
    }

    /// The probe, which does something and then becomes or starts the program under the peer's name.
    pub fn run_behind(&self, command: &[&str]) -> Run {
        let run = self.configure(Run::new(probe())).args(command);
        run.args([self.path(), self.peer.name])
    }

    /// What was seen, free of what may differ: process numbers and temporary paths.
    pub fn clean(&self, text: &str) -> String {
        let directory = self
            .temp
            .path()
            .to_str()
            .expect("a temporary path is UTF-8");
        let text = without_numbers(&text.replace(directory, "TEMP"));
        match self.peer.defect {
            Some((defect, right)) if self.is_peer() => text.replace(defect, right),
            _ => text,
        }
    }

    /// An end in full.
    pub fn show(&self, end: &Ended) -> String {
        self.clean(&format!(
            "{}\nout {:?}\nerr {:?}",
            end.exit, end.stdout, end.stderr
        ))
    }

    /// Waits for the end, and shows it.
    pub fn show_end_of(&self, proc: &Proc) -> String {
        let exit = proc.wait_exit();
        proc.until("the streams are at their end", || proc.streams_ended());
        self.show(&Ended {
            exit,
            stdout: proc.stdout(),
            stderr: proc.stderr(),
        })
    }
}

/// An end without its text: the code, and which streams had any.
pub fn streams(end: &Ended) -> String {
    let some = |text: &str| if text.is_empty() { "nothing" } else { "text" };
    format!(
        "{}, out {}, err {}",
        end.exit,
        some(&end.stdout),
        some(&end.stderr)
    )
}

/// An intended difference: what each side shows.
struct Deviation {
    mode: Mode,
    reason: &'static str,
    theirs: String,
    ours: String,
}

type Observe = dyn Fn(&Side) -> String + Send + Sync;

/// Something to do with a program, and what is seen of it.
pub struct Case {
    name: String,
    modes: Vec<Mode>,
    observe: Box<Observe>,
    deviations: Vec<Deviation>,
}

impl Case {
    pub fn new(name: &str, observe: impl Fn(&Side) -> String + Send + Sync + 'static) -> Case {
        Case {
            name: name.to_owned(),
            modes: Mode::BOTH.to_vec(),
            observe: Box::new(observe),
            deviations: Vec::new(),
        }
    }

    /// Runs with these arguments to the end; code and both streams count.
    pub fn ends(name: &str, args: &[&str]) -> Case {
        let args = owned(args);
        Case::new(name, move |side| side.show(&side.run(&args).output()))
    }

    /// As `ends`, in surroundings.
    pub fn ends_with(name: &str, args: &[&str], around: fn(Run) -> Run) -> Case {
        let args = owned(args);
        Case::new(name, move |side| {
            side.show(&around(side.run(&args)).output())
        })
    }

    /// Runs with these arguments to the end; the code counts, and which stream is not empty.
    pub fn speaks(name: &str, args: &[&str]) -> Case {
        let args = owned(args);
        Case::new(name, move |side| streams(&side.run(&args).output()))
    }

    /// One observation for each word, in one case.
    pub fn each(name: &str, words: &[&str], observe: fn(&Side, &str) -> String) -> Case {
        let words = owned(words);
        Case::new(name, move |side| {
            let lines = words
                .iter()
                .map(|word| format!("{word:?}: {}", observe(side, word)));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    /// Starts with these arguments and does things to it.
    pub fn lives(name: &str, args: &[&str], script: fn(&Side, &Proc) -> String) -> Case {
        Case::lives_with(name, args, |run| run, script)
    }

    /// As `lives`, in surroundings.
    pub fn lives_with(
        name: &str,
        args: &[&str],
        around: fn(Run) -> Run,
        script: fn(&Side, &Proc) -> String,
    ) -> Case {
        let args = owned(args);
        Case::new(name, move |side| {
            let proc = around(side.run(&args)).start();
            script(side, &proc)
        })
    }

    pub fn only(mut self, mode: Mode) -> Case {
        self.modes = vec![mode];
        self
    }

    /// Both sides differ on purpose, in every mode of the case.
    pub fn deviates(mut self, reason: &'static str, theirs: &str, ours: &str) -> Case {
        for mode in self.modes.clone() {
            self = self.deviates_as(mode, reason, theirs, ours);
        }
        self
    }

    /// Both sides differ on purpose in one mode.
    pub fn deviates_as(
        mut self,
        mode: Mode,
        reason: &'static str,
        theirs: &str,
        ours: &str,
    ) -> Case {
        let (theirs, ours) = (theirs.to_owned(), ours.to_owned());
        assert_ne!(theirs, ours, "{}: no deviation", self.name);
        self.deviations.push(Deviation {
            mode,
            reason,
            theirs,
            ours,
        });
        self
    }

    /// Runs both sides in one mode; returns what is wrong, if anything.
    fn fault(&self, peer: &Peer, mode: Mode) -> Option<String> {
        let deviation = self
            .deviations
            .iter()
            .find(|deviation| deviation.mode == mode);
        let look = |program: &Path, expected: fn(&Deviation) -> &str| {
            let side = Side {
                peer,
                program,
                mode,
                temp: Temp::new(),
                expected: deviation.map(expected),
            };
            let seen = catch_unwind(AssertUnwindSafe(|| (self.observe)(&side)));
            seen.unwrap_or_else(|panic| format!("FAILED {}", panic_text(&*panic)))
        };
        let theirs = look(Path::new(peer.path), |deviation| &deviation.theirs);
        let ours = look(pidlet(), |deviation| &deviation.ours);
        let (their_expected, our_expected) = match deviation {
            Some(deviation) => (deviation.theirs.as_str(), deviation.ours.as_str()),
            None => (theirs.as_str(), theirs.as_str()),
        };
        let broken = theirs.starts_with("FAILED");
        if theirs == their_expected && ours == our_expected && !broken {
            return None;
        }
        let mut fault = format!(
            "==== {} ({mode:?})\n-- {}:\n{theirs}\n-- pidlet:\n{ours}\n",
            self.name, peer.name
        );
        if let Some(Deviation {
            reason,
            theirs,
            ours,
            ..
        }) = deviation
        {
            fault += &format!(
                "-- expected, as {reason}\n-- {}:\n{theirs}\n-- pidlet:\n{ours}\n",
                peer.name
            );
        }
        Some(fault)
    }
}

/// Runs a table, and reports all failing cases together.
#[track_caller]
pub fn check(peer: &Peer, cases: Vec<Case>) {
    if !Path::new(peer.path).exists() {
        skipped(&format!("{} is not installed", peer.path));
        return;
    }
    let jobs = cases
        .iter()
        .flat_map(|case| case.modes.iter().map(move |mode| (case, *mode)));
    let jobs: Vec<_> = jobs.collect();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((case, mode)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(fault) = case.fault(peer, *mode) {
                        faults.lock().expect("no worker panics").push(fault);
                    }
                }
            });
        }
    });
    let mut faults = faults.into_inner().expect("no worker panics");
    faults.sort();
    let (bad, all) = (faults.len(), jobs.len());
    assert!(
        faults.is_empty(),
        "{}: {bad} of {all} fail\n{}",
        peer.name,
        faults.join("\n")
    );
}

/// The words of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().cloned();
    let borrowed = || panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    owned.or_else(borrowed).unwrap_or_default()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Replaces the number after each word that announces a process by N, and the commit in a version by H.
pub fn without_numbers(text: &str) -> String {
    const BEFORE: [&str; 8] = [
        "tini (",
        "catatonit:",
        "pid=",
        "pid '",
        "pid: '",
        "with PID ",
        "pid ",
        "child ",
    ];
    let mut clean = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && BEFORE.iter().any(|before| clean.ends_with(before)) {
            clean.push('N');
            rest = &rest[digits..];
        } else if clean.ends_with(" git.")
            && rest.bytes().take(7).filter(u8::is_ascii_hexdigit).count() == 7
        {
            clean.push('H');
            rest = &rest[7..];
        } else {
            clean.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    clean
}
