//! catatonit 0.2.1 and podman-init. `tests/peers` runs the real one beside it and compares.

use super::getopt::Names;
use super::settings::Setting;
use super::{Door, Question, tini};
use crate::message::Stream;
use crate::plan::Plan;
use crate::words::packed::Text;
use crate::words::signal::Signal;

const HELP: Text = text!(
    " [-ghLPV] [--] <progname> [<arguments>...]

  -g  signals go to the child's process group
  -P  run nothing, reap, and end on TERM or INT
  -h  this text
  -L  the licence
  -V, --version  the version

CATATONIT_DEBUG: say what happens.
"
);

/// catatonit's door.
pub const DOOR: Door = Door {
    help: HELP,
    settings: &[
        Setting::Group,
        Setting::Pause,
        Setting::Help,
        Setting::License,
        Setting::Version,
    ],
    names: Names::Shortened,
    help_to: Stream::Err,
    // Podman and Docker look for this form.
    version: text!("tini version 0.2.1_catatonit\n"),
    version_to: Stream::Out,
    no_command: text!(
        "\
ERROR (catatonit:#): missing program name
usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]"
    ),
};

/// The lines that catatonit has, in the order of [`crate::message::Kind`].
pub const WORDS: Text = text!(
    "\
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










"
);

/// What comes before the options: catatonit's own environment.
pub fn before(question: &Question, plan: &mut Plan) -> Result<(), u8> {
    if question.variable(b"CATATONIT_LOG").is_some() {
        let text = text!(
            "\
            ERROR (catatonit:#): CATATONIT_LOG is no longer supported; see -h"
        );
        question.complain(text);
        return Err(1);
    }
    plan.verbosity = u32::from(question.variable(b"CATATONIT_DEBUG").is_some());
    plan.routes.drop_all(tini::NOT_PASSED_ON.with(Signal::TSTP));
    Ok(())
}
