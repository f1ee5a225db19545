//! Everything that a supervisor knows, as a value: to bring it back to that state, and to recognise the state
//! when it is met again.
//!
//! Times are kept relative to now, and one so far back that it no longer makes a difference is moved up to
//! where it just makes none, so that there are only so many states.

use std::vec::Vec;

use super::super::super::{End, Phase, Record, State, Supervisor, Suspension};
use crate::plan::{Key, Place, Plan, Style};
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// The present, in every snapshot.
pub const NOW: Instant = Instant(1 << 40);

/// A supervisor between two steps.
#[derive(Clone)]
pub struct Snapshot {
    /// The last one belongs to no service.
    records: Vec<Record>,
    rest: Rest,
}

#[derive(Clone, Copy)]
struct Rest {
    phase: Phase,
    suspension: Suspension,
    asked_once: bool,
    code: u8,
    culprit: Place,
    stop_signal: Signal,
    asked: Option<Signal>,
    asked_at: Instant,
    lenient_until: Instant,
    limit: Instant,
    running: u32,
    left: u32,
    not_up: u32,
    first_to_start: Place,
    last_to_start: Place,
    first_failure: Place,
    counts_from: Place,
    counts_to: Place,
    ignore_once: u64,
}

/// The same moment relative to [`NOW`] instead of `now`, but no further back than `most`.
pub fn moved(at: Instant, now: Instant, most: Span) -> Instant {
    match at {
        NEVER => NEVER,
        _ if at >= now => Instant(NOW.0 + (at.0 - now.0)),
        _ => Instant(NOW.0 - now.since(at).min(most).0),
    }
}

impl Snapshot {
    pub fn take(supervisor: &Supervisor, now: Instant) -> Snapshot {
        // Every field is named, so that a new one cannot be forgotten.
        let Supervisor {
            services,
            phase,
            init: _,
            no_shell: _,
            suspension,
            asked_once,
            code,
            culprit,
            stop_signal,
            asked,
            asked_at,
            now: _,
            lenient_until,
            limit,
            plan,
            running,
            left,
            not_up,
            first_to_start,
            last_to_start,
            first_failure,
            counts_from,
            counts_to,
            to_do: _,
            dependents: _,
            ignore_once,
        } = supervisor;
        let all = services.all.iter().enumerate();
        let mut records: Vec<Record> = all
            .map(|(place, record)| settled(*record, plan, place, now))
            .collect();
        records.push(settled(*services.dummy, plan, records.len(), now));
        let rest = Rest {
            phase: *phase,
            suspension: *suspension,
            asked_once: *asked_once,
            code: *code,
            culprit: *culprit,
            stop_signal: *stop_signal,
            asked: *asked,
            asked_at: moved(*asked_at, now, plan.budget()),
            lenient_until: moved(*lenient_until, now, Span::ZERO),
            limit: moved(*limit, now, Span::ZERO),
            running: *running,
            left: *left,
            not_up: *not_up,
            first_to_start: *first_to_start,
            last_to_start: *last_to_start,
            first_failure: *first_failure,
            counts_from: *counts_from,
            counts_to: *counts_to,
            ignore_once: ignore_once.0,
        };
        Snapshot { records, rest }
    }

    /// Brings a supervisor to this state, at [`NOW`].
    pub fn put(&self, supervisor: &mut Supervisor) {
        let (dummy, all) = self.records.split_last().expect("the dummy is there");
        supervisor.services.all.copy_from_slice(all);
        *supervisor.services.dummy = *dummy;
        let rest = self.rest;
        supervisor.now = NOW;
        supervisor.phase = rest.phase;
        supervisor.suspension = rest.suspension;
        (supervisor.asked_once, supervisor.code) = (rest.asked_once, rest.code);
        (supervisor.culprit, supervisor.stop_signal) = (rest.culprit, rest.stop_signal);
        (supervisor.asked, supervisor.asked_at) = (rest.asked, rest.asked_at);
        supervisor.lenient_until = rest.lenient_until;
        supervisor.limit = rest.limit;
        (supervisor.running, supervisor.left) = (rest.running, rest.left);
        (supervisor.not_up, supervisor.first_failure) = (rest.not_up, rest.first_failure);
        (supervisor.first_to_start, supervisor.last_to_start) =
            (rest.first_to_start, rest.last_to_start);
        (supervisor.counts_from, supervisor.counts_to) = (rest.counts_from, rest.counts_to);
        supervisor.ignore_once.0 = rest.ignore_once;
    }

    /// The state as numbers, which are the same only for the same state.
    pub fn numbers(&self, out: &mut Vec<u64>) {
        for record in &self.records {
            numbers_of(record, out);
        }
        let rest = self.rest;
        out.extend([
            rest.phase as u64 | u64::from(rest.code) << 8,
            rest.suspension as u64 | u64::from(rest.asked_once) << 2,
            u64::from(rest.culprit) << 16 | u64::from(rest.first_failure),
            signal(Some(rest.stop_signal)) << 8 | signal(rest.asked),
            rest.asked_at.0,
            rest.lenient_until.0,
            rest.limit.0,
            u64::from(rest.running) << 32 | u64::from(rest.left),
            u64::from(rest.not_up),
            u64::from(rest.first_to_start) << 16 | u64::from(rest.last_to_start),
            u64::from(rest.counts_from) << 16 | u64::from(rest.counts_to),
            rest.ignore_once,
        ]);
    }
}

/// A record as of [`NOW`], without what no longer makes a difference.
fn settled(record: Record, plan: &Plan, place: usize, now: Instant) -> Record {
    let spec = plan.spec(place as Place);
    let stable = spec.span(Key::Stable);
    let within = spec.tries().map_or(Span::ZERO, |(_, within)| within);
    let counting = record.tries > 0;
    let alive = matches!(
        record.state,
        State::Launching | State::Running | State::Launched
    );
    let (first, longest) = spec.backoff();
    let mut doublings = 0;
    while doublings < 30 && first.0 << doublings < longest.0 {
        doublings += 1;
    }
    Record {
        since: if alive {
            moved(record.since, now, stable)
        } else {
            NOW
        },
        ran: if record.ran >= stable {
            stable
        } else {
            Span::ZERO
        },
        delay: Span::ZERO,
        interval_ms: if alive { record.interval_ms } else { 0 },
        limit: moved(record.limit, now, Span::ZERO),
        check_at: moved(record.check_at, now, Span::ZERO),
        tries_since: if counting {
            moved(record.tries_since, now, within)
        } else {
            NOW
        },
        quick: record.quick.min(doublings),
        ..record
    }
}

fn signal(signal: Option<Signal>) -> u64 {
    signal.map_or(0, |signal| signal.number().into())
}

fn end(end: End) -> u64 {
    match end {
        End::None => 0,
        End::Process(Status::Exited(code)) => 1 << 8 | u64::from(code),
        End::Process(Status::Killed(by)) => 2 << 8 | signal(Some(by)),
        End::NotStarted(fault) => 3 << 8 | u64::from(fault.code(Style::Pidlet)),
        End::Skipped => 4 << 8,
    }
}

fn numbers_of(record: &Record, out: &mut Vec<u64>) {
    let flags = [
        record.failed,
        record.up,
        record.out_of_memory,
        record.killed,
        record.group_told,
        record.was_up,
        record.checking,
        record.fed,
        record.ending,
        record.said_ready,
        record.named != 0,
    ];
    let flags = flags
        .iter()
        .fold(0, |all, flag| all << 1 | u64::from(*flag));
    let fault = record.fault.map_or(0, |fault| fault as u64 + 1);
    out.extend([
        u64::from(record.pid) << 32 | u64::from(record.main),
        flags << 16 | (record.state as u64) << 8 | u64::from(record.code),
        (record.missing as u64) << 32 | end(record.end) << 16 | fault << 8 | signal(record.told),
        record.since.0,
        record.ran.0 << 32 | u64::from(record.interval_ms),
        u64::from(record.cause) << 16 | u64::from(record.link),
        u64::from(record.latest) << 32 | u64::from(record.earlier) << 16 | u64::from(record.first),
        u64::from(record.feeders) << 32 | u64::from(record.blockers),
        record.limit.0,
        record.check_at.0,
        record.watchdog.0,
        record.tries_since.0,
        u64::from(record.tries) << 48
            | u64::from(record.quick) << 32
            | u64::from(record.failed_checks) << 16
            | u64::from(record.steps),
        record.dependents.into(),
    ]);
}
