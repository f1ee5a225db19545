//! Options as getopt_long(3) reads them, for every door.
//!
//! The table of options *is* the help text: a line that begins with white space and a dash declares
//! an option, `  -r, --rewrite FROM:TO  what it does`. So help and parser cannot disagree.
//!
//! Parsing stops at the first argument that is no option, as getopt does on musl and under
//! `POSIXLY_CORRECT`; what follows belongs to the command.

use core::ffi::CStr;

use super::settings::Setting;
use crate::words::text::cut;

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
        loop {
            let (line, rest) = cut(self.help, b'\n');
            self.help = rest;
            // "  -s, --long VALUE  text", "  -s VALUE  text" or "      --long VALUE  text".
            let (short, declared) = match line {
                [
                    b' ',
                    b' ',
                    b'-',
                    short,
                    b',',
                    b' ',
                    b'-',
                    b'-',
                    declared @ ..,
                ] => (*short, declared),
                [
                    b' ',
                    b' ',
                    b' ',
                    b' ',
                    b' ',
                    b' ',
                    b'-',
                    b'-',
                    declared @ ..,
                ] => (0, declared),
                [b' ', b' ', b'-', declared @ ..] => (*declared.first()?, declared),
                _ if rest.is_empty() => return None,
                _ => continue,
            };
            let (name, rest) = cut(declared, b' ');
            let value = rest.first().is_some_and(|byte| *byte != b' ');
            return Some(Entry {
                short,
                name,
                value,
                setting: *setting,
            });
        }
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
            match word.to_bytes_with_nul() {
                [b'-', 0] => return None,
                [b'-', b'-', 0] => {
                    // What follows is no option, whatever it looks like.
                    self.args = rest;
                    return None;
                }
                [b'-', b'-', name @ ..] if self.names != Names::None => {
                    self.args = rest;
                    return Some(self.long(name));
                }
                [b'-', cluster @ ..] => {
                    self.args = rest;
                    self.cluster = cluster;
                }
                _ => return None,
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
        let mut attached = None;
        if entry.value && rest.len() > 1 {
            self.cluster = b"";
            attached = argument(rest);
        }
        let missing = "%: option requires an argument -- '%'";
        self.given(entry, attached, missing, letter)
    }

    fn long(&mut self, argument_with_nul: &'a [u8]) -> Result<Given<'a>, Complaint<'a>> {
        let what = cut(argument_with_nul, 0).0;
        let name = cut(what, b'=').0;
        let attached = argument(cut(argument_with_nul, b'=').1);
        let mut found = None;
        for entry in self.entries {
            if !entry.name.starts_with(name) || entry.name.len() < 2 {
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
        let missing = "%: option '--%' requires an argument";
        self.given(entry, attached, missing, entry.name)
    }

    /// The option with its value, which is `attached` to it or the next argument.
    fn given(
        &mut self,
        entry: Entry,
        attached: Option<&'a CStr>,
        missing: &'static str,
        what: &'a [u8],
    ) -> Result<Given<'a>, Complaint<'a>> {
        let mut value = attached;
        if !entry.value {
            if attached.is_some() {
                return complaint("%: option '--%' doesn't allow an argument", entry.name);
            }
            value = Some(c"1");
        } else if let (None, Some((next, rest))) = (attached, self.args.split_first()) {
            self.args = rest;
            value = Some(next);
        }
        match value {
            Some(value) => Ok(Given { entry, value }),
            None => complaint(missing, what),
        }
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
