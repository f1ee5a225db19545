//! Services by name.

use super::{NO_SERVICE, Place, Plan, Service};
use crate::words::line::Line;

/// Numbers services of the same name 1, 2, 3 in the order given.
///
/// The services double as a hash table of their names, which keeps this linear: the one whose index is
/// a hash holds the latest service with that hash, and every service the one before it with the same.
pub fn number_copies(services: &mut [Service]) {
    for index in 0..services.len() {
        let name = services[index].name;
        let slot = hash(name) as usize % services.len();
        let latest = core::mem::replace(&mut services[slot].latest, index as Place);
        services[index].earlier = latest;
        let earlier = of_name(services, latest, name);
        if let Some(service) = services.get(usize::from(earlier)) {
            services[index].copy = service.copy + 1;
        }
    }
}

/// The last service of this name, after [`number_copies`], or [`NO_SERVICE`].
pub fn find(services: &[Service], name: &[u8]) -> Place {
    let slot = hash(name) as usize % services.len().max(1);
    let latest = services
        .get(slot)
        .map_or(NO_SERVICE, |service| service.latest);
    of_name(services, latest, name)
}

/// The service before this one that has the same name, or [`NO_SERVICE`].
pub fn earlier(services: &[Service], place: Place) -> Place {
    let service = services.get(usize::from(place));
    service.map_or(NO_SERVICE, |service| {
        of_name(services, service.earlier, service.name)
    })
}

/// The latest service of this name among those with one hash, from `place` backwards.
fn of_name(services: &[Service], mut place: Place, name: &[u8]) -> Place {
    while let Some(service) = services.get(usize::from(place)) {
        if service.name == name {
            break;
        }
        place = service.earlier;
    }
    place
}

/// FNV-1a.
#[inline(never)]
pub fn hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

impl Line {
    /// A service's name, `web` or `web-2`; `pidlet` for a place that no service has.
    pub fn put_service(&mut self, plan: &Plan, service: Place) -> &mut Line {
        let Some(service) = plan.services.get(usize::from(service)) else {
            return self.put_bytes(b"pidlet");
        };
        self.put_bytes(service.name);
        if service.copy > 1 {
            self.push(b'-');
            self.put_number(service.copy.into());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn many_names_stay_apart() {
        let names: Vec<_> = (0..1000).map(|n| std::format!("p{n}")).collect();
        let mut services = std::vec![Service::NONE; 3000];
        for (index, service) in services.iter_mut().enumerate() {
            service.name = names[index % 1000].as_bytes();
        }
        number_copies(&mut services);
        let last = find(&services, b"p7");
        assert_eq!((last, earlier(&services, last)), (2007, 1007));
        assert_eq!(earlier(&services, 7), NO_SERVICE);
        assert_eq!(find(&services, b"q"), NO_SERVICE);
        let copies = services.iter().enumerate();
        assert!(
            copies
                .into_iter()
                .all(|(index, service)| service.copy == index as u32 / 1000 + 1)
        );
    }
}
