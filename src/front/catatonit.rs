//! catatonit 0.2.1 and podman-init: `peers.md` §1.3 of the design has the contract.

use crate::front::getopt::{Complaint, Options};
use crate::front::settings::Settings;
use crate::front::{Answer, LICENSE, Question, tini};
use crate::message::Stream;
use crate::plan::{Plan, Terminal};
use crate::words::signal::Signal;

const HELP: &str = "[-ghLPV] [--] <progname> [<arguments>...]

Runs a program as a container's init does: reaps zombies, passes signals on. (pidlet)

  -g  send signals to the child's process group
  -P  run nothing: hold a pod's namespaces, reap, and leave on TERM or INT
  -h  this text
  -L  the licence
  -V, --version  the version

CATATONIT_DEBUG in the environment: say what happens on standard error.
PIDLET_GRACE and its like: see 'pidlet --help'.
";

/// Podman and Docker look for this form.
const VERSION: &str = "tini version 0.2.1_catatonit\n";

/// The lines that catatonit has, in the order of [`crate::voice::Kind`].
pub const WORDS: &str = "\
1DEBUG (catatonit:%o): spawned pid1 as %p
0ERROR (catatonit:%o): failed to fork child: %e
0ERROR (catatonit:%o): failed to set process group: %e
0ERROR (catatonit:%o): failed to exec pid1: %e
0ERROR (catatonit:%o): failed to exec pid1: %e
1DEBUG (catatonit:%o): pid1 exited with %c
1DEBUG (catatonit:%o): pid1 was killed by %S





1DEBUG (catatonit:%o): passed on %S

1DEBUG (catatonit:%o): reaped %p
1DEBUG (catatonit:%o): reaped %p


0WARN (catatonit:%o): %g did not stop within %b: killed
0WARN (catatonit:%o): processes left over did not stop within %b: killed



0WARN (catatonit:%o): cannot become a child subreaper
1DEBUG (catatonit:%o): cannot signal process %p: %e

";

/// Reads the command line and the environment as catatonit does.
pub fn ask<'a>(question: &Question<'a>, plan: &mut Plan<'a>) -> Result<(), Answer<'a>> {
    if question.variable(b"CATATONIT_LOG").is_some() {
        return fatal("CATATONIT_LOG is no longer supported; CATATONIT_DEBUG is");
    }
    plan.verbosity = u32::from(question.variable(b"CATATONIT_DEBUG").is_some());
    plan.setup.terminal = Terminal::Controlling;
    plan.setup.listen_pid = true;
    plan.routes.drop_all(tini::NOT_PASSED_ON.with(Signal::TSTP));
    let settings = Settings::new(plan, None, question);
    let mut pause = false;
    let mut options = Options::new(question.args, HELP, true);
    let usage = |complaint, asked| {
        Err(Answer::Usage {
            complaint,
            help: HELP,
            asked,
        })
    };
    while let Some(option) = options.next() {
        match option {
            Err(complaint) => return usage(Some(complaint), None),
            Ok(given) => match given.name {
                b"g" => settings.plan.group = true,
                b"P" => pause = true,
                b"h" => return usage(None, Some(Stream::Err)),
                b"L" => return Err(Answer::Text(Stream::Out, LICENSE)),
                _ => return Err(Answer::Text(Stream::Out, VERSION.as_bytes())),
            },
        }
    }
    if pause {
        // A program that is given all the same is ignored.
        return Ok(());
    }
    if options.rest().is_empty() {
        return fatal("missing program name");
    }
    settings.finish(options.rest())
}

fn fatal<'a>(before: &'static str) -> Result<(), Answer<'a>> {
    let after = "; see -h";
    Err(Answer::Fatal(Complaint {
        before,
        what: b"",
        after,
    }))
}
