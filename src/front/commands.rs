//! Words of a command line → services: one command, or several between separators.

use core::ffi::CStr;

use crate::plan::{Plan, Service};
use crate::words::list::List;

/// No service has this index.
const NOBODY: u32 = u32::MAX;

/// What separates commands where nothing else is said.
pub const SEPARATOR: &[u8] = b"---";

/// Adds a service for each command in `words`. An empty command is refused with its place.
pub fn add<'a>(
    plan: &mut Plan<'a>,
    words: &'a [&'a CStr],
    separator: Option<&[u8]>,
) -> Result<(), usize> {
    let separates = |word: &&CStr| Some(word.to_bytes()) == separator;
    let count = 1 + words.iter().filter(|word| separates(word)).count();
    let filler = Service {
        name: b"",
        copy: 1,
        first: 0,
        count: 0,
        essential: plan.until,
        latest: NOBODY,
        before: NOBODY,
    };
    plan.words = words;
    plan.services = List::filled(filler, count);
    let mut place = 0;
    for (index, word) in words.iter().enumerate() {
        if separates(word) {
            place += 1;
        } else if let Some(service) = plan.services.get_mut(place) {
            if service.count == 0 {
                service.first = index;
                service.name = last_component(word.to_bytes());
            }
            service.count += 1;
        }
    }
    if let Some(empty) = plan.services.iter().position(|run| run.count == 0) {
        return Err(empty);
    }
    number_copies(&mut plan.services);
    Ok(())
}

/// The last component of a path; the whole of it where it ends with a slash.
pub fn last_component(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) if slash + 1 < path.len() => &path[slash + 1..],
        _ => path,
    }
}

/// Numbers services of the same name 1, 2, 3 in the order given.
///
/// The services themselves are a hash table of their names, which keeps this linear: the one whose
/// index is the hash has the latest service of that hash, which has the one before it.
fn number_copies(services: &mut [Service]) {
    for index in 0..services.len() {
        let name = services[index].name;
        let slot = hash(name) as usize % services.len();
        let latest = core::mem::replace(&mut services[slot].latest, index as u32);
        services[index].before = latest;
        let mut earlier = latest;
        while let Some(service) = services.get(earlier as usize) {
            if service.name == name {
                services[index].copy = service.copy + 1;
                break;
            }
            earlier = service.before;
        }
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Style;
    use crate::words::text::Line;
    use std::string::String;
    use std::vec::Vec;

    fn services(words: &[&CStr]) -> Result<Vec<String>, usize> {
        let mut plan = Plan::new(Style::Pidlet);
        add(&mut plan, words, Some(SEPARATOR))?;
        let shown = (0..plan.services.len()).map(|service| {
            let mut line = Line::new();
            line.put_service(&plan, service);
            for word in &plan.command(service)[1..] {
                line.put(" ").put_bytes(word.to_bytes());
            }
            String::from_utf8(line.text().to_vec()).unwrap()
        });
        Ok(shown.collect())
    }

    #[test]
    fn commands_and_names() {
        let words = [
            c"/bin/a",
            c"1",
            c"---",
            c"b",
            c"---",
            c"/usr/bin/a",
            c"2",
            c"---",
            c"a",
        ];
        assert_eq!(services(&words).unwrap(), ["a 1", "b", "a-2 2", "a-3"]);
        assert_eq!(services(&[c"dir/"]).unwrap(), ["dir/"]);
        assert_eq!(services(&[c""]).unwrap(), [""]);
        assert_eq!(services(&[c"a", c"----", c"--"]).unwrap(), ["a ---- --"]);
    }

    #[test]
    fn an_empty_command_is_refused() {
        assert_eq!(services(&[c"---", c"a"]), Err(0));
        assert_eq!(services(&[c"a", c"---"]), Err(1));
        assert_eq!(services(&[c"a", c"---", c"---", c"b"]), Err(1));
    }

    #[test]
    fn many_names_stay_apart() {
        let names: Vec<_> = (0..3000)
            .map(|n| std::ffi::CString::new(std::format!("p{}", n % 1000)).unwrap())
            .collect();
        let mut words = Vec::new();
        for name in &names {
            words.extend([name.as_c_str(), c"---"]);
        }
        words.pop();
        let mut plan = Plan::new(Style::Pidlet);
        add(&mut plan, &words, Some(SEPARATOR)).unwrap();
        let copies = plan.services.iter().enumerate();
        assert!(
            copies
                .into_iter()
                .all(|(index, service)| service.copy == index as u32 / 1000 + 1)
        );
    }
}
