//! Options as getopt_long(3) reads them, for every door.
//!
//! The table of options *is* the help text: a line that begins with white space and a dash declares
//! an option, `  -r, --rewrite FROM:TO  what it does`. So help and parser cannot disagree.
//!
//! Parsing stops at the first argument that is no option, as getopt does on musl and under
//! `POSIXLY_CORRECT`; what follows belongs to the command.

use core::ffi::CStr;
use core::slice::from_ref;

use super::settings::Setting;
use crate::words::packed::Text;
use crate::words::text::{string, take};

/// How options with long names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// There are none: a second dash is a letter like any other.
    None,
    /// As they are.
    Exact,
    /// They may be shortened if that is unambiguous.
    Shortened,
}

/// The options that a help text declares, and what each of them sets, in the same order.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    /// The help.
    pub help: &'t [u8],
    /// What the options set.
    pub settings: &'static [Setting],
}

impl<'t> Table<'t> {
    /// No options.
    pub const NONE: Table<'t> = Table {
        help: b"",
        settings: &[],
    };

    /// The option at this place, counted from 0.
    pub fn entry(&self, place: usize) -> Entry<'t> {
        let mut rest = *self;
        for _ in 0..place {
            rest.take_entry();
        }
        rest.take_entry()
    }

    /// Takes the first option off the help; its name is empty if there is none.
    pub fn take_entry(&mut self) -> Entry<'t> {
        loop {
            let line = take(&mut self.help, b'\n');
            if line.starts_with(b"  ") {
                return Entry(line);
            }
            if self.help.is_empty() {
                return Entry(b"");
            }
        }
    }
}

/// One option: its line of the help, `  -s, --long VALUE  text`, `  -s VALUE  text` or
/// `      --long VALUE  text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'t>(&'t [u8]);

impl<'t> Entry<'t> {
    /// The letter, or 0.
    fn short(self) -> u8 {
        match self.0 {
            [_, _, b'-', short, ..] => *short,
            _ => 0,
        }
    }

    /// The long name, or the letter if there is none.
    pub fn name(self) -> &'t [u8] {
        take(&mut self.declared(), b' ')
    }

    /// Whether a value follows.
    fn takes_value(self) -> bool {
        let mut rest = self.declared();
        take(&mut rest, b' ');
        rest.first().is_some_and(|byte| *byte != b' ')
    }

    /// The line from the name on.
    fn declared(self) -> &'t [u8] {
        match self.0 {
            [_, _, _, _, _, _, b'-', b'-', declared @ ..] => declared,
            [_, _, _, declared @ ..] => declared,
            _ => b"",
        }
    }
}

/// Reads options off the front of the arguments.
pub struct Options<'t, 'a> {
    args: &'a [&'a CStr],
    /// What is left of a cluster of letters, with the argument's NUL.
    cluster: &'a [u8],
    table: Table<'t>,
    /// The value of the option that was read last; "1" if it takes none.
    pub value: &'a CStr,
    /// Its name; or what was given, if that is wrong.
    pub name: &'t [u8],
    /// What is wrong with it, in getopt's words: the first `%` stands for the program's name, the
    /// second for what was given.
    pub wrong: Text,
    /// What it sets.
    pub setting: Setting,
    names: Names,
}

impl<'t, 'a: 't> Options<'t, 'a> {
    /// Reads the options in `args`, of which the first is `argv[0]`, by a table.
    pub fn new(args: &'a [&'a CStr], names: Names, table: Table<'t>) -> Self {
        Options {
            args: args.get(1..).unwrap_or(&[]),
            cluster: b"",
            table,
            value: c"",
            name: b"",
            wrong: Text::plain(""),
            setting: Setting::Help,
            names,
        }
    }

    /// The arguments that are left: the command.
    pub fn rest(&self) -> &'a [&'a CStr] {
        self.args
    }

    /// Reads the next option: whether it is right, or `None` if there is no other.
    #[inline(never)]
    pub fn read(&mut self) -> Option<bool> {
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
                [b'-', 0] => return None,
                [b'-', word @ ..] if self.names != Names::None => return Some(self.long(word)),
                _ => self.cluster = cluster,
            }
        }
        Some(self.letter())
    }

    fn letter(&mut self) -> bool {
        let [letter, rest @ ..] = self.cluster else {
            return false;
        };
        self.cluster = rest;
        self.name = from_ref(letter);
        for place in 0..self.table.settings.len() {
            let entry = self.table.entry(place);
            if entry.short() == *letter {
                let attached = entry.takes_value() && rest.len() > 1;
                if attached {
                    self.cluster = b"";
                    self.value = string(rest);
                }
                let missing = text!("%: option requires an argument -- '%'");
                return self.given(place, attached, missing);
            }
        }
        self.complain(text!("%: invalid option -- '%'"))
    }

    /// Reads a long option: `word` is what follows the two dashes, with the argument's NUL.
    fn long(&mut self, word: &'a [u8]) -> bool {
        let whole = string(word).to_bytes();
        let name = take(&mut { whole }, b'=');
        let mut value = word;
        take(&mut value, b'=');
        self.name = whole;
        let mut found = None;
        for place in 0..self.table.settings.len() {
            let known = self.table.entry(place).name();
            if known.len() < 2 || !known.starts_with(name) {
                continue;
            }
            if known.len() == name.len() {
                found = Some(place);
                break;
            }
            if self.names == Names::Shortened {
                if found.is_some() {
                    return self.complain(text!("%: option '--%' is ambiguous"));
                }
                found = Some(place);
            }
        }
        let Some(place) = found else {
            return self.complain(text!("%: unrecognized option '--%'"));
        };
        self.value = string(value);
        self.name = self.table.entry(place).name();
        let missing = text!("%: option '--%' requires an argument");
        self.given(place, !value.is_empty(), missing)
    }

    /// Takes the option at this place with its value, which is the next argument if none is attached;
    /// `missing` is what is said if there is no value.
    #[inline(never)]
    fn given(&mut self, place: usize, attached: bool, missing: Text) -> bool {
        let entry = self.table.entry(place);
        match (entry.takes_value(), attached, self.args) {
            (true, true, _) => (),
            (true, false, [value, rest @ ..]) => (self.value, self.args) = (value, rest),
            (true, false, []) => return self.complain(missing),
            (false, false, _) => self.value = c"1",
            (false, true, _) => {
                return self.complain(text!("%: option '--%' doesn't allow an argument"));
            }
        }
        if let Some(setting) = self.table.settings.get(place) {
            self.setting = *setting;
        }
        self.name = entry.name();
        true
    }

    fn complain(&mut self, text: Text) -> bool {
        self.wrong = text;
        false
    }
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

    const TABLE: Table = Table {
        help: HELP.as_bytes(),
        settings: &[Setting::Help; 6],
    };

    fn read(args: &[&CStr], names: Names) -> (Vec<String>, usize) {
        let mut options = Options::new(args, names, TABLE);
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(right) = options.read() {
            let name = text(options.name);
            seen.push(match right {
                true if options.value == c"1" => name,
                true => std::format!("{name}={}", options.value.to_str().unwrap()),
                false => text(options.wrong.unpack(&mut [0; 80]))
                    .replacen('%', "x", 1)
                    .replace('%', &name),
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
        let names: Vec<_> = (0..6)
            .map(|place| TABLE.entry(place))
            .map(|entry| (entry.short(), entry.name(), entry.takes_value()))
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
    fn error_messages() {
        check(&[c"-z", c"-a"], &["x: invalid option -- 'z'", "a"], 0);
        check(&[c"-n"], &["x: option requires an argument -- 'n'"], 0);
        check(&[c"--nope=1"], &["x: unrecognized option '--nope=1'"], 0);
        // A letter alone is no long name.
        check(&[c"--a"], &["x: unrecognized option '--a'"], 0);
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
    fn no_abbreviations_where_names_are_exact() {
        assert_eq!(
            read(&[c"x", c"--bot", c"--both"], Names::Exact).0,
            ["x: unrecognized option '--bot'", "both"]
        );
    }

    #[test]
    fn no_arguments_at_all() {
        assert_eq!(read(&[], Names::Exact), (Vec::new(), 0));
    }
}
