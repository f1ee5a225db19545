//! pidlet's own command line.

use super::Door;
use super::getopt::Names;
use super::settings::Setting;
use crate::message::Stream;

const HELP: &str = "\
[OPTIONS] [--] COMMAND [ARG]... [--- COMMAND [ARG]...]...

PID 1 for containers: runs one command or several, reaps zombies, passes signals on, stops
everything gracefully, and ends with the exit code of the command that mattered.

  -u, --until any|all|failure  end when one command ends, when all have, when one fails (any)
  -t, --grace DURATION  the longest that a stop may take before what is left is killed (8s)
      --lame-duck DURATION  on a stop signal, wait this long before stopping anything (0s)
  -g, --group  send signals to each command's process group
  -r, --rewrite FROM:TO  take signal FROM as TO; TO 0 drops it; repeatable
  -e, --expect CODE  this exit code is success and becomes 0; repeatable
  -p, --parent-death SIGNAL  stop with SIGNAL when the parent process dies
      --hold  after a failure, keep the container until a stop signal
      --separator WORD  what separates commands (---)
      --termination-log PATH  the end's reason goes here too (/dev/termination-log if empty)
  -q, --quiet  say less; repeatable
  -v, --verbose  say more; repeatable
      --dry-run  check everything, print the plan, run nothing
  -h, --help  this text
  -V, --version  the version

DURATION is 500ms, 8s, 2m, 1h or seconds; a signal is TERM, SIGTERM, 15 or RTMIN+3.
Each option has an environment twin, --lame-duck PIDLET_LAME_DUCK; an option wins.
Exit code: the command's, or 128+n if signal n killed it; 127 not found, 126 not executable,
125 set-up failed, 1 usage.
Under the names tini, docker-init, dumb-init, catatonit and podman-init it is that program.
";

/// Our own door. Its options have twins in the environment under every name.
pub const DOOR: Door = Door {
    help: HELP,
    settings: &[
        Setting::Until,
        Setting::Grace,
        Setting::LameDuck,
        Setting::Group,
        Setting::Rewrite,
        Setting::Expect,
        Setting::ParentDeath,
        Setting::Hold,
        Setting::Separator,
        Setting::TerminationLog,
        Setting::Quiet,
        Setting::Verbose,
        Setting::DryRun,
        Setting::Help,
        Setting::Version,
    ],
    names: Names::Exact,
    help_to: Stream::Out,
    version: concat!("pidlet ", env!("CARGO_PKG_VERSION"), "\n"),
    version_to: Stream::Out,
    no_command: "pidlet: no command given; 'pidlet --help' says more",
};
