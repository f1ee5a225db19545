//! dumb-init 1.2.5. `tests/peers` runs the real one beside it and compares.

use super::getopt::Names;
use super::settings::Setting;
use super::{Door, Question};
use crate::message::Stream;
use crate::plan::{Group, Plan, Terminal};
use crate::words::packed::Text;
use crate::words::signal::Signal;
use crate::words::text::{leading_integer, take_if};

const HELP: Text = text!(
    " [option] command [[arg] ...]

  -c, --single-child  no session; signals go to the child only
  -r, --rewrite s:r  pass signal s on as r, 0 to drop it; repeatable
  -v, --verbose  say what happens
  -h, --help  this text
  -V, --version  the version

DUMB_INIT_DEBUG=1 means --verbose, DUMB_INIT_SETSID=0 --single-child.
"
);

/// What is said of a `-r` that cannot be parsed.
pub const MISSPELT: Text = text!(
    "\
Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.
This option can be specified multiple times.
Use --help for full usage."
);

/// dumb-init's door.
pub const DOOR: Door = Door {
    help: HELP,
    settings: &[
        Setting::SingleChild,
        Setting::DumbInitRewrite,
        Setting::Verbose,
        Setting::Help,
        Setting::Version,
    ],
    names: Names::Shortened,
    help_to: Stream::Err,
    version: text!("dumb-init v1.2.5\n"),
    version_to: Stream::Err,
    no_command: text!("Usage: % [option] program [args]\nTry % --help for full usage."),
};

/// The lines that dumb-init has, in the order of [`crate::message::Kind`].
pub const WORDS: Text = text!(
    "\
1[dumb-init] Child spawned with PID %p.
0[dumb-init] Unable to fork: %e
0[dumb-init] Unable to setsid: %e
0[dumb-init] %g: %e
0[dumb-init] %g: %e
1[dumb-init] A child with PID %p exited with exit status %c.
1[dumb-init] A child with PID %p was terminated by signal %c.




1[dumb-init] Received signal %N.
1[dumb-init] Translating signal %N to %M.
1[dumb-init] Forwarded signal %N to children.
1[dumb-init] Not forwarding signal %N to children (ignored).
1[dumb-init] A child with PID %p exited with exit status %c.
1[dumb-init] A child with PID %p was terminated by signal %c.









1[dumb-init] Child exited with status %x. Goodbye.
"
);

/// What comes after the options: dumb-init's own environment, and what follows from it and the options.
pub fn after(question: &Question, plan: &mut Plan) {
    if let Some(b"1") = question.variable(b"DUMB_INIT_DEBUG") {
        plan.verbosity = 1;
        question.complain(text!("[dumb-init] Running in debug mode."));
    }
    if let Some(b"0") = question.variable(b"DUMB_INIT_SETSID") {
        plan.setup.group = Group::Ours;
    }
    plan.group = plan.setup.group == Group::Session;
    if plan.group {
        plan.setup.terminal = Terminal::Session;
        // A session leader's group is orphaned, so the kernel would ignore these (setpgid(2)).
        for signal in [Signal::TSTP, Signal::TTOU, Signal::TTIN] {
            plan.routes.preset(signal, Signal::STOP);
        }
    }
}

/// `sscanf(value, "%d:%d")`: what follows the second number does not matter.
pub fn rewrite(value: &[u8]) -> Option<(Signal, Option<Signal>)> {
    let mut rest = value;
    // A C int: a larger number wraps.
    let from = leading_integer(&mut rest)? as u32;
    if !take_if(&mut rest, b':') {
        return None;
    }
    let to = leading_integer(&mut rest)? as u32;
    if from > 31 || to > 31 {
        return None;
    }
    Some((Signal::new(from)?, Signal::new(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_as_sscanf_reads_them() {
        for (text, expected) in [
            ("15:0", Some((15, 0))),
            (" 15: 2", Some((15, 2))),
            ("+15:+2", Some((15, 2))),
            ("015:02", Some((15, 2))),
            ("15:2foo", Some((15, 2))),
            ("15:2:3", Some((15, 2))),
            ("4294967311:2", Some((15, 2))),
            ("15:9", Some((15, 9))),
            ("31:31", Some((31, 31))),
            ("", None),
            ("15", None),
            ("15:", None),
            (":15", None),
            ("15::12", None),
            ("15 :2", None),
            ("0:15", None),
            ("-1:2", None),
            ("15:32", None),
            ("32:15", None),
            ("0xf:2", None),
            ("TERM:2", None),
        ] {
            let read = rewrite(text.as_bytes());
            let numbers = read.map(|(from, to)| (from.number(), to.map_or(0, Signal::number)));
            assert_eq!(numbers, expected, "{text:?}");
        }
    }
}
