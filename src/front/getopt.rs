//! Options as getopt_long(3) reads them, for every door.
//!
//! The table of options *is* the help text: a line that begins with white space and a dash declares
//! an option, `  -r, --rewrite FROM:TO  what it does`. So help and parser cannot disagree.
//!
//! Parsing stops at the first argument that is no option, as getopt does on musl and under
//! `POSIXLY_CORRECT`; what follows belongs to the command.

use core::ffi::CStr;

use crate::words::text::cut;

/// One option of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The letter, or 0.
    pub short: u8,
    /// The long name, or the letter if there is none.
    pub name: &'static [u8],
    /// Whether there is a long name.
    pub long: bool,
    /// Whether a value follows.
    pub value: bool,
}

/// The options that a help text declares.
#[derive(Clone, Copy)]
pub struct Entries(&'static [u8]);

impl Entries {
    /// Those of `help`.
    pub fn of(help: &'static str) -> Entries {
        Entries(help.as_bytes())
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.0.is_empty() {
            let (line, rest) = cut(self.0, b'\n');
            self.0 = rest;
            if let Some(entry) = entry(line) {
                return Some(entry);
            }
        }
        None
    }
}

fn entry(line: &'static [u8]) -> Option<Entry> {
    // "  -s, --long VALUE  text", "  -s VALUE  text" or "      --long VALUE  text".
    let text = line.strip_prefix(b"  ")?;
    let (short, declared) = match text {
        [b'-', short, b',', b' ', b'-', b'-', ..] => (*short, &text[6..]),
        [b'-', short, ..] => (*short, &text[1..]),
        [b' ', b' ', b' ', b' ', b'-', b'-', ..] => (0, &text[6..]),
        _ => return None,
    };
    let (name, rest) = cut(declared, b' ');
    let value = rest.first().is_some_and(|byte| *byte != b' ');
    Some(Entry {
        short,
        name,
        long: name.len() > 1,
        value,
    })
}

/// An option that was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<'a> {
    /// Its long name, or its letter if it has none.
    pub name: &'static [u8],
    /// Its value, if it takes one.
    pub value: Option<&'a CStr>,
}

/// What is wrong with an option, in getopt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint<'a> {
    /// In front of what was given.
    pub before: &'static str,
    /// What was given.
    pub what: &'a [u8],
    /// Behind it.
    pub after: &'static str,
}

/// Reads options off the front of the arguments.
pub struct Options<'a> {
    args: &'a [&'a CStr],
    entries: Entries,
    /// What is left of a cluster of letters, with the argument's NUL.
    cluster: &'a [u8],
    /// Long names may be shortened as long as they stay unambiguous.
    abbreviations: bool,
}

impl<'a> Options<'a> {
    /// Reads `args`, of which the first is `argv[0]`, by the table in `help`.
    pub fn new(args: &'a [&'a CStr], help: &'static str, abbreviations: bool) -> Self {
        let args = args.get(1..).unwrap_or(&[]);
        Options {
            args,
            entries: Entries::of(help),
            cluster: b"",
            abbreviations,
        }
    }

    /// The arguments that are left: the command.
    pub fn rest(&self) -> &'a [&'a CStr] {
        self.args
    }

    /// The next option, or what is wrong with it; `None` at the end.
    pub fn next(&mut self) -> Option<Result<Given<'a>, Complaint<'a>>> {
        if !self.cluster.is_empty() {
            return Some(self.letter());
        }
        let argument = *self.args.first()?;
        let word = argument.to_bytes();
        if word.len() < 2 || word[0] != b'-' {
            return None;
        }
        self.shift();
        if word == b"--" {
            // What follows is no option, whatever it looks like.
            return None;
        }
        if word[1] == b'-' && self.entries().any(|entry| entry.long) {
            return Some(self.long(argument));
        }
        self.cluster = &argument.to_bytes_with_nul()[1..];
        Some(self.letter())
    }

    /// The table from its start.
    fn entries(&self) -> Entries {
        self.entries
    }

    fn shift(&mut self) -> Option<&'a CStr> {
        let (first, rest) = self.args.split_first()?;
        self.args = rest;
        Some(first)
    }

    fn letter(&mut self) -> Result<Given<'a>, Complaint<'a>> {
        let (letter, rest) = self.cluster.split_at(1);
        self.cluster = if rest.len() > 1 { rest } else { b"" };
        let Some(entry) = self.entries().find(|entry| entry.short == letter[0]) else {
            return Err(Complaint {
                before: "invalid option -- '",
                what: letter,
                after: "'",
            });
        };
        let mut value = None;
        if entry.value {
            self.cluster = b"";
            value = if rest.len() > 1 {
                argument(rest)
            } else {
                self.shift()
            };
            if value.is_none() {
                let before = "option requires an argument -- '";
                return Err(Complaint {
                    before,
                    what: letter,
                    after: "'",
                });
            }
        }
        Ok(Given {
            name: entry.name,
            value,
        })
    }

    fn long(&mut self, word: &'a CStr) -> Result<Given<'a>, Complaint<'a>> {
        let what = &word.to_bytes()[2..];
        let (name, _) = cut(what, b'=');
        let behind = word.to_bytes_with_nul().get(2 + name.len() + 1..);
        let mut value = behind.and_then(argument);
        let mut found = None;
        for entry in self.entries().filter(|entry| entry.long) {
            if entry.name == name {
                found = Some(entry);
                break;
            }
            if self.abbreviations && entry.name.starts_with(name) {
                if found.is_some() {
                    return Err(Complaint {
                        before: "option '--",
                        what,
                        after: "' is ambiguous",
                    });
                }
                found = Some(entry);
            }
        }
        let Some(entry) = found else {
            return Err(Complaint {
                before: "unrecognized option '--",
                what,
                after: "'",
            });
        };
        if entry.value && value.is_none() {
            value = self.shift();
        }
        let what = entry.name;
        let after = match (entry.value, value) {
            (true, None) => "' requires an argument",
            (false, Some(_)) => "' doesn't allow an argument",
            _ => {
                return Ok(Given {
                    name: entry.name,
                    value,
                });
            }
        };
        Err(Complaint {
            before: "option '--",
            what,
            after,
        })
    }
}

/// The end of an argument, NUL included, as an argument of its own.
fn argument(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_with_nul(bytes).ok()
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

    fn read(args: &[&CStr], abbreviations: bool) -> (Vec<String>, usize) {
        let mut options = Options::new(args, HELP, abbreviations);
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(option) = options.next() {
            seen.push(match option {
                Ok(Given { name, value: None }) => text(name),
                Ok(Given {
                    name,
                    value: Some(value),
                }) => {
                    std::format!("{}={}", text(name), value.to_str().unwrap())
                }
                Err(Complaint {
                    before,
                    what,
                    after,
                }) => {
                    std::format!("{before}{}{after}", text(what))
                }
            });
        }
        (seen, options.rest().len())
    }

    #[track_caller]
    fn check(args: &[&CStr], expected: &[&str], rest: usize) {
        let args: Vec<&CStr> = [c"x"].iter().chain(args).copied().collect();
        let (seen, left) = read(&args, true);
        assert_eq!(
            (seen.iter().map(String::as_str).collect::<Vec<_>>(), left),
            (expected.to_vec(), rest)
        );
    }

    #[test]
    fn the_table_is_the_help() {
        let names: Vec<_> = Entries::of(HELP)
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
        check(&[c"-z", c"-a"], &["invalid option -- 'z'", "a"], 0);
        check(&[c"-n"], &["option requires an argument -- 'n'"], 0);
        check(&[c"--nope=1"], &["unrecognized option '--nope=1'"], 0);
        check(&[c"--re"], &["option '--re' is ambiguous"], 0);
        check(&[c"--rew"], &["option '--rewrite' requires an argument"], 0);
        check(
            &[c"--both=1"],
            &["option '--both' doesn't allow an argument"],
            0,
        );
    }

    #[test]
    fn abbreviations_only_where_the_model_has_them() {
        assert_eq!(
            read(&[c"x", c"--bot"], false).0,
            ["unrecognized option '--bot'"]
        );
    }

    #[test]
    fn no_arguments_at_all() {
        assert_eq!(read(&[], true), (Vec::new(), 0));
    }
}
