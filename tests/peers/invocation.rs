//! Random command lines and surroundings.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::case::Peer;
use crate::common::DEADLY;
use crate::support::{Input, Mode, Output, Random, Run, Session, Temp, probe};
use crate::words::{self, Grammar};
use crate::{catatonit, dumb_init, tini};

/// The program that is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tini,
    DumbInit,
    Catatonit,
}

impl Kind {
    fn grammar(self) -> &'static Grammar {
        match self {
            Kind::Tini => &words::TINI,
            Kind::DumbInit => &words::DUMB_INIT,
            Kind::Catatonit => &words::CATATONIT,
        }
    }

    pub fn peer(self) -> &'static Peer {
        match self {
            Kind::Tini => &tini::TINI,
            Kind::DumbInit => &dumb_init::DUMB_INIT,
            Kind::Catatonit => &catatonit::CATATONIT,
        }
    }
}

/// The directory of the files that invocations name.
pub struct Place {
    temp: Temp,
    /// Held open for writing, so that it cannot be executed.
    _busy: File,
}

impl Place {
    pub fn new() -> Place {
        let temp = Temp::new();
        for directory in ["found", "refused", "folder", "found/folder2"] {
            std::fs::create_dir(temp.join(directory)).expect("cannot make a directory");
        }
        let nested = format!("#!{} -x\n", temp.join("bare-script"));
        for (name, content, mode) in [
            ("plain", "#!/bin/sh\n", 0o644),
            ("bare-script", "echo script $# \"$@\"\nexit 3\n", 0o755),
            ("good", "#!/bin/sh\necho good $# \"$@\"\nexit 4\n", 0o755),
            ("empty", "", 0o755),
            ("bad", "#!/no/such/interpreter\n", 0o755),
            ("nested", &nested, 0o755),
            ("elf", "\x7fELF\x02\x01\x01 nothing", 0o755),
            ("found/program", "#!/bin/sh\necho found\n", 0o755),
            ("found/bare", "echo bare\nexit 5\n", 0o755),
            ("refused/program", "#!/bin/sh\necho refused\n", 0o644),
            ("-dash", "#!/bin/sh\necho dash\n", 0o755),
        ] {
            temp.write(name, content, mode);
        }
        temp.symlink(Path::new(&temp.join("loop")), "loop");
        temp.symlink(Path::new(probe()), "found/probe");
        let busy = temp.join("busy");
        std::fs::copy("/bin/true", &busy).expect("cannot copy /bin/true");
        let busy = File::options().append(true).open(&busy);
        Place {
            temp,
            _busy: busy.expect("cannot open a copy"),
        }
    }

    pub fn path(&self) -> &str {
        let path = self.temp.path().to_str();
        path.expect("a temporary path is UTF-8")
    }
}

/// What a standard stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Null,
    Pipe,
    Closed,
    Pty,
}

/// A command line and its surroundings.
#[derive(Debug)]
pub struct Invocation {
    pub kind: Kind,
    pub mode: Mode,
    arg0: &'static str,
    /// The real program.
    pub real: &'static str,
    /// The words, in which FILE stands for the file of the report.
    pub args: Vec<OsString>,
    /// How many of them are options.
    pub options: usize,
    env: Vec<(&'static str, OsString)>,
    path: Option<OsString>,
    in_place: bool,
    pub streams: [End; 3],
    leads_session: bool,
    pub blocked: Vec<i32>,
    pub ignored: Vec<i32>,
    limits: Vec<(u32, u64, u64)>,
    descriptors: Vec<i32>,
}

impl Invocation {
    pub fn random(random: &mut Random, kind: Kind, place: &Place) -> Invocation {
        let grammar = kind.grammar();
        let mut args = Vec::new();
        for _ in 0..random.pick(&[0, 0, 1, 1, 1, 2, 2, 3, 5]) {
            option(random, grammar, &mut args);
        }
        if random.percent(40) {
            args.push("--".into());
        }
        let options = args.len();
        command(random, place, &mut args);
        let others = [End::Null, End::Closed];
        let real = match kind {
            Kind::Tini if random.percent(30) => "/usr/bin/tini-static",
            _ => kind.peer().path,
        };
        let streams = [
            random.pick(&[
                End::Null,
                End::Null,
                End::Pipe,
                End::Closed,
                End::Pty,
                End::Pty,
            ]),
            if random.percent(60) {
                End::Pipe
            } else {
                random.pick(&others)
            },
            if random.percent(75) {
                End::Pipe
            } else {
                random.pick(&others)
            },
        ];
        let descriptor = random.percent(30).then(|| random.pick(&[3, 4, 7, 40]));
        Invocation {
            kind,
            mode: random.pick(&Mode::BOTH),
            arg0: random.pick(grammar.names),
            real,
            args,
            options,
            env: environment(random, grammar),
            path: path(random, place),
            in_place: random.percent(40),
            streams,
            leads_session: random.percent(70),
            blocked: signals(random),
            ignored: signals(random),
            limits: limits(random),
            descriptors: descriptor.into_iter().collect(),
        }
    }

    /// One that still lacks a command, with options under which a command runs.
    pub fn living(random: &mut Random, kind: Kind, place: &Place) -> Invocation {
        let mut invocation = Invocation::random(random, kind, place);
        let mut args: Vec<OsString> = Vec::new();
        for _ in 0..random.below(3) {
            let letter = random.pick(kind.grammar().flags);
            args.push(format!("-{}", char::from(letter)).into());
        }
        if kind == Kind::DumbInit && random.percent(50) {
            for _ in 0..random.between(1, 3) {
                args.extend(["-r".into(), pair(random).into()]);
            }
        }
        if kind == Kind::Tini && random.percent(30) {
            args.extend(["-e", random.pick(&["137", "3", "143"])].map(OsString::from));
        }
        if random.percent(50) {
            args.push("--".into());
        }
        invocation.options = args.len();
        invocation.args = args;
        let stdin = random.pick(&[End::Null, End::Pipe, End::Pty]);
        invocation.streams = [stdin, End::Pipe, End::Pipe];
        // A child that inherits them must die of the marks.
        for signals in [&mut invocation.blocked, &mut invocation.ignored] {
            signals.retain(|signal| !matches!(signal, 29 | 64));
        }
        let is_kept =
            |name: &str| !matches!(name, "CATATONIT_LOG" | "TINI_VERBOSITY" | "DUMB_INIT_DEBUG");
        invocation.env.retain(|(name, _)| is_kept(name));
        invocation
    }

    /// Whether a letter is among the options, or in one's value.
    pub fn has_letter(&self, letter: char) -> bool {
        let options = self.args[..self.options].iter();
        let mut words = options.map(|arg| arg.to_string_lossy());
        words.any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(letter))
    }

    /// Whether dumb-init's child has no session of its own.
    pub fn single(&self) -> bool {
        let mut options = self.args[..self.options].iter();
        self.kind == Kind::DumbInit
            && (self.has_letter('c')
                || options.any(|arg| arg.to_string_lossy().starts_with("--s"))
                || self
                    .sets("DUMB_INIT_SETSID")
                    .is_some_and(|value| value == "0"))
    }

    /// The value of one of the variables that the peer reads.
    pub fn sets(&self, name: &str) -> Option<&OsStr> {
        let found = self.env.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// What runs it on one side.
    pub fn run(&self, program: &Path, place: &Place, file: &str) -> Run {
        let file = OsStr::new(file);
        let args = self
            .args
            .iter()
            .map(|arg| if arg == "FILE" { file } else { arg });
        let mut run = Run::new(program).arg0(self.arg0).mode(self.mode).args(args);
        run = match &self.path {
            Some(path) => run.env("PATH", path),
            None => run.env_remove("PATH"),
        };
        for (name, value) in &self.env {
            run = run.env(name, value);
        }
        for (name, value) in self.kind.peer().env {
            run = run.env(name, value);
        }
        if self.in_place {
            run = run.cwd(place.path());
        }
        let output = |end: End| match end {
            End::Null => Output::Null,
            End::Pipe => Output::Capture,
            End::Closed => Output::Closed,
            End::Pty => Output::Pty,
        };
        run = run
            .stdout(output(self.streams[1]))
            .stderr(output(self.streams[2]));
        run = run.stdin(match self.streams[0] {
            End::Null => Input::Null,
            End::Pipe => Input::Pipe,
            End::Closed => Input::Closed,
            End::Pty => Input::Pty,
        });
        run = run.session(if self.leads_session {
            Session::New
        } else {
            Session::Group
        });
        for (resource, soft, hard) in &self.limits {
            run = run.limit(*resource, *soft, *hard);
        }
        for fd in &self.descriptors {
            run = run.fd(File::open("/dev/null").expect("cannot open /dev/null"), *fd);
        }
        run.block(&self.blocked).ignore(&self.ignored)
    }
}

/// How a signal is rewritten in a life: no mark, and nothing that ends or continues the child.
fn pair(random: &mut Random) -> String {
    let from = random.pick(&[1, 2, 3, 4, 6, 10, 11, 13, 14, 15, 16, 20, 21, 22, 23, 28]);
    format!("{from}:{}", random.between(0, 28))
}

/// An option, right or wrong.
fn option(random: &mut Random, grammar: &Grammar, args: &mut Vec<OsString>) {
    let mut word = b"-".to_vec();
    match random.below(100) {
        0..45 => {
            for _ in 0..random.between(1, 3) {
                word.push(random.pick(grammar.flags));
            }
            match random.below(25) {
                0 => word.push(random.pick(grammar.ends)),
                1 => word.push(random.pick(b"-:?zx\xff= ")),
                _ => {}
            }
            if random.percent(30) && !grammar.valued.is_empty() {
                return value(random, grammar, word, args);
            }
        }
        45..75 if !grammar.valued.is_empty() => return value(random, grammar, word, args),
        45..90 => return long_option(random, grammar, args),
        90..93 => word.push(random.pick(grammar.ends)),
        93..97 => word = random.pick(words::WRONG).into(),
        97 => word = b"--\xff\xfe=\x80".to_vec(),
        98 => {
            word = ["--", &"x".repeat(random.pick(&[50, 900, 1100, 5000]))]
                .concat()
                .into()
        }
        // No newline: what is said about it is one line here.
        _ => word.push(random.between(11, 255) as u8),
    }
    args.push(OsString::from_vec(word));
}

/// A long name, maybe shortened, maybe with a value.
fn long_option(random: &mut Random, grammar: &Grammar, args: &mut Vec<OsString>) {
    let (name, valued) = random.pick(grammar.long);
    let letters = if random.percent(60) {
        random.below(name.len()) + 1
    } else {
        name.len()
    };
    let mut word = format!("--{}", &name[..letters]);
    let values = match grammar.valued.first() {
        Some((_, right, _)) if random.percent(75) => right,
        Some((_, _, wrong)) => wrong,
        None => words::SWITCHES,
    };
    let value = random.pick(values);
    let attached = random.percent(if valued { 50 } else { 10 });
    if attached {
        word += "=";
        word += value;
    }
    args.push(word.into());
    if valued && !attached && random.percent(95) {
        args.push(value.into());
    }
}

/// A letter behind others with its value, or without.
fn value(random: &mut Random, grammar: &Grammar, mut word: Vec<u8>, args: &mut Vec<OsString>) {
    let (letter, right, wrong) = random.pick(grammar.valued);
    word.push(letter);
    let value = match random.below(100) {
        0..75 => random.pick(right).as_bytes().to_vec(),
        75..94 => random.pick(wrong).as_bytes().to_vec(),
        94..96 => b"\xff\x80".to_vec(),
        96..98 => vec![b'7'; random.pick(&[30, 1100])],
        _ => return args.push(OsString::from_vec(word)),
    };
    if random.percent(50) {
        word.extend(&value);
        args.push(OsString::from_vec(word));
    } else {
        args.extend([word, value].map(OsString::from_vec));
    }
}

/// What is to be run, if anything.
fn command(random: &mut Random, place: &Place, args: &mut Vec<OsString>) {
    let here = |name: &str| format!("{}/{name}", place.path());
    let program = match random.below(100) {
        0..55 => return report(random, args),
        55..75 => here(random.pick(words::FILES)).into(),
        75..85 => random.pick(words::PROGRAMS).into(),
        85..88 => "x".repeat(random.pick(&[255, 256, 300, 1000, 1100])).into(),
        88..90 => here(&"x/".repeat(random.pick(&[50, 480, 520, 2000, 2100]))).into(),
        90 => OsString::from_vec(b"\xff\xfe/\x80".to_vec()),
        91..93 => return,
        _ => {
            let code = random.between(0, 300);
            let script = format!("echo out; echo err >&2; exit {code}");
            return args.extend(["sh", "-c", &script].map(OsString::from));
        }
    };
    args.push(program);
    for _ in 0..random.pick(&[0, 0, 1, 2]) {
        args.push(odd_word(random));
    }
}

/// The probe, which reports what it was given and ends somehow.
fn report(random: &mut Random, args: &mut Vec<OsString>) {
    let program = random.pick(&[probe(), probe(), probe(), probe(), "probe", "found/probe"]);
    args.extend([program, "--to", "FILE", "report"].map(OsString::from));
    let code = random.between(0, 255).to_string();
    let signal = random.pick(&DEADLY).to_string();
    let end: &[&str] = match random.below(10) {
        0..5 => &["exit", &code],
        5..8 => &["die", &signal],
        8 => &["neglect", &code],
        _ => &[
            "orphans",
            "2",
            "--report",
            "--exit-now",
            "--then-exit",
            &code,
        ],
    };
    args.extend(end.iter().map(OsString::from));
    args.push("args".into());
    for _ in 0..random.below(4) {
        args.push(odd_word(random));
    }
}

/// Something that might be taken for something else.
fn odd_word(random: &mut Random) -> OsString {
    match random.below(12) {
        0 => OsString::from_vec(b"\xff\x80".to_vec()),
        1 => "x".repeat(2000).into(),
        _ => random
            .pick(&[
                "",
                "--",
                "-h",
                "--version",
                "---",
                "a b\n",
                "$HOME",
                "args",
                "%s",
                "é",
            ])
            .into(),
    }
}

/// Variables that the peer reads, and others.
fn environment(random: &mut Random, grammar: &Grammar) -> Vec<(&'static str, OsString)> {
    let mut env: Vec<(&str, OsString)> = Vec::new();
    for (name, values) in grammar.variables {
        if random.percent(if *name == "CATATONIT_LOG" { 4 } else { 20 }) {
            let value = match random.below(20) {
                0 => OsString::from_vec(b"\xff".to_vec()),
                _ => random.pick(values).into(),
            };
            env.push((name, value));
        }
    }
    for _ in 0..random.pick(&[0, 0, 1, 3]) {
        let (name, value) = random.pick(words::OTHERS);
        let own = grammar.variables.iter().any(|(own, _)| *own == name);
        if !own && env.iter().all(|(known, _)| *known != name) {
            env.push((name, value.into()));
        }
    }
    env
}

/// `PATH`, unless there is none. No path in it is so long that a name after it would not fit: glibc would
/// then look in the current directory.
fn path(random: &mut Random, place: &Place) -> Option<OsString> {
    let temp = place.path();
    let text = match random.below(20) {
        0 => return None,
        1 => String::new(),
        2 => ":".to_owned(),
        3 => "/nowhere:".to_owned(),
        4 => format!("{temp}/refused:{temp}/found"),
        5 => format!("{temp}/refused:/nowhere"),
        6 => format!("{temp}/plain:/nowhere:{temp}/found:/bin"),
        7 => format!("{temp}/found"),
        8 => "found:refused:/bin".to_owned(),
        9 => format!(
            "{}:{temp}/found:/bin",
            "/x".repeat(random.pick(&[100, 1000, 1400]))
        ),
        10 => format!(
            "{}:{temp}/found:/bin",
            "y".repeat(random.pick(&[255, 256, 2900]))
        ),
        11 => {
            return Some(OsString::from_vec(
                [b"/\xff:", temp.as_bytes(), b"/found:/bin"].concat(),
            ));
        }
        12 => format!("{temp}/loop:{temp}/found:/bin"),
        13 => format!("/bin::{temp}/found"),
        14 => format!("{temp}/folder:{temp}/found/:/bin/"),
        _ => "/usr/local/bin:/usr/bin:/bin".to_owned(),
    };
    Some(text.into())
}

/// Signals that are blocked or ignored from the start. libc's own 32 and 33 are left out: the peers' libc
/// never blocks them.
fn signals(random: &mut Random) -> Vec<i32> {
    let count = random.pick(&[0, 0, 0, 1, 3, 20]);
    let any = (0..count).map(|_| random.between(1, 64) as i32);
    any.filter(|signal| !matches!(signal, 9 | 19 | 32 | 33))
        .collect()
}

fn limits(random: &mut Random) -> Vec<(u32, u64, u64)> {
    let files = random.pick(&[20, 64, 1024, 1025, 4096]);
    let stack = random.pick(&[1 << 20, 4 << 20]);
    let all = [
        (
            libc::RLIMIT_NOFILE,
            files,
            files.max(random.pick(&[64, 4096])),
        ),
        (libc::RLIMIT_STACK, stack, 64 << 20),
        (libc::RLIMIT_FSIZE, 1 << 20, 1 << 22),
        (libc::RLIMIT_CPU, 50, 70),
    ];
    all.into_iter().filter(|_| random.percent(12)).collect()
}
