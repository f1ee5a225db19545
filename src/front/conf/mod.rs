//! The plan's file: sections of keys and values → services (DESIGN §9).
//!
//! Every fault of the file is said in one run, each with its line, section and key. Names are
//! looked up when all sections are known, so the order of sections is the reader's.

mod accounts;
mod graph;
mod lines;
mod nearest;
mod people;
mod values;
mod words;

use core::ffi::CStr;

use super::getopt::Table;
use super::settings::Settings;
use super::{Question, ROOM, pidlet};
use crate::plan::names::number_copies;
use crate::plan::{Key, NOBODY, Place, Probe, SERVICES_MAX, Said, Service, Spec, Type};
use crate::words::list::{List, room};
use crate::words::packed::Text;
use crate::words::text::Line;
use lines::{Entry, Lines};
use nearest::nearest;
use words::Splitter;
pub use words::Wrong;

/// Where the plan's file is if nobody says it.
pub const DEFAULT_PATH: &CStr = c"/etc/pidlet.conf";

/// A section that is a service, or several.
#[derive(Clone, Copy)]
struct Section<'a> {
    name: &'a [u8],
    /// Its line, and its lines.
    line: u32,
    lines: Lines<'a>,
    spec: Spec<'a>,
    /// Its first service.
    first: Place,
    /// How many services it is; none if it is disabled.
    count: u32,
    /// `%i` makes a difference between them.
    differ: bool,
}

impl Section<'_> {
    fn disabled(&self) -> bool {
        self.spec.number(Key::Disabled) > 0
    }
}

/// Reads one file.
struct Reader<'r, 'p, 'a> {
    settings: &'r mut Settings<'p, 'a>,
    path: &'a CStr,
    sections: List<'a, Section<'a>>,
    passwd: Option<&'a [u8]>,
    group: Option<&'a [u8]>,
    /// Where we are: what is wrong there is said with it.
    line: u32,
    section: &'a [u8],
    key: &'a [u8],
    /// What is wrong has been said before.
    quiet: bool,
    /// The section that was read last has `%i` in it.
    differ: bool,
}

/// Adds what the file at `path`, which holds `text`, says to the plan.
pub fn read<'a>(settings: &mut Settings<'_, 'a>, path: &'a CStr, text: &'a [u8]) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader {
        settings,
        path,
        sections: List::none(),
        passwd: None,
        group: None,
        line: 0,
        section: b"",
        key: b"",
        quiet: false,
        differ: false,
    };
    reader.all(text);
}

impl<'a> Reader<'_, '_, 'a> {
    fn all(&mut self, text: &'a [u8]) {
        let mut line = 1;
        for byte in text {
            match byte {
                0 => return self.fault_at(line, text!("a NUL byte: this is no text")),
                b'\n' => line += 1,
                _ => (),
            }
        }
        let mut whole = Lines {
            rest: text,
            line: 0,
        };
        let mut count = 0;
        for (_, entry) in whole {
            count += usize::from(matches!(entry, Entry::Section(_)));
        }
        self.sections = List::with_room(NO_SECTION, count);
        while let Some((line, entry)) = whole.next() {
            match entry {
                Entry::Section(name) => {
                    self.section = name;
                    if name == b"pidlet" {
                        self.container(whole);
                    } else {
                        self.service(line, whole);
                    }
                }
                Entry::Pair(key, _) if self.section.is_empty() => {
                    self.key = key;
                    self.fault_at(line, text!("it stands before the first [section]"));
                }
                Entry::Neither(part) => {
                    (self.key, self.line) = (b"", line);
                    self.fault(Wrong::of(
                        part,
                        text!("neither a [section] nor key = value"),
                    ));
                }
                Entry::Pair(..) => (),
            }
        }
        self.services(whole.line);
    }

    /// Says what is wrong, and goes on.
    #[inline(never)]
    fn fault(&mut self, wrong: Wrong) {
        if self.quiet {
            return;
        }
        let mut line = Line::new();
        line.put(text!("pidlet: ")).put_bytes(self.path.to_bytes());
        line.put(text!(":"))
            .put_number(self.line.into())
            .put(text!(": "));
        if !self.section.is_empty() {
            line.put(text!("["))
                .put_bytes(self.section)
                .put(text!("] "));
        }
        if !self.key.is_empty() {
            line.put_bytes(self.key).put(text!(": "));
        }
        if !wrong.part.is_empty() {
            line.put(text!("\""))
                .put_bytes(wrong.part)
                .put(text!("\": "));
        }
        for byte in wrong.text.read() {
            match byte {
                b'#' => _ = line.put_bytes(wrong.more),
                _ => line.push(byte),
            }
        }
        if wrong.errno.0 > 0 {
            line.put_errno(wrong.errno);
        }
        if !wrong.near.is_empty() {
            line.put(text!("; is it \""))
                .put_bytes(wrong.near)
                .put(text!("\"?"));
        }
        self.settings.fault_line(&mut line);
    }

    #[inline(never)]
    fn fault_at(&mut self, line: u32, text: Text) {
        self.line = line;
        self.fault(Wrong::of(b"", text));
    }

    fn question(&self) -> &Question<'a> {
        self.settings.question
    }

    /// The next pair of the section that `lines` are in.
    fn pair(&mut self, lines: &mut Lines<'a>) -> Option<&'a [u8]> {
        loop {
            match lines.next()? {
                (line, Entry::Pair(key, value)) => {
                    (self.line, self.key) = (line, key);
                    return Some(value);
                }
                (_, Entry::Section(_)) => return None,
                _ => (),
            }
        }
    }

    /// `[pidlet]`: the options by their long names.
    fn container(&mut self, mut lines: Lines<'a>) {
        let mut room = ROOM;
        let table = pidlet::DOOR.table(&mut room);
        while let Some(value) = self.pair(&mut lines) {
            if let Err(wrong) = self.option(&table, value) {
                self.fault(wrong);
            }
        }
    }

    fn option<'t>(&mut self, table: &Table<'t>, value: &'a [u8]) -> Result<(), Wrong<'t>>
    where
        'a: 't,
    {
        let words = Splitter::new(self.question(), None).split(value)?;
        let [word] = words else {
            return Err(Wrong::of(b"", text!("expected one word")));
        };
        let Err(expected) = self.settings.named(table, self.key, word) else {
            return Ok(());
        };
        if !expected.is_empty() {
            return Err(Wrong::of(word.to_bytes(), expected));
        }
        let name = &mut |n| table.settings.get(n).map(|_| table.entry(n).name());
        Err(Wrong {
            near: nearest(name, self.key),
            ..Wrong::of(b"", text!("there is no such option for a file"))
        })
    }

    /// A section that is a service.
    fn service(&mut self, line: u32, lines: Lines<'a>) {
        let name = self.section;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(byte);
        if name.is_empty() || !name.iter().all(plain) {
            self.key = b"";
            self.fault_at(line, text!("a name has letters, digits and _ - . @ only"));
        }
        let spec = self.draft(lines, 1);
        self.key = b"";
        self.line = line;
        self.whole(spec);
        let parts = spec.get(Key::RunParts);
        let count = match parts {
            _ if spec.number(Key::Disabled) > 0 => 0,
            Some(parts) => parts.words.len() as u32,
            None => spec.number(Key::Instances) as u32,
        };
        self.sections.push(Section {
            name,
            line,
            lines,
            spec,
            first: NOBODY,
            count,
            differ: parts.is_none() && self.differ,
        });
    }

    /// Makes the services; the file ends with line `end`.
    fn services(&mut self, end: u32) {
        (self.section, self.key) = (b"", b"");
        let total: u32 = self.sections.iter().map(|section| section.count).sum();
        if total == 0 {
            return self.fault_at(end, text!("there is no service to run"));
        }
        if total as usize > SERVICES_MAX {
            return self.fault_at(end, text!("more than 65535 services"));
        }
        let mut services = List::with_room(Service::NONE, total as usize);
        for index in 0..self.sections.len() {
            let section = &mut self.sections[index];
            section.first = services.len() as Place;
            let section = *section;
            for instance in 0..section.count {
                let mut spec = section.spec;
                if section.differ && instance > 0 {
                    self.quiet = true;
                    spec = self.draft(section.lines, instance + 1);
                    self.quiet = false;
                }
                let part = instance as usize;
                services.push(Service {
                    name: section.name,
                    run: match spec.words(Key::RunParts).get(part..part + 1) {
                        Some(program) => program,
                        None => spec.words(Key::Run),
                    },
                    spec,
                    ..Service::NONE
                });
            }
        }
        number_copies(&mut services);
        for index in 0..self.sections.len() {
            let section = self.sections[index];
            let first = services.get(usize::from(section.first));
            if section.count > 0 && first.is_some_and(|service| service.copy > 1) {
                self.section = section.name;
                self.fault_at(section.line, text!("there is another section of this name"));
            }
        }
        self.settings.plan.services = services;
        self.settings.plan.filed = true;
        self.dependencies();
    }

    /// What a section says, for one of its instances.
    fn draft(&mut self, mut lines: Lines<'a>, instance: u32) -> Spec<'a> {
        let mut count = lines;
        let mut pairs = 0;
        self.differ = false;
        while let Some(value) = self.pair(&mut count) {
            pairs += 1;
            self.differ |= value.windows(2).any(|two| two == b"%i");
        }
        // A user's groups and variables are two more.
        let mut list = List::with_room(Said::NOTHING, pairs + 2);
        while let Some(value) = self.pair(&mut lines) {
            if let Err(wrong) = self.say(&mut list, value, instance) {
                self.fault(wrong);
            }
        }
        Spec(list.into_slice())
    }

    /// Takes one key's value.
    fn say(
        &mut self,
        list: &mut List<'a, Said<'a>>,
        value: &'a [u8],
        instance: u32,
    ) -> Result<(), Wrong<'a>> {
        let Some(key) = Key::find(self.key) else {
            return Err(Wrong {
                near: nearest(&mut |n| Key::nth_name(n), self.key),
                ..Wrong::of(b"", text!("there is no such key"))
            });
        };
        let words = Splitter::new(self.question(), Some(instance)).split(value)?;
        if words.is_empty() {
            return Err(Wrong::of(b"", text!("it has no value")));
        }
        if list.iter().any(|said| said.key == key) && !key.repeats() {
            return Err(Wrong::of(b"", text!("it was said before in this section")));
        }
        let mut said = Said {
            key,
            line: self.line,
            number: values::number(key, words)?,
            words,
        };
        self.look_up(list, &mut said)?;
        list.push(said);
        Ok(())
    }

    /// Settings that are each right, but not together.
    fn whole(&mut self, spec: Spec<'a>) {
        let says = |key| spec.has(key);
        let oneshot = spec.kind() == Type::Oneshot;
        let daemon = spec.kind() == Type::Daemon;
        let by_descriptor = matches!(Probe::parse(spec.words(Key::Ready)), Some(Probe::Fd(_)));
        let parts = says(Key::RunParts);
        let checks = [
            (
                says(Key::Run) == parts,
                text!("it has one run or one run-parts"),
            ),
            (
                daemon != says(Key::Pidfile),
                text!("type = daemon and pidfile go together"),
            ),
            (
                oneshot && (says(Key::Ready) || says(Key::Health) || says(Key::Watchdog)),
                text!("a oneshot has no ready, health or watchdog"),
            ),
            (
                daemon && by_descriptor,
                text!("a daemon has no ready = fd:N"),
            ),
            (
                parts && (!oneshot || says(Key::Instances)),
                text!("run-parts is for type = oneshot, without instances"),
            ),
        ];
        for (wrong, text) in checks {
            if wrong {
                self.fault(Wrong::of(b"", text));
            }
        }
    }
}

const NO_SECTION: Section = Section {
    name: b"",
    line: 0,
    lines: Lines { rest: b"", line: 0 },
    spec: Spec::DEFAULT,
    first: NOBODY,
    count: 0,
    differ: false,
};

/// These parts behind each other as a string.
fn joined<'a>(parts: &[&[u8]]) -> &'a CStr {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let text = room(0, len + 1);
    let mut at = 0;
    for part in parts {
        text[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    CStr::from_bytes_until_nul(text).unwrap_or(c"")
}

#[cfg(test)]
pub(crate) mod tests;
