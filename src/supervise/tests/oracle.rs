//! What pidlet(8) says of a container's exit code, worked out once more without looking at how the supervisor
//! does it: from how each service ended, and from what began the stop.

use core::hash::{Hash, Hasher};
use std::vec::Vec;

use super::super::{Action, End, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Essential, Place, Plan, Step, Type};
use crate::words::exit::Status;
use crate::words::time::Instant;

/// Why a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cause {
    /// The end of this service.
    Service(usize),
    /// A stop signal.
    Asked,
    /// Nothing is left that runs or will run.
    Over,
}

/// Watches how services go.
#[derive(Clone)]
pub struct Oracle {
    gone: Vec<bool>,
    /// For each service that was to be started again: after which end, and when that run began.
    delayed: Vec<Option<(End, Instant)>>,
    /// The service whose failure came first.
    first_failure: Option<usize>,
    cause: Option<Cause>,
}

/// Leaves out what the records hold as well, and all times.
impl Hash for Oracle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.gone, self.first_failure, self.cause).hash(state);
        for delayed in &self.delayed {
            delayed.is_some().hash(state);
        }
    }
}

impl Oracle {
    pub fn new(count: usize) -> Oracle {
        Oracle {
            gone: std::vec![false; count],
            delayed: std::vec![None; count],
            first_failure: None,
            cause: None,
        }
    }

    /// A stop signal came.
    pub fn asked(&mut self) {
        self.cause.get_or_insert(Cause::Asked);
    }

    /// The stop begins. What happens from now on changes nothing.
    pub fn stop_begins(&mut self) {
        self.cause.get_or_insert(Cause::Over);
    }

    /// Looks at the services after a step. The one that the event was about, `first`, is looked at first: any
    /// other went after it, because its time had come.
    pub fn look(&mut self, plan: &Plan, supervisor: &Supervisor, first: Option<usize>) {
        for service in first.into_iter().chain(0..self.gone.len()) {
            let record = supervisor.record(service as Place);
            if self.gone[service] {
                continue;
            }
            let waits = matches!(record.state, State::Waiting | State::Delayed);
            let again = waits && record.end != End::Skipped;
            let run = (record.end, record.since);
            let before = core::mem::replace(&mut self.delayed[service], again.then_some(run));
            let said = Action::Say(Message::about(Kind::Restarting, service as Place));
            let same = before == Some(run) && first != Some(service);
            let let_go = same || supervisor.actions().contains(&said);
            self.gone[service] = record.state == State::Gone;
            if !self.gone[service] || let_go {
                // It is not gone, or only because of a stop that something else began.
                continue;
            }
            let Some((_, failed)) = verdict(supervisor, service) else {
                continue;
            };
            if failed {
                self.first_failure.get_or_insert(service);
            }
            let spec = plan.services[service].spec;
            let done = spec.kind() == Type::Oneshot && !failed;
            let ends = match spec.essential().unwrap_or(plan.until) {
                _ if plan.pass_through() => !done,
                Essential::Yes => !done,
                Essential::No => false,
                Essential::OnFailure => failed,
            };
            if ends {
                self.cause.get_or_insert(Cause::Service(service));
            }
        }
    }

    /// The expected exit code.
    pub fn code(&self, supervisor: &Supervisor) -> u8 {
        let verdict = |service: usize| verdict(supervisor, service);
        match self.cause {
            Some(Cause::Service(service)) => verdict(service).map_or(0, |(code, _)| code),
            Some(Cause::Asked) => {
                let all: Vec<(u8, bool)> = (0..self.gone.len()).filter_map(verdict).collect();
                let failed = all.iter().find(|(_, failed)| *failed);
                failed.or(all.first()).map_or(0, |(code, _)| *code)
            }
            Some(Cause::Over) | None => self
                .first_failure
                .and_then(verdict)
                .map_or(0, |(code, _)| code),
        }
    }
}

/// The exit code that a service's end gives, and whether it failed.
fn verdict(supervisor: &Supervisor, service: usize) -> Option<(u8, bool)> {
    let record = supervisor.record(service as Place);
    let (code, as_told) = match record.end {
        End::None => return None,
        End::NotStarted(fault) if fault.step == Step::Exec => (127, false),
        End::NotStarted(_) => (125, false),
        // It has the code of the service that it waited for.
        End::Skipped => (verdict(supervisor, record.cause.into())?.0.max(1), false),
        End::Process(status) if record.fault.is_some() => (status.code().max(1), false),
        End::Process(status) => {
            let told = record.told.map(|signal| Status::Killed(signal).code());
            let code = supervisor.plan().mapped(status.code());
            (code, told == Some(code))
        }
    };
    Some((code, code != 0 && !as_told))
}
