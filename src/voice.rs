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
use crate::message::{Kind, Message, Stream};
use crate::plan::{Plan, Style};
use crate::supervise::{Record, State, Supervisor};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::text::{Line, cut};
use crate::words::time::Span;

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

/// The codes of all numbers: those that are said as such, signals by their names, an error by its
/// text, and lengths of time.
const NUMBERS: &[u8; 13] = b"pocSNkxTMetbl";

/// What a template may speak of.
struct Facts<'p> {
    plan: &'p Plan<'p>,
    message: Message,
    /// Why the service is gone.
    reason: Kind,
    /// What is behind [`NUMBERS`].
    numbers: [u64; NUMBERS.len()],
}

/// Writes `message` as the plan's style has it; `None` if it is not to be said.
pub fn write(
    message: Message,
    supervisor: &Supervisor,
    own: Pid,
    line: &mut Line,
) -> Option<Stream> {
    let plan = supervisor.plan();
    write_in(plan.style, plan.verbosity, message, supervisor, own, line)
}

/// Writes `message` in our own style, whatever the verbosity.
pub fn describe(message: Message, supervisor: &Supervisor, own: Pid, line: &mut Line) {
    write_in(Style::Pidlet, u32::MAX, message, supervisor, own, line);
}

fn write_in(
    style: Style,
    verbosity: u32,
    message: Message,
    supervisor: &Supervisor,
    own: Pid,
    line: &mut Line,
) -> Option<Stream> {
    let facts = Facts::of(message, supervisor, own);
    let (ours, tini) = (style == Style::Pidlet, style == Style::Tini);
    let fault = (Kind::NotForked..=Kind::NotInterpreted).contains(&facts.reason);
    let text = match style {
        Style::Pidlet => PIDLET,
        Style::Tini => tini::WORDS,
        Style::DumbInit => dumb_init::WORDS,
        Style::Catatonit => catatonit::WORDS,
    };
    let kind = match message.kind {
        kind if ours => kind,
        // It was not said before, and the peers say nothing after it.
        Kind::End if fault => facts.reason,
        // Who killed it and why is for the last line, in every style but ours.
        Kind::KilledByUs | Kind::KilledForMemory | Kind::KilledFromOutside => Kind::Killed,
        Kind::OrphanExited | Kind::OrphanKilled if tini && !facts.plan.warn_on_reap => return None,
        kind => kind,
    };
    let (mut level, template) = line_of(text, kind)?;
    if ours && fault {
        level = 0;
    } else if ours && message.code != 0 && kind != Kind::OrphanExited {
        level = 1;
    }
    if verbosity < level {
        return None;
    }
    if ours {
        line.put("pidlet: ");
    }
    facts.fill(line, template);
    // tini's own words about its work are on standard output; whatever may be a fault is not.
    Some(if tini && level > 1 {
        Stream::Out
    } else {
        Stream::Err
    })
}

fn line_of(text: &'static str, kind: Kind) -> Option<(u32, &'static [u8])> {
    let mut rest = text.as_bytes();
    for _ in 0..kind as u8 {
        rest = cut(rest, b'\n').1;
    }
    let (level, template) = cut(rest, b'\n').0.split_first()?;
    Some((u32::from(level - b'0'), template))
}

impl<'p> Facts<'p> {
    fn of(message: Message, supervisor: &Supervisor<'p>, own: Pid) -> Facts<'p> {
        let plan = supervisor.plan();
        let record = supervisor.record(message.service);
        let record = record.unwrap_or(&Record::WAITING);
        let errno = match record.state {
            State::NotStarted(fault) => fault.errno,
            _ => message.errno,
        };
        // What a process ended with: its code, or the signal's number.
        let (number, killed) = match record.state {
            State::Ended(Status::Exited(code)) => (code, false),
            State::Ended(Status::Killed(signal)) => (signal.number(), true),
            _ => (message.code | message.signal, message.signal != 0),
        };
        Facts {
            plan,
            message,
            reason: record.reason(),
            numbers: [
                (record.pid | message.pid).into(),
                own.into(),
                number.into(),
                number.into(),
                number.into(),
                if killed {
                    128 + u64::from(number)
                } else {
                    number.into()
                },
                message.code.into(),
                message.to.into(),
                message.to.into(),
                errno.0.into(),
                record.ran.0,
                plan.budget().0,
                plan.lame_duck.0,
            ],
        }
    }

    fn fill(&self, line: &mut Line, mut template: &[u8]) {
        let service = usize::from(self.message.service);
        while let [byte, rest @ ..] = template {
            template = rest;
            let (b'%', [code, rest @ ..]) = (*byte, rest) else {
                line.push(*byte);
                continue;
            };
            template = rest;
            let place = NUMBERS.iter().position(|known| known == code);
            let number = place.and_then(|place| self.numbers.get(place)).copied();
            let number = number.unwrap_or(0);
            match code {
                b's' => _ = line.put_service(self.plan, service),
                b'g' => line.put_program(self.plan, service),
                b'S' | b'T' => line.put_maybe_signal(Signal::new(number as u32)),
                b'e' => _ = line.put_errno(Errno(number as u16)),
                b't' => _ = line.put_span(Span(number)),
                b'n' => line.push(b'\n'),
                b'b' | b'l' => _ = line.put_setting(Span(number)),
                b'i' if self.message.to != 0 => self.fill(line, b"stopped by %T: "),
                b'i' => (),
                b'r' => {
                    if let Some((_, reason)) = line_of(PIDLET, self.reason) {
                        self.fill(line, reason);
                    }
                }
                _ => _ = line.put_number(number),
            }
        }
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

    fn put_maybe_signal(&mut self, signal: Option<Signal>) {
        if let Some(signal) = signal {
            self.put_signal(signal);
        }
    }

    fn put_program(&mut self, plan: &Plan, service: usize) {
        if let Some(program) = plan.command(service).first() {
            self.put_bytes(program.to_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
