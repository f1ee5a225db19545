//! The settings that every door shares: each option of pidlet and its environment twin.
//!
//! `docker run --init` can pass no options, so `PIDLET_GRACE=20s` and the like work under every
//! name (DESIGN §4). An option wins over its twin.

use core::ffi::CStr;

use crate::front::getopt::{Entries, Entry};
use crate::front::pidlet::HELP;
use crate::front::{Answer, Question, commands};
use crate::plan::{Essential, Fault, Plan, Routes, Terminal};
use crate::words::exit::Codes;
use crate::words::list::List;
use crate::words::signal::Signal;
use crate::words::text::{self, Line, cut};
use crate::words::time::Span;

/// Room for the faults of one command line; what does not fit is too much to read anyway.
const FAULT_BYTES_MAX: usize = 8192;

/// What is set beside the plan itself, and all faults found so far.
pub struct Settings<'p, 'a> {
    /// The plan in the making.
    pub plan: &'p mut Plan<'a>,
    /// The word between commands; none under the peers' names, unless the environment sets one.
    separator: Option<&'a [u8]>,
    /// Lines that say what is wrong.
    faults: List<'a, u8>,
    /// Whether `--rewrite` was given: what the environment rewrites counts no more.
    rewrite_given: bool,
    /// Whether `--expect` was given.
    expect_given: bool,
}

/// What a value should have been.
type Expected = &'static str;

impl<'p, 'a> Settings<'p, 'a> {
    /// The settings that the environment asks for.
    pub fn new(
        plan: &'p mut Plan<'a>,
        separator: Option<&'a [u8]>,
        question: &Question<'a>,
    ) -> Settings<'p, 'a> {
        let faults = List::none();
        let (rewrite_given, expect_given) = (false, false);
        let mut settings = Settings {
            plan,
            separator,
            faults,
            rewrite_given,
            expect_given,
        };
        for entry in Entries::of(HELP) {
            settings.twin(entry, question);
        }
        settings
    }

    fn twin(&mut self, entry: Entry, question: &Question<'a>) {
        let mut name = Line::new();
        name.put("PIDLET_");
        for byte in entry.name {
            name.push(if *byte == b'-' {
                b'_'
            } else {
                byte.to_ascii_uppercase()
            });
        }
        let Some(value) = (question.getenv)(name.text()) else {
            return;
        };
        let bytes = value.to_bytes();
        let outcome = if entry.value {
            self.set(entry.name, value)
        } else {
            match bytes {
                b"" | b"0" | b"no" | b"false" | b"off" => Ok(()),
                b"yes" | b"true" | b"on" => self.switch(entry.name, 1),
                [digit @ b'1'..=b'9'] => self.switch(entry.name, u32::from(digit - b'0')),
                _ => Err("yes or no"),
            }
        };
        self.refuse(outcome, b"", name.text(), bytes);
    }

    /// Takes an option that was given on the command line.
    pub fn option(&mut self, name: &'static [u8], value: Option<&'a CStr>) {
        let again = match name {
            b"rewrite" => core::mem::replace(&mut self.rewrite_given, true),
            b"expect" => core::mem::replace(&mut self.expect_given, true),
            _ => true,
        };
        if !again && name == b"rewrite" {
            self.plan.routes = Routes::default();
        } else if !again {
            self.plan.expect = Codes::default();
        }
        let outcome = match value {
            Some(value) => self.set(name, value),
            None => self.switch(name, 1),
        };
        self.refuse(outcome, b"--", name, value.map_or(b"", CStr::to_bytes));
    }

    fn refuse(&mut self, outcome: Result<(), Expected>, dashes: &[u8], name: &[u8], value: &[u8]) {
        if let Err(expected) = outcome {
            self.fault(&[
                dashes,
                name,
                b": \"",
                value,
                b"\": expected ",
                expected.as_bytes(),
            ]);
        }
    }

    /// Adds a line to the faults.
    pub fn fault(&mut self, parts: &[&[u8]]) {
        if self.faults.is_empty() {
            self.faults = List::with_room(0, FAULT_BYTES_MAX);
        }
        let mut line = Line::new();
        line.put("pidlet: ");
        for part in parts {
            line.put_bytes(part);
        }
        for byte in line.end() {
            self.faults.push(*byte);
        }
    }

    /// Adds the commands and checks the whole: the end of every door that runs something.
    pub fn finish(mut self, words: &'a [&'a CStr]) -> Result<(), Answer<'a>> {
        if words.is_empty() {
            self.fault(&[b"no command given; 'pidlet --help' says more"]);
        } else if let Err(empty) = commands::add(self.plan, words, self.separator) {
            let mut number = Line::new();
            number.put_number(empty as u64 + 1);
            self.fault(&[
                b"command ",
                number.text(),
                b" is empty: a separator too many",
            ]);
        }
        match self.plan.check() {
            Ok(()) => (),
            Err(Fault::TooManyServices) => self.fault(&[b"more than 65535 commands"]),
            Err(Fault::LameDuckEatsGrace) => {
                self.fault(&[
                    b"--lame-duck is part of the stop's time: it must be shorter than --grace",
                ]);
            }
        }
        if !self.faults.is_empty() {
            return Err(Answer::Faults(self.faults));
        }
        let plan = self.plan;
        if !plan.pass_through() {
            // A terminal has one foreground group: none of several commands may take it.
            plan.setup.terminal = Terminal::None;
            plan.setup.listen_pid = false;
        }
        // What was asked for in the environment, or what several commands need, goes before manners.
        plan.graceful |= plan.bounded();
        if plan.dry_run {
            Err(Answer::DryRun)
        } else {
            Ok(())
        }
    }

    fn switch(&mut self, name: &[u8], times: u32) -> Result<(), Expected> {
        let plan = &mut *self.plan;
        match name {
            b"group" => plan.group = true,
            b"hold" => plan.hold = true,
            b"dry-run" => plan.dry_run = true,
            b"quiet" => plan.verbosity = plan.verbosity.saturating_sub(times),
            b"verbose" => plan.verbosity += times,
            // `help` and `version` have no twin; whoever sets PIDLET_VERSION means something else.
            _ => (),
        }
        Ok(())
    }

    fn set(&mut self, name: &[u8], value: &'a CStr) -> Result<(), Expected> {
        let plan = &mut *self.plan;
        let text = value.to_bytes();
        match name {
            b"termination-log" => plan.termination_log = Some(value),
            b"separator" if text.is_empty() => return Err("a word"),
            b"separator" => self.separator = Some(text),
            b"until" => {
                plan.until = match text {
                    b"any" => Essential::Yes,
                    b"all" => Essential::No,
                    b"failure" => Essential::OnFailure,
                    _ => return Err("any, all or failure"),
                }
            }
            b"grace" => plan.grace = Some(duration(text)?),
            b"lame-duck" => plan.lame_duck = duration(text)?,
            b"parent-death" => {
                plan.parent_death =
                    Some(Signal::parse(text).ok_or("a signal, such as TERM or 15")?);
            }
            _ => {
                // An environment variable holds several, between commas.
                let mut rest = text;
                loop {
                    let (item, behind) = cut(rest, b',');
                    if name == b"expect" {
                        expect(&mut plan.expect, item)?;
                    } else {
                        rewrite(&mut plan.routes, item)?;
                    }
                    if behind.is_empty() {
                        break;
                    }
                    rest = behind;
                }
            }
        }
        Ok(())
    }
}

fn duration(text: &[u8]) -> Result<Span, Expected> {
    Span::parse(text).ok_or("a duration, such as 500ms, 8s, 2m or 1h")
}

fn rewrite(routes: &mut Routes, item: &[u8]) -> Result<(), Expected> {
    const EXPECTED: Expected = "FROM:TO, two signals, or FROM:0 to drop one";
    let (from, to) = cut(item, b':');
    let from = Signal::parse(from).ok_or(EXPECTED)?;
    let to = if to == b"0" {
        None
    } else {
        Some(Signal::parse(to).ok_or(EXPECTED)?)
    };
    routes.set(from, to);
    Ok(())
}

fn expect(codes: &mut Codes, item: &[u8]) -> Result<(), Expected> {
    let code = text::number(item).and_then(|code| u8::try_from(code).ok());
    codes.add(code.ok_or("an exit code from 0 to 255")?);
    Ok(())
}
