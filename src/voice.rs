//! The words for each message, in the style of whom we are.
//!
//! A style is a text of one line for each [`Kind`], in that order. A line begins with the verbosity
//! from which on it is said, then comes a template; a kind that a style does not have is an empty
//! line. In a template stands
//!
//! | | |
//! |---|---|
//! | `%s` `%g` | the service's name, its program as it was given |
//! | `%j` | what could not be done: a key of its section with its value |
//! | `%p` `%o` | the process concerned, our own |
//! | `%c` | the exit code of a process, or the signal's number that killed it |
//! | `%k` | the same as a shell counts: 128 plus the number |
//! | `%S` `%N` | a signal, its number |
//! | `%T` `%M` | the signal that it is rewritten to, its number |
//! | `%e` | an error in the words of strerror(3) |
//! | `%t` `%b` `%l` | how long the service ran, the stop budget, the lame-duck delay |
//! | `%y` `%d` `%a` | its ready-timeout, the delay before it starts again, what it is after in vain |
//! | `%n` | a new line |
//! | `%i` `%r` `%x` | at the end: what began it, the reason, the container's exit code |

use crate::front::{catatonit, dumb_init, tini};
use crate::message::{Kind, Message, Stream};
use crate::plan::{Key, Place, Plan, Step, Style};
use crate::supervise::{End, Record, Supervisor};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::packed::{Reader, Text};
use crate::words::signal::Signal;
use crate::words::text::Line;
use crate::words::time::Span;

/// Our own style.
const PIDLET: Text = text!(
    "\
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
3%s (pid %p) is up after %t
1%s (pid %p) was not ready within %y: stopped
1%s (pid %p) is not well: stopped
1%s (pid %p) let its watchdog wait: stopped
1%s left no pid file within %y
1%s: its pid file names a process that is not its own
1%s starts again in %d
1%s was started too often: it is not started again
3%s is not started: %a, which it is after, will never be up
1%s: cannot run its finish command: %e
0%s: %j: %e
"
);

/// The codes of all numbers: those that are said as such, signals by their names, an error by its
/// text, and lengths of time.
const NUMBERS: &[u8; 15] = b"pocSNkxTMetblyd";

/// What a template may speak of.
struct Facts<'p> {
    plan: &'p Plan<'p>,
    message: Message,
    /// Why the service is gone.
    reason: Kind,
    /// The key of its section that could not be done.
    key: Option<Key>,
    /// What it was after in vain.
    cause: Place,
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
    let fault = (Kind::NotForked..=Kind::NotInterpreted).contains(&facts.reason)
        || facts.reason == Kind::NotSet;
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
    let mut template = text.line(kind as usize).read();
    let mut level = template.next()? - b'0';
    if ours && fault {
        level = 0;
    } else if ours && message.code != 0 && kind != Kind::OrphanExited {
        level = 1;
    }
    if verbosity < level.into() {
        return None;
    }
    if ours {
        line.put(text!("pidlet: "));
    }
    facts.fill(line, &mut template);
    // tini's own words about its work are on standard output; whatever may be a fault is not.
    Some(if tini && level > 1 {
        Stream::Out
    } else {
        Stream::Err
    })
}

impl<'p> Facts<'p> {
    fn of(message: Message, supervisor: &Supervisor<'p>, own: Pid) -> Facts<'p> {
        let plan = supervisor.plan();
        let record = supervisor.record(message.service);
        let record = record.unwrap_or(&Record::WAITING);
        let place = usize::from(message.service);
        let spec = plan.spec(place);
        let (errno, key) = match record.end {
            End::NotStarted(fault) => match fault.step {
                Step::Key(key) => (fault.errno, Some(key)),
                _ => (fault.errno, None),
            },
            _ => (message.errno, None),
        };
        // What a process ended with: its code, or the signal's number.
        let (number, killed) = match record.end {
            End::Process(Status::Exited(code)) => (code, false),
            End::Process(Status::Killed(signal)) => (signal.number(), true),
            _ => (message.code | message.signal, message.signal != 0),
        };
        Facts {
            plan,
            message,
            reason: record.reason(),
            cause: record.cause,
            key,
            numbers: [
                (record.main | message.pid).into(),
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
                spec.stop_timeout().unwrap_or(plan.budget()).0,
                plan.lame_duck.0,
                spec.number(Key::ReadyTimeout),
                record.delay.0,
            ],
        }
    }

    fn fill(&self, line: &mut Line, template: &mut Reader) {
        let service = usize::from(self.message.service);
        while let Some(byte) = template.next() {
            if byte != b'%' {
                line.push(byte);
                continue;
            }
            let code = template.next().unwrap_or(b'n');
            let place = NUMBERS.iter().position(|known| *known == code);
            let number = place.and_then(|place| self.numbers.get(place)).copied();
            let number = number.unwrap_or(0);
            match code {
                b's' => _ = line.put_service(self.plan, service),
                b'g' => line.put_program(self.plan, service),
                b'j' => self.put_key(line),
                b'S' | b'T' => line.put_maybe_signal(Signal::new(number as u32)),
                b'a' => _ = line.put_service(self.plan, self.cause.into()),
                b'e' => _ = line.put_errno(Errno(number as u16)),
                b't' => _ = line.put_span(Span(number)),
                b'n' => line.push(b'\n'),
                b'b' | b'l' | b'y' | b'd' => _ = line.put_setting(Span(number)),
                b'i' if self.message.to != 0 => {
                    self.fill(line, &mut text!("stopped by %T: ").read());
                }
                b'i' => (),
                b'r' => {
                    let mut reason = PIDLET.line(self.reason as usize).read();
                    // Its level.
                    reason.next();
                    self.fill(line, &mut reason);
                }
                _ => _ = line.put_number(number),
            }
        }
    }
}

impl Facts<'_> {
    fn put_key(&self, line: &mut Line) {
        let services = &self.plan.services;
        let service = services.get(usize::from(self.message.service));
        if let (Some(key), Some(service)) = (self.key, service) {
            line.put_bytes(key.name());
            for word in service.spec.words(key) {
                line.put(text!(" \""))
                    .put_bytes(word.to_bytes())
                    .put(text!("\""));
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
                self.put(text!("-")).put_number(service.copy.into());
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
