//! The journal of a run: one file to which the payloads, the test and pidlet's standard error append, so that
//! the order of its lines is one in which things can have happened.

use std::collections::BTreeMap;

use crate::plan::Plan;

/// A line of the journal.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A payload says what it does or what it got; the test counts as process 0.
    Did {
        at_ns: u64,
        pid: i32,
        name: String,
        what: String,
    },
    /// pidlet's own line.
    Own(Claim),
    /// A numbered line of a service, and the name in front of it.
    Line(Option<String>, String),
}

/// Which service, by its place in the order of the plan.
pub type Place = usize;

/// How a service's run ended, as pidlet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Code(i32),
    Signal(i32),
    KilledByUs,
    FromOutside,
    /// It was stopped for a fault.
    Fault,
    CannotRun,
    CannotFork,
    /// It was never started, because of that one.
    Skipped(Place),
    NoPidFile,
}

/// What is said besides the words for an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// It starts again in so many milliseconds.
    pub again: Option<u64>,
    pub held: bool,
    /// The container exits with this code.
    pub exits: Option<i32>,
    /// The line says that a stop signal began the stop.
    pub asked: bool,
}

/// A line of pidlet's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Runs(Place, i32),
    Up(Place),
    /// The pid is `None` where there was no process.
    Ended(Place, Option<i32>, How, Tail),
    AllEnded(Tail),
    TooOften(Place),
    Overdue(Place, i32),
    LeftOver,
    /// A `finish` command was killed.
    NotFinished,
    Received(i32),
    Passed(i32),
    Rewritten,
    NotPassed,
    Reaped(i32),
    Stopping,
    LameDuck,
    /// Lines were dropped.
    Dropped,
    /// Killed processes have not ended.
    GaveUp,
    /// A line that has no place in any run.
    Unknown(String),
}

pub struct Journal {
    pub entries: Vec<Entry>,
    /// The names of the services as pidlet has them, and as the payloads have them.
    names: Vec<(String, String)>,
}

/// Names of the services in the order of the plan: pidlet's, the payload's, and the section.
pub fn services(plan: &Plan) -> Vec<(String, String, usize)> {
    let mut all = Vec::new();
    for (at, section) in plan.sections.iter().enumerate() {
        for number in 1..=section.instances {
            let own = match number {
                1 => format!("s{at}"),
                _ => format!("s{at}-{number}"),
            };
            all.push((own, format!("s{at}.{number}"), at));
        }
    }
    all
}

impl Journal {
    pub fn read(text: &str, plan: &Plan) -> Journal {
        let names = services(plan)
            .into_iter()
            .map(|(own, payload, _)| (own, payload));
        let mut journal = Journal {
            entries: Vec::new(),
            names: names.collect(),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines() {
            let entry = journal.entry(line);
            journal.entries.push(entry);
        }
        journal
    }

    pub fn claims(&self) -> impl Iterator<Item = (usize, &Claim)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| match entry {
                Entry::Own(claim) => Some((at, claim)),
                _ => None,
            })
    }

    fn entry(&self, line: &str) -> Entry {
        if let Some(text) = line.strip_prefix('@') {
            let mut words = text.splitn(4, ' ');
            let mut next = || words.next().unwrap_or_default().to_owned();
            return Entry::Did {
                at_ns: next().parse().unwrap_or(0),
                pid: next().parse().unwrap_or(-1),
                name: next(),
                what: next(),
            };
        }
        let (source, text) = name_and_text(line);
        match (source.as_deref(), text.strip_prefix("pidlet: ")) {
            (None, Some(own)) => Entry::Own(self.claim(own)),
            (Some("pidlet"), own) => Entry::Own(self.claim(own.unwrap_or(&text))),
            _ => Entry::Line(source, text),
        }
    }

    /// The place of a service by the name that pidlet has for it.
    pub fn place(&self, name: &str) -> Option<Place> {
        self.names.iter().position(|(own, _)| own == name)
    }

    /// The place of a service by the name that its own process has.
    pub fn place_of_payload(&self, name: &str) -> Option<Place> {
        self.names.iter().position(|(_, payload)| payload == name)
    }

    /// The name that a service's own process has.
    pub fn payload(&self, place: Place) -> &str {
        &self.names[place].1
    }

    fn claim(&self, text: &str) -> Claim {
        let known = self.known_claim(text);
        known.unwrap_or_else(|| Claim::Unknown(text.to_owned()))
    }

    fn known_claim(&self, text: &str) -> Option<Claim> {
        if let Some(name) = text.strip_prefix("received ") {
            return Some(Claim::Received(signal(name)?));
        }
        if let Some(name) = text.strip_prefix("passed on ") {
            return Some(Claim::Passed(signal(name)?));
        }
        if let Some(rest) = text.strip_prefix("reaped an orphan (pid ") {
            return Some(Claim::Reaped(rest.split(')').next()?.parse().ok()?));
        }
        if text.starts_with("processes left over by the services did not stop within ") {
            return Some(Claim::LeftOver);
        }
        if text.starts_with("stopping within ") {
            return Some(Claim::Stopping);
        }
        if text.starts_with("stopping after a delay of ") {
            return Some(Claim::LameDuck);
        }
        if text.contains(" is rewritten to ") {
            return Some(Claim::Rewritten);
        }
        if text.ends_with(" is not passed on") {
            return Some(Claim::NotPassed);
        }
        if text == "processes that were killed do not end: they hang in the kernel" {
            return Some(Claim::GaveUp);
        }
        if text.starts_with("cannot write ") && text.contains(" dropped") {
            return Some(Claim::Dropped);
        }
        self.about_service(text)
    }

    fn about_service(&self, text: &str) -> Option<Claim> {
        let (text, tail) = tail(text);
        if text == "all services have ended" {
            return Some(Claim::AllEnded(tail));
        }
        let name = text.split([' ', ':']).next()?;
        let place = self.place(name)?;
        let rest = &text[name.len()..];
        if rest.starts_with(": cannot run \"/nosuch\": ") {
            return Some(Claim::Ended(place, None, How::CannotRun, tail));
        }
        if rest.starts_with(": cannot run finish ") && rest.ends_with(": Timer expired") {
            return Some(Claim::NotFinished);
        }
        if rest.starts_with(": cannot make a process for ")
            && rest.ends_with(": Resource temporarily unavailable")
        {
            return Some(Claim::Ended(place, None, How::CannotFork, tail));
        }
        if let Some(rest) = rest.strip_prefix(" is not started: ") {
            let cause = self.place(rest.split(',').next()?)?;
            return Some(Claim::Ended(place, None, How::Skipped(cause), tail));
        }
        if rest.starts_with(" was started too often") {
            return Some(Claim::TooOften(place));
        }
        let missing = [
            " left no pidfile ",
            " left no process in the background",
            ": pidfile ",
        ];
        if missing.iter().any(|text| rest.starts_with(text)) {
            return Some(Claim::Ended(place, None, How::NoPidFile, tail));
        }
        let (pid, said) = rest.strip_prefix(" (pid ")?.split_once(") ")?;
        let pid = pid.parse().ok()?;
        let how = match said {
            "runs" => return Some(Claim::Runs(place, pid)),
            _ if said.starts_with("is up after ") => return Some(Claim::Up(place)),
            _ if said.starts_with("did not stop within ") => {
                return Some(Claim::Overdue(place, pid));
            }
            _ => how(said)?,
        };
        Some(Claim::Ended(place, Some(pid), how, tail))
    }

    /// Every process with the places of its entries.
    pub fn processes(&self) -> BTreeMap<i32, Vec<usize>> {
        let mut all: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if let Entry::Did { pid: pid @ 1.., .. } = entry {
                all.entry(*pid).or_default().push(at);
            }
        }
        all
    }

    /// What a payload said there, else an empty text.
    pub fn what(&self, at: usize) -> &str {
        match &self.entries[at] {
            Entry::Did { what, .. } => what,
            _ => "",
        }
    }

    /// The name of the payload that said that.
    pub fn speaker(&self, at: usize) -> &str {
        match &self.entries[at] {
            Entry::Did { name, .. } => name,
            _ => "",
        }
    }

    /// When that was said at the latest: the time of the next entry that has one.
    pub fn time_after(&self, at: usize) -> Option<u64> {
        self.entries[at..].iter().find_map(time)
    }

    /// When that was said at the earliest.
    pub fn time_before(&self, at: usize) -> Option<u64> {
        self.entries[..=at].iter().rev().find_map(time)
    }
}

fn time(entry: &Entry) -> Option<u64> {
    match entry {
        Entry::Did { at_ns, .. } => Some(*at_ns),
        _ => None,
    }
}

fn how(said: &str) -> Option<How> {
    let number = |text: &str| text.split(' ').next()?.parse().ok();
    if let Some(rest) = said.strip_prefix("exited with code ") {
        return Some(How::Code(number(rest)?));
    }
    if said.starts_with("was killed by signal 9 (KILL) from outside after ")
        || said.starts_with("was killed by the kernel: out of memory")
    {
        return Some(How::FromOutside);
    }
    if let Some(rest) = said.strip_prefix("was killed by signal ") {
        return Some(How::Signal(number(rest)?));
    }
    if said.starts_with("did not stop in time and was killed after ") {
        return Some(How::KilledByUs);
    }
    let faults = [
        "was not ready within ",
        "was not in the background within ",
        "sent STOPPING=1 but did not end within ",
    ];
    let fault = faults.iter().any(|fault| said.starts_with(fault)) && said.contains(": stopped");
    fault.then_some(How::Fault)
}

/// Splits a line into the words for an end and what stands before and behind them.
fn tail(text: &str) -> (&str, Tail) {
    let mut tail = Tail::default();
    let mut text = text;
    if let Some((before, code)) = text.rsplit_once("; container exits ") {
        tail.exits = code.parse().ok();
        text = before;
    }
    if let Some((_, after)) = text
        .strip_prefix("stopped by ")
        .and_then(|text| text.split_once(": "))
    {
        tail.asked = true;
        text = after;
    }
    if let Some((before, delay)) = text.rsplit_once("; starts again in ") {
        let number = |unit: &str| delay.strip_suffix(unit)?.parse::<u64>().ok();
        tail.again = number("ms").or_else(|| Some(number("s")? * 1000));
        text = before;
    }
    if let Some(before) = text.strip_suffix("; held until a stop signal") {
        tail.held = true;
        text = before;
    }
    (text, tail)
}

/// A signal by its name.
fn signal(name: &str) -> Option<i32> {
    let known = [
        ("TERM", libc::SIGTERM),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("HUP", libc::SIGHUP),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("WINCH", libc::SIGWINCH),
        ("CONT", libc::SIGCONT),
        ("CHLD", libc::SIGCHLD),
    ];
    known
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, signal)| *signal)
}

/// A line of pidlet's output without its form: the name in front of it, if any, and the line itself.
pub fn name_and_text(line: &str) -> (Option<String>, String) {
    if let Some(object) = line.strip_prefix('{') {
        let field = |name: &str| {
            let begin = format!("\"{name}\":\"");
            let text = &object[object.find(&begin)? + begin.len()..];
            // Only pidlet's own lines hold quotes.
            let end = text
                .rfind("\"}")
                .filter(|_| name == "message")
                .or_else(|| text.find('"'))?;
            Some(text[..end].replace("\\\"", "\""))
        };
        return (field("service"), field("message").unwrap_or_default());
    }
    let stamped = line
        .get(..28)
        .is_some_and(|stamp| stamp.starts_with("20") && stamp.ends_with("Z "));
    let line = if stamped { &line[28..] } else { line };
    match line.split_once(" | ") {
        Some((name, text)) if name.starts_with('s') && !name.contains(' ') => {
            (Some(name.to_owned()), text.to_owned())
        }
        _ => (None, line.to_owned()),
    }
}
