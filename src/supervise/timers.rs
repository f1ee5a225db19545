//! When which service is due: a binary heap, so that an event costs the same with ten services and
//! with a thousand.

use super::Supervisor;
use crate::plan::{NOBODY, Place};
use crate::words::time::{Instant, NEVER};

impl Supervisor<'_> {
    /// When the earliest service is due.
    pub(super) fn first_due(&self) -> Instant {
        self.timers.first().map_or(NEVER, |place| self.due(*place))
    }

    /// The service that is due by now, if there is one.
    pub(super) fn overdue_service(&self, now: Instant) -> Option<Place> {
        self.timers
            .first()
            .copied()
            .filter(|place| self.due(*place) <= now)
    }

    fn due(&self, place: Place) -> Instant {
        self.record(place)
            .map_or(NEVER, |record| record.limit.min(record.check_at))
    }

    /// Puts a service to its place after its times have changed.
    pub(super) fn schedule(&mut self, place: Place) {
        let Some(record) = self.record(place) else {
            return;
        };
        let mut slot = usize::from(record.slot);
        if self.due(place) == NEVER {
            return self.unschedule(place, slot);
        }
        if slot >= self.timers.len() {
            slot = self.timers.len();
            self.timers.push(place);
        }
        self.sift(slot, place);
    }

    fn unschedule(&mut self, place: Place, slot: usize) {
        self.settle_at(NOBODY, place);
        let Some(&last) = self.timers.last().filter(|_| slot < self.timers.len()) else {
            return;
        };
        self.timers.remove(self.timers.len() - 1);
        if last != place {
            self.sift(slot, last);
        }
    }

    /// Moves a service up or down from `slot` to where it belongs.
    fn sift(&mut self, mut slot: usize, place: Place) {
        let due = self.due(place);
        while slot > 0 {
            let parent = (slot - 1) / 2;
            let Some(&above) = self
                .timers
                .get(parent)
                .filter(|above| self.due(**above) > due)
            else {
                break;
            };
            self.put_at(slot, above);
            slot = parent;
        }
        loop {
            let mut child = 2 * slot + 1;
            let at = |child: usize| {
                self.timers
                    .get(child)
                    .map_or(NEVER, |place| self.due(*place))
            };
            if at(child + 1) < at(child) {
                child += 1;
            }
            let Some(&below) = self
                .timers
                .get(child)
                .filter(|below| self.due(**below) < due)
            else {
                break;
            };
            self.put_at(slot, below);
            slot = child;
        }
        self.put_at(slot, place);
    }

    fn put_at(&mut self, slot: usize, place: Place) {
        if let Some(there) = self.timers.get_mut(slot) {
            *there = place;
        }
        self.settle_at(slot as Place, place);
    }

    fn settle_at(&mut self, slot: Place, place: Place) {
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.slot = slot;
        }
    }
}
