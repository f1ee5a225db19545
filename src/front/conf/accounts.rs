//! Users and groups of the image: passwd(5) and group(5).

use crate::words::text::{number, take, trim};

/// `text` as the number of a user or a group, if it can be one.
pub fn id(text: &[u8]) -> Option<u32> {
    // All ones is no user (setresuid(2)).
    number(text)
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id != u32::MAX)
}

/// What follows the name and the password in the line of this name.
#[inline(never)]
fn entry<'a>(file: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut rest = file;
    while !rest.is_empty() && !name.is_empty() {
        let mut line = take(&mut rest, b'\n');
        if take(&mut line, b':') == name {
            take(&mut line, b':');
            return line;
        }
    }
    b""
}

/// The user of this name in the text of `/etc/passwd`: its number, its primary group, and its home
/// directory and shell with a colon between them.
pub fn user<'a>(passwd: &'a [u8], name: &[u8]) -> Option<(u32, u32, &'a [u8])> {
    let mut line = entry(passwd, name);
    let uid = id(take(&mut line, b':'))?;
    let gid = id(take(&mut line, b':'))?;
    let _full_name = take(&mut line, b':');
    Some((uid, gid, line))
}

/// The group of this name in the text of `/etc/group`.
pub fn group(groups: &[u8], name: &[u8]) -> Option<u32> {
    id(take(&mut entry(groups, name), b':'))
}

/// Calls `then` with each group but `first` that `name` is a member of.
pub fn memberships(groups: &[u8], name: &[u8], first: u32, then: &mut dyn FnMut(u32)) {
    let mut rest = groups;
    while !rest.is_empty() {
        let mut line = take(&mut rest, b'\n');
        take(&mut line, b':');
        take(&mut line, b':');
        let id = id(take(&mut line, b':')).filter(|id| *id != first);
        let mut members = trim(line);
        while !members.is_empty() {
            if let (true, Some(id)) = (take(&mut members, b',') == name, id) {
                then(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\nbad:x:zero:0::/:\n\
        app:x:1000:1001:An app,,,:/home/app:/bin/sh";
    const GROUP: &[u8] = b"root:x:0:\nweb:x:33:other,app\napp:x:1001:\nadm:x:4:app";

    #[test]
    fn users() {
        let app = (1000, 1001, &b"/home/app:/bin/sh"[..]);
        assert_eq!(user(PASSWD, b"app"), Some(app));
        for unknown in [&b"bad"[..], b"ap", b"", b"x"] {
            assert_eq!(user(PASSWD, unknown), None);
            assert_eq!(user(b":x:0:0::/:/\n\n", unknown), None);
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
        for (file, name, first, expected) in [
            (GROUP, &b"app"[..], 1001, &[33, 4][..]),
            (GROUP, b"app", 4, &[33]),
            (b"", b"app", 5, &[]),
        ] {
            let mut seen = std::vec![];
            memberships(file, name, first, &mut |id| seen.push(id));
            assert_eq!(seen, expected);
        }
    }
}
