//! Users and groups of the image: passwd(5) and group(5).

use crate::words::list::room;
use crate::words::text::{number, take};

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// Its name; empty if it was given as a number.
    pub name: &'a [u8],
    /// Its number.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its home directory.
    pub home: &'a [u8],
    /// Its shell.
    pub shell: &'a [u8],
}

/// The number that `text` is, if it can be a user's or a group's.
pub fn id(text: &[u8]) -> Option<u32> {
    // All ones is no user (setresuid(2)).
    number(text)
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id != u32::MAX)
}

/// The user of this name in the text of `/etc/passwd`.
pub fn user<'a>(passwd: &'a [u8], wanted: &[u8]) -> Option<User<'a>> {
    let mut rest = passwd;
    while !rest.is_empty() {
        let mut line = take(&mut rest, b'\n');
        let mut field = || take(&mut line, b':');
        let name = field();
        if name != wanted || name.is_empty() {
            continue;
        }
        let _password = field();
        let (uid, gid) = (id(field()), id(field()));
        let _full_name = field();
        let (home, shell) = (field(), field());
        return Some(User {
            name,
            uid: uid?,
            gid: gid?,
            home,
            shell,
        });
    }
    None
}

/// The group of this name in the text of `/etc/group`.
pub fn group(groups: &[u8], wanted: &[u8]) -> Option<u32> {
    let mut rest = groups;
    while !rest.is_empty() {
        let mut line = take(&mut rest, b'\n');
        if take(&mut line, b':') == wanted {
            take(&mut line, b':');
            return id(take(&mut line, b':'));
        }
    }
    None
}

/// All groups that `name` is a member of, `first` before them.
pub fn memberships<'a>(groups: &[u8], name: &[u8], first: u32) -> &'a [u32] {
    let each = |then: &mut dyn FnMut(u32)| {
        then(first);
        let mut rest = groups;
        while !rest.is_empty() {
            let mut line = take(&mut rest, b'\n');
            take(&mut line, b':');
            take(&mut line, b':');
            let id = id(take(&mut line, b':'));
            let mut members = line.trim_ascii();
            while !members.is_empty() {
                if let (true, Some(id)) = (take(&mut members, b',') == name, id) {
                    if id != first {
                        then(id);
                    }
                }
            }
        }
    };
    let mut count = 0;
    each(&mut |_| count += 1);
    let list = room(first, count);
    let mut places = list.iter_mut();
    each(&mut |id| {
        if let Some(place) = places.next() {
            *place = id;
        }
    });
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\nbad:x:zero:0::/:\n\
        app:x:1000:1001:An app,,,:/home/app:/bin/sh";
    const GROUP: &[u8] = b"root:x:0:\nweb:x:33:other,app\napp:x:1001:\nadm:x:4:app";

    #[test]
    fn users() {
        let app = user(PASSWD, b"app").unwrap();
        assert_eq!(
            (app.uid, app.gid, app.home, app.shell),
            (1000, 1001, &b"/home/app"[..], &b"/bin/sh"[..])
        );
        for unknown in [&b"bad"[..], b"ap", b"", b"x"] {
            assert_eq!(user(PASSWD, unknown), None);
        }
    }

    #[test]
    fn groups() {
        assert_eq!(group(GROUP, b"web"), Some(33));
        assert_eq!(group(GROUP, b"none"), None);
        assert_eq!(
            (id(b"77"), id(b"4294967295"), id(b"x")),
            (Some(77), None, None)
        );
        assert_eq!(memberships(GROUP, b"app", 1001), [1001, 33, 4]);
        assert_eq!(memberships(b"", b"app", 5), [5]);
    }
}
