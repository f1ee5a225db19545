//! The settings that every door shares: each option of pidlet and its environment twin.
//!
//! `docker run --init` can pass no options, so `PIDLET_GRACE=20s` and the like work under every
//! name (pidlet(8), ENVIRONMENT). An option wins over its twin.

use core::ffi::CStr;

use super::getopt::{Options, Table};
use super::values::{expected, times};
use super::{Question, commands, dumb_init, print, tini};
use crate::message::Stream;
use crate::plan::{Essential, Group, Key, Log, Place, Plan, Routes, Service, Style, Terminal};
use crate::words::exit::Codes;
use crate::words::line::Line;
use crate::words::packed::Text;
use crate::words::signal::Signal;
use crate::words::text::{number, place, take};
use crate::words::time::Span;

/// What an option sets, or asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Plan::until`].
    Until,
    /// [`Plan::grace`].
    Grace,
    /// [`Plan::lame_duck`].
    LameDuck,
    /// [`Plan::parent_death`].
    ParentDeath,
    /// [`Plan::routes`].
    Rewrite,
    /// [`Plan::expect`].
    Expect,
    /// The word between commands.
    Separator,
    /// The plan's file.
    Config,
    /// [`Plan::log`].
    Log,
    /// Less of [`Plan::verbosity`]; the value is how often.
    Quiet,
    /// More of [`Plan::verbosity`]; the value is how often.
    Verbose,
    /// [`Setting::ParentDeath`] as tini reads it.
    TiniParentDeath,
    /// [`Setting::Expect`] as tini reads it.
    TiniExpect,
    /// [`Setting::Rewrite`] as dumb-init reads it.
    DumbInitRewrite,
    /// [`Plan::timestamps`]. From here to [`Setting::Pause`] the value is yes or no.
    Timestamps,
    /// [`Plan::group`].
    Group,
    /// [`Plan::hold`].
    Hold,
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
    /// [`Plan::termination_log`].
    TerminationLog,
    /// Asks for the help.
    Help,
    /// Asks for the version.
    Version,
    /// Asks for the licence.
    License,
}

/// A plan being built, and the settings that are not part of it.
pub struct Settings<'p, 'a> {
    /// The plan.
    pub plan: &'p mut Plan<'a>,
    /// Nothing is run: a program that is given nevertheless is ignored.
    pub pause: bool,
    /// What the door may look at.
    pub question: &'p Question<'a>,
    /// The word between commands; none under the peers' names, unless the environment sets one.
    separator: Option<&'a [u8]>,
    /// Something was wrong, and has been reported.
    faulty: bool,
    /// The plan's file.
    pub config: Option<&'a CStr>,
    /// The settings from the environment, a bit each.
    twins: u32,
    /// The settings from options.
    options: u32,
}

/// The kinds of value that the settings take, in the order of [`Setting`]: see [`expected`]. A peer's
/// settings need none, since its messages are complete.
const KINDS: &[u8; Setting::Timestamps as usize + 1] = b"UDDSWCXfLQQ   b";

impl<'p, 'a> Settings<'p, 'a> {
    /// No setting has been made yet.
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
            twins: 0,
            options: 0,
        }
    }

    /// Makes the settings that the environment asks for, by our own table.
    #[inline(never)]
    pub fn environment(&mut self, mut table: Table) {
        let mut name = Line::new();
        for &setting in table.settings {
            name.clear();
            name.put(text!("PIDLET_"));
            for byte in table.take_entry().name() {
                name.push(match byte {
                    b'-' => b'_',
                    _ => byte.to_ascii_uppercase(),
                });
            }
            if let Some(value) = (self.question.getenv)(name.text()) {
                self.twins |= setting.bit();
                let text = text!("pidlet: %: \"%\": ");
                self.take(setting, value, text, name.text());
            }
        }
    }

    /// Makes a setting, or says what is wrong with its value: the first `%` in `text` stands for the
    /// name, the second for the value, and what was expected follows.
    #[inline(never)]
    fn take(&mut self, setting: Setting, value: &'a CStr, text: Text, name: &[u8]) -> bool {
        let set = self.set(setting, value).is_some();
        if !set {
            self.fault_of(text, name, value.to_bytes(), setting.expected());
        }
        set
    }

    /// Takes the option that was read. An error is the exit code, after the reason has been printed; only
    /// pidlet itself goes on, to find what else is wrong.
    #[inline(never)]
    pub fn option(&mut self, option: &Options<'_, 'a>) -> Result<(), u8> {
        let setting = option.setting;
        if self.options & setting.bit() == 0 {
            // The options replace what the environment says.
            match setting {
                Setting::Rewrite => self.plan.routes = Routes::default(),
                Setting::Expect => self.plan.expect = Codes::default(),
                _ => (),
            }
        }
        self.options |= setting.bit();
        let text = match setting {
            Setting::TiniParentDeath | Setting::TiniExpect => tini::INVALID,
            Setting::DumbInitRewrite => dumb_init::MISSPELT,
            _ => text!("pidlet: --%: \"%\": "),
        };
        let set = self.take(setting, option.value, text, option.name);
        if set || self.plan.style == Style::Pidlet {
            Ok(())
        } else {
            Err(1)
        }
    }

    /// Says what is wrong: see [`Question::complain_of`].
    #[inline(never)]
    pub fn fault(&mut self, text: Text, one: &[u8], other: &[u8]) {
        self.fault_of(text, one, other, Text::plain(""));
    }

    fn fault_of(&mut self, text: Text, one: &[u8], other: &[u8], what: Text) {
        self.faulty = true;
        self.question.complain_of(text, one, other, what);
    }

    /// The same for a line that is complete.
    #[inline(never)]
    pub fn fault_line(&mut self, line: &mut Line) {
        self.faulty = true;
        self.question.put(Stream::Err, line.end());
    }

    /// The option of this long name in our own table, if there is one that has a meaning in a file.
    #[inline(never)]
    pub fn named(table: &Table, name: &[u8]) -> Option<Setting> {
        let mut place = 0;
        loop {
            let setting = *table.settings.get(place)?;
            if table.entry(place).name() == name {
                return match setting {
                    Setting::Help | Setting::Version | Setting::Config | Setting::Separator => None,
                    _ => Some(setting),
                };
            }
            place += 1;
        }
    }

    /// Makes a setting of a plan file: one made before wins. False if the value is wrong.
    pub fn set_late(&mut self, setting: Setting, value: &'a CStr) -> bool {
        (self.options | self.twins) & setting.bit() != 0 || self.set(setting, value).is_some()
    }

    /// Adds the commands.
    #[inline(never)]
    pub fn commands(&mut self, words: &'a [&'a CStr]) {
        if let Err(empty) = commands::add(self.plan, words, self.separator) {
            let mut number = Line::new();
            number.put_number(empty as u64 + 1);
            let text = text!("pidlet: command % is empty: one separator too many");
            self.fault(text, number.text(), b"");
        }
    }

    /// Checks everything together: the last step of every door that runs something.
    pub fn finish(&mut self) -> Result<(), u8> {
        if let Err(wrong) = self.plan.check() {
            self.question.complain(wrong);
            return Err(1);
        }
        if self.faulty {
            return Err(1);
        }
        let plan = &mut *self.plan;
        if !plan.pass_through() {
            // A terminal has one foreground group, so none of several services gets it unless one of
            // them has `tty`.
            let tty = |service: &Service| service.spec.number(Key::Tty) > 0;
            match plan.services.iter().position(tty) {
                Some(place) => plan.foreground = place as Place,
                None if plan.services.len() > 1 => plan.setup.terminal = Terminal::None,
                None => (),
            }
            plan.setup.listen_pid = false;
        }
        if plan.dry_run {
            print::plan(plan, &|text| self.question.put(Stream::Out, text));
            return Err(0);
        }
        Ok(())
    }

    /// Makes a setting, if the value is right.
    #[inline(never)]
    fn set(&mut self, setting: Setting, value: &'a CStr) -> Option<()> {
        let plan = &mut *self.plan;
        let text = value.to_bytes();
        match setting {
            // A variable such as PIDLET_VERSION is meant for something else.
            Setting::Help | Setting::Version | Setting::License => (),
            Setting::TerminationLog => plan.termination_log = Some(value),
            Setting::Config | Setting::Separator if text.is_empty() => return None,
            Setting::Config => self.config = Some(value),
            Setting::Separator => self.separator = Some(text),
            Setting::Log => {
                plan.log = match place(text!("inherit prefix json"), text)? {
                    0 => Log::Inherit,
                    1 => Log::Prefix,
                    _ => Log::Json,
                }
            }
            Setting::Until => {
                plan.until = Essential::of(place(text!("any all failure"), text)? as u64);
            }
            Setting::Grace => plan.grace = Some(Span::parse(text)?),
            Setting::LameDuck => plan.lame_duck = Span::parse(text)?,
            Setting::ParentDeath => {
                // The end of each child brings a CHLD, so that says nothing of the parent.
                plan.parent_death = Signal::parse(text).filter(|signal| *signal != Signal::CHLD);
                return plan.parent_death.map(drop);
            }
            Setting::TiniParentDeath => plan.parent_death = Some(tini::death_signal(text)?),
            Setting::TiniExpect => plan.expect.add(tini::exit_code(text)?),
            Setting::DumbInitRewrite => {
                let (from, to) = dumb_init::rewrite(text)?;
                plan.routes.set(from, to);
            }
            Setting::Rewrite | Setting::Expect => {
                // An environment variable holds several, separated by commas.
                let mut rest = text;
                loop {
                    let item = take(&mut rest, b',');
                    if setting == Setting::Expect {
                        plan.expect.add(u8::try_from(number(item)?).ok()?);
                    } else {
                        rewrite(&mut plan.routes, item)?;
                    }
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            _ => {
                let counts = matches!(setting, Setting::Quiet | Setting::Verbose);
                let most = if counts { 9 } else { 1 };
                self.switch(setting, times(text).filter(|times| *times <= most)?);
            }
        }
        Some(())
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

#[inline(never)]
fn rewrite(routes: &mut Routes, item: &[u8]) -> Option<()> {
    let mut to = item;
    let from = Signal::parse(take(&mut to, b':'))?;
    let to = match to {
        b"0" => None,
        _ => Some(Signal::parse(to)?),
    };
    routes.set(from, to);
    Some(())
}

impl Setting {
    /// The bits of those that may be repeated.
    pub const LISTS: u32 = 1 << Setting::Rewrite as u32 | 1 << Setting::Expect as u32;

    /// Its bit among those of all settings.
    pub fn bit(self) -> u32 {
        1 << self as u32
    }

    /// What is expected of its value.
    #[inline(never)]
    pub fn expected(self) -> Text {
        expected(KINDS[(self as usize).min(Setting::Timestamps as usize)])
    }
}
