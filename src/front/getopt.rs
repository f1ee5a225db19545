//! Options as getopt_long(3) reads them, for every door.
//!
//! The table of options *is* the help text: a line that begins with white space and a dash declares
//! an option, `  -r, --rewrite FROM:TO  what it does`. So help and parser cannot disagree.
//!
//! Parsing stops at the first argument that is no option, as getopt does on musl and under
//! `POSIXLY_CORRECT`; what follows belongs to the command.

use core::ffi::CStr;

use super::settings::Setting;
use crate::words::packed::Text;
use crate::words::text::take;

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

/// The options that a help text declares, and what each of them sets, in the same order.
#[derive(Clone, Copy)]
pub struct Table<'t> {
    /// The help.
    pub help: &'t [u8],
    /// What the options set.
    pub settings: &'static [Setting],
}

impl<'t> Table<'t> {
    /// The option at this place, counted from 0.
    pub fn entry(&self, mut place: usize) -> Entry<'t> {
        let mut rest = self.help;
        loop {
            let line = take(&mut rest, b'\n');
            if line.starts_with(b"  ") {
                if place == 0 {
                    return Entry(line);
                }
                place -= 1;
            } else if rest.is_empty() {
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

/// An option that was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<'t, 'a> {
    /// What it sets.
    pub setting: Setting,
    /// Which it is.
    pub entry: Entry<'t>,
    /// Its value; "1" if it takes none.
    pub value: &'a CStr,
}

/// What is wrong with an option, in getopt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint<'t> {
    /// The words: the first `%` stands for the program's name, the second for `what`.
    pub text: Text,
    /// What was given.
    pub what: &'t [u8],
}

/// The next option, or what is wrong with it.
type Answer<'t, 'a> = Result<Given<'t, 'a>, Complaint<'t>>;

/// Reads options off the front of the arguments.
pub struct Options<'t, 'a> {
    args: &'a [&'a CStr],
    names: Names,
    table: &'t Table<'t>,
    /// What is left of a cluster of letters, with the argument's NUL.
    cluster: &'a [u8],
}

impl<'t, 'a: 't> Options<'t, 'a> {
    /// Reads `args`, of which the first is `argv[0]`, by a table.
    pub fn new(args: &'a [&'a CStr], names: Names, table: &'t Table<'t>) -> Self {
        Options {
            args: args.get(1..).unwrap_or(&[]),
            names,
            table,
            cluster: b"",
        }
    }

    /// The arguments that are left: the command.
    pub fn rest(&self) -> &'a [&'a CStr] {
        self.args
    }

    fn letter(&mut self) -> Answer<'t, 'a> {
        let (letter, rest) = self.cluster.split_at(1);
        self.cluster = rest;
        for place in 0..self.table.settings.len() {
            let entry = self.table.entry(place);
            if entry.short() == letter[0] {
                let mut attached = None;
                if entry.takes_value() && rest.len() > 1 {
                    self.cluster = b"";
                    attached = argument(rest);
                }
                let missing = text!("%: option requires an argument -- '%'");
                return self.given(place, attached, missing, letter);
            }
        }
        complaint(text!("%: invalid option -- '%'"), letter)
    }

    /// The option that `word`, with the argument's NUL, names behind two dashes.
    fn long(&mut self, word: &'a [u8]) -> Answer<'t, 'a> {
        let what = take(&mut { word }, 0);
        let name = take(&mut { what }, b'=');
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
                    return complaint(text!("%: option '--%' is ambiguous"), what);
                }
                found = Some(place);
            }
        }
        let Some(place) = found else {
            return complaint(text!("%: unrecognized option '--%'"), what);
        };
        let mut attached = word;
        take(&mut attached, b'=');
        let missing = text!("%: option '--%' requires an argument");
        let known = self.table.entry(place).name();
        self.given(place, argument(attached), missing, known)
    }

    /// The option with its value, which is `attached` to it or is the next argument.
    fn given(
        &mut self,
        place: usize,
        attached: Option<&'a CStr>,
        missing: Text,
        what: &'t [u8],
    ) -> Answer<'t, 'a> {
        let entry = self.table.entry(place);
        let value = match (entry.takes_value(), attached, self.args) {
            (true, Some(value), _) => value,
            (true, None, [value, rest @ ..]) => {
                self.args = rest;
                value
            }
            (true, None, []) => return complaint(missing, what),
            (false, None, _) => c"1",
            (false, Some(_), _) => {
                return complaint(text!("%: option '--%' doesn't allow an argument"), what);
            }
        };
        Ok(Given {
            setting: self.table.settings[place],
            entry,
            value,
        })
    }
}

/// The options, or what is wrong with them.
impl<'t, 'a: 't> Iterator for Options<'t, 'a> {
    type Item = Answer<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
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
}

fn complaint<'t, 'a>(text: Text, what: &'t [u8]) -> Answer<'t, 'a> {
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

    const TABLE: Table = Table {
        help: HELP.as_bytes(),
        settings: &[Setting::Help; 6],
    };

    fn read(args: &[&CStr], names: Names) -> (Vec<String>, usize) {
        let mut options = Options::new(args, names, &TABLE);
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for option in options.by_ref() {
            seen.push(match option {
                Ok(Given { entry, value, .. }) if entry.takes_value() => {
                    std::format!("{}={}", text(entry.name()), value.to_str().unwrap())
                }
                Ok(Given { entry, .. }) => text(entry.name()),
                Err(wrong) => text(wrong.text.unpack(&mut [0; 80]))
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
