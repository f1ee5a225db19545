//! Signals that arrive: what each is taken as, to whom it is passed on, and what those of the terminal do to
//! us. What stops the container is in [`stop`](super::stop).

use core::mem::replace;

use super::{Action, Phase, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Group, Place, Style};
use crate::words::Pid;
use crate::words::signal::{Signal, SignalSet};

/// Whether the terminal, or whoever does as it does, has stopped our children, and us with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// No, or somebody has continued us since.
    None,
    /// We stopped ourselves as we were asked, and passed that on: our children stop as well, which we see
    /// no sooner than when somebody continues us.
    PassedOn,
    /// We have seen that a child was stopped.
    Seen,
}

impl Supervisor<'_> {
    /// The process of the service that has the terminal was stopped by it.
    pub(super) fn stopped(&mut self, pid: Pid, signal: Signal) {
        if !self.alone {
            let before = replace(&mut self.suspension, Suspension::Seen);
            if before != Suspension::PassedOn {
                self.act(Action::Suspend(pid, signal));
            }
            return;
        }
        if signal == Signal::TSTP {
            // Nobody is there to say `fg`: Ctrl-Z has no lasting effect.
            self.send(pid, true, Signal::CONT);
        } else {
            // It wants the terminal that is meant for it, and somebody else has it.
            self.act(Action::Foreground(pid));
        }
    }

    /// A signal arrived.
    pub(super) fn signal(&mut self, arrived: Signal, from_kernel: bool, parent_died: bool) {
        self.say_signal(Kind::Received, arrived);
        if arrived == Signal::CHLD {
            // Our own business; only dumb-init says it.
            return;
        }
        let bit = SignalSet::NONE.with(arrived).0;
        let ignored = self.ignore_once.0 & bit != 0;
        self.ignore_once.0 &= !bit;
        let mut route = if ignored { None } else { self.route(arrived) };
        if self.alone && from_kernel {
            // Ctrl-Z: nobody could say `fg`. dumb-init takes it as STOP.
            route = route.filter(|signal| *signal != Signal::TSTP && *signal != Signal::STOP);
        }
        match route {
            None => {
                self.say_signal(Kind::Dropped, arrived);
                if self.plan.style != Style::DumbInit {
                    return;
                }
            }
            Some(signal) if self.services.all.is_empty() => {
                // Pause (catatonit -P, the pause container).
                if signal == Signal::TERM || signal == Signal::INT {
                    self.phase = Phase::Done;
                }
                return;
            }
            Some(signal) if parent_died || SignalSet::STOP.has(signal) => {
                self.stop_asked(signal, from_kernel);
            }
            Some(signal) => self.pass_on(signal, from_kernel),
        }
        // Whoever presses Ctrl-Z means us too, where the child cannot stop us by stopping itself;
        // dumb-init stops itself for anybody, whatever becomes of the signal.
        let sleeps = SignalSet::TERMINAL_STOPS.has(arrived)
            && !self.alone
            && (from_kernel || self.plan.style == Style::DumbInit);
        if sleeps {
            let by = if from_kernel { arrived } else { Signal::STOP };
            self.act(Action::StopSelf(by));
        }
        if sleeps {
            self.suspension = Suspension::PassedOn;
        } else if arrived == Signal::CONT {
            self.suspension = Suspension::None;
        }
    }

    /// What a signal is taken as, said where that is another one.
    #[inline(never)]
    pub(super) fn route(&mut self, signal: Signal) -> Option<Signal> {
        let route = self.plan.routes.get(signal);
        if let Some(to) = route.filter(|to| *to != signal) {
            self.say(Message {
                to: to.number(),
                ..Message::of_signal(Kind::Rewritten, signal)
            });
        }
        route
    }

    /// Passes a signal on to every running service.
    pub(super) fn pass_on(&mut self, signal: Signal, from_kernel: bool) {
        if from_kernel && self.plan.setup.group == Group::Ours {
            // The child is in our group: the terminal has told it already.
            return;
        }
        self.say_signal(Kind::PassedOn, signal);
        let mut groups = from_kernel;
        if signal == Signal::CONT && self.suspension != Suspension::None {
            // The terminal stopped whole groups.
            groups = true;
            if let Some(pid) = self.foreground_child() {
                self.act(Action::Resume(pid));
            }
        }
        for place in self.places() {
            self.pass_to(place, signal, groups);
        }
    }

    /// Sends a service a signal that came to us. A key is pressed for a whole group.
    fn pass_to(&mut self, place: Place, signal: Signal, from_kernel: bool) {
        let record = self.services.see(place);
        // A `finish` command is at its end anyway, and has its own time for that.
        if record.has_process() && record.state != State::Finishing {
            let group = from_kernel | self.by_group(self.spec(place));
            self.send(record.pid, group, signal);
        }
    }
}
