//! The words for each message, in the style of whom we are.
//!
//! A style is a text of one line for each [`Kind`], in that order. A line begins with the verbosity
//! from which on it is said, then comes a template; a kind that a style does not have is an empty
//! line. In a template stands
//!
//! | | |
//! |---|---|
//! | `%s` `%g` | the service's name, its program as it was given |
//! | `%p` `%o` | the process concerned, our own |
//! | `%c` | the exit code of a process, or the signal's number that killed it |
//! | `%k` | the same as a shell counts: 128 plus the number |
//! | `%S` `%N` | a signal, its number |
//! | `%T` `%M` | the signal that it is rewritten to, its number |
//! | `%e` | an error in the words of strerror(3) |
//! | `%t` `%b` `%l` | how long the service ran, the stop budget, the lame-duck delay |
//! | `%n` | a new line |
//! | `%i` `%r` `%x` | at the end: what began it, the reason, the container's exit code |

use crate::front::{catatonit, dumb_init, tini};
use crate::message::{Message, Stream};
use crate::plan::{Plan, Step, Style};
use crate::supervise::{State, Supervisor};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::text::{Line, cut};
use crate::words::time::Span;

/// The lines of a style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Started,
    NotForked,
    NotGrouped,
    NotExecuted,
    NotInterpreted,
    Exited,
    Killed,
    KilledByUs,
    KilledForMemory,
    KilledFromOutside,
    AllDone,
    Received,
    Rewritten,
    PassedOn,
    Dropped,
    OrphanExited,
    OrphanKilled,
    Stopping,
    LameDuck,
    Overdue,
    LeftOver,
    LeftBehind,
    Unkillable,
    Held,
    NotSubreaper,
    NotSignalled,
    End,
}

/// Our own style.
const PIDLET: &str = "\
3%s (pid %p) runs
0%s: cannot make a process for \"%g\": %e
0%s: cannot make a process group for \"%g\": %e
0%s: cannot run \"%g\": %e
0%s: cannot run \"%g\": it is there, but the interpreter or loader that it names is not
3%s (pid %p) exited with code %c after %t
3%s (pid %p) was killed by signal %c (%S) after %t
3%s (pid %p) did not stop in time and was killed after %t
3%s (pid %p) was killed by the kernel: out of memory, after %t
3%s (pid %p) was killed by signal 9 (KILL) from outside after %t
3all services have ended
4received %S
4%S is rewritten to %T
4passed on %S
4%S is not passed on
4reaped an orphan (pid %p): exited with code %c
4reaped an orphan (pid %p): killed by signal %c (%S)
3stopping within %b
3stopping after a delay of %l
1%s (pid %p) did not stop within %b: killed
1processes left over by the services did not stop within %b: killed
1processes left over are not stopped: without /proc they cannot be found
1processes that were killed do not end: they hang in the kernel
1%r; held until a stop signal
1cannot become a child subreaper: orphans will not be reaped here
1cannot signal process %p: %e
2%i%r; container exits %x
";

/// What a template may speak of.
struct Facts<'f, 'p> {
    plan: &'f Plan<'p>,
    own: Pid,
    service: usize,
    pid: Pid,
    status: Status,
    signal: Option<Signal>,
    to: Option<Signal>,
    errno: Errno,
    ran: Span,
    code: u8,
    reason: Kind,
}

/// Writes `message` as the plan's style has it; `None` if it is not to be said.
pub fn write(
    message: Message,
    supervisor: &Supervisor,
    own: Pid,
    line: &mut Line,
) -> Option<Stream> {
    let plan = supervisor.plan();
    let (mut kind, facts) = facts(message, supervisor, own);
    let text = match plan.style {
        Style::Pidlet => PIDLET,
        Style::Tini => tini::WORDS,
        Style::DumbInit => dumb_init::WORDS,
        Style::Catatonit => catatonit::WORDS,
    };
    let ours = plan.style == Style::Pidlet;
    let fault = not_started(facts.reason);
    if fault && !ours && kind == Kind::End {
        // It was not said before, and the peers say nothing after it.
        kind = facts.reason;
    }
    let (level, template) = line_of(text, kind)?;
    let level = match message {
        Message::End { .. } | Message::Held(_) if ours && fault => 0,
        Message::End { code: 1.., .. } | Message::Ended(_, true) if ours => 1,
        Message::Orphan(..) if plan.style == Style::Tini && !plan.warn_on_reap => return None,
        _ => level,
    };
    if plan.verbosity < level {
        return None;
    }
    if ours {
        line.put("pidlet: ");
    }
    fill(line, template, &facts);
    // tini's own words about its work are on standard output; whatever may be a fault is not.
    let out = plan.style == Style::Tini && level > 1;
    Some(if out { Stream::Out } else { Stream::Err })
}

/// Writes `message` in our own style, whatever the verbosity.
pub fn describe(message: Message, supervisor: &Supervisor, own: Pid, line: &mut Line) {
    let (kind, facts) = facts(message, supervisor, own);
    if let Some((_, template)) = line_of(PIDLET, kind) {
        line.put("pidlet: ");
        fill(line, template, &facts);
    }
}

fn not_started(kind: Kind) -> bool {
    (Kind::NotForked as u8..=Kind::NotInterpreted as u8).contains(&(kind as u8))
}

fn line_of(text: &'static str, kind: Kind) -> Option<(u32, &'static [u8])> {
    let mut rest = text.as_bytes();
    for _ in 0..kind as u8 {
        rest = cut(rest, b'\n').1;
    }
    let (level, template) = cut(rest, b'\n').0.split_first()?;
    Some((u32::from(level - b'0'), template))
}

fn facts<'f, 'p>(
    message: Message,
    supervisor: &'f Supervisor<'p>,
    own: Pid,
) -> (Kind, Facts<'f, 'p>) {
    let mut facts = Facts {
        plan: supervisor.plan(),
        own,
        service: usize::MAX,
        pid: 0,
        status: Status::Exited(0),
        signal: None,
        to: None,
        errno: Errno(0),
        ran: Span::ZERO,
        code: 0,
        reason: Kind::AllDone,
    };
    let kind = match message {
        Message::Started(service) => facts.about(supervisor, service, Kind::Started),
        Message::NotStarted(service) | Message::Ended(service, _) => {
            facts.about(supervisor, service, Kind::End);
            match facts.reason {
                // Who killed it and why is for the last line, in every style but ours.
                Kind::KilledByUs | Kind::KilledForMemory | Kind::KilledFromOutside
                    if facts.plan.style != Style::Pidlet =>
                {
                    Kind::Killed
                }
                reason => reason,
            }
        }
        Message::Overdue(service) => facts.about(supervisor, service, Kind::Overdue),
        Message::Held(service) => facts.about(supervisor, service, Kind::Held),
        Message::End {
            service,
            signal,
            code,
        } => {
            facts.about(supervisor, service.unwrap_or(usize::MAX), Kind::End);
            (facts.to, facts.code) = (signal, code);
            Kind::End
        }
        Message::Received(signal) => facts.of_signal(signal, Kind::Received),
        Message::PassedOn(signal) => facts.of_signal(signal, Kind::PassedOn),
        Message::Dropped(signal) => facts.of_signal(signal, Kind::Dropped),
        Message::Rewritten(from, to) => {
            facts.to = Some(to);
            facts.of_signal(from, Kind::Rewritten)
        }
        Message::Orphan(pid, status) => {
            facts.pid = pid;
            facts.of_status(status, Kind::OrphanExited, Kind::OrphanKilled)
        }
        Message::NotSignalled(pid, errno) => {
            (facts.pid, facts.errno) = (pid, errno);
            Kind::NotSignalled
        }
        Message::Stopping => Kind::Stopping,
        Message::LameDuck => Kind::LameDuck,
        Message::LeftOver => Kind::LeftOver,
        Message::LeftBehind => Kind::LeftBehind,
        Message::Unkillable => Kind::Unkillable,
        Message::NotSubreaper => Kind::NotSubreaper,
    };
    (kind, facts)
}

impl Facts<'_, '_> {
    fn of_signal(&mut self, signal: Signal, kind: Kind) -> Kind {
        self.signal = Some(signal);
        kind
    }

    fn of_status(&mut self, status: Status, exited: Kind, killed: Kind) -> Kind {
        self.status = status;
        match status {
            Status::Exited(_) => exited,
            Status::Killed(signal) => self.of_signal(signal, killed),
        }
    }

    fn about(&mut self, supervisor: &Supervisor, service: usize, kind: Kind) -> Kind {
        self.service = service;
        let (pid, state) = supervisor.service(service);
        self.pid = pid;
        match state {
            State::Waiting | State::Running { .. } => (),
            State::NotStarted(fault) => {
                self.errno = fault.errno;
                self.reason = match fault.step {
                    Step::Fork => Kind::NotForked,
                    Step::Group => Kind::NotGrouped,
                    Step::Exec => Kind::NotExecuted,
                    Step::Interpreter => Kind::NotInterpreted,
                };
            }
            State::Ended(end) => {
                self.ran = end.ran;
                let killed = match end.status {
                    Status::Killed(Signal::KILL) if end.killed_by_us => Kind::KilledByUs,
                    Status::Killed(Signal::KILL) if end.out_of_memory => Kind::KilledForMemory,
                    Status::Killed(Signal::KILL) => Kind::KilledFromOutside,
                    _ => Kind::Killed,
                };
                self.reason = self.of_status(end.status, Kind::Exited, killed);
            }
        }
        kind
    }
}

fn fill(line: &mut Line, mut template: &[u8], facts: &Facts) {
    let plan = facts.plan;
    while let Some((byte, rest)) = template.split_first() {
        template = rest;
        if *byte != b'%' {
            line.push(*byte);
            continue;
        }
        let Some((code, rest)) = template.split_first() else {
            return;
        };
        template = rest;
        let status = match facts.status {
            Status::Exited(code) => code,
            Status::Killed(signal) => signal.number(),
        };
        let number = match code {
            b'p' => facts.pid,
            b'o' => facts.own,
            b'c' => status.into(),
            b'k' => facts.status.code().into(),
            b'x' => facts.code.into(),
            b'N' => facts.signal.map_or(0, Signal::number).into(),
            b'M' => facts.to.map_or(0, Signal::number).into(),
            _ => {
                match (code, facts.to) {
                    (b's', _) => line.put_service(plan, facts.service),
                    (b'g', _) => line.put_program(plan, facts.service),
                    (b'S', _) => line.put_maybe_signal(facts.signal),
                    (b'T', to) => line.put_maybe_signal(to),
                    (b'e', _) => line.put_errno(facts.errno),
                    (b't', _) => line.put_span(facts.ran),
                    (b'b', _) => line.put_setting(plan.budget()),
                    (b'l', _) => line.put_setting(plan.lame_duck),
                    (b'n', _) => line.put("\n"),
                    (b'i', Some(to)) => line.put("stopped by ").put_signal(to).put(": "),
                    _ => line,
                };
                if let (b'r', Some((_, reason))) = (code, line_of(PIDLET, facts.reason)) {
                    fill(line, reason, facts);
                }
                continue;
            }
        };
        line.put_number(number.into());
    }
}

impl Line {
    /// A service's name, `web` or `web-2`.
    pub fn put_service(&mut self, plan: &Plan, service: usize) -> &mut Line {
        if let Some(service) = plan.services.get(service) {
            self.put_bytes(service.name);
            if service.copy > 1 {
                self.put("-").put_number(service.copy.into());
            }
        }
        self
    }

    fn put_program(&mut self, plan: &Plan, service: usize) -> &mut Line {
        match plan.command(service).first() {
            Some(program) => self.put_bytes(program.to_bytes()),
            None => self,
        }
    }

    fn put_maybe_signal(&mut self, signal: Option<Signal>) -> &mut Line {
        match signal {
            Some(signal) => self.put_signal(signal),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests;
