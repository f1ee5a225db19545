//! Names of services in a plan's file → the services: who is after whom.

use super::nearest::nearest;
use super::words::Wrong;
use super::{Reader, Section};
use crate::plan::{Key, NOBODY, Place, names};
use crate::words::list::room;
use crate::words::text::Line;

impl<'a> Reader<'_, '_, 'a> {
    /// Makes what the sections say of each other the services' [`crate::plan::Service::after`].
    pub(super) fn dependencies(&mut self) {
        let count = self.settings.plan.services.len();
        let counts = room(0_usize, count);
        self.each_dependency(&mut |dependent, _| counts[usize::from(dependent)] += 1);
        // Each service's share of one table, filled from its end.
        let ends = room(0, count);
        let mut end = 0;
        for (place, count) in ends.iter_mut().zip(&*counts) {
            end += count;
            *place = end;
        }
        let edges = room::<Place>(NOBODY, end);
        self.quiet = true;
        self.each_dependency(&mut |dependent, before| {
            let place = &mut ends[usize::from(dependent)];
            *place -= 1;
            edges[*place] = before;
        });
        self.quiet = false;
        let mut rest: &'a [Place] = edges;
        for (service, count) in self.settings.plan.services.iter_mut().zip(&*counts) {
            (service.after, rest) = rest.split_at(*count);
        }
        self.circles();
    }

    /// Calls `then` with each service and each one that it is after. The programs of a directory
    /// are after each other; whoever writes to a service is after it, so that somebody reads until
    /// the end.
    #[inline(never)]
    fn each_dependency(&mut self, then: &mut dyn FnMut(Place, Place)) {
        let mut terminals = 0;
        for place in 0..self.settings.plan.services.len() as Place {
            let service = self.settings.plan.services[usize::from(place)];
            self.section = service.name;
            if service.copy > 1 && service.spec.has(Key::RunParts) {
                then(place, place - 1);
            }
            for said in service.spec.0 {
                (self.line, self.key) = (said.line, said.key.parts().0);
                match said.key {
                    Key::After | Key::Before => (),
                    Key::Stdout | Key::Stderr if said.feeds().is_some() => (),
                    Key::Tty if said.number > 0 => {
                        terminals += 1;
                        if terminals == 2 {
                            self.fault(Wrong::of(
                                b"",
                                text!("there is one terminal for one service"),
                            ));
                        }
                        continue;
                    }
                    _ => continue,
                }
                for word in said.words {
                    let name = said.feeds().unwrap_or(word);
                    let mut other = names::find(&self.settings.plan.services, name.to_bytes());
                    if other == NOBODY && service.copy == 1 {
                        self.unknown(name.to_bytes());
                    } else if said.feeds().is_some() && self.copy_of(other) > 1 {
                        self.fault(Wrong::of(name.to_bytes(), text!("it is several services")));
                    }
                    while other != NOBODY {
                        if said.key == Key::Before {
                            then(other, place);
                        } else {
                            then(place, other);
                        }
                        other = names::earlier(&self.settings.plan.services, other);
                    }
                }
            }
        }
    }

    fn copy_of(&self, place: Place) -> u32 {
        let service = self.settings.plan.services.get(usize::from(place));
        service.map_or(0, |service| service.copy)
    }

    fn unknown(&mut self, name: &'a [u8]) {
        let sections = &*self.sections;
        let empty = |section: &Section| section.name == name && !section.disabled();
        if sections.iter().any(empty) {
            // The directory of its programs is empty: there is nothing to wait for.
            return;
        }
        let near = nearest(&mut |n| sections.get(n).map(|section| section.name), name);
        self.fault(Wrong {
            near,
            ..Wrong::of(name, text!("there is no such service, or it is disabled"))
        });
    }

    /// Services that wait for each other in a circle would wait for ever.
    fn circles(&mut self) {
        let Some(circle) = self.settings.plan.circle() else {
            return;
        };
        let mut line = Line::new();
        line.put(text!("pidlet: "))
            .put_bytes(self.path.to_bytes())
            .put(text!(": these wait for each other: "));
        for (index, place) in circle.iter().enumerate() {
            if index > 0 {
                line.put(text!(" after "));
            }
            line.put_service(self.settings.plan, usize::from(*place));
        }
        self.settings.fault_line(&mut line);
    }
}
