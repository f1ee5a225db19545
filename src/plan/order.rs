//! The order of start that follows from `after`.

use super::{NO_SERVICE, Place, Plan};
use crate::words::list::array;

/// Everything that a service is after has been looked at.
const DONE: u32 = u32::MAX;

impl<'a> Plan<'a> {
    /// The services in an order in which they can be started; or, as an error, a circle of services,
    /// each of which is after the one before it, and the last of which is the first again. Linear in
    /// services and dependencies.
    pub fn sequence(&self) -> Result<&'a [Place], &'a [Place]> {
        let mut circle = false;
        // It never fails: no place is out of range.
        let places = self.walk(&mut circle).unwrap_or(&[]);
        if circle { Err(places) } else { Ok(places) }
    }

    fn walk(&self, circle: &mut bool) -> Option<&'a [Place]> {
        let services = &*self.services;
        // How many of those that each service is after have been looked at.
        let looked = array(0_u32, services.len());
        // In front the services that are done. At the end, growing downwards, the path from a service
        // to one that it is after, and so on.
        let places = array(NO_SERVICE, services.len() + 1);
        let mut done = 0;
        for first in 0..services.len() {
            if *looked.get(first)? == DONE {
                continue;
            }
            let mut top = services.len();
            *places.get_mut(top)? = first as Place;
            while let Some(&place) = places.get(top) {
                let looked_at = looked.get_mut(usize::from(place))?;
                let after = services.get(usize::from(place))?.after;
                let Some(&before) = after.get(*looked_at as usize) else {
                    *looked_at = DONE;
                    *places.get_mut(done)? = place;
                    done += 1;
                    top += 1;
                    continue;
                };
                *looked_at = looked_at.wrapping_add(1);
                let looked_at = *looked.get(usize::from(before))?;
                if looked_at == DONE {
                    continue;
                }
                top = top.wrapping_sub(1);
                *places.get_mut(top)? = before;
                if looked_at > 0 {
                    // It is on the path already; what led to it is not part of the circle.
                    let way = places.get(top..)?;
                    let mut end = 1;
                    while *way.get(end)? != before {
                        end += 1;
                    }
                    *circle = true;
                    return way.get(..end + 1);
                }
            }
        }
        places.get(..done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Service, Style};
    use crate::words::list::List;
    use std::vec::Vec;

    fn plan(afters: &[&'static [Place]]) -> Plan<'static> {
        let mut plan = Plan::new(Style::Pidlet);
        plan.services = List::of(array(Service::NONE, afters.len()));
        for (service, after) in plan.services.iter_mut().zip(afters) {
            service.after = after;
        }
        plan
    }

    #[test]
    fn the_order_of_start() {
        let plan = plan(&[&[1, 2], &[], &[1], &[]]);
        assert_eq!(plan.sequence(), Ok(&[1, 2, 0, 3][..]));
    }

    #[test]
    fn circles() {
        let circle = |afters: &[&'static [Place]]| plan(afters).sequence().unwrap_err();
        assert_eq!(circle(&[&[0]]), [0, 0]);
        assert_eq!(circle(&[&[1], &[2], &[3], &[1]]), [1, 3, 2, 1]);
        assert_eq!(circle(&[&[], &[0, 2], &[0, 1]]), [1, 2, 1]);
        assert!(plan(&[&[], &[0], &[0, 1]]).sequence().is_ok());
    }

    #[test]
    fn many_services_take_linear_time() {
        let afters: Vec<&'static [Place]> = (0..60_000)
            .map(|place: Place| &*std::vec![place.saturating_sub(1)].leak())
            .collect();
        let mut plan = plan(&afters);
        assert_eq!(plan.sequence(), Err(&[0, 0][..]));
        plan.services[0].after = &[];
        assert_eq!(plan.sequence().unwrap().len(), 60_000);
    }
}
