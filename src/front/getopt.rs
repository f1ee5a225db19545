//! Options as getopt_long(3) reads them, for every door.
//!
//! The table of options *is* the help text: a line that begins with white space and a dash declares
//! an option, `  -r, --rewrite FROM:TO  what it does`. So help and parser cannot disagree.
//!
//! Parsing stops at the first argument that is no option, as getopt does on musl and under
//! `POSIXLY_CORRECT`; what follows belongs to the command.

use core::ffi::CStr;

use super::settings::Setting;
use crate::words::text::{cut, take};

/// How long names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// There are none: a second dash is a letter as any other.
    None,
    /// As they are.
    Exact,
    /// They may be shortened as long as they stay unambiguous.
    Shortened,
}

/// One option of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The letter, or 0.
    pub short: u8,
    /// The long name, or the letter if there is none.
    pub name: &'static [u8],
    /// Whether a value follows.
    pub value: bool,
    /// What it sets.
    pub setting: Setting,
}

/// The options that a help text declares.
#[derive(Clone, Copy)]
pub struct Entries {
    help: &'static [u8],
    settings: &'static [Setting],
}

impl Entries {
    /// Those of `help`, and what they set, in the same order.
    pub fn of(help: &'static str, settings: &'static [Setting]) -> Entries {
        let help = help.as_bytes();
        Entries { help, settings }
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let (setting, settings) = self.settings.split_first()?;
        self.settings = settings;
        while !self.help.is_empty() {
            // "  -s, --long VALUE  text", "  -s VALUE  text" or "      --long VALUE  text".
            let line = take(&mut self.help, b'\n');
            let [b' ', b' ', dash, short, _, _, rest @ ..] = line else {
                continue;
            };
            let mut rest = rest.strip_prefix(b"--").unwrap_or(&line[3..]);
            let name = take(&mut rest, b' ');
            return Some(Entry {
                short: if *dash == b'-' { *short } else { 0 },
                name,
                value: rest.first().is_some_and(|byte| *byte != b' '),
                setting: *setting,
            });
        }
        None
    }
}

/// An option that was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<'a> {
    /// Which.
    pub entry: Entry,
    /// Its value; "1" if it takes none.
    pub value: &'a CStr,
}

/// What is wrong with an option, in getopt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint<'a> {
    /// The words: the first `%` stands for the program's name, the second for `what`.
    pub text: &'static str,
    /// What was given.
    pub what: &'a [u8],
}

/// Reads options off the front of the arguments.
pub struct Options<'a> {
    args: &'a [&'a CStr],
    names: Names,
    entries: Entries,
    /// What is left of a cluster of letters, with the argument's NUL.
    cluster: &'a [u8],
}

impl<'a> Options<'a> {
    /// Reads `args`, of which the first is `argv[0]`, by a table.
    pub fn new(args: &'a [&'a CStr], names: Names, entries: Entries) -> Self {
        Options {
            args: args.get(1..).unwrap_or(&[]),
            names,
            entries,
            cluster: b"",
        }
    }

    /// The arguments that are left: the command.
    pub fn rest(&self) -> &'a [&'a CStr] {
        self.args
    }

    /// The next option, or what is wrong with it; `None` at the end.
    pub fn next(&mut self) -> Option<Result<Given<'a>, Complaint<'a>>> {
        if self.cluster.len() < 2 {
            let (word, rest) = self.args.split_first()?;
            let [b'-', cluster @ ..] = word.to_bytes_with_nul() else {
                return None;
            };
            if cluster.len() < 2 {
                return None;
            }
            self.args = rest;
            match cluster {
                // What follows is no option, whatever it looks like.
                b"-\0" => return None,
                [b'-', word @ ..] if self.names != Names::None => return Some(self.long(word)),
                _ => self.cluster = cluster,
            }
        }
        Some(self.letter())
    }

    fn letter(&mut self) -> Result<Given<'a>, Complaint<'a>> {
        let (letter, rest) = self.cluster.split_at(1);
        self.cluster = rest;
        let mut entries = self.entries;
        let Some(entry) = entries.find(|entry| entry.short == letter[0]) else {
            return complaint("%: invalid option -- '%'", letter);
        };
        if !entry.value {
            return Ok(Given { entry, value: c"1" });
        }
        self.cluster = b"";
        if rest.len() < 2 {
            return self.value_behind(entry, "%: option requires an argument -- '%'", letter);
        }
        let value = argument(rest).unwrap_or_default();
        Ok(Given { entry, value })
    }

    /// The option that `word`, with the argument's NUL, names behind two dashes.
    fn long(&mut self, word: &'a [u8]) -> Result<Given<'a>, Complaint<'a>> {
        let what = cut(word, 0).0;
        let name = cut(what, b'=').0;
        let mut found = None;
        for entry in self.entries {
            if entry.name.len() < 2 || !entry.name.starts_with(name) {
                continue;
            }
            if entry.name.len() == name.len() {
                found = Some(entry);
                break;
            }
            if self.names == Names::Shortened {
                if found.is_some() {
                    return complaint("%: option '--%' is ambiguous", what);
                }
                found = Some(entry);
            }
        }
        let Some(entry) = found else {
            return complaint("%: unrecognized option '--%'", what);
        };
        match argument(cut(word, b'=').1) {
            Some(value) if entry.value => Ok(Given { entry, value }),
            Some(_) => complaint("%: option '--%' doesn't allow an argument", entry.name),
            None if entry.value => {
                self.value_behind(entry, "%: option '--%' requires an argument", entry.name)
            }
            None => Ok(Given { entry, value: c"1" }),
        }
    }

    /// An option whose value is the next argument.
    fn value_behind(
        &mut self,
        entry: Entry,
        missing: &'static str,
        what: &'a [u8],
    ) -> Result<Given<'a>, Complaint<'a>> {
        let Some((value, rest)) = self.args.split_first() else {
            return complaint(missing, what);
        };
        self.args = rest;
        Ok(Given { entry, value })
    }
}

fn complaint<'a>(text: &'static str, what: &'a [u8]) -> Result<Given<'a>, Complaint<'a>> {
    Err(Complaint { text, what })
}

/// The end of an argument, NUL included, as an argument of its own.
fn argument(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_until_nul(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    const HELP: &str = "Usage: x [OPTIONS]
text - with a dash

  -a            a letter alone
  -n NUMBER     a letter with a value
  -b, --both    both
  -r, --rewrite FROM:TO  both with a value
      --recipe  long alone
      --only-long VALUE
";

    const SETTINGS: &[Setting] = &[Setting::Help; 6];

    fn read(args: &[&CStr], names: Names) -> (Vec<String>, usize) {
        let mut options = Options::new(args, names, Entries::of(HELP, SETTINGS));
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(option) = options.next() {
            seen.push(match option {
                Ok(Given { entry, value }) if entry.value => {
                    std::format!("{}={}", text(entry.name), value.to_str().unwrap())
                }
                Ok(Given { entry, .. }) => text(entry.name),
                Err(wrong) => wrong
                    .text
                    .replacen('%', "x", 1)
                    .replace('%', &text(wrong.what)),
            });
        }
        (seen, options.rest().len())
    }

    #[track_caller]
    fn check(args: &[&CStr], expected: &[&str], rest: usize) {
        let args: Vec<&CStr> = [c"x"].iter().chain(args).copied().collect();
        let (seen, left) = read(&args, Names::Shortened);
        assert_eq!(
            (seen.iter().map(String::as_str).collect::<Vec<_>>(), left),
            (expected.to_vec(), rest)
        );
    }

    #[test]
    fn the_table_is_the_help() {
        let names: Vec<_> = Entries::of(HELP, SETTINGS)
            .map(|entry| (entry.short, entry.name, entry.value))
            .collect();
        let expected = [
            (b'a', b"a".as_slice(), false),
            (b'n', b"n", true),
            (b'b', b"both", false),
            (b'r', b"rewrite", true),
            (0, b"recipe", false),
            (0, b"only-long", true),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn options() {
        check(&[c"-a", c"-ab", c"cmd", c"-a"], &["a", "a", "both"], 2);
        check(
            &[c"-n5", c"-an", c"7", c"--", c"-a"],
            &["n=5", "a", "n=7"],
            1,
        );
        check(
            &[c"--only-long=x", c"--only-long", c"y"],
            &["only-long=x", "only-long=y"],
            0,
        );
        check(
            &[c"--bo", c"--rew=1:2", c"-r1:2"],
            &["both", "rewrite=1:2", "rewrite=1:2"],
            0,
        );
        check(&[c"-", c"x"], &[], 2);
        check(&[c"", c"x"], &[], 2);
        check(&[c"--", c"--", c"-a"], &[], 2);
    }

    #[test]
    fn complaints() {
        check(&[c"-z", c"-a"], &["x: invalid option -- 'z'", "a"], 0);
        check(&[c"-n"], &["x: option requires an argument -- 'n'"], 0);
        check(&[c"--nope=1"], &["x: unrecognized option '--nope=1'"], 0);
        check(&[c"--re"], &["x: option '--re' is ambiguous"], 0);
        check(
            &[c"--rew"],
            &["x: option '--rewrite' requires an argument"],
            0,
        );
        check(
            &[c"--both=1"],
            &["x: option '--both' doesn't allow an argument"],
            0,
        );
    }

    #[test]
    fn abbreviations_only_where_the_model_has_them() {
        assert_eq!(
            read(&[c"x", c"--bot"], Names::Exact).0,
            ["x: unrecognized option '--bot'"]
        );
    }

    #[test]
    fn no_arguments_at_all() {
        assert_eq!(read(&[], Names::Exact), (Vec::new(), 0));
    }
}
