//! The known name that an unknown one may have been meant to be.

/// The distances from an empty name to each beginning of a word. The first is used only if the name or the
/// word is empty, and is not 0, so that no word counts as beginning with an empty name.
const FIRST_ROW: [u8; LONGEST + 1] = {
    let mut row = [0; LONGEST + 1];
    row[0] = 1;
    let mut place = 1;
    while place <= LONGEST {
        row[place] = place as u8;
        place += 1;
    }
    row
};

/// Longer names are not guessed.
const LONGEST: usize = 24;

/// At most this many names are compared: ten thousand unknown ones with ten thousand would take long.
const NAMES_MAX: usize = 1000;

/// Of the names that `nth` has, from 0 until there is none, the one nearest to `word`; empty if none
/// is near.
pub fn nearest<'n>(nth: &mut dyn FnMut(usize) -> Option<&'n [u8]>, word: &[u8]) -> &'n [u8] {
    // Two slips at most, and no more than a third of the word.
    let mut best = (word.len() / 3).min(2);
    let mut found: &[u8] = b"";
    for n in 0..NAMES_MAX {
        let Some(name) = nth(n) else {
            break;
        };
        let distance = distance(name, word);
        // A word that is a name itself is one that is refused here. Of equally near names the last
        // one counts: among keys the longer ones come later.
        if distance <= best && name != word {
            (best, found) = (distance, name);
        }
    }
    found
}

/// How many letters must be added, left out or changed (Levenshtein), but two at most if the word begins
/// with the name, as `environment` does. Case does not count: elsewhere keys are `User` and `PIDFile`.
fn distance(name: &[u8], word: &[u8]) -> usize {
    if name.len() > LONGEST || word.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = FIRST_ROW;
    for (index, letter) in (0_u32..).zip(name) {
        let mut diagonal = index;
        let mut left = index + 1;
        for (place, other) in row.iter_mut().skip(1).zip(word) {
            // This bit is a letter's case; no other characters of names differ in it alone.
            let changed = diagonal + u32::from((letter ^ other) & !0x20 != 0);
            diagonal = (*place).into();
            left = changed.min(left + 1).min(diagonal + 1);
            *place = left as u8;
        }
    }
    match (row.get(name.len()), row.get(word.len())) {
        (Some(0), Some(3..)) => 2,
        (_, Some(distance)) => usize::from(*distance),
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_meant() {
        for (word, meant) in [
            ("restrat", Some("restart")),
            ("redy", Some("ready")),
            ("ru", None),
            ("rum", Some("run")),
            ("Restart", Some("restart")),
            ("WATCHDOG", Some("watchdog")),
            ("Wacthdog", Some("watchdog")),
            ("type", None),
            ("watchdogs", Some("watchdog")),
            ("watchdog-timer", Some("watchdog")),
            ("a-name-with-as-many-lettr", None),
            ("a-name-as-long-as-can-b!", Some("a-name-as-long-as-can-be")),
            ("command", None),
            ("Run-parts", Some("run")),
            ("runs", Some("run")),
            ("my-run", None),
            ("type_of_end", Some("type-of-end")),
            ("a-name-that-is-longer-than-any", None),
        ] {
            let names = [
                "restart",
                "ready",
                "run",
                "type",
                "type-of-end",
                "watchdog",
                "a-name-as-long-as-can-be",
                "a-name-with-as-many-lettrs",
            ];
            let near = nearest(
                &mut |n| names.get(n).map(|name| name.as_bytes()),
                word.as_bytes(),
            );
            assert_eq!(near, meant.unwrap_or("").as_bytes(), "{word}");
        }
    }
}
