//! Which service a process belongs to: a hash table, so that an event costs the same with a thousand services
//! as with ten.
//!
//! The records double as its slots: a slot names the latest service whose process's number falls into it, and
//! the record of that service names the one before.

use super::Supervisor;
use crate::plan::{NO_SERVICE, Place};
use crate::words::Pid;

impl Supervisor<'_> {
    #[inline(never)]
    fn slot(&self, pid: Pid) -> Place {
        let slots = self.services.all.len() as Pid;
        pid.checked_rem(slots).unwrap_or(0) as Place
    }

    /// From now on, this process is the service's.
    pub(super) fn add_process(&mut self, place: Place, pid: Pid) {
        let slot = self.slot(pid);
        let latest = core::mem::replace(&mut self.services.of(slot).latest, place);
        let record = self.services.of(place);
        (record.pid, record.earlier) = (pid, latest);
        self.running += 1;
    }

    /// The service whose process this is, or [`NO_SERVICE`].
    pub fn service_of(&self, pid: Pid) -> Place {
        let mut place = self.services.see(self.slot(pid)).latest;
        while place != NO_SERVICE && self.services.see(place).pid != pid {
            place = self.services.see(place).earlier;
        }
        place
    }

    /// A process has ended, or is no longer its service's. Returns that service, or [`NO_SERVICE`].
    pub(super) fn remove_process(&mut self, pid: Pid) -> Place {
        let slot = self.slot(pid);
        let mut later = NO_SERVICE;
        let mut place = self.services.see(slot).latest;
        loop {
            if place == NO_SERVICE {
                return NO_SERVICE;
            }
            let record = self.services.of(place);
            if record.pid == pid {
                break;
            }
            later = place;
            place = record.earlier;
        }
        let record = self.services.of(place);
        record.pid = 0;
        let earlier = record.earlier;
        self.running -= 1;
        if later == NO_SERVICE {
            self.services.of(slot).latest = earlier;
        } else {
            self.services.of(later).earlier = earlier;
        }
        place
    }
}
