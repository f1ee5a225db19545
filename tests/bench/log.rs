//! What it costs to read the lines of several writers, and whether the lines stay whole.
//!
//! Separate loggers read one pipe, into which writers started by the limit write. pidlet and supervisord
//! start the writers themselves.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Bench;
use crate::contestants::Kind;
use crate::look;
use crate::report::{Measure, Target};
use crate::support::{Input, Output, Proc, now_ns, pipe};

const TABLE: &str = "Output of services, in lines of 100 bytes written 4 KiB at a time";

/// A number of bytes that makes whole lines and whole writes.
const ROUND: usize = 102_400;
const LINE: usize = 100;
const GIB: f64 = (1 << 30) as f64;
const MILLION: f64 = 1e6;

#[derive(Clone, Copy, PartialEq)]
enum How {
    /// pidlet, which puts names in front of lines.
    Prefix,
    /// Writers that have the output themselves.
    Direct,
    /// A program that reads from a pipe, with its arguments.
    Reader(&'static [&'static str]),
    /// svlogd, which writes only to files of its own.
    Svlogd,
    Supervisor,
}

struct Logger {
    name: &'static str,
    how: How,
    program: PathBuf,
}

const READERS: [(&str, How, &str); 4] = [
    ("cat", How::Reader(&[]), "/bin/cat"),
    ("s6-log", How::Reader(&["1"]), "/usr/bin/s6-log"),
    ("svlogd", How::Svlogd, "/usr/bin/svlogd"),
    ("supervisord", How::Supervisor, "/usr/bin/supervisord"),
];

fn loggers(bench: &Bench) -> Vec<Logger> {
    let ours = bench
        .contestants
        .iter()
        .filter(|one| one.kind == Kind::Pidlet);
    let ours = ours.map(|one| Logger {
        name: one.name,
        how: How::Prefix,
        program: one.program.clone(),
    });
    let readers = READERS
        .into_iter()
        .filter(|(.., path)| Path::new(path).exists());
    let readers = readers.map(|(name, how, path)| Logger {
        name,
        how,
        program: path.into(),
    });
    let direct = Logger {
        name: "direct",
        how: How::Direct,
        program: bench.tools.limit.clone(),
    };
    ours.chain([direct]).chain(readers).collect()
}

/// A logger at work, and the program that started the writers where that is another one.
struct Running {
    logger: Proc,
    _writers: Option<Proc>,
}

impl Logger {
    /// Starts it and `writers` that each will write so many bytes when they are told to.
    fn start(&self, bench: &Bench, writers: usize, bytes: usize, sink: File) -> Running {
        let place = &bench.place;
        let bytes = bytes.to_string();
        let command = ["./payload", "write", &bytes];
        let run = place.program(&self.program).stdout(Output::File(sink));
        let run = match self.how {
            How::Prefix => {
                let all = vec![command.join(" "); writers].join(" --- ");
                run.args(["--log", "prefix", "--until", "all", "--"])
                    .args(all.split(' '))
            }
            How::Direct => run.arg(writers.to_string()).args(command),
            How::Supervisor => run.args(["-n", "-c", &self.conf(bench, &command, writers)]),
            How::Reader(args) => run.args(args),
            How::Svlogd => {
                let directory = place.temp.join("svlogd");
                let _ = std::fs::remove_dir_all(&directory);
                std::fs::create_dir(&directory).expect("a fresh directory");
                std::fs::write(format!("{directory}/config"), "pname | \n").expect("a fresh file");
                run.arg(directory)
            }
        };
        if !matches!(self.how, How::Reader(_) | How::Svlogd) {
            let logger = run.start();
            place.fifo.many(writers);
            return Running {
                logger,
                _writers: None,
            };
        }
        let (from, to) = pipe();
        let logger = run.stdin(Input::File(from)).start();
        let writers_run = place.program(&bench.tools.limit).stdout(Output::File(to));
        let started = writers_run.arg(writers.to_string()).args(command).start();
        place.fifo.many(writers);
        Running {
            logger,
            _writers: Some(started),
        }
    }

    fn conf(&self, bench: &Bench, command: &[&str], writers: usize) -> String {
        let conf = format!(
            "[supervisord]\nlogfile = /dev/null\nlogfile_maxbytes = 0\npidfile = {}\nuser = root\n\
             silent = true\n[program:s]\ncommand = {}\nnumprocs = {writers}\n\
             process_name = s%(process_num)d\nstartsecs = 0\nautorestart = false\n\
             stdout_logfile = /dev/fd/1\nstdout_logfile_maxbytes = 0\n",
            bench.place.temp.join("supervisord.pid"),
            command.join(" ")
        );
        bench.place.temp.write("supervisord-log.conf", conf, 0o644)
    }
}

/// What one run has cost.
struct Cost {
    /// GiB in a second, until the last writer is done.
    throughput: f64,
    /// Seconds of CPU for a GiB.
    cpu: f64,
}

/// Where the lines go.
#[derive(Clone, Copy, PartialEq)]
enum Sink {
    /// Into nothing, which costs nothing: what is left is the logger's own.
    Null,
    /// Into a pipe that another process reads, as an engine does.
    Pipe,
}

pub fn run(bench: &Bench) -> Vec<Measure> {
    let loggers = loggers(bench);
    let mut measures = Vec::new();
    for (sink, writers) in [
        (Sink::Null, 1),
        (Sink::Null, 4),
        (Sink::Pipe, 1),
        (Sink::Pipe, 4),
    ] {
        measures.extend(costs(bench, &loggers, sink, writers));
    }
    let mut torn = Measure::new(TABLE, "lines torn of 10⁶, 4 writers", "");
    let mut lost = Measure::new(TABLE, "bytes lost of 10⁸, 4 writers", "");
    for logger in loggers.iter().filter(|one| one.how != How::Svlogd) {
        let found = check(bench, logger, bench.rounds(244, 2) * ROUND);
        torn.values.push((logger.name, vec![found.torn]));
        lost.values.push((logger.name, vec![found.lost]));
    }
    measures.push(torn.target(Target::AtMost(0.0)));
    measures.push(lost.target(Target::AtMost(0.0)));
    measures
}

/// Lets all loggers that can write there take turns.
fn costs(bench: &Bench, loggers: &[Logger], sink: Sink, writers: usize) -> [Measure; 2] {
    let suits = |one: &&Logger| match one.how {
        How::Direct => false,
        How::Svlogd => sink == Sink::Null,
        _ => true,
    };
    let mut costs: Vec<_> = loggers
        .iter()
        .filter(suits)
        .map(|one| (one, Vec::new()))
        .collect();
    for _ in 0..bench.rounds(5, 1) {
        for (logger, costs) in &mut costs {
            costs.push(cost(bench, logger, sink, writers));
        }
    }
    let destination = if sink == Sink::Null {
        "to /dev/null"
    } else {
        "into a pipe"
    };
    let row = format!(
        "{destination}, {writers} writer{}",
        if writers == 1 { "" } else { "s" }
    );
    let mut throughput = Measure::new(TABLE, format!("throughput {row}"), "GiB/s");
    let mut cpu = Measure::new(TABLE, format!("CPU per GiB {row}"), "s");
    for (logger, costs) in &costs {
        let throughputs = costs.iter().map(|cost| cost.throughput);
        throughput.values.push((logger.name, throughputs.collect()));
        cpu.values
            .push((logger.name, costs.iter().map(|cost| cost.cpu).collect()));
    }
    if sink == Sink::Pipe {
        // As in a container.
        cpu = cpu.target(Target::Times(2.0, "cat"));
    }
    [throughput.target(Target::AtLeast(1.0)), cpu]
}

fn cost(bench: &Bench, logger: &Logger, sink: Sink, writers: usize) -> Cost {
    let place = &bench.place;
    // A multiple of one round of lines, altogether about 256 MiB; less for slow loggers.
    let slow = matches!(logger.name, "svlogd" | "s6-log");
    let rounds = bench.rounds(if slow { 640 } else { 2560 }, 40) / writers;
    let mut _reader = None;
    let sink = if sink == Sink::Pipe {
        let (from, to) = pipe();
        let reader = place.program(place.temp.join("payload")).arg("read");
        _reader = Some(reader.stdin(Input::File(from)).start());
        to
    } else {
        File::options()
            .write(true)
            .open("/dev/null")
            .expect("/dev/null")
    };
    let running = logger.start(bench, writers, rounds * ROUND, sink);
    let pid = running.logger.pid();
    look::wait_idle(&[pid]);
    let (before, since) = (look::cpu(pid), now_ns());
    (0..writers).for_each(|_| place.go.go());
    let ends = place.fifo.many(writers);
    let end = ends
        .iter()
        .map(|end| end.time)
        .max()
        .expect("there are writers");
    look::wait_idle(&[pid]);
    let gib = (writers * rounds * ROUND) as f64 / GIB;
    Cost {
        throughput: gib / ((end - since) as f64 / 1e9),
        cpu: (look::cpu(pid) - before) as f64 / 1e9 / gib,
    }
}

/// What happened to the lines.
struct Found {
    /// Of a million.
    torn: f64,
    /// Bytes that never arrived, of a hundred millions.
    lost: f64,
}

/// Lets four writers write at once, and looks at every line.
fn check(bench: &Bench, logger: &Logger, bytes: usize) -> Found {
    let (mut from, sink) = pipe();
    let running = logger.start(bench, 4, bytes, sink);
    (0..4).for_each(|_| bench.place.go.go());
    let mut counter = Counter::default();
    let mut buffer = vec![0; 1 << 16];
    let wanted = 4 * bytes / LINE * (LINE - 1);
    while counter.letters < wanted {
        match from.read(&mut buffer).expect("a pipe can be read") {
            0 => break,
            count => counter.take(&buffer[..count]),
        }
    }
    drop(running);
    let lines = (4 * bytes / LINE) as f64;
    Found {
        torn: (lines - counter.whole as f64) * MILLION / lines,
        lost: wanted.saturating_sub(counter.letters) as f64 / wanted as f64 * 100.0 * MILLION,
    }
}

/// Counts lines that are whole: of one letter and as long as they were written.
#[derive(Default)]
struct Counter {
    line: Vec<u8>,
    whole: usize,
    letters: usize,
}

impl Counter {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        let after_name = self
            .line
            .windows(2)
            .position(|two| two == b"| ")
            .map_or(0, |at| at + 2);
        let text = &self.line[after_name..self.line.len() - 1];
        self.letters += text.len();
        self.whole +=
            usize::from(text.len() == LINE - 1 && text.iter().all(|byte| *byte == text[0]));
        self.line.clear();
    }
}
