//! Does what the supervisor says: signals, the terminal, and our own lines.

use core::ffi::c_int;

use rustix::io::IoSlice;

use super::Init;
use crate::edge::leftovers::Broadcast;
use crate::edge::reactor::NONE;
use crate::edge::{notify, raw, reap, say, terminal};
use pidlet::message::{Kind, Message, Stream};
use pidlet::plan::Style;
use pidlet::supervise::{Action, News};
use pidlet::voice;
use pidlet::words::Pid;
use pidlet::words::line::Line;
use pidlet::words::signal::Signal;

impl Init<'_> {
    /// Does what the supervisor says. False if the processes that it is meant for are out of our reach.
    #[inline(never)]
    pub(super) fn perform(&mut self, action: Action) -> bool {
        match action {
            Action::Say(message) => self.say(message),
            Action::Signal { pid, group, signal } => self.signal(pid, group, signal),
            Action::Wake(pid) => {
                if reap::stopped(pid).is_some() {
                    self.signal(pid, self.plan.group, Signal::CONT);
                }
            }
            Action::SignalLeftovers(signal) => {
                let (own, supervisor) = (self.own.pid, &self.supervisor);
                let broadcast = Broadcast {
                    own,
                    signal,
                    supervisor,
                };
                return broadcast.send();
            }
            Action::Look => self.reap_due = true,
            Action::Check(place) => self.check(place),
            Action::Uncheck(place) => {
                if let Some(pid) = self.checks.give_up(place) {
                    self.signal(pid, true, Signal::KILL);
                }
            }
            // The commands of a command line inherit that socket, and say themselves what there is to say.
            Action::Announce(_) if !self.plan.from_file => (),
            Action::Announce(news) => {
                let text: &[u8] = match news {
                    News::Ready => b"READY=1",
                    News::Stopping => b"STOPPING=1",
                };
                // Status messages of services may have filled the receiver's queue, so wait a little.
                notify::tell(self.start, &[IoSlice::new(text)], say::LAST_LINE_MS);
            }
            Action::CloseInput(place) => self.outputs.close_input(place),
            Action::Foreground(pid) => {
                if self.terminal.give(pid) {
                    self.signal(pid, true, Signal::CONT);
                }
            }
            Action::Suspend(pid, signal) => self.suspend(pid, signal),
            Action::Resume(pid) => _ = self.terminal.give(pid),
            Action::StopSelf(signal) => terminal::stop(self.own.pid as c_int, signal),
        }
        true
    }

    /// Gives a child's group the terminal if we have it, and continues the group.
    #[inline(never)]
    fn resume(&mut self, pid: Pid) {
        self.terminal.give(pid);
        self.signal(pid, true, Signal::CONT);
    }

    #[inline(never)]
    fn signal(&mut self, pid: Pid, group: bool, signal: Signal) {
        let mut sent = raw::kill_child(pid, group, signal);
        if group && raw::group_of(pid) != pid {
            // It has left its group for another one, and other processes may still be in the old one.
            sent = raw::kill_child(pid, false, signal);
        }
        if let Err(errno) = sent {
            self.say(Message::not_signalled(pid, errno));
        }
    }

    /// The terminal stopped our child: to the process waiting for us, it must look as if it stopped us.
    fn suspend(&mut self, pid: Pid, signal: Signal) {
        let wants_it = signal == Signal::TTIN || signal == Signal::TTOU;
        if wants_it && self.terminal.ours() != NONE {
            // On `fg` a shell gives a job that runs the terminal and sends no signal: we have it now.
            return self.resume(pid);
        }
        self.terminal.take_back();
        if terminal::leads_group(self.own.pid) {
            // We lead our group, so the job is ours: a pipeline stops as a whole. We sleep here until CONT.
            self.suspended = true;
            terminal::stop(0, signal);
        } else if !wants_it {
            // The group is a script's, which we must not stop, so Ctrl-Z has no lasting effect.
            self.resume(pid);
        }
    }

    pub(super) fn say(&mut self, message: Message) {
        let mut line = Line::new();
        let mut tries = 0;
        if message.kind == Kind::End {
            tries = say::LAST_LINE_TRIES;
            self.checks.close_pipes();
            self.outputs
                .finish(self.supervisor.limit(), &mut self.reactor);
            // The peers have no words for that.
            if self.plan.style == Style::Pidlet {
                self.outputs.complain(true);
            }
            voice::describe(message, &self.supervisor, self.own.pid, &mut line);
            let written =
                say::termination_log(self.plan).and_then(|file| raw::write_all(file, line.end()));
            if let (Err(errno), Some(path)) = (written, self.plan.termination_log) {
                line.clear();
                line.put_cannot_write(path.to_bytes(), errno);
                self.outputs.say(Stream::Err, &mut line, tries);
            }
            line.clear();
        }
        // After everything else: the last line says why the container ends.
        if let Some(stream) = voice::write(message, &self.supervisor, self.own.pid, &mut line) {
            self.outputs.say(stream, &mut line, tries);
        }
    }
}
