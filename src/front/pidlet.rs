//! pidlet's own command line.

use super::Door;
use super::getopt::Names;
use super::settings::Setting;
use crate::message::Stream;
use crate::words::packed::Text;

const HELP: Text = text!(
    " [OPTIONS] [--] COMMAND [ARG]... [--- COMMAND [ARG]...]...
or: pidlet [OPTIONS] -c FILE

PID 1 for containers: runs commands, reaps zombies, passes signals on, stops
everything gracefully, and ends with the code of the command that mattered.

  -c, --config FILE  run the services of this file (/etc/pidlet.conf)
  -u, --until any|all|failure  end when a command ends, all have, or one fails (any)
  -t, --grace DURATION  the longest a stop may take; what is left is killed (8s)
      --lame-duck DURATION  wait this long between a stop signal and the stop (0s)
  -g, --group  signals go to each command's process group
  -r, --rewrite FROM:TO  take signal FROM as TO, 0 to drop it; repeatable
  -e, --expect CODE  exit code CODE is success; repeatable
  -p, --parent-death SIGNAL  stop with SIGNAL when the parent dies
      --hold  after a failure, stay until a stop signal
      --separator WORD  between commands (---)
      --termination-log PATH  reason for the end goes here too (/dev/termination-log)
      --log inherit|prefix|json  form of the services' output (inherit)
      --timestamps  begin lines with the time
  -q, --quiet  say less; repeatable
  -v, --verbose  say more; repeatable
      --dry-run  check and print the plan, run nothing
  -h, --help  this text
  -V, --version  the version

DURATION: 500ms, 8s, 2m, 1h or seconds. SIGNAL: TERM, SIGTERM, 15 or RTMIN+3.
Environment: --lame-duck is PIDLET_LAME_DUCK, and so on; options win.
Exit code: the command's; 128+n killed by signal n; 127 not found; 126 not executable;
125 set-up failed; 1 usage.
Named tini, docker-init, dumb-init, catatonit or podman-init, it is that program.
"
);

/// Our own door. Its options have twins in the environment under every name.
pub const DOOR: Door = Door {
    help: HELP,
    settings: &[
        Setting::Config,
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
        Setting::Log,
        Setting::Timestamps,
        Setting::Quiet,
        Setting::Verbose,
        Setting::DryRun,
        Setting::Help,
        Setting::Version,
    ],
    names: Names::Exact,
    help_to: Stream::Out,
    version: text!(concat!("pidlet ", env!("CARGO_PKG_VERSION"), "\n")),
    version_to: Stream::Out,
    no_command: text!("pidlet: no command and no /etc/pidlet.conf; 'pidlet --help' says more"),
};
