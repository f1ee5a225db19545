//! What pidlet(8) says of a container's exit code and of the reason for it, worked out once more without
//! looking at how the supervisor does it: from how each service ended, and from what began the stop.

use core::hash::{Hash, Hasher};
use std::vec::Vec;
use std::{assert, assert_eq, matches};

use super::super::{Action, End, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Essential, NO_SERVICE, Place, Plan, Step, Type};
use crate::words::exit::Status;

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
    /// For each service that was to be started again: after which end.
    delayed: Vec<Option<End>>,
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
            let end = again.then_some(record.end);
            let before = core::mem::replace(&mut self.delayed[service], end);
            let said = Action::Say(Message::about(Kind::Restarting, service as Place));
            let same = before == Some(record.end) && first != Some(service);
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
        let verdict = verdict(supervisor, self.culprit(supervisor).into());
        verdict.map_or(0, |(code, _)| code)
    }

    /// The service that the exit code comes from.
    fn culprit(&self, supervisor: &Supervisor) -> Place {
        let culprit = match self.cause {
            Some(Cause::Service(service)) => Some(service),
            Some(Cause::Asked) => {
                let verdict = |service: &usize| verdict(supervisor, *service);
                let ended = || (0..self.gone.len()).filter(|service| verdict(service).is_some());
                let failed = |service: &usize| verdict(service).is_some_and(|(_, failed)| failed);
                ended().find(failed).or(ended().next())
            }
            Some(Cause::Over) | None => self.first_failure,
        };
        culprit.map_or(NO_SERVICE, |service| service as Place)
    }

    /// The last line must name that service, and say whether a stop signal began the stop. The only service
    /// may outlive many of those that are passed on to it.
    pub fn check_end(&self, plan: &Plan, supervisor: &Supervisor, end: Message) {
        if plan.services.is_empty() {
            return;
        }
        assert_eq!(end.service, self.culprit(supervisor), "whose end it is");
        let asked = matches!(self.cause, Some(Cause::Asked));
        assert!(
            plan.pass_through() || asked == (end.to != 0),
            "what began the stop"
        );
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
