//! Signals that arrive: what each is taken as, which services it is passed on to, and how those of the
//! terminal stop us. What stops the container is in [`stop`](super::stop).

use core::mem::replace;

use super::{Action, Phase, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Group, Place, Style};
use crate::words::Pid;
use crate::words::signal::{Signal, SignalSet};

/// Whether the terminal, or a process that acts like it, has stopped our children, and us with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// No, or we have been continued since.
    None,
    /// We were asked to stop, passed that on and stopped ourselves. Our children stop as well, which we
    /// cannot see until we are continued.
    PassedOn,
    /// We have seen a child stopped.
    Seen,
}

impl Supervisor<'_> {
    /// The terminal stopped the process of the service that has it.
    pub(super) fn stopped(&mut self, pid: Pid, signal: Signal) {
        if !self.no_shell {
            let before = replace(&mut self.suspension, Suspension::Seen);
            if before != Suspension::PassedOn {
                self.act(Action::Suspend(pid, signal));
            }
            return;
        }
        if signal == Signal::TSTP {
            // There is no shell to say `fg`, so Ctrl-Z has no lasting effect.
            self.send(pid, true, Signal::CONT);
        } else {
            // It wants the terminal, which is meant for it, but another group has it.
            self.act(Action::Foreground(pid));
        }
    }

    /// A signal arrived.
    pub(super) fn signal(&mut self, arrived: Signal, from_kernel: bool, parent_died: bool) {
        self.say_signal(Kind::Received, arrived);
        if arrived == Signal::CHLD {
            // That is for us alone. Only dumb-init reports it.
            return;
        }
        let bit = SignalSet::NONE.with(arrived).0;
        let ignored = self.ignore_once.0 & bit != 0;
        self.ignore_once.0 &= !bit;
        let mut route = if ignored { None } else { self.route(arrived) };
        if self.no_shell && from_kernel {
            // Ctrl-Z, after which nothing could say `fg`. dumb-init takes it as STOP.
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
        // Ctrl-Z is meant for us too, where the child cannot stop us by stopping itself. dumb-init stops
        // itself whatever the sender, and whether or not the signal was passed on.
        let sleeps = SignalSet::TERMINAL_STOPS.has(arrived)
            && !self.no_shell
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

    /// What a signal is taken as; if that is another one, this is reported.
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
            // The child is in our group, so the terminal has signalled it already.
            return;
        }
        self.say_signal(Kind::PassedOn, signal);
        let mut groups = from_kernel;
        if signal == Signal::CONT && self.suspension != Suspension::None {
            // The terminal stopped whole groups, so whole groups go on.
            groups = true;
            if let Some(pid) = self.foreground_child() {
                self.act(Action::Resume(pid));
            }
        }
        for place in self.places() {
            self.pass_to(place, signal, groups);
        }
    }

    /// Sends a service a signal that came to us. A key is meant for its whole group.
    fn pass_to(&mut self, place: Place, signal: Signal, whole_group: bool) {
        let record = self.services.see(place);
        // Not its `finish` command, which has a time limit of its own.
        if record.has_process() && record.state != State::Finishing {
            let group = whole_group | self.by_group(self.spec(place));
            self.send(record.pid, group, signal);
        }
    }
}
