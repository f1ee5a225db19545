//! tini 0.19.0, tini-static and docker-init. `tests/peers` runs the real one beside them and compares.

use super::getopt::Names;
use super::settings::Setting;
use super::{Door, Question};
use crate::message::Stream;
use crate::plan::Plan;
use crate::words::packed::Text;
use crate::words::signal::{Signal, SignalSet};
use crate::words::text::{is, leading_integer};

const HELP: Text = text!(
    " [OPTIONS] PROGRAM -- [ARGS] | --version

  -h  this text
  -s  become a child subreaper
  -p SIGNAL  get SIGNAL, such as SIGKILL, when the parent dies
  -v  say more; repeatable
  -w  say when zombies are reaped
  -g  signals go to the child's process group
  -e CODE  exit code CODE becomes 0; repeatable
  -l  the licence

TINI_SUBREAPER, TINI_KILL_PROCESS_GROUP: present means -s, -g.
TINI_VERBOSITY: how much is said (1).
"
);

/// What is said of a value that cannot be parsed.
pub const INVALID: Text = text!("[FATAL tini (#)] Not a valid option for -%: %");

/// tini's door.
pub const DOOR: Door = Door {
    help: HELP,
    settings: &[
        Setting::Help,
        Setting::Subreaper,
        Setting::TiniParentDeath,
        Setting::Verbose,
        Setting::WarnOnReap,
        Setting::Group,
        Setting::TiniExpect,
        Setting::License,
    ],
    names: Names::None,
    help_to: Stream::Out,
    // `docker info` takes the commit from behind `git.`.
    version: text!(concat!("tini version 0.19.0", env!("PIDLET_COMMIT"), "\n")),
    version_to: Stream::Out,
    no_command: text!(""),
};

/// The lines that tini has, in the order of [`crate::message::Kind`].
pub const WORDS: Text = text!(
    "\
2[INFO  tini (%o)] Spawned child process '%g' with pid '%p'
0[FATAL tini (%o)] fork failed: %e
0[FATAL tini (%o)] setpgid failed: %e
0[FATAL tini (%o)] exec %g failed: %e
0[FATAL tini (%o)] exec %g failed: %e
2[INFO  tini (%o)] Main child exited normally (with status '%c')
2[INFO  tini (%o)] Main child exited with signal (with signal '%S')






3[DEBUG tini (%o)] Passing signal: '%S'

1[WARN  tini (%o)] Reaped zombie process with pid=%p
1[WARN  tini (%o)] Reaped zombie process with pid=%p







1[WARN  tini (%o)] Tini is not running as PID 1 and isn't registered as a child subreaper.%n\
Zombie processes will not be re-parented to Tini, so zombie reaping won't work.%n\
To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to register \
Tini as a child subreaper, or run Tini as PID 1.
1[WARN  tini (%o)] Cannot signal process %p: %e

"
);

/// What tini does not pass on: the signals of its own faults, which it leaves to the kernel, and those of
/// its terminal, which it ignores (tini.c:201).
pub const NOT_PASSED_ON: SignalSet = SignalSet(
    1 << (4 - 1)
        | 1 << (5 - 1)
        | 1 << (6 - 1)
        | 1 << (7 - 1)
        | 1 << (8 - 1)
        | 1 << (11 - 1)
        | 1 << (31 - 1)
        | SignalSet::NONE.with(Signal::TTIN).with(Signal::TTOU).0,
);

/// What comes before the options.
pub fn before(question: &Question, plan: &mut Plan) -> Result<(), u8> {
    // tini's only long option, which must be the only argument.
    if is(question.only_argument(), "--version") {
        return question.answer(DOOR.version_to, DOOR.version);
    }
    plan.routes.drop_all(NOT_PASSED_ON);
    Ok(())
}

/// What comes after the options: tini's own environment.
pub fn after(question: &Question, plan: &mut Plan) {
    plan.subreaper |= question.variable(b"TINI_SUBREAPER").is_some();
    plan.group |= question.variable(b"TINI_KILL_PROCESS_GROUP").is_some();
    if let Some(mut value) = question.variable(b"TINI_VERBOSITY") {
        // tini uses atoi(3) and compares unsigned: -1 says everything.
        plan.verbosity = leading_integer(&mut value).unwrap_or(0) as u32;
    }
}

/// The exact names of tini's table: no number, no lower case, no real-time signal.
pub fn death_signal(value: &[u8]) -> Option<Signal> {
    let name = value.strip_prefix(b"SIG")?;
    // STKFLT, IO and PWR are not in it.
    Signal::parse(name)
        .filter(|signal| signal.name() == Some(name) && !matches!(signal.number(), 16 | 29 | 30))
}

/// strtol(3) over the whole value, within 0 to 255; an empty value counts as 0.
pub fn exit_code(value: &[u8]) -> Option<u8> {
    if value.is_empty() {
        return Some(0);
    }
    let mut rest = value;
    let number = leading_integer(&mut rest).filter(|_| rest.is_empty())?;
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn exit_codes_as_strtol_reads_them() {
        for (text, code) in [
            ("0", Some(0)),
            ("255", Some(255)),
            ("+5", Some(5)),
            (" 5", Some(5)),
            ("\x0b5", Some(5)),
            ("05", Some(5)),
            ("", Some(0)),
            ("5 ", None),
            ("0x10", None),
            ("256", None),
            ("-1", None),
            ("+", None),
            ("-+0", None),
            (" ", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(exit_code(text.as_bytes()), code, "{text:?}");
        }
    }

    #[test]
    pub fn death_signals_are_28_names() {
        let spelt = |signal: &Signal| [b"SIG", signal.name().unwrap()].concat();
        let names: Vec<_> = (1..=31)
            .filter_map(Signal::new)
            .filter(|signal| death_signal(&spelt(signal)) == Some(*signal))
            .collect();
        assert_eq!(names.len(), 28);
        for text in [
            "TERM", "sigterm", "SIGterm", "15", "SIG15", "SIGRTMIN", "SIGPWR", "SIGIO", "",
        ] {
            assert_eq!(death_signal(text.as_bytes()), None, "{text:?}");
        }
    }
}
