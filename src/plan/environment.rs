//! The environment of a service: ours, less what is not meant for it, plus what its section says.

use core::ffi::CStr;

use super::{Key, Spec};
use crate::words::list::List;
use crate::words::text::take;

/// Variables that are meant for us or for one service alone, and so are not inherited (sd_notify(3),
/// sd_watchdog_enabled(3), sd_listen_fds(3)), except the last three with `sockets = yes`.
const NOT_INHERITED: [&CStr; 6] = [
    c"NOTIFY_SOCKET",
    c"WATCHDOG_USEC",
    c"WATCHDOG_PID",
    c"LISTEN_PID",
    c"LISTEN_FDS",
    c"LISTEN_FDNAMES",
];

/// Turns our environment, which is in `list`, into that of a service. There must be room for each
/// variable of the section and of `extra`, whose empty words do not count. Of variables of the same
/// name the last one stays, in its own place; a word without `=` removes a variable.
pub fn assemble<'a>(list: &mut List<'a, &'a CStr>, spec: Spec<'a>, extra: &[&'a CStr]) {
    if spec.number(Key::ClearEnv) > 0 {
        list.clear();
    }
    let listens = spec.number(Key::Sockets) > 0;
    let private = if listens { 3 } else { NOT_INHERITED.len() };
    put_all(list, NOT_INHERITED.get(..private).unwrap_or(&[]));
    // The account's variables come first, so that `env` in the section overrides them.
    put_all(list, spec.words(Key::Account));
    for pair in spec.0 {
        if pair.key == Key::Env {
            put_all(list, pair.words);
        }
    }
    put_all(list, extra);
}

fn put_all<'a>(list: &mut List<'a, &'a CStr>, words: &[&'a CStr]) {
    for word in words {
        let text = word.to_bytes();
        let name = take(&mut { text }, b'=');
        // Compared from the start, since all pairs are compared and most differ at once.
        list.retain(|other| {
            let behind = other.to_bytes().strip_prefix(name);
            !behind.is_some_and(|behind| matches!(behind, [] | [b'=', ..]))
        });
        if name.len() < text.len() {
            list.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Pair;
    use std::vec::Vec;

    fn pair(key: Key, number: u64, words: &'static [&'static CStr]) -> Pair<'static> {
        Pair {
            key,
            line: 0,
            number,
            words,
        }
    }

    #[track_caller]
    fn check(pairs: &[Pair<'static>], extra: &[&'static CStr], expected: &[&CStr]) {
        let mut list = List::with_capacity(c"", 20);
        for word in [
            c"PATH=/bin",
            c"A=1",
            c"NOTIFY_SOCKET=@x",
            c"WATCHDOG_PID=1",
            c"LISTEN_FDS=1",
            c"LISTEN_PID=1",
            c"LISTEN_FDNAMES=x",
            // Our own environment may hold a variable twice.
            c"NOTIFY_SOCKET=@z",
        ] {
            list.push(word);
        }
        assemble(&mut list, Spec(pairs.to_vec().leak()), extra);
        let list: Vec<&CStr> = list.to_vec();
        assert_eq!(list, expected, "{pairs:?}");
    }

    #[test]
    fn variables() {
        check(&[], &[], &[c"PATH=/bin", c"A=1"]);
        let set = pair(Key::Env, 0, &[c"A=2", c"B=3", c"PATH"]);
        check(&[set], &[], &[c"A=2", c"B=3"]);
        let file = pair(Key::Env, 0, &[c"A=3"]);
        check(&[set, file], &[], &[c"B=3", c"A=3"]);
        let clear = pair(Key::ClearEnv, 1, &[]);
        check(&[clear, file], &[], &[c"A=3"]);
        let account = pair(Key::Account, 0, &[c"A=home", c"HOME=/h"]);
        check(&[set, account], &[], &[c"HOME=/h", c"A=2", c"B=3"]);
        let ours = [c"NOTIFY_SOCKET=@y", c""];
        check(&[], &ours, &[c"PATH=/bin", c"A=1", c"NOTIFY_SOCKET=@y"]);
        let sockets = [
            c"PATH=/bin",
            c"A=1",
            c"LISTEN_FDS=1",
            c"LISTEN_PID=1",
            c"LISTEN_FDNAMES=x",
        ];
        check(&[pair(Key::Sockets, 1, &[])], &[], &sockets);
    }
}
