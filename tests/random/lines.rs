//! What the services wrote: every line must be there, whole, once, in order, behind the right name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::journal::{Claim, Entry, Journal, name_and_text};
use crate::plan::{Kind, Log, Plan, Sink};

/// The name in front of a line, if any, and the line.
type Line = (Option<String>, String);

/// What is wrong with the lines of a run that has ended.
pub fn judge(plan: &Plan, journal: &Journal, stdout: &str, directory: &Path) -> Vec<String> {
    let mut judge = Judge {
        plan,
        journal,
        places: vec![(Place::Stdout, split(stdout))],
        complaints: Vec::new(),
    };
    let stderr = journal.entries.iter().filter_map(|entry| match entry {
        Entry::Line(source, text) => Some((source.clone(), text.clone())),
        _ => None,
    });
    judge.places.push((Place::Stderr, stderr.collect()));
    let mut read = |place, name: &str| {
        let content = std::fs::read(directory.join(name)).unwrap_or_default();
        judge
            .places
            .push((place, split(&String::from_utf8_lossy(&content))));
    };
    for number in 0..2 {
        read(Place::File(number), &format!("log{number}"));
    }
    for (at, _) in plan
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| section.reads)
    {
        read(Place::Reader(at), &format!("run/s{at}.in"));
    }
    judge.join_what_launchers_cut();
    judge.every_line_is_right();
    judge.every_process_is_heard();
    judge.complaints
}

fn split(text: &str) -> Vec<Line> {
    text.split_terminator('\n').map(name_and_text).collect()
}

/// Where lines come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Stdout,
    Stderr,
    File(usize),
    Reader(usize),
}

struct Judge<'a> {
    plan: &'a Plan,
    journal: &'a Journal,
    places: Vec<(Place, Vec<Line>)>,
    complaints: Vec<String>,
}

/// The name, pid, stream and number in a line of a payload's; `None` for what no payload writes.
fn whole(text: &str) -> Option<(&str, i32, usize, usize)> {
    let mut words = text.strip_prefix('%')?.split(' ');
    let name = words.next()?;
    let pid = words.next()?.parse().ok()?;
    let stream = words.next()?.parse().ok()?;
    let number: usize = words.next()?.parse().ok()?;
    let more = "x".repeat(number * 7919 % 97) + ".";
    (words.next() == Some(&more) && words.next().is_none()).then_some((name, pid, stream, number))
}

/// Where the first two halves of a line of that payload are.
fn cut(lines: &[Line], name: &str) -> Option<(usize, usize)> {
    let begin = format!("%{name} ");
    let torn = (0..lines.len()).filter(|&at| whole(&lines[at].1).is_none());
    let halves = torn.clone().filter(|&at| lines[at].1.starts_with(&begin));
    let mut pairs = halves.flat_map(|half| torn.clone().map(move |rest| (half, rest)));
    pairs.find(|&(half, rest)| {
        let (half, rest, later) = (&lines[half], &lines[rest], half < rest);
        later && half.0 == rest.0 && whole(&(half.1.clone() + &rest.1)).is_some()
    })
}

impl Judge<'_> {
    fn complain(&mut self, place: Place, line: &Line, what: &str) {
        self.complaints.push(format!("{place:?}: {what}: {line:?}"));
    }

    /// Where a stream of a service goes, by its payload's name: what the plan says, and the place.
    fn sink(&self, name: &str, stream: usize) -> Option<(Sink, Place)> {
        self.journal.place_of_payload(name)?;
        let section: usize = name[1..].split('.').next()?.parse().ok()?;
        let section = self.plan.sections.get(section)?;
        let sink = if stream == 1 {
            section.stdout
        } else {
            section.stderr
        };
        let place = match sink {
            Sink::File(number) => Place::File(number),
            Sink::Service(reader) => Place::Reader(reader),
            _ if stream == 1 => Place::Stdout,
            _ => Place::Stderr,
        };
        Some((sink, place))
    }

    /// Joins halves that are rightly two lines: where the launcher's end counts as the daemon's, as in the
    /// stop, what the daemon has written of a line by then becomes a line of its own. Once for each such end.
    fn join_what_launchers_cut(&mut self) {
        let processes = self.journal.processes();
        for (_, claim) in self.journal.claims() {
            let Claim::Ended(service, pid, ..) = claim else {
                continue;
            };
            let said = pid.and_then(|pid| processes.get(&pid));
            let name = self.journal.payload(*service);
            let found = said.is_some_and(|said| {
                let mut said = said.iter();
                said.any(|&at| self.journal.what(at) == "daemon")
            });
            if found || !self.is_daemon(name) {
                continue;
            }
            for (_, lines) in &mut self.places {
                if let Some((half, rest)) = cut(lines, name) {
                    let (_, rest) = lines.remove(rest);
                    lines[half].1 += &rest;
                    break;
                }
            }
        }
    }

    fn every_line_is_right(&mut self) {
        let mut pieces = Vec::new();
        for (place, lines) in self.places.clone() {
            for line in &lines {
                let Some((name, _, stream, _)) = whole(&line.1) else {
                    pieces.push((place, line.clone()));
                    continue;
                };
                let Some((sink, right)) = self.sink(name, stream) else {
                    self.complain(place, line, "a line of no known payload");
                    continue;
                };
                let named = sink == Sink::Log && self.plan.log != Log::Inherit;
                let source = line.0.as_deref().map(|name| self.journal.place(name));
                let expected = named.then(|| self.journal.place_of_payload(name));
                if right != place || sink == Sink::Null || source != expected {
                    self.complain(place, line, "a line in the wrong place");
                }
            }
        }
        // A process that was killed may have written only the first half of a line.
        let killed = self.journal.processes().into_values().filter(|said| {
            let last = self.journal.what(said[said.len() - 1]);
            !last.starts_with("exit ") && !last.starts_with("dies ")
        });
        let mut most = killed.count();
        for (place, piece) in pieces {
            let half = piece.1.starts_with('%')
                && !piece.1.ends_with('.')
                && piece.1.matches('%').count() == 1;
            if most == 0 || !half {
                self.complain(place, &piece, "a torn line");
            }
            most = most.saturating_sub(1);
        }
    }

    fn every_process_is_heard(&mut self) {
        let dropped = self
            .journal
            .claims()
            .any(|(_, claim)| *claim == Claim::Dropped);
        // The numbers of the lines of each process and stream, in the order in which they came.
        let mut heard: BTreeMap<(i32, usize), Vec<usize>> = BTreeMap::new();
        // The process whose lines came last, by service and stream.
        let mut last: BTreeMap<(String, usize), i32> = BTreeMap::new();
        for (place, lines) in self.places.clone() {
            for line in lines {
                let Some((name, pid, stream, number)) = whole(&line.1) else {
                    continue;
                };
                let before = last.insert((name.to_owned(), stream), pid);
                if !self.is_daemon(name)
                    && before.is_some_and(|before| before != pid)
                    && heard.contains_key(&(pid, stream))
                {
                    self.complain(place, &line, "it comes after a line of the next run");
                }
                heard.entry((pid, stream)).or_default().push(number);
            }
        }
        for (pid, said) in self.journal.processes() {
            for stream in 1..=2 {
                let name = self.journal.speaker(said[0]);
                let Some((sink, place)) = self.sink(name, stream) else {
                    continue;
                };
                let begin = format!("wrote {stream} ");
                let wrote = said
                    .iter()
                    .rev()
                    .find_map(|&at| self.journal.what(at).strip_prefix(&begin));
                let wrote: usize = wrote.map_or(0, |count| count.parse().unwrap_or(0));
                let heard = heard.remove(&(pid, stream)).unwrap_or_default();
                let all = (1..=heard.len()).eq(heard.iter().copied());
                // One more may have been written by a process that was killed before it could say so.
                let enough = heard.len() >= wrote && heard.len() <= wrote + 1;
                let complete = match sink {
                    Sink::Null => heard.is_empty(),
                    Sink::Service(reader) if !self.has_read_all(reader) => all,
                    _ if dropped => heard.is_sorted(),
                    _ => all && enough,
                };
                if !complete {
                    self.complaints.push(format!(
                        "{place:?}: of {wrote} lines of {name} ({pid}, {stream}) came {heard:?}"
                    ));
                }
            }
        }
    }

    /// Whether two runs of a service may write at once: a daemon that is not found goes on.
    fn is_daemon(&self, name: &str) -> bool {
        let section = name[1..].split('.').next();
        let section = section.and_then(|text| text.parse::<usize>().ok());
        let section = section.and_then(|section| self.plan.sections.get(section));
        section.is_some_and(|section| section.kind == Kind::Daemon)
    }

    /// Whether a reader came to the end of what there is to read.
    fn has_read_all(&self, section: usize) -> bool {
        let name = format!("s{section}.1");
        (0..self.journal.entries.len())
            .any(|at| self.journal.speaker(at) == name && self.journal.what(at) == "eof")
    }
}
