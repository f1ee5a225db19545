//! What the probe does as a program of a random plan (`tests/random`): it takes its steps one after the
//! other, and reacts to each signal as it was told to. It announces everything before it does it.

use std::ffi::c_int;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::clock::now_ns;
use super::{
    Args, become_middle, close, die_of, errno, exit, fork, fork_on, fork_orphan, pipe, say,
    set_mask,
};
use super::{until_orphan, wait_for_end_of};

/// How a signal ends the process, after so many milliseconds in which others are reported, but not obeyed.
#[derive(Clone, Copy)]
enum End {
    Exit(i32, u64),
    Die(u64),
}

/// A process and what it keeps track of.
struct Actor {
    name: String,
    ends: Vec<(i32, End)>,
    /// How many lines it has written to each stream.
    written: [usize; 2],
    /// How many processes it has forked.
    forked: usize,
    /// A signalfd of all signals.
    signals: c_int,
    /// It is about to end, and obeys no further signal.
    leaving: bool,
    /// The steps that are still to come.
    rest: Vec<String>,
}

/// NAME STEP...: a step is WORD or WORD=VALUE. Unless a step ends the process, it ends with 0.
pub fn act(args: Args) {
    let mut actor = Actor::new(args[0].to_owned());
    actor.tell(&format!("start {}", own_group()));
    for (at, step) in args.iter().enumerate().skip(1) {
        actor.rest = args[at + 1..].iter().map(|&word| word.to_owned()).collect();
        let (word, value) = step.split_once('=').unwrap_or((step, ""));
        actor.step(word, value);
    }
    actor.exit(0)
}

fn own_group() -> i32 {
    // SAFETY: asks for a number.
    unsafe { libc::getpgid(0) }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

impl Actor {
    fn new(name: String) -> Actor {
        set_mask(u64::MAX);
        // SAFETY: the kernel reads eight bytes; the descriptor is this process's own.
        let signals = unsafe {
            let all = u64::MAX;
            let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
            libc::syscall(libc::SYS_signalfd4, -1, &raw const all, 8, flags) as c_int
        };
        Actor {
            name,
            ends: Vec::new(),
            written: [0; 2],
            forked: 0,
            signals,
            leaving: false,
            rest: Vec::new(),
        }
    }

    fn tell(&self, what: &str) {
        let pid = std::process::id();
        say(&format!("@{} {pid} {} {what}", now_ns(), self.name));
    }

    fn step(&mut self, word: &str, value: &str) {
        match word {
            "on" => self.on(value),
            "nap" => self.wait(Some(number(value)), -1),
            "out" => self.write(1, number(value)),
            "err" => self.write(2, number(value)),
            "torn" => self.write_torn(number(value)),
            "tail" => self.write_line(1, ""),
            "fd" => {
                self.tell("ready");
                // SAFETY: one byte.
                unsafe { libc::write(number(value) as c_int, c"\n".as_ptr().cast(), 1) };
            }
            "touch" => {
                self.tell("ready");
                std::fs::write(value, "").expect("cannot make a file");
            }
            "notify" => {
                self.tell(if value == "READY=1" { "ready" } else { value });
                notify(value);
            }
            "fork" => self.fork(value),
            "move" => self.move_group(),
            "daemon" => self.become_daemon(value),
            "main" => self.hand_over(),
            "read" => self.read(value),
            "check" => self.exit(i32::from(!std::path::Path::new(value).exists())),
            "finish" => {
                self.tell(&format!("finish {}", self.rest.join(" ")));
                self.exit(0)
            }
            "stop" => {
                self.tell("stops");
                // SAFETY: a signal to ourselves.
                unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
                self.tell("continued");
            }
            "exit" => self.exit(number(value) as i32),
            "die" => self.die(number(value) as i32),
            "wait" => self.wait(None, -1),
            _ => panic!("no step {word:?}"),
        }
    }

    /// SIG:exit:CODE:MS or SIG:die:MS.
    fn on(&mut self, value: &str) {
        let parts: Vec<&str> = value.split(':').collect();
        let end = match parts[1] {
            "exit" => End::Exit(number(parts[2]) as i32, number(parts[3])),
            _ => End::Die(number(parts[2])),
        };
        self.ends.push((number(parts[0]) as i32, end));
    }

    // ---- signals ---------------------------------------------------------------------------------

    /// Waits for so many milliseconds or for ever, or until `fd` is readable; obeys signals meanwhile.
    fn wait(&mut self, limit: Option<u64>, fd: c_int) {
        let end = limit.map(|limit| now_ns() + limit * 1_000_000);
        loop {
            let left = end.map_or(-1, |end| {
                end.saturating_sub(now_ns()).div_ceil(1_000_000) as c_int
            });
            let asked = |fd| libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            let mut asked = [asked(self.signals), asked(fd)];
            // SAFETY: two structures.
            unsafe { libc::poll(asked.as_mut_ptr(), 2, left) };
            self.drain();
            if asked[1].revents != 0 || end.is_some_and(|end| now_ns() >= end) {
                return;
            }
        }
    }

    /// Takes every pending signal.
    fn drain(&mut self) {
        loop {
            // SAFETY: zero is a valid structure, and the kernel fills it as a whole or not at all.
            let info = unsafe {
                let mut info: libc::signalfd_siginfo = std::mem::zeroed();
                let size = size_of::<libc::signalfd_siginfo>();
                if libc::read(self.signals, (&raw mut info).cast(), size) != size as isize {
                    return;
                }
                info
            };
            self.heed(info.ssi_signo as i32, info.ssi_pid);
        }
    }

    fn heed(&mut self, signal: i32, sender: u32) {
        if signal == libc::SIGCHLD {
            // SAFETY: reaps every dead child.
            unsafe { while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {} }
            return;
        }
        self.tell(&format!("got {signal} from {sender}"));
        let end = self.ends.iter().find(|(known, _)| *known == signal);
        let Some((_, end)) = end.copied().filter(|_| !self.leaving) else {
            return;
        };
        self.leaving = true;
        match end {
            End::Exit(code, delay) => {
                self.wait(Some(delay), -1);
                self.exit(code)
            }
            End::Die(delay) => {
                self.wait(Some(delay), -1);
                self.die(signal)
            }
        }
    }

    fn exit(&mut self, code: i32) -> ! {
        self.leaving = true;
        self.drain();
        self.tell(&format!("exit {code}"));
        exit(code)
    }

    fn die(&mut self, signal: i32) -> ! {
        self.leaving = true;
        self.drain();
        self.tell(&format!("dies {signal}"));
        die_of(signal)
    }

    // ---- what it writes --------------------------------------------------------------------------

    /// The next line: its writer, stream and number, and padding whose length follows from the number.
    fn line(&mut self, stream: usize) -> String {
        self.written[stream - 1] += 1;
        let (number, pid) = (self.written[stream - 1], std::process::id());
        let more = "x".repeat(number * 7919 % 97);
        format!("%{} {pid} {stream} {number} {more}.", self.name)
    }

    fn write_line(&mut self, stream: usize, end: &str) {
        let line = self.line(stream) + end;
        // SAFETY: writes from a live buffer, which is short enough to be written at once.
        unsafe { libc::write(stream as c_int, line.as_ptr().cast(), line.len()) };
        self.tell_written(stream);
    }

    fn tell_written(&self, stream: usize) {
        self.tell(&format!("wrote {stream} {}", self.written[stream - 1]));
    }

    fn write(&mut self, stream: usize, count: u64) {
        (0..count).for_each(|_| self.write_line(stream, "\n"));
    }

    /// Lines in two pieces, with a short pause between them.
    fn write_torn(&mut self, count: u64) {
        for _ in 0..count {
            let line = self.line(1) + "\n";
            let (one, other) = line.split_at(line.len() / 2);
            for piece in [one, other] {
                // SAFETY: writes from a live buffer.
                unsafe { libc::write(1, piece.as_ptr().cast(), piece.len()) };
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            self.tell_written(1);
        }
    }

    /// Copies standard input to a file until its end.
    fn read(&mut self, path: &str) {
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path);
        let mut file = file.expect("cannot open the file for what is read");
        let mut buffer = [0_u8; 4096];
        loop {
            self.wait(None, 0);
            // SAFETY: reads into a live buffer.
            let count = unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) };
            if count <= 0 {
                return self.tell("eof");
            }
            file.write_all(&buffer[..count as usize])
                .expect("cannot write what is read");
        }
    }

    // ---- families --------------------------------------------------------------------------------

    /// KIND-MANNERS: starts a process that goes its own way, and is set up when this returns.
    fn fork(&mut self, value: &str) {
        let (kind, manners) = value.split_once('-').expect("KIND-MANNERS");
        self.forked += 1;
        let name = format!("{}/{}", self.name, self.forked);
        let (reading, writing) = pipe();
        let own = self.signals;
        let work = || {
            close(own);
            let mut actor = Actor::new(name);
            if kind.contains("orphan") {
                until_orphan();
            }
            if kind.starts_with("far") {
                // SAFETY: a forked child leads no group, so this works.
                unsafe { libc::setsid() };
            }
            actor.tell(&format!("born {}", own_group()));
            close(writing);
            actor.live(manners)
        };
        if kind.contains("orphan") {
            fork_orphan(work);
        } else {
            fork(work);
        }
        close(writing);
        wait_for_end_of(reading);
        close(reading);
    }

    /// What a forked process does.
    fn live(&mut self, manners: &str) -> ! {
        match manners {
            "heeds" => self.on("15:exit:0:0"),
            "slow" => self.on("15:exit:0:30"),
            "brief" => {
                self.wait(Some(20), -1);
                self.exit(0)
            }
            _ => {}
        }
        self.wait(None, -1);
        unreachable!("it waits for ever")
    }

    /// Joins the process group of a child, so that no group is numbered after this process any more.
    fn move_group(&mut self) {
        let name = format!("{}/leader", self.name);
        let own = self.signals;
        // SAFETY: joins the group of a child.
        unsafe {
            let leader = fork(|| {
                close(own);
                let mut actor = Actor::new(name);
                libc::setpgid(0, 0);
                actor.tell(&format!("born {}", own_group()));
                actor.live("heeds")
            });
            libc::setpgid(leader, leader);
            // The leader of a session stays where it is.
            let stays = libc::getsid(0) == libc::getpid();
            assert!(
                libc::setpgid(0, leader) == 0 || stays,
                "setpgid: {}",
                errno()
            );
        }
        self.tell(&format!("moved {}", own_group()));
    }

    /// Goes on as a daemon, in a session of its own, and writes its pid to a file: before its parent ends, or
    /// after that if `late`.
    fn become_daemon(&mut self, path: &str) {
        let (path, late) = match path.strip_prefix("late:") {
            Some(path) => (path, true),
            None => (path, false),
        };
        let (reading, writing) = pipe();
        let child = fork_on();
        if child > 0 {
            close(writing);
            wait_for_end_of(reading);
            self.exit(0);
        }
        close(reading);
        // SAFETY: a forked child leads no group, so this works.
        unsafe { libc::setsid() };
        self.written = [0; 2];
        if late {
            close(writing);
            self.wait(Some(15), -1);
        }
        self.tell("daemon");
        std::fs::write(path, format!("{}\n", std::process::id())).expect("cannot write a pid file");
        if !late {
            close(writing);
        }
    }

    /// Goes on in another process, which says that it is the service's main process from now on.
    fn hand_over(&mut self) {
        let (reading, writing) = pipe();
        let middle = fork_on();
        if middle > 0 {
            close(writing);
            wait_for_end_of(reading);
            self.leaving = true;
            self.drain();
            self.tell("left");
            exit(0);
        }
        become_middle();
        if fork_on() > 0 {
            exit(0);
        }
        close(reading);
        self.written = [0; 2];
        until_orphan();
        self.tell("main");
        notify(&format!("MAINPID={}", std::process::id()));
        close(writing);
    }
}

fn notify(text: &str) {
    let Ok(name) = std::env::var("NOTIFY_SOCKET") else {
        return;
    };
    let address = SocketAddr::from_abstract_name(name.trim_start_matches('@'));
    let socket = UnixDatagram::unbound().expect("a socket");
    let sent = address.and_then(|address| socket.send_to_addr(text.as_bytes(), &address));
    sent.expect("cannot notify");
}
