//! The user that a service runs as, its variables, and the programs of a directory: everything that
//! needs files of the image.

use core::ffi::CStr;

use super::accounts::{self, id};
use super::faults::Fault;
use super::{Reader, without_bom};
use crate::front::commands::last_component;
use crate::plan::{Command, Key};
use crate::words::text::{take, trim_end, trim_start};

/// The most programs that one directory may have.
const PARTS_MAX: usize = 1000;

/// A file that names users or groups.
#[derive(Clone, Copy)]
enum AccountFile {
    Passwd,
    Group,
}

impl<'a> Reader<'_, '_, 'a> {
    /// Looks up what a value names in the files of the image, and records what it finds.
    pub(super) fn look_up(
        &mut self,
        mut key: Key,
        kind: u8,
        mut number: u64,
        mut words: Command<'a>,
    ) -> Option<()> {
        let first = words.first()?;
        match kind {
            b'u' => number = self.user(first)?,
            // It counts as given even if it cannot be read.
            b'R' => words = self.sorted_paths(first, true).unwrap_or(&[c""]),
            b'g' | b'f' | b'F' => {
                // After a fault what was found is recorded all the same: nothing will run. Variables
                // are `env` wherever they come from.
                (_, key) = match kind {
                    b'g' => (self.groups(words), key),
                    b'f' => (self.env_file(first), Key::Env),
                    _ => (self.env_dir(first), Key::Env),
                };
                words = self.words.finish();
            }
            _ => (),
        }
        self.note(key, number, words);
        Some(())
    }

    /// `name`, `uid`, `name:group` or `uid:gid` as `uid << 32 | gid`; the user's variables and groups
    /// are recorded, too.
    #[inline(never)]
    fn user(&mut self, word: &'a CStr) -> Option<u64> {
        let mut group = word.to_bytes();
        let name = take(&mut group, b':');
        // A number alone gets the group of the same number, as is usual in images without names.
        let (uid, mut gid);
        let number = id(name);
        if let Some(id) = number {
            (uid, gid) = (id, id);
        } else {
            let passwd = self.account_file(AccountFile::Passwd);
            let Some((user, primary, mut rest)) = accounts::user(passwd, name) else {
                return self.reject(name, Fault::NoUser);
            };
            (uid, gid) = (user, primary);
            // What login(1) sets.
            let mut variables = &b"HOME USER LOGNAME SHELL"[..];
            while !variables.is_empty() {
                let variable = take(&mut variables, b' ');
                let value = match variable {
                    [b'H' | b'S', ..] => take(&mut rest, b':'),
                    _ => name,
                };
                self.words.put(variable).put(b"=").put(value).end();
            }
            let account = self.words.finish();
            self.note(Key::Account, 0, account);
        }
        let named = name.len() < word.count_bytes();
        if named {
            gid = self.group(group)?;
        }
        self.words.id(gid);
        if !named && number.is_none() {
            let file = self.account_file(AccountFile::Group);
            let each = &mut |id| self.words.id(id);
            accounts::memberships(file, name, gid, each);
        }
        let members = self.words.finish();
        self.note(Key::Member, 0, members);
        Some(u64::from(uid) << 32 | u64::from(gid))
    }

    fn group(&mut self, name: &'a [u8]) -> Option<u32> {
        if let Some(id) = id(name) {
            return Some(id);
        }
        match accounts::group(self.account_file(AccountFile::Group), name) {
            None => self.reject(name, Fault::NoGroup),
            id => id,
        }
    }

    fn groups(&mut self, names: Command<'a>) -> Option<()> {
        for name in names {
            if let Some(id) = self.group(name.to_bytes()) {
                self.words.id(id);
            }
        }
        Some(())
    }

    /// The text of a file; empty if it cannot be read.
    #[inline(never)]
    fn account_file(&mut self, file: AccountFile) -> &'a [u8] {
        let (known, path) = match file {
            AccountFile::Group => (&mut self.group, c"/etc/group"),
            AccountFile::Passwd => (&mut self.passwd, c"/etc/passwd"),
        };
        let read = self.settings.question.read;
        known.get_or_insert_with(|| read(path).unwrap_or(b""))
    }

    fn read(&mut self, path: &CStr) -> Option<&'a [u8]> {
        match (self.settings.question.read)(path) {
            Ok(text) => Some(text),
            Err(errno) => self.unreadable(path, errno),
        }
    }

    /// Docker's format: `NAME=value` taken literally, `NAME` alone with our own value, `#` for comments.
    fn env_file(&mut self, path: &'a CStr) -> Option<()> {
        let mut rest = without_bom(self.read(path)?);
        while !rest.is_empty() {
            let line = trim_start(take(&mut rest, b'\n'));
            let line = match line {
                [line @ .., b'\r'] => line,
                _ => line,
            };
            if let [] | [b'#', ..] = line {
                continue;
            }
            let name = take(&mut { line }, b'=');
            let broken = name.iter().any(u8::is_ascii_whitespace);
            if name.is_empty() || broken || take(&mut { line }, 0).len() < line.len() {
                self.fault_with(line, Fault::NoName);
            } else if name.len() < line.len() {
                self.words.put(line).end();
            } else if let Some(value) = self.settings.question.variable(name) {
                // It would be inherited anyway, but not with clear-env.
                self.words.put(name).put(b"=").put(value).end();
            }
        }
        Some(())
    }

    /// A directory of variables as s6-envdir(1) reads it: the file's name is the variable, its first
    /// line the value; an empty file removes the variable.
    fn env_dir(&mut self, path: &'a CStr) -> Option<()> {
        for file in self.sorted_paths(path, false)? {
            let text = self.read(file)?;
            self.words.put(last_component(file.to_bytes()));
            if !text.is_empty() {
                let value = trim_end(take(&mut { text }, b'\n'));
                self.words.push(b'=');
                for byte in value {
                    // A NUL stands for a newline, so that a value may have several lines.
                    self.words.push(if *byte == 0 { b'\n' } else { *byte });
                }
            }
            self.words.end();
        }
        Some(())
    }

    /// The sorted paths of a directory's files that are not hidden.
    #[inline(never)]
    fn sorted_paths(&mut self, path: &'a CStr, programs_only: bool) -> Option<Command<'a>> {
        let words = &mut self.words;
        let each = &mut |name: &[u8]| words.put(path.to_bytes()).put(b"/").put(name).end();
        let listed = (self.settings.question.list)(path, programs_only, each);
        let names = words.finish();
        if let Err(errno) = listed {
            return self.unreadable(path, errno);
        }
        if programs_only && names.len() > PARTS_MAX {
            return self.reject_value(Fault::Programs);
        }
        for end in 1..names.len() {
            let mut place = end;
            // Insertion sort: the new one moves forward until the one before it is not larger.
            while let Some([one, other]) = place
                .checked_sub(1)
                .and_then(|first| names.get_mut(first..first + 2))
            {
                if one.to_bytes() <= other.to_bytes() {
                    break;
                }
                core::mem::swap(one, other);
                place -= 1;
            }
        }
        Some(names)
    }
}
