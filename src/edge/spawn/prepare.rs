//! What a section says of its process, done in the child before it executes its program: as which user it
//! runs, where, and within which limits (pidlet.conf(5)). The first failure ends the start: it fails closed.

use linux_raw_sys::general::O_WRONLY;

use crate::edge::raw;
use pidlet::plan::{GROUPS_MAX, Key, Pair, Spec, spec};
use pidlet::words::errno::Errno;
use pidlet::words::text::number;

/// The order of the steps: what needs privileges comes before they are given up, and the directory is entered
/// as the service's user. Limits and the bounding set come after the step that opens a file.
const ORDER: [Key; 8] = [
    Key::Nice,
    Key::OomScoreAdj,
    Key::Umask,
    Key::Groups,
    Key::User,
    Key::Caps,
    Key::NoNewPrivs,
    Key::Dir,
];

/// Takes all the steps that the section asks for. The one that fails is returned.
pub fn prepare(spec: Spec) -> Result<(), (Key, Errno)> {
    for key in ORDER {
        if key == Key::Umask {
            confine(spec)?;
        }
        let pair = match spec.get(key) {
            None if key == Key::Groups => spec.get(Key::Member),
            pair => pair,
        };
        if let Some(pair) = pair {
            apply(spec, key, pair).map_err(|errno| match pair.key {
                // The plan has not said this key: it comes with the user.
                Key::Member => (Key::User, errno),
                _ => (key, errno),
            })?;
        }
    }
    Ok(())
}

/// Sets the limits and the bounding set.
fn confine(spec: Spec) -> Result<(), (Key, Errno)> {
    for pair in spec.0 {
        if let Some(resource) = pair.key.resource() {
            limit(pair, resource).map_err(|errno| (pair.key, errno))?;
        }
    }
    match spec.get(Key::Caps) {
        Some(caps) => raw::bound_capabilities(caps.number).map_err(|errno| (Key::Caps, errno)),
        None => Ok(()),
    }
}

fn limit(pair: &Pair, resource: u8) -> Result<(), Errno> {
    let word = pair.words.first().map_or(&b""[..], |word| word.to_bytes());
    let (soft, hard) = spec::limit(word).ok_or(Errno::INVAL)?;
    raw::set_limit(resource.into(), [soft, hard])
}

#[inline(never)]
fn apply(spec: Spec, key: Key, pair: &Pair) -> Result<(), Errno> {
    let word = pair.words.first().copied().unwrap_or(c"");
    let number = pair.number;
    match key {
        Key::Nice => raw::set_priority(number as i32),
        Key::OomScoreAdj => {
            // Closed on exec.
            match raw::open(c"/proc/self/oom_score_adj", O_WRONLY) {
                file @ 0.. => raw::write_all(file, word.to_bytes()),
                error => Err(raw::errno(error as isize)),
            }
        }
        Key::Umask => {
            raw::set_umask(number as u32);
            Ok(())
        }
        Key::Groups => groups(spec, pair),
        Key::User => raw::set_user((number >> 32) as u32, number as u32),
        Key::Caps => raw::set_capabilities(number),
        Key::NoNewPrivs if number > 0 => raw::no_new_privileges(),
        Key::Dir => raw::chdir(word),
        _ => Ok(()),
    }
}

fn groups(spec: Spec, pair: &Pair) -> Result<(), Errno> {
    let mut list = [0; GROUPS_MAX];
    let list = list.get_mut(..pair.words.len()).ok_or(Errno::INVAL)?;
    for (place, word) in list.iter_mut().zip(pair.words) {
        *place = number(word.to_bytes()).unwrap_or(0) as u32;
    }
    let (user, group) = raw::own_user();
    let ids = u64::from(user) << 32 | u64::from(group);
    match raw::set_groups(list) {
        // Without privileges a service that runs as our own user keeps the groups that we have.
        Err(Errno::PERM) if pair.key == Key::Member && spec.number(Key::User) == ids => Ok(()),
        done => done,
    }
}
