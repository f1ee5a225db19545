//! As whom a service runs, with which variables, and the programs of a directory: what needs files
//! of the image.

use core::ffi::CStr;

use super::accounts::{self, id};
use super::words::Wrong;
use super::{Reader, joined};
use crate::plan::{Command, Key, Said};
use crate::words::errno::Errno;
use crate::words::list::{List, room};
use crate::words::packed::Text;
use crate::words::text::{Line, take};

/// The most programs that one directory may have.
const PARTS_MAX: usize = 1000;

const NO_GROUP: Text = text!("not in /etc/group");

impl<'a> Reader<'_, '_, 'a> {
    /// Looks up what a value names in the files of the image, and says what there is.
    pub(super) fn look_up(
        &mut self,
        list: &mut List<'a, Said<'a>>,
        said: &mut Said<'a>,
    ) -> Result<(), Wrong<'a>> {
        let Some(&first) = said.words.first() else {
            return Ok(());
        };
        match said.key {
            Key::User => said.number = self.user(list, *said, first)?,
            Key::Groups => {
                let groups = room::<&CStr>(c"", said.words.len());
                for (place, word) in groups.iter_mut().zip(said.words) {
                    *place = number(self.group(word.to_bytes())?);
                }
                said.words = groups;
            }
            Key::EnvFile => said.words = self.env_file(first)?,
            Key::EnvDir => said.words = self.env_dir(first)?,
            Key::RunParts => {
                let names = self.names(first, true)?;
                if names.len() > PARTS_MAX {
                    return Err(Wrong::of(b"", text!("more than 1000 programs")));
                }
                said.words = names;
            }
            _ => (),
        }
        Ok(())
    }

    /// `name`, `uid`, `name:group` or `uid:gid` as `uid << 32 | gid`; what else belongs to it is
    /// said, too.
    fn user(
        &mut self,
        list: &mut List<'a, Said<'a>>,
        said: Said<'a>,
        word: &'a CStr,
    ) -> Result<u64, Wrong<'a>> {
        let mut group = word.to_bytes();
        let name = take(&mut group, b':');
        let mut ids = (0, 0);
        let mut groups = &[][..];
        if let Some(uid) = id(name) {
            // A number alone has no group of its own: the same number, as in images without names.
            ids = (uid, uid);
        } else {
            let passwd = self.file(c"/etc/passwd", false);
            let Some(user) = accounts::user(passwd, name) else {
                return Err(Wrong::of(name, text!("not in /etc/passwd")));
            };
            ids.0 = user.uid;
            ids.1 = user.gid;
            groups = accounts::memberships(self.file(c"/etc/group", true), name, user.gid);
            list.push(Said {
                key: Key::Account,
                words: account(&user),
                ..said
            });
        }
        if name.len() < word.count_bytes() {
            ids.1 = self.group(group)?;
            groups = &[];
        }
        if groups.is_empty() {
            groups = room(ids.1, 1);
        }
        let words = room::<&CStr>(c"", groups.len());
        for (place, group) in words.iter_mut().zip(groups) {
            *place = number(*group);
        }
        list.push(Said {
            key: Key::Member,
            words,
            ..said
        });
        Ok(u64::from(ids.0) << 32 | u64::from(ids.1))
    }

    fn group(&mut self, name: &'a [u8]) -> Result<u32, Wrong<'a>> {
        let file = match id(name) {
            Some(id) => return Ok(id),
            None => self.file(c"/etc/group", true),
        };
        accounts::group(file, name).ok_or(Wrong::of(name, NO_GROUP))
    }

    /// One of the two files of accounts; one that cannot be read is empty.
    fn file(&mut self, path: &CStr, group: bool) -> &'a [u8] {
        let read = self.settings.question.read;
        let known = if group {
            &mut self.group
        } else {
            &mut self.passwd
        };
        known.get_or_insert_with(|| read(path).unwrap_or(b""))
    }

    fn read(&self, path: &CStr) -> Result<&'a [u8], Wrong<'a>> {
        (self.settings.question.read)(path).map_err(unreadable)
    }

    /// Docker's dialect: `NAME=value` as it stands, `NAME` alone as we have it, `#` for comments.
    fn env_file(&mut self, path: &'a CStr) -> Result<Command<'a>, Wrong<'a>> {
        let text = self.read(path)?;
        let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
        let mut words = List::with_room(c"", lines);
        let mut rest = text;
        while !rest.is_empty() {
            let line = take(&mut rest, b'\n').trim_ascii_start();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let [] | [b'#', ..] = line {
                continue;
            }
            let name = take(&mut { line }, b'=');
            if name.is_empty() || line.contains(&0) {
                return Err(Wrong::of(line, text!("a line without a name before the =")));
            }
            if name.len() < line.len() {
                words.push(joined(&[line]));
            } else if let Some(value) = self.question().variable(name) {
                // It is there anyway, unless clear-env took it.
                words.push(joined(&[name, b"=", value]));
            }
        }
        Ok(words.into_slice())
    }

    /// A directory of variables as s6-envdir(1) has it: the file's name is the variable, its first
    /// line the value; an empty file takes the variable away.
    fn env_dir(&mut self, path: &'a CStr) -> Result<Command<'a>, Wrong<'a>> {
        let names = self.names(path, false)?;
        let words = room::<&CStr>(c"", names.len());
        for (place, file) in words.iter_mut().zip(names) {
            let text = self.read(file)?;
            let name = crate::front::commands::last_component(file.to_bytes());
            let value = take(&mut { text }, b'\n').trim_ascii_end();
            *place = if text.is_empty() {
                joined(&[name])
            } else {
                joined(&[name, b"=", take(&mut { value }, 0)])
            };
        }
        Ok(words)
    }

    /// The paths of a directory's files in order; hidden ones are not meant.
    fn names(&mut self, path: &'a CStr, programs: bool) -> Result<Command<'a>, Wrong<'a>> {
        let list = self.settings.question.list;
        let count = &mut 0;
        list(path, programs, &mut |_| *count += 1).map_err(unreadable)?;
        let mut names = List::with_room(c"", *count);
        let each = &mut |name: &[u8]| {
            let path = joined(&[path.to_bytes(), b"/", name]);
            let place = names
                .iter()
                .position(|other: &&CStr| other.to_bytes() > path.to_bytes());
            names.insert(place.unwrap_or(names.len()), path);
        };
        list(path, programs, each).map_err(unreadable)?;
        Ok(names.into_slice())
    }
}

fn unreadable<'a>(errno: Errno) -> Wrong<'a> {
    Wrong {
        errno,
        ..Wrong::of(b"", text!("cannot read it: "))
    }
}

fn number<'a>(number: u32) -> &'a CStr {
    let mut line = Line::new();
    joined(&[line.put_number(number.into()).text()])
}

/// What login(1) sets.
fn account<'a>(user: &accounts::User) -> Command<'a> {
    let list = room::<&CStr>(c"", 4);
    let said: [(&[u8], &[u8]); 4] = [
        (b"HOME=", user.home),
        (b"USER=", user.name),
        (b"LOGNAME=", user.name),
        (b"SHELL=", user.shell),
    ];
    for (place, (name, value)) in list.iter_mut().zip(said) {
        *place = joined(&[name, value]);
    }
    list
}
