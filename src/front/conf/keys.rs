//! The keys of a service's section (DESIGN §9), and what each of them sets.

use core::ffi::CStr;

use super::probe;
use super::words::Wrong;
use crate::front::settings::{self, Expected};
use crate::plan::{Command, Input, Output, Probe, Restart, Spec, Type};
use crate::words::list::room;
use crate::words::signal::Signal;
use crate::words::text::{self, leading_integer, leading_number, place, take};
use crate::words::time::Span;

/// Declares the keys once: what they set, and their names.
macro_rules! keys {
    ($($key:ident $name:literal)*) => {
        /// What a key sets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Key { $(#[doc = $name] $key),* }

        /// The names of the keys in order, each with a space behind it.
        pub const NAMES: &str = concat!($($name, " "),*);

        const ORDER: &[Key] = &[$(Key::$key),*];
    };
}

keys! {
    Run "run" Type "type" Essential "essential" After "after" Before "before" Ready "ready"
    ReadyTimeout "ready-timeout" Health "health" HealthEvery "health-every"
    HealthTries "health-tries" Watchdog "watchdog" Restart "restart" Backoff "backoff"
    Tries "tries" Stable "stable" Stop "stop" StopTimeout "stop-timeout" Kill "kill"
    Finish "finish" User "user" Groups "groups" Dir "dir" Umask "umask" Env "env"
    EnvFile "env-file" ClearEnv "clear-env" Nice "nice" OomScoreAdj "oom-score-adj"
    NoNewPrivs "no-new-privs" Caps "caps" Tty "tty" Stdin "stdin" Stdout "stdout"
    Stderr "stderr" LogSize "log-size" LogKeep "log-keep" Pidfile "pidfile"
    Instances "instances" Disabled "disabled" Sockets "sockets"
}

/// Resource limits by their numbers from 0 on (asm-generic/resource.h), each a key, too.
pub const LIMITS: &str =
    "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue ";

/// Capabilities by their numbers from 0 on (linux/capability.h).
const CAPABILITIES: &str = "chown dac_override dac_read_search fowner fsetid kill setgid setuid \
    setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner \
    sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource \
    sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin \
    syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore";

/// Instances of one section at most.
pub const INSTANCES_MAX: u64 = 1000;

impl Key {
    /// The key of this name, and for a limit its number.
    pub fn find(name: &[u8]) -> Option<Result<Key, u8>> {
        if let Some(place) = place(NAMES.as_bytes(), name).filter(|_| !name.is_empty()) {
            return ORDER.get(place).copied().map(Ok);
        }
        let limit = place(LIMITS.as_bytes(), name).filter(|_| !name.is_empty())?;
        Some(Err(limit as u8))
    }
}

/// What was expected, as a fault.
fn expected<'a>(what: Expected) -> Wrong<'a> {
    Wrong {
        text: "expected %",
        part: what.as_bytes(),
    }
}

/// The only word of a value.
pub fn one<'a>(words: Command<'a>) -> Result<&'a CStr, Wrong<'a>> {
    match words {
        [word] => Ok(word),
        _ => Err(expected("one word")),
    }
}

/// The number of instances that a value says.
pub fn instances<'a>(words: Command<'a>) -> Result<u32, Wrong<'a>> {
    let number =
        text::number(one(words)?.to_bytes()).filter(|count| (1..=INSTANCES_MAX).contains(count));
    number
        .map(|count| count as u32)
        .ok_or(expected("a number from 1 to 1000"))
}

/// A value that says yes or no.
pub fn switch<'a>(words: Command<'a>) -> Result<bool, Wrong<'a>> {
    let times = settings::times(one(words)?.to_bytes()).ok_or(expected("yes or no"))?;
    Ok(times > 0)
}

fn span<'a>(word: &CStr) -> Result<Span, Wrong<'a>> {
    settings::duration(word.to_bytes()).map_err(expected)
}

/// A length of time that is more than nothing.
pub fn some_span<'a>(words: Command<'a>) -> Result<Span, Wrong<'a>> {
    let span = span(one(words)?)?;
    if span == Span::ZERO {
        return Err(expected("more than nothing"));
    }
    Ok(span)
}

fn integer<'a>(
    words: Command<'a>,
    least: i64,
    most: i64,
    what: Expected,
) -> Result<i64, Wrong<'a>> {
    match leading_integer(one(words)?.to_bytes()) {
        Some((number, [])) if (least..=most).contains(&number) => Ok(number),
        _ => Err(expected(what)),
    }
}

/// `64K`, `10M`, `1G`, or bytes.
fn size(text: &[u8]) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    let shift = match unit {
        b"" => 0,
        b"K" | b"k" => 10,
        b"M" | b"m" => 20,
        b"G" | b"g" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// One of several words, by its place among them.
fn choice<'a>(words: Command<'a>, names: &'static str) -> Result<usize, Wrong<'a>> {
    let word = one(words)?.to_bytes();
    place(names.as_bytes(), word)
        .filter(|_| !word.is_empty())
        .ok_or(Wrong {
            text: "expected one of: %",
            part: names.as_bytes(),
        })
}

/// The text behind a prefix such as `file:`.
pub fn behind<'a>(word: &'a CStr, prefix: &str) -> Option<&'a CStr> {
    let rest = word.to_bytes_with_nul().strip_prefix(prefix.as_bytes())?;
    CStr::from_bytes_until_nul(rest).ok()
}

/// A resource limit: `soft` or `soft:hard`.
pub fn limit<'a>(words: Command<'a>, number: u8) -> Result<(u8, u64, u64), Wrong<'a>> {
    let mut hard = one(words)?.to_bytes();
    let soft = take(&mut hard, b':');
    let read = |text: &[u8]| match text {
        b"unlimited" | b"infinity" => Some(u64::MAX),
        _ => size(text),
    };
    let fault = expected("a number, \"unlimited\", or two of them as soft:hard");
    let soft = read(soft).ok_or(fault)?;
    let hard = if hard.is_empty() {
        soft
    } else {
        read(hard).ok_or(fault)?
    };
    if soft > hard {
        return Err(Wrong::expected("the soft limit is above the hard one"));
    }
    Ok((number, soft, hard))
}

/// Sets what a key says and that needs nothing but its value.
pub fn set<'a>(spec: &mut Spec<'a>, key: Key, words: Command<'a>) -> Result<(), Wrong<'a>> {
    const KINDS: [Type; 3] = [Type::Service, Type::Oneshot, Type::Daemon];
    const RESTARTS: [Restart; 3] = [Restart::No, Restart::OnFailure, Restart::Always];
    match key {
        Key::Type => spec.kind = KINDS[choice(words, "service oneshot daemon")?],
        Key::Essential => {
            let place = choice(words, "yes no on-failure")?;
            spec.essential = Some(settings::UNTIL[place]);
        }
        Key::Ready => spec.ready = Some(probe::parse(words)?),
        Key::ReadyTimeout => spec.ready_timeout = some_span(words)?,
        Key::Watchdog => spec.watchdog = Some(some_span(words)?),
        Key::Restart => spec.restart = RESTARTS[choice(words, "no on-failure always")?],
        Key::Backoff => spec.backoff = backoff(one(words)?.to_bytes())?,
        Key::Tries => spec.tries = Some(tries(words)?),
        Key::Stable => spec.stable = span(one(words)?)?,
        Key::Stop => stop(spec, words)?,
        Key::StopTimeout => spec.stop_timeout = Some(span(one(words)?)?),
        Key::Kill => spec.group = Some(choice(words, "process group")? == 1),
        Key::Finish => spec.finish = words,
        Key::Dir => spec.who.dir = Some(one(words)?),
        Key::Umask => spec.who.umask = Some(umask(one(words)?.to_bytes())?),
        Key::ClearEnv => spec.who.clear_env = switch(words)?,
        Key::Nice => {
            spec.who.nice = Some(integer(words, -20, 19, "a number from -20 to 19")? as i8)
        }
        Key::OomScoreAdj => {
            let score = integer(words, -1000, 1000, "a number from -1000 to 1000")?;
            spec.who.oom_score_adj = Some(score as i16);
        }
        Key::NoNewPrivs => spec.who.no_new_privs = switch(words)?,
        Key::Caps => spec.who.caps = Some(capabilities(words)?),
        Key::Tty => spec.tty = switch(words)?,
        Key::Sockets => spec.sockets = switch(words)?,
        Key::Stdin => spec.stdin = input(one(words)?)?,
        Key::Stdout => spec.stdout = output(one(words)?)?,
        Key::Stderr => spec.stderr = output(one(words)?)?,
        Key::LogSize => {
            let size =
                size(one(words)?.to_bytes()).ok_or(expected("a size, such as 64K, 10M or 1G"))?;
            spec.log_size = size;
        }
        Key::LogKeep => spec.log_keep = integer(words, 0, 999, "a number from 0 to 999")? as u32,
        Key::Pidfile => spec.pidfile = Some(one(words)?),
        // Others know what to do with these.
        Key::Run
        | Key::After
        | Key::Before
        | Key::Health
        | Key::HealthEvery
        | Key::HealthTries
        | Key::User
        | Key::Groups
        | Key::Env
        | Key::EnvFile
        | Key::Instances
        | Key::Disabled => (),
    }
    Ok(())
}

fn backoff<'a>(text: &[u8]) -> Result<(Span, Span), Wrong<'a>> {
    let fault = expected("FIRST..LONGEST, two durations");
    let mut longest = text;
    let first = Span::parse(take(&mut longest, b'.')).ok_or(fault)?;
    let longest = match longest {
        [] => first,
        [b'.', longest @ ..] => Span::parse(longest).ok_or(fault)?,
        _ => return Err(fault),
    };
    if first > longest {
        return Err(fault);
    }
    Ok((first, longest))
}

/// `5 in 60s`.
fn tries<'a>(words: Command<'a>) -> Result<(u32, Span), Wrong<'a>> {
    let fault = expected("N in DURATION, such as 5 in 60s");
    let [count, between, within] = words else {
        return Err(fault);
    };
    let count =
        text::number(count.to_bytes()).filter(|count| (1..=u64::from(u16::MAX)).contains(count));
    if between.to_bytes() != b"in" {
        return Err(fault);
    }
    Ok((count.ok_or(fault)? as u32, span(within)?))
}

/// Signals, and behind them how long it may take.
fn stop<'a>(spec: &mut Spec<'a>, words: Command<'a>) -> Result<(), Wrong<'a>> {
    let mut signals = words;
    if let [signals_only @ .., last] = words {
        if let (None, Some(timeout)) =
            (Signal::parse(last.to_bytes()), Span::parse(last.to_bytes()))
        {
            spec.stop_timeout = Some(timeout);
            signals = signals_only;
        }
    }
    if signals.is_empty() || signals.len() > usize::from(u8::MAX) {
        return Err(expected(
            "a signal, such as TERM or 15, and perhaps a duration",
        ));
    }
    let list = room(Signal::TERM, signals.len());
    for (place, word) in list.iter_mut().zip(signals) {
        *place = Signal::parse(word.to_bytes()).ok_or(Wrong {
            text: "\"%\" is no signal",
            part: word.to_bytes(),
        })?;
    }
    spec.stop = list;
    Ok(())
}

fn umask<'a>(text: &[u8]) -> Result<u16, Wrong<'a>> {
    let digits = text.len() <= 4
        && !text.is_empty()
        && text.iter().all(|digit| (b'0'..b'8').contains(digit));
    let mask = text
        .iter()
        .fold(0, |mask, digit| mask << 3 | u16::from(digit & 7));
    if !digits || mask > 0o777 {
        return Err(expected("an octal number from 0 to 777"));
    }
    Ok(mask)
}

fn capabilities<'a>(words: Command<'a>) -> Result<u64, Wrong<'a>> {
    let mut set = 0;
    for word in words {
        let mut name = word.to_bytes();
        if name.len() > 4 && text::same(&name[..4], b"cap_") {
            name = &name[4..];
        }
        match place(CAPABILITIES.as_bytes(), name) {
            Some(number) => set |= 1 << number,
            None if name == b"none" => (),
            None => {
                let (text, part) = ("\"%\" is no capability", word.to_bytes());
                return Err(Wrong { text, part });
            }
        }
    }
    Ok(set)
}

fn input<'a>(word: &'a CStr) -> Result<Input<'a>, Wrong<'a>> {
    match word.to_bytes() {
        b"inherit" => Ok(Input::Inherit),
        b"null" => Ok(Input::Null),
        _ => match behind(word, "file:") {
            Some(path) => Ok(Input::File(path)),
            None => Err(expected("inherit, null or file:PATH")),
        },
    }
}

/// `service:NAME` is for whoever knows the services.
fn output<'a>(word: &'a CStr) -> Result<Output<'a>, Wrong<'a>> {
    match word.to_bytes() {
        b"inherit" => Ok(Output::Inherit),
        b"null" => Ok(Output::Null),
        _ => match (behind(word, "file:"), behind(word, "service:")) {
            (Some(path), _) => Ok(Output::File(path)),
            (_, Some(_)) => Ok(Output::Default),
            _ => Err(expected("inherit, null, file:PATH or service:NAME")),
        },
    }
}

/// Whether this is a probe that can be repeated.
pub fn repeatable(probe: &Probe) -> bool {
    !matches!(probe, Probe::Fd(_) | Probe::Notify)
}
