//! dumb-init 1.2.5: `peers.md` §1.2 of the design has the contract.

use core::ffi::CStr;

use crate::front::getopt::Options;
use crate::front::settings::Settings;
use crate::front::tini::leading_integer;
use crate::front::{Answer, Question};
use crate::message::Stream;
use crate::plan::{Group, Plan, Routes, Terminal};
use crate::words::signal::Signal;

const HELP: &str = "[option] command [[arg] ...]

Runs the command in a session of its own, reaps zombies and passes signals on to the session's
process group. (pidlet)

  -c, --single-child  no session; signals go to the direct child only
  -r, --rewrite s:r  signal s is passed on as r, 0 for not at all; repeatable
  -v, --verbose  say what happens on standard error
  -h, --help  this text
  -V, --version  the version

DUMB_INIT_DEBUG=1 means --verbose, DUMB_INIT_SETSID=0 means --single-child.
PIDLET_GRACE and its like: see 'pidlet --help'.
";

const NO_PROGRAM: &str = "[option] program [args]\nTry --help for full usage.\n";

const MISSPELT: &str = "-r option takes <signum>:<signum>, where <signum> is between 1 and 31.
The second may be 0: then the signal is not passed on.
This option can be given more than once.
See --help for the rest.
";

const VERSION: &str = "dumb-init v1.2.5\n";

/// The lines that dumb-init has, in the order of [`crate::voice::Kind`].
pub const WORDS: &str = "\
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


0[dumb-init] %g did not stop within %b: killed
0[dumb-init] Processes left over did not stop within %b: killed




1[dumb-init] Cannot signal process %p: %e
1[dumb-init] Child exited with status %k. Goodbye.
";

/// Reads the command line and the environment as dumb-init does.
pub fn ask<'a>(question: &Question<'a>, plan: &mut Plan<'a>) -> Result<(), Answer<'a>> {
    let settings = Settings::new(plan, None, question);
    let plan = &mut *settings.plan;
    let mut single_child = false;
    let mut rewritten = Routes::default();
    let mut options = Options::new(question.args, HELP, true);
    let usage = |complaint, help, asked| {
        Err(Answer::Usage {
            complaint,
            help,
            asked,
        })
    };
    while let Some(option) = options.next() {
        let given = match option {
            Ok(given) => given,
            Err(complaint) => return usage(Some(complaint), "", None),
        };
        let value = given.value.map_or(b"".as_slice(), CStr::to_bytes);
        match given.name {
            b"help" => return usage(None, HELP, Some(Stream::Err)),
            b"version" => return Err(Answer::Text(Stream::Err, VERSION.as_bytes())),
            b"verbose" => plan.verbosity = 1,
            b"single-child" => single_child = true,
            _ => match rewrite(value) {
                Some((from, to)) => {
                    plan.routes.set(from, to);
                    rewritten.set(from, None);
                }
                None => return usage(None, MISSPELT, None),
            },
        }
    }
    if question.variable(b"DUMB_INIT_DEBUG") == Some(b"1") {
        plan.verbosity = 1;
    }
    single_child |= question.variable(b"DUMB_INIT_SETSID") == Some(b"0");
    plan.setup.clean_signals = true;
    plan.group = !single_child;
    if single_child {
        plan.setup.group = Group::Ours;
        plan.setup.terminal = Terminal::None;
    } else {
        plan.setup.group = Group::Session;
        plan.setup.terminal = Terminal::Session;
        // A session leader's group is orphaned, so the kernel would ignore these (setpgid(2)).
        for signal in [Signal::TSTP, Signal::TTOU, Signal::TTIN] {
            if plan.routes.get(signal) == Some(signal) && rewritten.get(signal).is_some() {
                plan.routes.set(signal, Some(Signal::STOP));
            }
        }
    }
    if options.rest().is_empty() {
        return usage(None, NO_PROGRAM, None);
    }
    settings.finish(options.rest())
}

/// `sscanf(value, "%d:%d")`: what follows the second number does not matter.
fn rewrite(value: &[u8]) -> Option<(Signal, Option<Signal>)> {
    let (from, used) = leading_integer(value);
    let rest = value[used..].strip_prefix(b":").filter(|_| used > 0)?;
    let (to, used) = leading_integer(rest);
    // An int of C: what is too large wraps.
    let (from, to) = (from as i32, to as i32);
    if used == 0 || !(1..=31).contains(&from) || !(0..=31).contains(&to) {
        return None;
    }
    Some((Signal::new(from as u32)?, Signal::new(to as u32)))
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
