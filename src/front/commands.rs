//! Words of a command line → services: one command, or several between separators.

use alloc::vec;
use core::ffi::CStr;

use crate::plan::{Plan, Service};
use crate::words::list::List;

/// What separates commands where nothing else is said.
pub const SEPARATOR: &[u8] = b"---";

/// Adds a service for each command in `words`. An empty command is refused with its place.
pub fn add<'a>(
    plan: &mut Plan<'a>,
    words: &'a [&'a CStr],
    separator: Option<&[u8]>,
) -> Result<(), usize> {
    let separates = |word: &CStr| Some(word.to_bytes()) == separator;
    let count = 1 + words.iter().filter(|word| separates(word)).count();
    let filler = Service {
        name: b"",
        copy: 1,
        first: 0,
        count: 0,
        essential: plan.until,
    };
    plan.words = words;
    plan.services = List::with_room(filler, count);
    let mut first = 0;
    for end in 0..=words.len() {
        if words.get(end).is_some_and(|word| !separates(word)) {
            continue;
        }
        if first == end {
            return Err(plan.services.len());
        }
        let name = last_component(words[first].to_bytes());
        plan.services.push(Service {
            name,
            first,
            count: end - first,
            ..filler
        });
        first = end + 1;
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
/// A hash table of the latest service of each name keeps this linear.
fn number_copies(services: &mut [Service]) {
    if services.len() < 2 {
        return;
    }
    let slots = (services.len() * 2).next_power_of_two();
    let latest: &mut [u32] = vec![0; slots].leak();
    for index in 0..services.len() {
        let name = services[index].name;
        let mut slot = hash(name);
        loop {
            slot &= slots - 1;
            let Some(earlier) = (latest[slot] as usize).checked_sub(1) else {
                break;
            };
            if services[earlier].name == name {
                services[index].copy = services[earlier].copy + 1;
                break;
            }
            slot += 1;
        }
        latest[slot] = index as u32 + 1;
    }
}

/// FNV-1a, folded to a table's index by the caller.
fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    (hash ^ (hash >> 15)) as usize
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
