//! Words of a command line → services: one command, or several between separators.

use core::ffi::CStr;

use crate::plan::names::number_copies;
use crate::plan::{Plan, SERVICES_MAX, Service};
use crate::words::list::{List, array};

/// What separates commands by default.
pub const SEPARATOR: &[u8] = b"---";

/// Adds a service for each command in `words`. The error is the index of an empty command.
pub fn add<'a>(
    plan: &mut Plan<'a>,
    words: &'a [&'a CStr],
    separator: Option<&[u8]>,
) -> Result<(), usize> {
    let separates = |word: &&CStr| Some(word.to_bytes()) == separator;
    let count = 1 + words.iter().filter(|word| separates(word)).count();
    let services = array(Service::NONE, count);
    for (place, run) in words.split(separates).enumerate() {
        let Some(program) = run.first() else {
            return Err(place);
        };
        if let Some(service) = services.get_mut(place) {
            service.name = last_component(program.to_bytes());
            service.run = run;
        }
    }
    // More than these are refused by the plan's check.
    if count <= SERVICES_MAX {
        number_copies(services);
    }
    plan.services = List::of(services);
    Ok(())
}

/// The last component of a path; the whole of it where it ends with a slash.
pub fn last_component(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) if slash + 1 < path.len() => &path[slash + 1..],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Place, Style};
    use crate::words::line::Line;
    use std::string::String;
    use std::vec::Vec;

    fn services(words: &[&CStr]) -> Result<Vec<String>, usize> {
        let mut plan = Plan::new(Style::Pidlet);
        add(&mut plan, words, Some(SEPARATOR))?;
        let shown = (0..plan.services.len() as Place).map(|service| {
            let mut line = Line::new();
            line.put_service(&plan, service);
            for word in &plan.command(service)[1..] {
                line.put(text!(" ")).put_bytes(word.to_bytes());
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
}
