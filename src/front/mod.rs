//! The front doors: what was asked for on the command line and in the environment, as a [`Plan`].
//!
//! `argv[0]` chooses the door: under the name of tini, dumb-init or catatonit pidlet *is* that program
//! (pidlet(8), Other names). Each [`Door`] is a table, and one loop reads them all. It reads and
//! answers; it never does anything.

pub mod catatonit;
pub mod commands;
mod conf;
pub mod dumb_init;
pub mod getopt;
pub mod pidlet;
pub mod print;
pub mod settings;
pub mod tini;
mod values;

use core::ffi::CStr;

use crate::message::Stream;
use crate::plan::{Plan, Style};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::line::Line;
use crate::words::packed::Text;
use crate::words::text::{is, place};
#[cfg(test)]
pub(crate) use conf::tests::{sound, spec};
use getopt::{Names, Options, Table};
use settings::{Setting, Settings};

/// What a door may look at, and where its answers go.
pub struct Question<'a> {
    /// The arguments, `argv[0]` first; empty if there is none at all.
    pub args: &'a [&'a CStr],
    /// Looks a variable up in the environment.
    pub getenv: &'a dyn Fn(&[u8]) -> Option<&'a CStr>,
    /// Whether there is any variable whose name begins with `PIDLET_`.
    pub twins: bool,
    /// Our process id, for the peers' messages.
    pub own: Pid,
    /// Reads a whole file.
    pub read: &'a dyn Fn(&CStr) -> Result<&'a [u8], Errno>,
    /// Calls back with the name of each file in a directory that is not hidden; if the flag is set, only
    /// of those that can be executed.
    #[allow(clippy::type_complexity, reason = "it is said once")]
    pub list: &'a dyn Fn(&CStr, bool, &mut dyn FnMut(&[u8])) -> Result<(), Errno>,
    /// Takes text to print.
    pub print: &'a dyn Fn(Stream, &[u8]),
}

/// The command line of one program.
pub struct Door {
    /// The help, without the `Usage: NAME` in front. It is also the table of the options.
    help: Text,
    /// What the options set.
    settings: &'static [Setting],
    /// How options with long names are read.
    names: Names,
    /// Where the help goes when it is asked for.
    help_to: Stream,
    /// What is printed for the version, and where.
    version: Text,
    version_to: Stream,
    /// What is said if no command is given, `%` standing for `argv[0]`; if empty, the help.
    no_command: Text,
}

/// The doors in the order of [`Style`].
static DOORS: [Door; 4] = [pidlet::DOOR, tini::DOOR, dumb_init::DOOR, catatonit::DOOR];

/// Our licence, for peers with an option that prints theirs.
const LICENSE: Text = text!(
    "\
MIT OR Apache-2.0; Copyright (c) 2026 The pidlet authors
The texts are LICENSE-MIT and LICENSE-APACHE of pidlet's source.
"
);

/// The end of every peer's help.
const ABOUT: Text =
    text!("This is pidlet, an init for containers. PIDLET_GRACE and so on: 'pidlet --help'.\n");

/// The longest text that is printed in one piece: the help.
const PRINTED_BYTES_MAX: usize = 2560;

/// A buffer for such a text. It is on the stack, which is given back once everything has been started.
const TEXT_BUFFER: [u8; PRINTED_BYTES_MAX] = [0; PRINTED_BYTES_MAX];

/// Which program we act as under this name.
pub fn style(question: &Question) -> Style {
    let names = text!("tini tini-static docker-init dumb-init catatonit podman-init");
    match place(names, question.name()) {
        Some(0..=2) => Style::Tini,
        Some(3) => Style::DumbInit,
        Some(_) => Style::Catatonit,
        None => Style::Pidlet,
    }
}

/// Asks the door of the plan's style. An error is the exit code, after everything there is to say has
/// been printed.
#[inline(never)]
pub fn ask<'a>(question: &Question<'a>, plan: &mut Plan<'a>) -> Result<(), u8> {
    // Podman runs a pod's infra container as `/<basename of the real file> -P`: the name of a symbolic
    // link is lost by then.
    if is(question.only_argument(), "-P") {
        return Ok(());
    }
    let style = plan.style;
    let door = &DOORS[style as usize];
    match style {
        Style::Tini => tini::before(question, plan)?,
        Style::Catatonit => catatonit::before(question, plan)?,
        Style::Pidlet | Style::DumbInit => (),
    }
    let mut settings = Settings::new(plan, question);
    let mut buffer = TEXT_BUFFER;
    let mut table = Table::NONE;
    if question.twins || question.may_have_options() {
        settings.environment(pidlet::DOOR.table(&mut buffer));
        table = door.table(&mut buffer);
    }
    let name = match style {
        Style::Pidlet => b"pidlet",
        _ => question.argv0(),
    };
    let mut options = Options::new(question.args, door.names, table);
    while let Some(right) = options.read() {
        if right {
            match options.setting {
                Setting::Help => return door.usage(question, style, door.help_to, 0),
                Setting::Version => return question.answer(door.version_to, door.version),
                Setting::License => return question.answer(Stream::Out, LICENSE),
                _ => settings.option(&options)?,
            }
            continue;
        }
        settings.fault(options.wrong, name, options.name);
        match style {
            Style::Pidlet => (),
            Style::DumbInit => return Err(1),
            _ => return door.usage(question, style, Stream::Err, 1),
        }
    }
    let words = options.rest();
    match style {
        Style::Tini => tini::after(question, settings.plan),
        // Without a command dumb-init prints its usage and nothing else.
        Style::DumbInit if !words.is_empty() => dumb_init::after(question, settings.plan),
        _ => (),
    }
    if settings.pause {
        // A program that is given nevertheless is ignored.
        return Ok(());
    }
    if style == Style::Pidlet
        && (settings.config.is_some() || words.is_empty())
        && file(&mut settings, &table, words)?
    {
        return settings.finish();
    }
    match words {
        [] if door.no_command.is_empty() => return door.usage(question, style, Stream::Err, 1),
        [] => settings.fault(door.no_command, question.argv0(), question.argv0()),
        _ => settings.commands(words),
    }
    settings.finish()
}

/// Takes the plan from its file. False if none was named and the default does not exist; an error is
/// the exit code.
fn file<'a>(settings: &mut Settings<'_, 'a>, table: &Table, words: &[&CStr]) -> Result<bool, u8> {
    let named = settings.config;
    let path = named.unwrap_or(conf::DEFAULT_PATH);
    if !words.is_empty() {
        let text = text!("pidlet: either a command or a plan file (\"%\"), not both");
        settings.fault(text, path.to_bytes(), b"");
        return Err(1);
    }
    match (settings.question.read)(path) {
        Ok(text) => conf::read(settings, table, path, text),
        Err(Errno::NOENT) if named.is_none() => return Ok(false),
        Err(errno) => {
            let mut line = Line::new();
            line.put_cannot(text!("pidlet: cannot read \""), path.to_bytes(), errno);
            settings.fault_line(&mut line);
            return Err(1);
        }
    }
    Ok(true)
}

impl Door {
    /// The table of the options, which is the help, unpacked into `buffer`.
    #[inline(never)]
    fn table<'r>(&self, buffer: &'r mut [u8; PRINTED_BYTES_MAX]) -> Table<'r> {
        Table {
            help: self.help.unpack(buffer),
            settings: self.settings,
        }
    }

    /// Prints the usage; `code` is the exit code.
    fn usage(&self, question: &Question, style: Style, stream: Stream, code: u8) -> Result<(), u8> {
        let name = match style {
            Style::Pidlet | Style::Tini => question.name(),
            Style::DumbInit | Style::Catatonit => question.argv0(),
        };
        question.put(stream, b"Usage: ");
        question.put(stream, name);
        question.print_text(stream, self.help);
        if style != Style::Pidlet {
            question.print_text(stream, ABOUT);
        }
        Err(code)
    }
}

impl<'a> Question<'a> {
    /// `argv[0]` in full, or our name if there is none.
    #[inline(never)]
    fn argv0(&self) -> &'a [u8] {
        self.args.first().map_or(b"pidlet", |word| word.to_bytes())
    }

    /// The last component of `argv[0]`.
    fn name(&self) -> &'a [u8] {
        commands::last_component(self.argv0())
    }

    /// The argument behind `argv[0]` if it is the only one.
    #[inline(never)]
    fn only_argument(&self) -> &'a [u8] {
        match self.args {
            [_, word] => word.to_bytes(),
            _ => b"",
        }
    }

    /// Whether options may be given, either here or, without a command, in a plan file. Most often there
    /// is just a command, which needs no table of options.
    fn may_have_options(&self) -> bool {
        match self.args {
            [_, first, rest @ ..] => match first.to_bytes() {
                [b'-', b'-'] => rest.is_empty(),
                first => first.starts_with(b"-"),
            },
            _ => true,
        }
    }

    /// The value of a variable, if it is there at all.
    #[inline(never)]
    fn variable(&self, name: &[u8]) -> Option<&'a [u8]> {
        (self.getenv)(name).map(CStr::to_bytes)
    }

    /// Prints what was asked for instead of running anything.
    fn answer(&self, stream: Stream, text: Text) -> Result<(), u8> {
        self.print_text(stream, text);
        Err(0)
    }

    /// Prints a text as a whole.
    #[inline(never)]
    fn print_text(&self, stream: Stream, text: Text) {
        let mut buffer = TEXT_BUFFER;
        self.put(stream, text.unpack(&mut buffer));
    }

    /// Prints a line that says what is wrong; `#` in `text` stands for our process id.
    fn complain(&self, text: Text) {
        self.complain_of(text, b"", b"", Text::plain(""));
    }

    /// The same, where the first `%` in `text` stands for `one` and the second for `other`; `what`
    /// follows.
    #[inline(never)]
    fn complain_of(&self, text: Text, one: &[u8], other: &[u8], what: Text) {
        let mut line = Line::new();
        let mut part = one;
        for byte in text.read() {
            match byte {
                b'%' => {
                    line.put_bytes(part);
                    part = other;
                }
                b'#' => _ = line.put_number(self.own.into()),
                _ => line.push(byte),
            }
        }
        self.put(Stream::Err, line.put(what).end());
    }

    /// Prints something.
    #[inline(never)]
    fn put(&self, stream: Stream, text: &[u8]) {
        (self.print)(stream, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_in_a_help_text_has_a_setting() {
        for door in &DOORS {
            let mut buffer = TEXT_BUFFER;
            let table = door.table(&mut buffer);
            let count = table.settings.len();
            assert!(!table.entry(count - 1).name().is_empty());
            assert!(table.entry(count).name().is_empty());
        }
    }

    #[test]
    fn texts_that_are_printed_whole_fit_the_buffer() {
        for text in DOORS.iter().map(|door| door.help).chain([LICENSE, ABOUT]) {
            let mut buffer = TEXT_BUFFER;
            let text = text.unpack(&mut buffer);
            assert!(text.ends_with(b"\n") && text.len() < PRINTED_BYTES_MAX);
        }
    }

    #[test]
    fn options_set_what_their_names_say() {
        for (style, name, setting) in [
            (Style::Pidlet, "lame-duck", Setting::LameDuck),
            (Style::Pidlet, "termination-log", Setting::TerminationLog),
            (Style::Pidlet, "version", Setting::Version),
            (Style::Tini, "e", Setting::TiniExpect),
            (Style::Tini, "l", Setting::License),
            (Style::DumbInit, "rewrite", Setting::DumbInitRewrite),
            (Style::DumbInit, "version", Setting::Version),
            (Style::Catatonit, "P", Setting::Pause),
            (Style::Catatonit, "version", Setting::Version),
        ] {
            let mut buffer = TEXT_BUFFER;
            let table = DOORS[style as usize].table(&mut buffer);
            let place = (0..table.settings.len())
                .find(|place| table.entry(*place).name() == name.as_bytes())
                .unwrap();
            assert_eq!(table.settings[place], setting, "{name}");
        }
    }
}
