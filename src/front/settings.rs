//! The settings that every door shares: each option of pidlet and its environment twin.
//!
//! `docker run --init` can pass no options, so `PIDLET_GRACE=20s` and the like work under every
//! name (DESIGN §4). An option wins over its twin.

use core::ffi::CStr;
use core::mem::replace;

use super::getopt::{Given, Table};
use super::{Question, commands, dumb_init, print, tini};
use crate::message::Stream;
use crate::plan::{Essential, Group, Key, Log, Place, Plan, Routes, Service, Style, Terminal};
use crate::words::exit::Codes;
use crate::words::packed::Text;
use crate::words::signal::Signal;
use crate::words::text::{self, Line, cut, place, take};
use crate::words::time::Span;

/// What an option sets, or asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Asks for the help.
    Help,
    /// Asks for the version.
    Version,
    /// Asks for the licence.
    License,
    /// [`Plan::until`].
    Until,
    /// [`Plan::grace`].
    Grace,
    /// [`Plan::lame_duck`].
    LameDuck,
    /// [`Plan::routes`].
    Rewrite,
    /// The same as dumb-init reads it.
    DumbInitRewrite,
    /// [`Plan::expect`].
    Expect,
    /// The same as tini reads it.
    TiniExpect,
    /// [`Plan::parent_death`].
    ParentDeath,
    /// The same as tini reads it.
    TiniParentDeath,
    /// The word between commands.
    Separator,
    /// [`Plan::termination_log`].
    TerminationLog,
    /// The plan's file.
    Config,
    /// [`Plan::log`].
    Log,
    /// [`Plan::timestamps`].
    Timestamps,
    /// [`Plan::group`].
    Group,
    /// [`Plan::hold`].
    Hold,
    /// Less of [`Plan::verbosity`].
    Quiet,
    /// More of [`Plan::verbosity`].
    Verbose,
    /// [`Plan::dry_run`].
    DryRun,
    /// [`Plan::subreaper`].
    Subreaper,
    /// [`Plan::warn_on_reap`].
    WarnOnReap,
    /// No session for the child (dumb-init).
    SingleChild,
    /// Run nothing (catatonit).
    Pause,
}

/// A plan in the making, and what is set beside it.
pub struct Settings<'p, 'a> {
    /// The plan.
    pub plan: &'p mut Plan<'a>,
    /// Nothing is run: a program that is given all the same is ignored.
    pub pause: bool,
    /// What there is to look at.
    pub question: &'p Question<'a>,
    /// The word between commands; none under the peers' names, unless the environment sets one.
    separator: Option<&'a [u8]>,
    /// Something was wrong, and has been said.
    faulty: bool,
    /// The plan's file.
    pub config: Option<&'a CStr>,
    /// What was set in the environment or by an option, a bit each.
    given: u64,
    /// Whether `--rewrite` was given: what the environment rewrites counts no more.
    rewrite_given: bool,
    /// Whether `--expect` was given.
    expect_given: bool,
}

/// What `any`, `all` and `failure` mean; and `yes`, `no` and `on-failure`.
pub const UNTIL: [Essential; 3] = [Essential::Yes, Essential::No, Essential::OnFailure];

const LOGS: [Log; 3] = [Log::Inherit, Log::Prefix, Log::Json];

/// What is wrong with a value: what was expected; of a peer's option the whole complaint.
pub type Expected = Text;

impl<'p, 'a> Settings<'p, 'a> {
    /// Nothing is set yet.
    pub fn new(plan: &'p mut Plan<'a>, question: &'p Question<'a>) -> Settings<'p, 'a> {
        let separator = match plan.style {
            Style::Pidlet => Some(commands::SEPARATOR),
            _ => None,
        };
        Settings {
            plan,
            pause: false,
            question,
            separator,
            faulty: false,
            config: None,
            given: 0,
            rewrite_given: false,
            expect_given: false,
        }
    }

    /// Takes what the environment asks for, by our own table.
    #[inline(never)]
    pub fn environment(&mut self, table: &Table) {
        for (place, setting) in table.settings.iter().enumerate() {
            let mut name = Line::new();
            name.put(text!("PIDLET_"));
            for byte in table.entry(place).name() {
                name.push(match byte {
                    b'-' => b'_',
                    _ => byte.to_ascii_uppercase(),
                });
            }
            if let Some(value) = (self.question.getenv)(name.text()) {
                self.given |= 1 << *setting as u32;
                if let Err(expected) = self.set(*setting, value) {
                    let parts = [name.text(), value.to_bytes()];
                    self.fault_of(text!("pidlet: %: \"%\": "), &parts, expected);
                }
            }
        }
    }

    /// Takes an option. An error is the exit code, after it has been said why: only pidlet itself
    /// goes on to find what else is wrong.
    pub fn option(&mut self, given: Given<'_, 'a>) -> Result<(), u8> {
        let Given {
            setting,
            entry,
            value,
        } = given;
        match setting {
            Setting::Rewrite if !replace(&mut self.rewrite_given, true) => {
                self.plan.routes = Routes::default();
            }
            Setting::Expect if !replace(&mut self.expect_given, true) => {
                self.plan.expect = Codes::default();
            }
            _ => (),
        }
        self.given |= 1 << setting as u32;
        if let Err(expected) = self.set(setting, value) {
            let value = value.to_bytes();
            if self.plan.style != Style::Pidlet {
                self.question.complain(expected, &[entry.name(), value]);
                return Err(1);
            }
            let text = text!("pidlet: --%: \"%\": ");
            self.fault_of(text, &[entry.name(), value], expected);
        }
        Ok(())
    }

    /// Says what is wrong: see [`Question::complain`].
    pub fn fault(&mut self, text: Text, parts: &[&[u8]]) {
        self.fault_of(text, parts, Text::plain(""));
    }

    #[inline(never)]
    fn fault_of(&mut self, text: Text, parts: &[&[u8]], what: Text) {
        self.faulty = true;
        self.question.complain_of(text, parts, what);
    }

    /// The same for a line that is ready.
    pub fn fault_line(&mut self, line: &mut Line) {
        self.faulty = true;
        (self.question.print)(Stream::Err, line.end());
    }

    /// Sets an option by its long name in our own table, as a plan's file has it; what was set
    /// before wins. An error is what was expected, or nothing if there is no such option or it means
    /// nothing in a file.
    pub fn named(&mut self, table: &Table, name: &[u8], value: &'a CStr) -> Result<(), Expected> {
        for (place, &setting) in table.settings.iter().enumerate() {
            match setting {
                _ if table.entry(place).name() != name => (),
                Setting::Help | Setting::Version | Setting::Config | Setting::Separator => break,
                _ if self.given >> setting as u32 & 1 != 0 => return Ok(()),
                _ => return self.set(setting, value),
            }
        }
        Err(Text::plain(""))
    }

    /// Adds the commands.
    #[inline(never)]
    pub fn commands(&mut self, words: &'a [&'a CStr]) {
        if let Err(empty) = commands::add(self.plan, words, self.separator) {
            let mut number = Line::new();
            number.put_number(empty as u64 + 1);
            let text = text!("pidlet: command % is empty: a separator too many");
            self.fault(text, &[number.text()]);
        }
    }

    /// Checks the whole: the end of every door that runs something.
    pub fn finish(self) -> Result<(), u8> {
        if let Err(wrong) = self.plan.check() {
            self.question
                .complain(text!("pidlet: %"), &[wrong.as_bytes()]);
            return Err(1);
        }
        if self.faulty {
            return Err(1);
        }
        let plan = self.plan;
        if !plan.pass_through() {
            // A terminal has one foreground group: none of several commands may take it, unless it
            // is said which.
            let tty = |service: &Service| service.spec.number(Key::Tty) > 0;
            match plan.services.iter().position(tty) {
                Some(place) => plan.foreground = place as Place,
                None => plan.setup.terminal = Terminal::None,
            }
            plan.setup.listen_pid = false;
        }
        // What was asked for in the environment or what several commands need goes before manners.
        plan.graceful |= plan.bounded();
        if plan.dry_run {
            print::plan(plan, &|text| (self.question.print)(Stream::Out, text));
            return Err(0);
        }
        Ok(())
    }

    fn set(&mut self, setting: Setting, value: &'a CStr) -> Result<(), Expected> {
        let plan = &mut *self.plan;
        let text = value.to_bytes();
        match setting {
            // Whoever sets PIDLET_VERSION means something else.
            Setting::Help | Setting::Version | Setting::License => (),
            Setting::TerminationLog => plan.termination_log = Some(value),
            Setting::Config if text.is_empty() => return Err(text!("expected a path")),
            Setting::Config => self.config = Some(value),
            Setting::Log => {
                let place = place(text!("inherit prefix json"), text);
                plan.log = *place
                    .and_then(|place| LOGS.get(place))
                    .ok_or(text!("expected inherit, prefix or json"))?;
            }
            Setting::Separator if text.is_empty() => return Err(text!("expected a word")),
            Setting::Separator => self.separator = Some(text),
            Setting::Until => {
                let place = place(text!("any all failure"), text)
                    .ok_or(text!("expected any, all or failure"))?;
                plan.until = *UNTIL
                    .get(place)
                    .ok_or(text!("expected any, all or failure"))?;
            }
            Setting::Grace => plan.grace = Some(duration(text)?),
            Setting::LameDuck => plan.lame_duck = duration(text)?,
            Setting::ParentDeath => {
                let signal =
                    Signal::parse(text).ok_or(text!("expected a signal, such as TERM or 15"))?;
                plan.parent_death = Some(signal);
            }
            Setting::TiniParentDeath => {
                plan.parent_death = Some(tini::death_signal(text).ok_or(tini::INVALID)?);
            }
            Setting::TiniExpect => {
                plan.expect.add(tini::exit_code(text).ok_or(tini::INVALID)?);
            }
            Setting::DumbInitRewrite => {
                let (from, to) = dumb_init::rewrite(text).ok_or(dumb_init::MISSPELT)?;
                plan.routes.set(from, to);
            }
            Setting::Rewrite | Setting::Expect => {
                // An environment variable holds several, between commas.
                let mut rest = text;
                loop {
                    let (item, behind) = cut(rest, b',');
                    if setting == Setting::Expect {
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
            _ => self.switch(setting, times(text).ok_or(text!("expected yes or no"))?),
        }
        Ok(())
    }

    #[inline(never)]
    fn switch(&mut self, setting: Setting, times: u32) {
        let plan = &mut *self.plan;
        let on = times > 0;
        match setting {
            Setting::Group => plan.group = on,
            Setting::Hold => plan.hold = on,
            Setting::Timestamps => plan.timestamps = on,
            Setting::DryRun => plan.dry_run = on,
            Setting::Subreaper => plan.subreaper = on,
            Setting::WarnOnReap => plan.warn_on_reap = on,
            Setting::SingleChild => plan.setup.group = Group::Ours,
            Setting::Pause => self.pause = on,
            Setting::Quiet => plan.verbosity = plan.verbosity.saturating_sub(times),
            _ => plan.verbosity = plan.verbosity.saturating_add(times),
        }
    }
}

/// How often a switch is thrown: none or one time, or up to nine.
pub fn times(text: &[u8]) -> Option<u32> {
    // After the ten digits, every other word is a no; the empty one is, too.
    let place = place(text!("0 1 2 3 4 5 6 7 8 9  yes no true false on off"), text)? as u32;
    Some(if place < 10 { place } else { place % 2 })
}

/// Reads a length of time.
pub fn duration(text: &[u8]) -> Result<Span, Expected> {
    Span::parse(text).ok_or(text!("expected a duration, such as 500ms, 8s, 2m or 1h"))
}

#[inline(never)]
fn rewrite(routes: &mut Routes, item: &[u8]) -> Result<(), Expected> {
    const EXPECTED: Expected = text!("expected FROM:TO, two signals, or FROM:0 to drop one");
    let mut to = item;
    let from = Signal::parse(take(&mut to, b':')).ok_or(EXPECTED)?;
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
    codes.add(code.ok_or(text!("expected an exit code from 0 to 255"))?);
    Ok(())
}
