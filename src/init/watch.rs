//! What is heard of running services: their own words, what checks find, and pid files.

use core::mem::MaybeUninit;

use rustix::io::IoSlice;

use super::Init;
use crate::edge::raw::{self, Sender};
use crate::edge::reactor::NONE;
use crate::edge::spawn::CommandKind;
use crate::edge::{check, notify, process, reap};
use pidlet::message::{Kind, Message};
use pidlet::plan::{Key, NO_SERVICE, Place, Probe};
use pidlet::supervise::{Event, Finding, Notice, State};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::line::Line;

/// How many messages are heard before everything else has its turn again.
const MESSAGES_MAX: u32 = 64;

impl<'p> Init<'p> {
    /// Hears what services say through sd_notify(3), so much of it at a time that no sender can keep us.
    /// Returns how many messages that was.
    #[inline(never)]
    pub(super) fn receive_messages(&mut self) -> u32 {
        let mut buffer = [MaybeUninit::uninit(); notify::MESSAGE_BYTES_MAX];
        for count in 0..MESSAGES_MAX {
            let Some((sender, message)) = self.notify.receive(&mut buffer, &mut self.reactor)
            else {
                return count;
            };
            let Some(place) = self.sender_service(sender) else {
                continue;
            };
            let status = pidlet::notify::parse(message, &mut |notice| {
                let notice = match notice {
                    Notice::Main(pid) if !process::may_claim(sender.user, pid, false) => return,
                    Notice::Main(pid) if !self.is_free(pid) => Notice::Successor(pid),
                    notice => notice,
                };
                self.step(Event::Noticed(place, notice));
            });
            if let Some(status) = status {
                self.pass_on_status(place, status);
            }
        }
        MESSAGES_MAX
    }

    /// Tells whatever supervises us what a service says of itself.
    #[inline(never)]
    fn pass_on_status(&self, place: Place, status: &[u8]) {
        let mut name = Line::new();
        name.put_service(self.plan, place);
        notify::tell(
            self.start,
            &[
                IoSlice::new(b"STATUS="),
                IoSlice::new(name.text()),
                IoSlice::new(b": "),
                IoSlice::new(status),
            ],
            0,
        );
    }

    /// The service that the sender of a message speaks for.
    fn sender_service(&self, sender: Sender) -> Option<Place> {
        // The sender may have ended before we hear it, and its number may be another process's by now.
        if !process::may_claim(sender.user, sender.pid, true) {
            return None;
        }
        let owner = self.owner(sender);
        if owner != NO_SERVICE {
            return Some(owner);
        }
        // An orphan may be a daemon whose pid file has not been read yet.
        let named = Finding::Main(sender.pid);
        let mut places = 0..self.plan.services.len() as Place;
        places.find(|&place| self.supervisor.launches(place) && self.pid_file(place) == named)
    }

    /// The service that a sender belongs to, or [`NO_SERVICE`]: the sender is the service's own process or
    /// descends from it, or it is in its process group or session and runs as its user. Any process in our
    /// session may join any group in it (setpgid(2)), so a group alone proves nothing.
    fn owner(&self, sender: Sender) -> Place {
        let mut owner = NO_SERVICE;
        let mut is = |pid| {
            owner = self.supervisor.service_of(pid);
            owner != NO_SERVICE
        };
        let pid = sender.pid;
        // Of pid 0, a process outside of our PID namespace, all these calls tell about ourselves; but neither
        // we nor the leaders of our group and our session are a service.
        if process::self_or_ancestor(pid, &mut is) {
            return owner;
        }
        let joined = is(raw::group_of(pid)) || is(raw::session_of(pid));
        if joined && process::user_of(self.plan.spec(owner)) == sender.user {
            return owner;
        }
        NO_SERVICE
    }

    /// The key that says how a service is checked now.
    fn checked(&self, place: Place) -> Key {
        if self.supervisor.record(place).up {
            Key::Health
        } else {
            Key::Ready
        }
    }

    pub(super) fn probe(&self, place: Place) -> Option<Probe<'p>> {
        self.plan.spec(place).probe(self.checked(place))
    }

    /// Checks a service once. The outcome is fetched later, since we are in the middle of a step.
    pub(super) fn check(&mut self, place: Place) {
        let state = self.supervisor.record(place).state;
        let finding = match self.probe(place) {
            _ if state == State::Launched => match self.pid_file(place) {
                named @ Finding::Main(_) => named,
                _ if self.adopts && reap::is_childless() => Finding::NoChild,
                finding => finding,
            },
            Some(Probe::Exec(_)) => {
                let kind = CommandKind::Check(self.checked(place));
                let errno = match self.launch(place, kind, NONE) {
                    Ok(pid) => return self.checks.started(place, pid),
                    Err(fault) => fault.errno,
                };
                self.say(Message {
                    errno,
                    ..Message::about(Kind::NotChecked, place)
                });
                Finding::Bad(errno)
            }
            Some(probe) => return self.checks.begin(place, &probe, &mut self.reactor),
            None => Finding::Bad(Errno(0)),
        };
        self.checks.found(place, Some(finding));
    }

    /// Tells the supervisor what checks have found.
    #[inline(never)]
    pub(super) fn tell_findings(&mut self) {
        while let Some(event) = self.checks.fetch() {
            self.step(event);
        }
    }

    /// What a service's pid file says; [`Finding::MISSING`] if it has none.
    pub(super) fn pid_file(&self, place: Place) -> Finding {
        let spec = self.plan.spec(place);
        let Some(path) = spec.word(Key::Pidfile) else {
            return Finding::MISSING;
        };
        match check::pid_file(path) {
            0 => Finding::MISSING,
            pid if self.may_become(place, pid) => Finding::Main(pid),
            _ => Finding::NotOurs,
        }
    }

    /// Whether a process may become this service's: it is free, and the service's user may name it.
    #[inline(never)]
    pub(super) fn may_become(&self, place: Place, pid: Pid) -> bool {
        let user = process::user_of(self.plan.spec(place));
        self.is_free(pid) && process::may_claim(user, pid, false)
    }

    /// Whether a process may become a service's, unless it is another's: it is a living child of ours, and
    /// not that of a check, whose end only the check hears of.
    fn is_free(&self, pid: Pid) -> bool {
        reap::is_child(pid) && self.checks.checked_by(pid).is_none()
    }
}
