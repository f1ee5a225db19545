//! Who waits for whom: the plan's `after` the other way round, and the order that comes of it.

use super::{NOBODY, Place, Plan, Service};
use crate::words::list::{List, room};

/// For each service those that are `after` it.
#[derive(Debug)]
pub struct Order<'p> {
    services: &'p [Service<'p>],
    /// Where in `dependents` a service's begin; the next one's begin where they end. Empty if
    /// nobody waits for anybody.
    begins: &'p [u32],
    dependents: &'p [Place],
}

impl<'p> Order<'p> {
    /// Turns the plan's edges round, in linear time.
    pub fn new(services: &'p [Service<'p>]) -> Order<'p> {
        let mut order = Order {
            services,
            begins: &[],
            dependents: &[],
        };
        let edges = services.iter().map(|service| service.after.len()).sum();
        if edges == 0 {
            return order;
        }
        let begins = room(0_u32, services.len() + 1);
        let dependents = room(0, edges);
        let all = || services.iter().flat_map(|service| service.after);
        for place in all() {
            if let Some(count) = begins.get_mut(usize::from(*place)) {
                *count += 1;
            }
        }
        // From how many each has to where they end; each one filled in moves that to the front.
        let mut end = 0;
        for count in begins.iter_mut() {
            end += *count;
            *count = end;
        }
        for (place, service) in services.iter().enumerate().rev() {
            for before in service.after {
                let Some(begin) = begins.get_mut(usize::from(*before)) else {
                    continue;
                };
                *begin -= 1;
                if let Some(slot) = dependents.get_mut(*begin as usize) {
                    *slot = place as Place;
                }
            }
        }
        (order.begins, order.dependents) = (begins, dependents);
        order
    }

    /// What `place` is after.
    pub fn before(&self, place: Place) -> &'p [Place] {
        let service = self.services.get(usize::from(place));
        service.map_or(&[], |service| service.after)
    }

    /// Who is after `place`.
    pub fn after(&self, place: Place) -> &'p [Place] {
        let place = usize::from(place);
        match self.begins.get(place..place + 2) {
            Some(&[begin, end]) => self
                .dependents
                .get(begin as usize..end as usize)
                .unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The services in the order in which they can be started. Those that wait for each other in a
    /// circle, and whoever waits for them, are not among them.
    pub fn sequence(&self) -> List<'p, Place> {
        let count = self.services.len();
        let waits = room(0, count);
        let mut sequence = List::with_room(NOBODY, count);
        for (place, service) in self.services.iter().enumerate() {
            waits[place] = service.after.len();
            if service.after.is_empty() {
                sequence.push(place as Place);
            }
        }
        let mut next = 0;
        while let Some(&place) = sequence.get(next) {
            next += 1;
            for &dependent in self.after(place) {
                let waits = &mut waits[usize::from(dependent)];
                *waits -= 1;
                if *waits == 0 {
                    sequence.push(dependent);
                }
            }
        }
        sequence
    }
}

impl<'a> Plan<'a> {
    /// Services of which each is after the next and the last is after the first; `None` if there
    /// are no such services. Linear in services and dependencies.
    pub fn circle(&self) -> Option<List<'a, Place>> {
        let count = self.services.len();
        // Where in the path a service is: none, or it can be started.
        let (outside, free) = (usize::MAX, usize::MAX - 1);
        let places = room(outside, count);
        for place in &*Order::new(&self.services).sequence() {
            places[usize::from(*place)] = free;
        }
        let first = places.iter().position(|place| *place == outside)?;
        let mut path = List::with_room(NOBODY, count + 1);
        let mut place = first as Place;
        loop {
            let at = &mut places[usize::from(place)];
            if *at != outside {
                // What led there is not part of it.
                let start = *at;
                path.push(place);
                path.keep_from(start);
                return Some(path);
            }
            *at = path.len();
            path.push(place);
            let after = self.services[usize::from(place)].after;
            place = *after
                .iter()
                .find(|before| places[usize::from(**before)] != free)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Style;
    use std::vec::Vec;

    fn plan(afters: &[&'static [Place]]) -> Plan<'static> {
        let mut plan = Plan::new(Style::Pidlet);
        plan.services = List::filled(Service::NONE, afters.len());
        for (service, after) in plan.services.iter_mut().zip(afters) {
            service.after = after;
        }
        plan
    }

    #[test]
    fn the_order_of_start() {
        let plan = plan(&[&[1, 2], &[], &[1], &[]]);
        let order: Vec<Place> = Order::new(&plan.services).sequence().to_vec();
        assert_eq!(order, [1, 3, 2, 0]);
        assert!(plan.circle().is_none());
    }

    #[test]
    fn circles() {
        let circle = |afters: &[&'static [Place]]| plan(afters).circle().map(|path| path.to_vec());
        assert_eq!(circle(&[&[0]]).unwrap(), [0, 0]);
        assert_eq!(circle(&[&[1], &[2], &[3], &[1]]).unwrap(), [1, 2, 3, 1]);
        assert_eq!(circle(&[&[], &[0, 2], &[0, 1]]).unwrap(), [1, 2, 1]);
        assert_eq!(circle(&[&[], &[0], &[0, 1]]), None);
    }

    #[test]
    fn many_services_take_linear_time() {
        let afters: Vec<&'static [Place]> = (0..60_000)
            .map(|place: Place| &*std::vec![place.saturating_sub(1)].leak())
            .collect();
        let mut plan = plan(&afters);
        assert_eq!(plan.circle().unwrap().to_vec(), [0, 0]);
        plan.services[0].after = &[];
        assert_eq!(Order::new(&plan.services).sequence().len(), 60_000);
    }
}
