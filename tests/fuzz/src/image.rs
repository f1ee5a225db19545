//! What a front door looks at, all of it from the fuzzer's bytes: files, directories, the environment.
//!
//! An input is a text of several parts with the byte 0x1e between them, which means nothing to pidlet: a plan
//! file can be an input as it stands.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use pidlet::front::{self, Question};
use pidlet::message::Stream;
use pidlet::plan::Plan;
use pidlet::words::errno::Errno;

use crate::memory::keep;

/// What stands between the parts of an input.
const SEPARATOR: u8 = 0x1e;

/// An image, and what it is started with.
#[derive(Clone, Copy, Default)]
pub struct Image {
    /// The plan file, wherever it is looked for.
    pub plan: &'static [u8],
    /// `/etc/passwd`.
    pub passwd: &'static [u8],
    /// `/etc/group`.
    pub group: &'static [u8],
    /// Every other file.
    pub file: &'static [u8],
    /// The files of every directory, a line each.
    pub names: &'static [u8],
    /// The variables, a line each.
    pub environment: &'static [u8],
    /// There is nothing but the plan file.
    pub bare: bool,
}

/// The answer of a front door.
pub struct Answer {
    pub plan: Plan<'static>,
    /// The exit code, if nothing is to be run.
    pub code: Option<u8>,
    pub out: Vec<u8>,
    /// What was printed on standard error, in pieces as it was printed.
    pub err: Vec<Vec<u8>>,
}

/// The path by which the targets name the plan file.
pub const PLAN: &[u8] = b"f";

/// The next part of an input.
pub fn part(rest: &mut &[u8]) -> &'static [u8] {
    let end = rest.iter().position(|byte| *byte == SEPARATOR);
    let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = behind.get(1..).unwrap_or(&[]);
    keep(part)
}

impl Image {
    /// Everything beside the plan, from the parts of an input.
    pub fn beside(plan: &'static [u8], rest: &mut &[u8]) -> Image {
        Image {
            plan,
            passwd: part(rest),
            group: part(rest),
            file: part(rest),
            names: part(rest),
            environment: part(rest),
            bare: false,
        }
    }

    /// A plan file, and nothing beside it.
    pub fn bare(plan: &'static [u8]) -> Image {
        Image {
            plan,
            bare: true,
            ..Image::default()
        }
    }

    fn read(&self, path: &CStr) -> Result<&'static [u8], Errno> {
        match path.to_bytes() {
            PLAN | b"/etc/pidlet.conf" => Ok(self.plan),
            _ if self.bare => Err(Errno::NOENT),
            b"/etc/passwd" => Ok(self.passwd),
            b"/etc/group" => Ok(self.group),
            b"/none" => Err(Errno::NOENT),
            _ => Ok(self.file),
        }
    }

    fn list(&self, path: &CStr, each: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
        if self.bare || path.to_bytes() == b"/none" {
            return Err(Errno::NOENT);
        }
        // Names that a file may have, but no hidden ones.
        let lines = self.names.split(|byte| *byte == b'\n');
        lines
            .filter(|name| {
                !name.is_empty() && !name.contains(&0) && !name.contains(&b'/') && name[0] != b'.'
            })
            .for_each(each);
        Ok(())
    }

    fn variables(&self) -> Vec<(&'static [u8], &'static CStr)> {
        let lines = self.environment.split(|byte| *byte == b'\n');
        let pair = |line: &'static [u8]| {
            let end = line.iter().position(|byte| *byte == b'=')?;
            Some((&line[..end], string(&line[end + 1..])))
        };
        lines.filter_map(pair).collect()
    }

    /// Asks a front door.
    pub fn ask(self, args: &[&[u8]]) -> &'static Answer {
        let args: Vec<&'static CStr> = args.iter().map(|word| string(word)).collect();
        let variables = self.variables();
        let twins = variables
            .iter()
            .any(|(name, _)| name.starts_with(b"PIDLET_"));
        let printed: &'static RefCell<(Vec<u8>, Vec<Vec<u8>>)> = Box::leak(Box::default());
        let question: &'static Question = Box::leak(Box::new(Question {
            args: args.leak(),
            getenv: Box::leak(Box::new(move |name: &[u8]| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| *value)
            })),
            twins,
            own: 1,
            read: Box::leak(Box::new(move |path: &CStr| self.read(path))),
            list: Box::leak(Box::new(
                move |path: &CStr, _, each: &mut dyn FnMut(&[u8])| self.list(path, each),
            )),
            print: Box::leak(Box::new(|stream, text: &[u8]| {
                let (out, err) = &mut *printed.borrow_mut();
                match stream {
                    Stream::Out => out.extend(text),
                    Stream::Err => err.push(text.to_vec()),
                }
            })),
        }));
        let mut plan = Plan::new(front::style(question));
        let code = front::ask(question, &mut plan).err();
        let (out, err) = printed.take();
        Box::leak(Box::new(Answer {
            plan,
            code,
            out,
            err,
        }))
    }
}

/// The text in front of the first NUL, as the kernel passes words on.
pub fn string(text: &[u8]) -> &'static CStr {
    let text = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
    Box::leak(
        CString::new(text)
            .expect("there is no NUL")
            .into_boxed_c_str(),
    )
}

/// Fails unless these are whole lines for people, none too long, and no control character in them.
pub fn check_lines(pieces: &[Vec<u8>]) {
    for piece in pieces {
        assert!(piece.len() <= pidlet::words::line::LINE_BYTES_MAX);
        assert_eq!(piece.last(), Some(&b'\n'));
        let text = &piece[..piece.len() - 1];
        assert!(
            text.iter().all(|byte| *byte >= b' ' && *byte != 0x7f),
            "{}",
            text.escape_ascii()
        );
    }
}
