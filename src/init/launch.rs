//! Starts what the supervisor wants to run: services, their `finish` commands, and checks.

use core::ffi::c_int;

use super::Init;
use crate::edge::reactor::NONE;
use crate::edge::spawn::{CommandKind, Wiring};
use crate::edge::{check, reap};
use pidlet::plan::{Key, Place, Probe, StartFault, Step};
use pidlet::supervise::{End, Event, Record, State};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;

impl Init<'_> {
    /// Starts what a service runs next, with the terminal if that belongs to it.
    #[inline(never)]
    pub(super) fn start_next(&mut self, service: Place) {
        let record = self.supervisor.record(service);
        let (kind, last) = (next_command(record), record.main);
        if last != 0 && kind == CommandKind::Run {
            // A daemon that was never found was not seen to end, either.
            self.outputs.ended(service, &mut self.reactor);
            reap::clear_group(last);
        }
        let mut terminal = NONE;
        if self.plan.services.len() == 1
            || service == self.plan.foreground && kind == CommandKind::Run
        {
            terminal = self.terminal.ours();
        }
        let launched = self.launch(service, kind, terminal);
        if terminal != NONE {
            match launched {
                Ok(pid) => self.terminal.given_to(pid),
                Err(_) => self.terminal.take(),
            }
        }
        self.step(Event::Launched(launched));
    }

    /// Starts a service, or a command that belongs to one, with what every process of a service gets.
    #[inline(never)]
    pub(super) fn launch(
        &mut self,
        service: Place,
        kind: CommandKind,
        terminal: c_int,
    ) -> Result<Pid, StartFault> {
        let mut streams = self.outputs.ends(service, &mut self.reactor)?;
        if kind != CommandKind::Run {
            // What there is to read is for the service itself.
            streams[0] = self.outputs.no_input(&mut self.reactor);
        }
        let spec = self.plan.spec(service);
        let mut notify = c"";
        if spec.notifies() {
            notify = self.notify.variable(&mut self.reactor);
        }
        let mut wiring = Wiring {
            streams,
            ready: [NONE; 2],
            notify,
            terminal,
        };
        if let (Some(Probe::Fd(to)), CommandKind::Run) = (spec.probe(Key::Ready), kind) {
            let end = self.checks.pipe(service, &mut self.reactor);
            wiring.ready = [end, to.into()];
        }
        let launched = match self.reactor.fault {
            Errno(0) => self.spawner.start(service, kind, &wiring),
            // What the service is meant to say could not be heard.
            errno => {
                let watched = spec.has(Key::Watchdog);
                let key = if watched { Key::Watchdog } else { Key::Ready };
                let step = Step::Key(key);
                Err(StartFault { step, errno })
            }
        };
        self.outputs.started();
        // No other process may hold the write end.
        check::close(&mut wiring.ready[0]);
        launched
    }
}

/// What a service runs next: itself, or its `finish` command, with how it ended.
fn next_command(record: &Record) -> CommandKind {
    match record.end {
        _ if record.state != State::Finishing => CommandKind::Run,
        End::Process(Status::Killed(signal)) => CommandKind::Finish(256, signal.number()),
        End::Process(Status::Exited(code)) => CommandKind::Finish(code.into(), 0),
        _ => CommandKind::Finish(256, 0),
    }
}
