//! The plan file: sections of keys and values → services (pidlet.conf(5)).
//!
//! All faults of the file are reported in one run, each with its line, section and key. Services are
//! looked up by name once all sections are known, so sections may stand in any order.

mod accounts;
mod faults;
mod graph;
mod lines;
mod lookup;
mod nearest;
mod words;

use core::ffi::CStr;

use super::getopt::Table;
use super::settings::{Setting, Settings};
use super::values;
use crate::plan::names::number_copies;
use crate::plan::{Command, Key, Pair, Place, Probe, SERVICES_MAX, Service, Spec, Type};
use crate::words::errno::Errno;
use crate::words::line::Line;
use crate::words::list::List;
use crate::words::packed::Text;
use crate::words::text::is;
use faults::Fault;
use lines::{Entry, Kind, Lines};
use nearest::nearest;
use words::Words;

/// The plan file if none is named.
pub const DEFAULT_PATH: &CStr = c"/etc/pidlet.conf";

/// Instead of a line, for a fault of the file as a whole.
const NO_LINE: u32 = u32::MAX;

/// Reads one file. A fault is reported where it is found, and reading goes on. In this order in memory:
/// one-byte displacements reach what is used often, and the line, which is long, comes last.
#[repr(C)]
struct Reader<'r, 'p, 'a> {
    /// Where we are, which is part of every report.
    section: &'a [u8],
    at: Entry<'a>,
    /// What `%i` stands for; 0 outside of services' sections, where `%` is an ordinary character.
    instance: u32,
    /// The options that the file has set, a bit each.
    given: u32,
    /// The faults of this part have been reported already.
    quiet: bool,
    /// A fault has been reported since this was last reset.
    found: bool,
    /// The section that was read last has `%i` in it.
    instances_differ: bool,
    /// A variable in the value that is being read is not set.
    unset: bool,
    /// The words of the value that is being read.
    words: Words<'a>,
    settings: &'r mut Settings<'p, 'a>,
    /// What has been read of the section: its command, and everything else.
    run: Command<'a>,
    pairs: List<'a, Pair<'a>>,
    /// The services of the sections that have been read.
    services: List<'a, Service<'a>>,
    /// Sections whose directory has no programs: they may be named, but there is nothing to wait for.
    empty_sections: Words<'a>,
    passwd: Option<&'a [u8]>,
    group: Option<&'a [u8]>,
    path: &'a CStr,
    table: &'r Table<'r>,
    /// The report of a fault.
    report: Line,
}

/// Adds what the file at `path`, which holds `text`, says to the plan; `table` is that of our own
/// options.
pub fn read<'a>(settings: &mut Settings<'_, 'a>, table: &Table, path: &'a CStr, text: &'a [u8]) {
    let mut reader = Reader {
        section: b"",
        at: Entry::NONE,
        instance: 0,
        given: 0,
        quiet: false,
        found: false,
        instances_differ: false,
        unset: false,
        words: Words::new(),
        run: &[],
        pairs: List::none(),
        services: List::none(),
        empty_sections: Words::new(),
        passwd: None,
        group: None,
        path,
        settings,
        table,
        report: Line::new(),
    };
    reader.read_all(text);
}

impl<'a> Reader<'_, '_, 'a> {
    #[inline(never)]
    fn read_all(&mut self, text: &'a [u8]) {
        let (mut line, mut sections): (u32, Place) = (1, 0);
        for byte in text {
            match byte {
                0 => {
                    self.at.line = line;
                    return self.fault(Fault::Nul);
                }
                b'\n' => line = line.wrapping_add(1),
                // It may also be part of a value, such as an address, so there may be fewer sections.
                b'[' => sections = sections.wrapping_add(1),
                _ => (),
            }
        }
        // Sections with instances need more room, which is made when they are read.
        self.services = List::with_capacity(Service::NONE, sections.into());
        let mut lines = Lines::new(without_bom(text));
        loop {
            match lines.read(&mut self.at) {
                Kind::End => break,
                Kind::Section => {
                    self.section = self.at.value;
                    if is(self.section, "pidlet") {
                        self.container(lines);
                    } else {
                        self.service(lines);
                    }
                }
                Kind::Pair if self.section.is_empty() => self.fault(Fault::NoSection),
                Kind::Pair => (),
                Kind::Neither => self.fault_with(self.at.value, Fault::Neither),
            }
        }
        self.leave_sections();
        match self.services.len() {
            0 => self.fault(Fault::NoService),
            1..=SERVICES_MAX => {
                let services = self.services.take();
                number_copies(services);
                self.dependencies(services);
                self.settings.plan.services = List::of(services);
                self.settings.plan.from_file = true;
                self.circles();
            }
            _ => self.fault(Fault::Services),
        }
    }

    /// Reports a fault.
    #[inline(never)]
    fn fault(&mut self, fault: Fault) {
        self.fault_with(b"", fault);
    }

    /// Reports a fault in this part of the value.
    #[inline(never)]
    fn fault_with(&mut self, part: &[u8], fault: Fault) {
        self.begin(part, fault);
        self.end();
    }

    /// Reports a fault in this part of the value, and drops what is being read.
    fn reject<T>(&mut self, part: &[u8], fault: Fault) -> Option<T> {
        self.fault_with(part, fault);
        None
    }

    /// The same for the whole value.
    fn reject_value<T>(&mut self, fault: Fault) -> Option<T> {
        self.fault(fault);
        None
    }

    /// Begins to report a fault in this part of the value.
    #[inline(never)]
    fn begin(&mut self, part: &[u8], fault: Fault) {
        self.begin_with(part, fault.text());
    }

    /// The same with this text.
    #[inline(never)]
    fn begin_with(&mut self, part: &[u8], text: Text) {
        let line = &mut self.report;
        line.clear();
        line.put(text!("pidlet: ")).put_bytes(self.path.to_bytes());
        if self.at.line != NO_LINE {
            line.push(b':');
            line.put_number(self.at.line.into());
        }
        line.put(text!(": "));
        if !self.section.is_empty() {
            line.push(b'[');
            line.put_bytes(self.section).put(text!("] "));
        }
        if !self.at.key.is_empty() {
            line.put_bytes(self.at.key).put(text!(": "));
        }
        if !part.is_empty() {
            line.push(b'"');
            line.put_bytes(part).put(text!("\": "));
        }
        line.put(text);
    }

    /// Reports what was begun.
    fn end(&mut self) {
        if !self.quiet {
            self.found = true;
            self.settings.fault_line(&mut self.report);
        }
    }

    /// The same, with the name that may have been meant.
    #[inline(never)]
    fn end_near(&mut self, near: &[u8]) {
        if !near.is_empty() {
            let line = self.report.put(text!("; is it \""));
            line.put_bytes(near).put(text!("\"?"));
        }
        self.end();
    }

    /// Reads the next pair of the section that `lines` are in, if there is one.
    #[inline(never)]
    fn next_pair(&mut self, lines: &mut Lines<'a>) -> bool {
        loop {
            match lines.read(&mut self.at) {
                Kind::Pair => return true,
                Kind::Neither => (),
                Kind::Section | Kind::End => return false,
            }
        }
    }

    /// `[pidlet]`: the options by their long names.
    fn container(&mut self, mut lines: Lines<'a>) {
        self.instance = 0;
        while self.next_pair(&mut lines) {
            let Some(words) = self.split(self.at.value) else {
                continue;
            };
            let [word] = words else {
                self.fault(Fault::NotOneWord);
                continue;
            };
            let table = self.table;
            let Some(setting) = Settings::named(table, self.at.key) else {
                self.begin(b"", Fault::NoOption);
                let name = &mut |n| table.settings.get(n).map(|_| table.entry(n).name());
                // Not all options have a meaning in a file.
                let near = Some(nearest(name, self.at.key));
                let known = |near: &&[u8]| Settings::named(table, near).is_some();
                self.end_near(near.filter(known).unwrap_or(b""));
                continue;
            };
            if self.given & setting.bit() != 0 {
                self.fault(Fault::Repeated);
            }
            self.given |= setting.bit() & !Setting::LISTS;
            if !self.settings.set_late(setting, word) {
                self.begin_with(word.to_bytes(), setting.expected());
                self.end();
            }
        }
    }

    /// A section that is a service, or several.
    fn service(&mut self, lines: Lines<'a>) {
        let (name, line) = (self.section, self.at.line);
        self.found = false;
        let plain = |byte: &u8| matches!(byte, b'-' | b'.' | b'0'..=b'9' | b'@'..=b'Z' | b'_' | b'a'..=b'z');
        if name.is_empty() || !name.iter().all(plain) {
            self.fault(Fault::Name);
        }
        let mut spec = self.read_spec(lines, 1);
        (self.at.key, self.at.line) = (b"", line);
        self.check_together(spec);
        let parts = spec.has(Key::RunParts);
        let programs = spec.words(Key::RunParts);
        let count = if spec.number(Key::Disabled) > 0 {
            0
        } else if parts {
            programs.len()
        } else {
            spec.number(Key::Instances) as usize
        };
        if parts && programs.is_empty() {
            self.empty_sections.put(name).end();
        }
        let instances_differ = self.instances_differ && !parts;
        for instance in 0..count {
            if self.services.len() > SERVICES_MAX {
                break;
            }
            // The others may have faults that the first has not, but those of one are enough.
            if instances_differ && instance > 0 && !self.found {
                spec = self.read_spec(lines, instance as u32 + 1);
            }
            self.services.add(Service {
                name,
                line,
                run: programs.get(instance..instance + 1).unwrap_or(self.run),
                spec,
                ..Service::NONE
            });
        }
    }

    /// What a section says, for one of its instances.
    #[inline(never)]
    fn read_spec(&mut self, mut lines: Lines<'a>, instance: u32) -> Spec<'a> {
        let mut count = 0;
        let mut ahead = lines;
        while self.next_pair(&mut ahead) {
            // `user` brings groups and variables, which are two more.
            count += match self.at.key {
                [b'u', ..] => 3,
                // The command is not in the list.
                b"run" => 0,
                _ => 1,
            };
        }
        self.run = &[];
        self.pairs = List::with_capacity(Pair::NONE, count);
        (self.instance, self.instances_differ) = (instance, false);
        while self.next_pair(&mut lines) {
            self.read_key(self.at.value);
        }
        Spec(self.pairs.take())
    }

    /// Takes one key's value.
    fn read_key(&mut self, value: &'a [u8]) -> Option<()> {
        let Some((key, kind, choices)) = Key::find(self.at.key) else {
            self.begin(b"", Fault::NoKey);
            self.end_near(nearest(&mut |n| Key::nth_name(n), self.at.key));
            return None;
        };
        let again = match key {
            Key::Run => !self.run.is_empty(),
            _ => Spec(&self.pairs).has(key) && !Key::repeats(kind),
        };
        if again {
            return self.reject_value(Fault::Repeated);
        }
        if key == Key::Run {
            // It counts as given even if it turns out to be wrong.
            self.run = &[c""];
        }
        let words = self.split(value)?;
        if words.is_empty() {
            return self.reject_value(Fault::NoValue);
        }
        let Some(number) = values::read(kind, choices, words) else {
            // The first word that is wrong by itself, else the last one.
            let mut rest = words;
            while rest.len() > 1 && values::read(kind, choices, &rest[..1]).is_some() {
                rest = &rest[1..];
            }
            self.begin_with(rest[0].to_bytes(), values::expected(kind));
            self.report.put_bytes(choices);
            self.end();
            return None;
        };
        self.look_up(key, kind, number, words)
    }

    /// Records what a key says.
    #[inline(never)]
    fn note(&mut self, key: Key, number: u64, words: &'a [&'a CStr]) {
        if key == Key::Run {
            self.run = words;
            return;
        }
        self.pairs.push(Pair {
            key,
            line: self.at.line,
            number,
            words,
        });
    }

    /// Reports a file that cannot be read.
    #[inline(never)]
    fn unreadable<T>(&mut self, path: &CStr, errno: Errno) -> Option<T> {
        self.begin(path.to_bytes(), Fault::Unreadable);
        self.report.put_errno(errno);
        self.end();
        None
    }

    /// Reports settings that are each right, but not together.
    fn check_together(&mut self, spec: Spec<'a>) {
        // A bit for each key that is given.
        let mut given = 0_u64;
        for pair in spec.0 {
            given |= bit(pair.key);
        }
        let says = |keys| given & keys != 0;
        let oneshot = spec.kind() == Type::Oneshot;
        let daemon = spec.kind() == Type::Daemon;
        let parts = says(bit(Key::RunParts));
        if self.run.is_empty() != parts {
            self.fault(Fault::Run);
        }
        if daemon != says(bit(Key::Pidfile)) {
            self.fault(Fault::Pidfile);
        }
        // It may run as long as it likes: whoever gives it a `ready-timeout` means something else.
        let checks = bit(Key::Ready)
            | bit(Key::ReadyTimeout)
            | bit(Key::Health)
            | bit(Key::HealthEvery)
            | bit(Key::HealthTries)
            | bit(Key::Watchdog);
        if oneshot && says(checks) {
            self.fault(Fault::Oneshot);
        }
        if daemon && spec.number(Key::Ready) == Probe::DESCRIPTOR {
            self.fault(Fault::Daemon);
        }
        if parts && (!oneshot || says(bit(Key::Instances))) {
            self.fault(Fault::Parts);
        }
    }
}

/// A text without its byte order mark.
#[inline(never)]
fn without_bom(text: &[u8]) -> &[u8] {
    match text {
        [0xef, 0xbb, 0xbf, text @ ..] => text,
        _ => text,
    }
}

const _: () = assert!((Key::None as u32) < u64::BITS);

/// A key's bit among those of all keys.
const fn bit(key: Key) -> u64 {
    1 << key as u8
}

#[cfg(test)]
pub(crate) mod tests;
