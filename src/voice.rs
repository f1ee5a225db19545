//! The words for each message, in the style of the program that we are.
//!
//! A style is a text with one line for each [`Kind`], in that order. A line begins with the lowest verbosity
//! at which it is said, then comes a template; a kind that a style does not have is an empty line. A template
//! may contain
//!
//! | | |
//! |---|---|
//! | `%s` `%g` | the service's name, its program as it was given |
//! | `%j` | what could not be done: a key of its section with its value |
//! | `%0` … | other keys with their values: see [`KEYS`] |
//! | `%w` | what the last check found |
//! | `%p` `%o` | the process concerned, our own |
//! | `%c` | the exit code of a process, or the number of the signal that killed it |
//! | `%S` `%N` | a signal, its number |
//! | `%T` `%M` | the signal that it is rewritten to, its number |
//! | `%e` | an error in the words of strerror(3) |
//! | `%t` `%b` `%l` | how long the service ran, the stop budget, the lame-duck delay |
//! | `%y` `%d` `%a` | its ready-timeout, the delay before its restart, the service that it is after in vain |
//! | `%n` | a new line |
//! | `%i` `%r` `%x` | at the end: what began it, the reason, the container's exit code |

use crate::front::{catatonit, dumb_init, tini};
use crate::message::{Kind, Message, Stream};
use crate::plan::{Key, Place, Plan, StartFault, Step, Style};
use crate::supervise::{End, Record, Supervisor};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::line::Line;
use crate::words::packed::{Reader, Text};
use crate::words::signal::Signal;
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
1%s (pid %p) was not ready within %y: stopped (%0: %w)
1%s (pid %p) was not in the background within %y: stopped
1%s (pid %p) sent STOPPING=1 but did not end within %b: stopped
1%s (pid %p) is unhealthy: stopped (%1: %w)
1%s (pid %p) failed its watchdog: stopped (%2)
1%s left no %3 within %y
1%s: %3 names a process that is not its own
1%s left no process in the background
1%r; starts again in %d
1%s was started too often (%4): it is not started again
3%s is not started: %a, which it is after, will never be up
1%s: cannot run %5: %e
3%s: cannot run its check: %e
0%s: %j: %e
"
);

/// How much of each word of a key's value is shown, so that it does not push out what follows.
const WORD_BYTES_MAX: usize = 200;

/// The keys that templates call `%0`, `%1` and so on.
const KEYS: [Key; 6] = [
    Key::Ready,
    Key::Health,
    Key::Watchdog,
    Key::Pidfile,
    Key::Tries,
    Key::Finish,
];

/// What a template can refer to.
struct Facts<'s, 'p> {
    plan: &'p Plan<'p>,
    record: &'s Record,
    message: Message,
    own: Pid,
}

/// Writes `message` in the plan's style; `None` if it is not to be said.
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
    mut verbosity: u32,
    message: Message,
    supervisor: &Supervisor,
    own: Pid,
    line: &mut Line,
) -> Option<Stream> {
    let facts = Facts {
        plan: supervisor.plan(),
        record: supervisor.record(message.service),
        message,
        own,
    };
    let (mut ours, tini) = (style == Style::Pidlet, style == Style::Tini);
    let fault = matches!(facts.record.end, End::NotStarted(_));
    let text = match style {
        Style::Pidlet => PIDLET,
        Style::Tini => tini::WORDS,
        Style::DumbInit => dumb_init::WORDS,
        Style::Catatonit => catatonit::WORDS,
    };
    let mut kind = message.kind;
    let orphan = matches!(kind, Kind::OrphanExited | Kind::OrphanKilled);
    if orphan && tini && !facts.plan.warn_on_reap {
        return None;
    }
    if kind == Kind::End && fault && !ours {
        // The failed start was not said before, and the peers say nothing after it.
        kind = facts.record.reason();
    }
    if let (Kind::KilledByUs | Kind::KilledForMemory | Kind::KilledFromOutside, false) =
        (kind, ours)
    {
        // Only our own style tells how it came to be killed.
        kind = Kind::Killed;
    }
    let mut template = text.line(kind as usize).read();
    let mut first = template.next();
    if first.is_none() {
        // A message that a peer has no words for is said in ours, unless it reports what goes as it should.
        // Peers other than tini have no verbosity below that of warnings.
        template = PIDLET.line(kind as usize).read();
        first = template.next().filter(|level| *level < b'2');
        (ours, verbosity) = (true, if tini { verbosity } else { 1 });
    }
    let mut level = first? & 0xf;
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
    // tini reports on its work on standard output; anything that may be a fault goes to standard error.
    Some(if tini && level > 1 {
        Stream::Out
    } else {
        Stream::Err
    })
}

impl Facts<'_, '_> {
    fn fill(&self, line: &mut Line, template: &mut Reader) {
        while let Some(byte) = template.next() {
            if byte == b'%' {
                self.put(line, template.next().unwrap_or(b'n'));
            } else {
                line.push(byte);
            }
        }
    }

    /// Writes the template of a line, without its level.
    #[inline(never)]
    fn fill_text(&self, line: &mut Line, text: Text) {
        let mut template = text.read();
        template.next();
        self.fill(line, &mut template);
    }

    /// Writes what a code stands for. Not inlined, or the loop would load all of it beforehand.
    #[inline(never)]
    fn put(&self, line: &mut Line, code: u8) {
        let Facts { plan, record, .. } = *self;
        let message = &self.message;
        let service = message.service;
        match code {
            b's' => _ = line.put_service(plan, service),
            b'a' => _ = line.put_service(plan, record.cause),
            b'g' => line.put_program(plan, service),
            b'j' => self.put_key(line),
            b'0'..=b'5' => {
                if let Some(key) = KEYS.get(usize::from(code - b'0')) {
                    self.put_pair(line, *key);
                }
            }
            b'w' => _ = line.put_errno(record.check_errno),
            b'p' => _ = line.put_number((record.main | message.pid).into()),
            b'o' => _ = line.put_number(self.own.into()),
            b'c' | b'N' => _ = line.put_number(self.number().into()),
            b'x' => _ = line.put_number(message.code.into()),
            b'M' => _ = line.put_number(message.to.into()),
            b'S' => line.put_maybe_signal(self.number()),
            b'T' => line.put_maybe_signal(message.to),
            b'e' => _ = line.put_errno(self.errno()),
            b't' => _ = line.put_span(record.ran),
            b'b' => _ = line.put_setting(self.budget()),
            b'l' => _ = line.put_setting(plan.lame_duck),
            b'y' => _ = line.put_setting(plan.spec(service).span(Key::ReadyTimeout)),
            b'd' => _ = line.put_setting(record.delay),
            b'i' if message.to == 0 => (),
            b'i' => self.fill_text(line, text!("2stopped by %T: ")),
            b'r' => self.fill_text(line, PIDLET.line(record.reason() as usize)),
            _ => line.push(b'\n'),
        }
    }

    /// The time that was exceeded: the service's own, or the whole stop's, which a message with KILL reports.
    fn budget(&self) -> Span {
        let spec = self.plan.spec(self.message.service);
        match spec.stop_timeout() {
            Some(timeout) if self.message.signal == 0 => timeout,
            _ => self.plan.budget(),
        }
    }

    /// What a process ended with: its code, or the number of the signal.
    fn number(&self) -> u8 {
        match self.record.end {
            End::Process(Status::Exited(code)) => code,
            End::Process(Status::Killed(signal)) => signal.number(),
            _ => self.message.code | self.message.signal,
        }
    }

    fn errno(&self) -> Errno {
        match self.record.end {
            End::NotStarted(fault) => fault.errno,
            _ => self.message.errno,
        }
    }

    #[inline(never)]
    fn put_key(&self, line: &mut Line) {
        if let End::NotStarted(StartFault {
            step: Step::Key(key),
            ..
        }) = self.record.end
        {
            self.put_pair(line, key);
        }
    }

    /// Writes a key of the service's section and its value; of a command, only the program.
    #[inline(never)]
    fn put_pair(&self, line: &mut Line, key: Key) {
        line.put_bytes(key.name());
        let words = self.plan.spec(self.message.service).words(key);
        for word in words {
            let word = word.to_bytes();
            line.put(text!(" \""));
            line.put_bytes(word.get(..WORD_BYTES_MAX).unwrap_or(word));
            line.push(b'"');
            if key.is_command() {
                // A command's arguments may be a whole script, or hold a password from a variable.
                break;
            }
        }
    }
}

impl Line {
    fn put_maybe_signal(&mut self, number: u8) {
        if let Some(signal) = Signal::new(number.into()) {
            self.put_signal(signal);
        }
    }

    fn put_program(&mut self, plan: &Plan, service: Place) {
        if let Some(program) = plan.command(service).first() {
            self.put_bytes(program.to_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
