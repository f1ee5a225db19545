//! Which service is due next: a tournament, so that an event costs the same with a thousand services as with
//! ten.
//!
//! The nodes of a binary tree are numbered from 1 on; below node `n` are `2n` and `2n + 1`. The last ones are
//! the services in their order. Each of the others names the service below it that is due first, in the
//! record of that number.

use super::{Record, Records};
use crate::plan::{NO_SERVICE, Place};
use crate::words::time::Instant;

impl Records<'_> {
    /// The record of a service, for a change; at a place that no service has, a change does no harm. Its
    /// deadlines may change, too, so the tournament takes them up before the next record is lent out.
    #[inline(never)]
    pub(super) fn of(&mut self, place: Place) -> &mut Record {
        if place != self.taken {
            let changed = core::mem::replace(&mut self.taken, place);
            self.play(changed);
        }
        self.all.get_mut(usize::from(place)).unwrap_or(self.dummy)
    }

    /// Has the tournament take up the last change.
    pub(super) fn flush(&mut self) {
        self.of(NO_SERVICE);
    }

    /// The service that is due first.
    pub(super) fn first(&self) -> Place {
        self.first_below(1)
    }

    /// When it is due.
    pub(super) fn first_due(&self) -> Instant {
        self.due(self.first())
    }

    fn due(&self, place: Place) -> Instant {
        let record = self.see(place);
        record.limit.min(record.check_at)
    }

    fn first_below(&self, node: usize) -> Place {
        match self.all.get(node) {
            Some(record) => record.first,
            None => node.wrapping_sub(self.all.len()) as Place,
        }
    }

    /// Replays the games of a service, up to where the result stays the same.
    fn play(&mut self, place: Place) {
        let mut node = self.all.len() + usize::from(place);
        while node > 1 {
            let mut first = self.first_below(node);
            let other = self.first_below(node ^ 1);
            if self.due(other) < self.due(first) {
                first = other;
            }
            node /= 2;
            if let Some(record) = self.all.get_mut(node) {
                if record.first == first && first != place {
                    return;
                }
                record.first = first;
            }
        }
    }
}
