//! The tests' payload: a small program that says what it was given and what happens to it.
//!
//! `probe [--to FILE] COMMAND ...`; every line is one `write(2)`, to standard output or appended to FILE.
//! Where the probe stands in for another program, and so gets that program's arguments, the variable `PROBE`
//! holds its words. Without Rust's `main`, whose runtime would first ignore SIGPIPE and fill closed
//! descriptors.

#![no_main]

mod act;
mod clock;

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// Where lines go.
static OUT: AtomicI32 = AtomicI32::new(1);

/// The parent of a process that is about to become an orphan.
static MIDDLE: AtomicI32 = AtomicI32::new(0);

type Args<'a> = &'a [&'a str];

type Command = (&'static str, fn(Args));

/// Every command and what it does. All end with 0 unless said otherwise.
const COMMANDS: [Command; 37] = [
    // [COMMAND...]: mask, dispositions, group, session, terminal: one line each; then does COMMAND.
    ("mask", mask),
    // COMMAND...: everything that it inherited, and the words that follow `args`; then does COMMAND.
    ("report", report),
    // [--exit-on SIG=CODE]...: waits for all signals, says `ready`, then `got SIG CODE SENDER` for each.
    ("signals", signals),
    // N: ends with this code.
    ("exit", |args| exit(number(args, 0))),
    // SIG: dies of this signal; ends with 255 if that does not kill it.
    ("die", die),
    // Says `ready` and sleeps, with every disposition as it was inherited.
    ("sleep", |_| ready_and_sleep()),
    // SIG...: ignores these, says `ready` and sleeps.
    ("ignore", ignore),
    // N [--ignore-term] [--exit-now | --report] [--then-exit CODE]: leaves N orphans behind.
    ("orphans", orphans),
    // CODE: ends with this code once a child of its own has ended, without having reaped it.
    ("neglect", neglect),
    // [CODE]: starts a member of its own group; both say what they get, until TERM. With CODE it ends at
    // once.
    ("group", group),
    // Moves to another group, so that none is numbered after it any more; then as `signals`, until TERM.
    ("move-group", move_group),
    // The numbers of the open descriptors.
    ("fds", fds),
    // The arguments, one per line, with bytes other than printable ASCII as \xNN.
    ("args", args_of),
    // NAME...: `NAME=value` or `NAME unset`; without names the whole environment, sorted.
    ("env", env),
    ("cwd", |_| {
        say(&std::env::current_dir().map_or("none".into(), |path| path.display().to_string()))
    }),
    // N: the lines `line 1` to `line N`, each a write of its own.
    ("lines", |args| {
        (1..=number(args, 0)).for_each(|at| say(&format!("line {at}")))
    }),
    // Says `ready`, then takes memory and uses it until it is killed.
    ("eat", eat),
    // `size ROWS COLUMNS` of the terminal, then `winch ROWS COLUMNS SENDER` for each SIGWINCH; ends on INT.
    ("sizes", sizes),
    // N [PAUSE]: N orphans that end at once, as fast as possible or PAUSE milliseconds apart; then says
    // `ready` and sleeps.
    ("spawn-storm", spawn_storm),
    // SIG: stops itself, says `continued` when it goes on, then sleeps.
    ("stop-self", stop_self),
    // Says `ready`, then `continued` whenever it gets SIGCONT.
    ("continue", say_continued),
    // [--ignore-term]: a child in a session of its own that says what it gets; `ready` when both are ready.
    ("setsid-child", setsid_child),
    // Reads a line from standard input and says it, or the error.
    ("tty-read", tty_read),
    // How many children it has.
    ("children", |_| say(&format!("children={}", children()))),
    // What LISTEN_PID says: `rewritten` (this process), `kept`, `unset`.
    ("listen-pid", listen_pid),
    // SIG: sends it to its parent, says what it gets; ends on TERM.
    ("signal-parent", signal_parent),
    // PROGRAM ARG0 ARG...: a parent that says how its child ended, and dies at once of SIGTERM.
    ("foster", foster),
    // --fg|--bg PROGRAM ARG0 ARG...: an interactive shell with one job; commands come on descriptor 3.
    ("shell", shell),
    // SIG PROGRAM ARG0 ARG...: becomes the program with SIG blocked and pending.
    ("pending", pending),
    // ERRNO NUMBER FIRST PROGRAM ARG0 ARG...: becomes the program, for which the system call NUMBER fails
    // with ERRNO if its first argument is FIRST (`any`: always).
    ("without", without),
    // PROGRAM ARG0 ARG...: becomes the program; a listener decides what each system call of it, and of all
    // that it starts, returns (`listen.rs`).
    ("listened", listened),
    // TEXT COMMAND...: says TEXT, then does COMMAND.
    ("say", |args| {
        say(args[0]);
        run(&args[1..]);
    }),
    // FD WORDS...: writes WORDS and a newline to a descriptor, then sleeps.
    ("write-fd", write_fd),
    // PROGRAM ARG0 ARG...: starts a sleeping child, then becomes the program, which so has a child that it
    // did not start.
    ("with-child", with_child),
    // NAME STEP...: does one thing after the other, and announces each first; see `act.rs`.
    ("act", act::act),
    // PROGRAM ARG0 ARG...: leaves an orphan in its session and group, which says `ready` when it is there and
    // then what it gets; becomes the program.
    ("beside", beside),
    // ARG0 PROGRAM ARG...: becomes the program under that name.
    ("exec", |args| become_program(args[1], args[0], &args[2..])),
];

#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: what the C library passes to every `main`.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    // SAFETY: strings that live as long as the process. Bytes that are not UTF-8 only matter to `args`.
    let words = words.iter().map(|&word| unsafe { CStr::from_ptr(word) });
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap_or("?")).collect();
    let instead = std::env::var("PROBE").unwrap_or_default();
    let instead: Vec<&str> = instead.split_whitespace().collect();
    let mut args = if instead.is_empty() {
        &words[1..]
    } else {
        &instead
    };
    if let ["--to", file, rest @ ..] = args {
        args = rest;
        let file = c_string(file);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: opens a file, above the standard descriptors even where one of those is closed.
        let fd = unsafe {
            let low = libc::open(file.as_ptr(), flags, 0o644);
            let high = libc::fcntl(low, libc::F_DUPFD_CLOEXEC, 3);
            libc::close(low);
            high
        };
        assert!(fd >= 0, "cannot open the file for reports");
        OUT.store(fd, Ordering::Relaxed);
    }
    run(args);
    0
}

fn run(args: Args) {
    let Some((name, args)) = args.split_first() else {
        exit(64)
    };
    match COMMANDS.iter().find(|(known, _)| known == name) {
        Some((_, command)) => command(args),
        None => {
            say(&format!("probe: no command {name:?}"));
            exit(64)
        }
    }
}

// ---- saying things ---------------------------------------------------------------------------------

/// One line, one write.
fn say(line: &str) {
    let line = format!("{line}\n");
    // SAFETY: writes from a live buffer. A test that closed the stream does not want the line.
    unsafe {
        libc::write(
            OUT.load(Ordering::Relaxed),
            line.as_ptr().cast(),
            line.len(),
        )
    };
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing is buffered.
    unsafe { libc::_exit(code) }
}

fn number(args: Args, at: usize) -> i32 {
    args.get(at)
        .and_then(|word| word.parse().ok())
        .expect("a number is missing")
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("arguments hold no NUL")
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

// ---- signals ---------------------------------------------------------------------------------------

/// Blocks exactly these; raw, as libc leaves out 32 and 33.
fn set_mask(mask: u64) {
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads eight bytes.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            none,
            8,
        )
    };
}

/// The blocked set, the ignored one and the caught one, from system calls: `/proc` may be missing.
fn signal_sets() -> [u64; 3] {
    let mut blocked = 0_u64;
    let (mut ignored, mut caught) = (0_u64, 0_u64);
    // SAFETY: the kernel writes eight bytes, then structures that are smaller than `action`.
    unsafe {
        let none = std::ptr::null::<u64>();
        libc::syscall(libc::SYS_rt_sigprocmask, 0, none, &raw mut blocked, 8);
        for signal in 1..=64 {
            let mut action = [0_usize; 8];
            libc::syscall(libc::SYS_rt_sigaction, signal, none, action.as_mut_ptr(), 8);
            match action[0] {
                libc::SIG_DFL => {}
                libc::SIG_IGN => ignored |= 1 << (signal - 1),
                _ => caught |= 1 << (signal - 1),
            }
        }
    }
    [blocked, ignored, caught]
}

fn pause() -> ! {
    loop {
        // SAFETY: sleeps.
        unsafe { libc::pause() };
    }
}

fn ready_and_sleep() {
    say("ready");
    pause()
}

/// Waits for any signal; returns it, and how, by which process and with which value it was sent.
fn next_signal() -> (i32, String) {
    let all = u64::MAX;
    // SAFETY: zero is a valid siginfo; the kernel fills it, and says by its code what it filled.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let none = std::ptr::null::<libc::timespec>();
        loop {
            let signal = libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const all,
                &raw mut info,
                none,
                8,
            );
            if signal > 0 {
                let text = match info.si_code {
                    libc::SI_USER => format!("user from {}", sender(info.si_pid())),
                    libc::SI_QUEUE => {
                        let value = info.si_value().sival_ptr as usize as i32;
                        format!("queue {value} from {}", sender(info.si_pid()))
                    }
                    libc::SI_KERNEL => "kernel".to_owned(),
                    code => format!("code {code}"),
                };
                return (signal as i32, text);
            }
        }
    }
}

fn sender(pid: i32) -> &'static str {
    // SAFETY: asks for our own numbers.
    let (own, parent) = unsafe { (libc::getpid(), libc::getppid()) };
    match pid {
        0 => "outside",
        _ if pid == parent => "parent",
        _ if pid == own => "self",
        _ => "other",
    }
}

/// Reports every signal that comes; ends with the code that `ends` has for it, if any.
fn report_signals(prefix: &str, ends: &[(i32, i32)]) -> ! {
    loop {
        let (signal, text) = next_signal();
        say(&format!("{prefix}got {signal} {text}"));
        if let Some((_, code)) = ends.iter().find(|(known, _)| *known == signal) {
            exit(*code);
        }
    }
}

fn signals(args: Args) {
    set_mask(u64::MAX);
    let pairs = args.chunks_exact(2).filter(|pair| pair[0] == "--exit-on");
    let ends = pairs.map(|pair| {
        let (signal, code) = pair[1].split_once('=').expect("SIG=CODE");
        (
            signal.parse().expect("a signal"),
            code.parse().expect("a code"),
        )
    });
    let ends: Vec<(i32, i32)> = ends.collect();
    say("ready");
    report_signals("", &ends)
}

fn die(args: Args) {
    die_of(number(args, 0))
}

fn die_of(signal: i32) -> ! {
    let mut default = [0_usize; 8];
    // Another pending signal must not come first.
    set_mask(!(1 << (signal - 1)));
    // SAFETY: the kernel reads a structure that is smaller than `default`; then a signal to ourselves.
    unsafe {
        default[0] = libc::SIG_DFL;
        let none = std::ptr::null_mut::<usize>();
        libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, 8);
        libc::kill(libc::getpid(), signal);
    }
    exit(255)
}

fn ignore(args: Args) {
    for at in 0..args.len() {
        // SAFETY: sets a disposition.
        unsafe { libc::signal(number(args, at), libc::SIG_IGN) };
    }
    ready_and_sleep()
}

fn stop_self(args: Args) {
    say("ready");
    // SAFETY: a signal to ourselves.
    unsafe { libc::kill(libc::getpid(), number(args, 0)) };
    say("continued");
    pause()
}

fn say_continued(_: Args) {
    extern "C" fn handle(_: c_int) {
        let line = b"continued\n";
        // SAFETY: a write is all that is done here.
        unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    }
    // SAFETY: sets a handler.
    unsafe { libc::signal(libc::SIGCONT, handle as *const () as libc::sighandler_t) };
    ready_and_sleep()
}

fn signal_parent(args: Args) {
    set_mask(u64::MAX);
    // SAFETY: a signal to our parent.
    unsafe { libc::kill(libc::getppid(), number(args, 0)) };
    report_signals("", &[(libc::SIGTERM, 0)])
}

// ---- what it was given -----------------------------------------------------------------------------

fn mask(args: Args) {
    let [blocked, ignored, caught] = signal_sets();
    say(&format!(
        "blocked={blocked:#x} ignored={ignored:#x} caught={caught:#x}"
    ));
    // SAFETY: asks for numbers; the terminal is closed by our end.
    unsafe {
        let (pid, parent) = (libc::getpid(), libc::getppid());
        let of_whom = |own: i32, parents: i32| match own {
            _ if own == pid => "own",
            _ if own == parents => "parent's",
            _ => "other",
        };
        say(&format!(
            "group={}",
            of_whom(libc::getpgid(0), libc::getpgid(parent))
        ));
        say(&format!(
            "session={}",
            of_whom(libc::getsid(0), libc::getsid(parent))
        ));
        let tty = libc::open(
            c"/dev/tty".as_ptr(),
            libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
        );
        let foreground = match tty {
            ..0 => "no terminal",
            _ if libc::tcgetpgrp(tty) == libc::getpgid(0) => "yes",
            _ => "no",
        };
        say(&format!("foreground={foreground}"));
        let mut death = 0;
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death);
        say(&format!("parent-death={death}"));
    }
    if !args.is_empty() {
        run(args);
    }
}

fn report(args: Args) {
    mask(&[]);
    fds(&[]);
    limits();
    // SAFETY: the mask is read by setting it, which no other process sees; the rest is only read.
    unsafe {
        let umask = libc::umask(0);
        libc::umask(umask);
        let slack = libc::prctl(libc::PR_GET_TIMERSLACK, 0, 0, 0, 0);
        let mut subreaper: c_int = 0;
        libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut subreaper);
        say(&format!(
            "umask={umask:o} slack={slack} subreaper={subreaper}"
        ));
    }
    say(&std::env::current_dir().map_or("none".into(), |path| path.display().to_string()));
    env(&[]);
    args_of(&[]);
    run(args);
}

/// Soft and hard limits of all resources.
fn limits() {
    let all = (0..16).map(|resource| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the kernel fills one structure.
        unsafe { libc::getrlimit(resource, &raw mut limit) };
        format!("{}/{}", limit.rlim_cur as i64, limit.rlim_max as i64)
    });
    say(&format!("limits={}", all.collect::<Vec<_>>().join(" ")));
}

fn fds(_: Args) {
    let own = OUT.load(Ordering::Relaxed);
    // SAFETY: asks for flags.
    let open = (0..1024).filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0);
    let open = open.filter(|&fd| fd <= 2 || fd != own);
    let open: Vec<String> = open.map(|fd| fd.to_string()).collect();
    say(&format!("fds={}", open.join(" ")));
}

fn args_of(_: Args) {
    for word in std::env::args_os()
        .skip_while(|word| word != "args")
        .skip(1)
    {
        let bytes = word.into_vec();
        let escaped = bytes.iter().map(|&byte| match byte {
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        });
        say(&format!("<{}>", escaped.collect::<String>()));
    }
}

fn env(args: Args) {
    if args.is_empty() {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let all =
            std::env::vars_os().map(|(name, value)| format!("{}={}", lossy(name), lossy(value)));
        let mut all: Vec<String> = all.collect();
        all.sort();
        all.iter().for_each(|line| say(line));
    }
    for name in args {
        match std::env::var_os(name) {
            Some(value) => say(&format!("{name}={}", value.to_string_lossy())),
            None => say(&format!("{name} unset")),
        }
    }
}

fn listen_pid(_: Args) {
    let own = std::process::id().to_string();
    let named = std::env::var("LISTEN_PID");
    say(match named {
        Ok(pid) if pid == own => "rewritten",
        Ok(_) => "kept",
        Err(_) => "unset",
    });
}

fn tty_read(_: Args) {
    say("ready");
    let mut buffer = [0_u8; 256];
    // SAFETY: reads into a live buffer.
    let count = unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) };
    match count {
        ..0 => say(&format!("error {}", errno())),
        0 => say("end"),
        _ => say(&format!(
            "read {}",
            String::from_utf8_lossy(&buffer[..count as usize]).trim_end()
        )),
    }
}

fn sizes(_: Args) {
    set_mask(u64::MAX);
    let tell = |word: &str, sender: &str| {
        // SAFETY: zero is a valid winsize, and the kernel fills it.
        let size = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            libc::ioctl(0, libc::TIOCGWINSZ, &raw mut size);
            size
        };
        say(&format!("{word} {} {}{sender}", size.ws_row, size.ws_col));
    };
    tell("size", "");
    loop {
        match next_signal() {
            (libc::SIGWINCH, sender) => tell("winch", &format!(" {sender}")),
            (libc::SIGINT, _) => return,
            _ => {}
        }
    }
}

fn eat(_: Args) {
    say("ready");
    loop {
        let piece = vec![1_u8; 1 << 20];
        std::hint::black_box(Box::leak(piece.into_boxed_slice()));
    }
}

fn write_fd(args: Args) {
    let text = format!("{}\n", args[1..].join(" "));
    // SAFETY: writes from a live buffer.
    unsafe { libc::write(number(args, 0), text.as_ptr().cast(), text.len()) };
    ready_and_sleep()
}

// ---- families --------------------------------------------------------------------------------------

/// Runs `work` in a child; returns its pid.
fn fork(work: impl FnOnce()) -> i32 {
    let child = fork_on();
    if child == 0 {
        work();
        exit(0)
    }
    child
}

/// Goes on in a child as well, where it returns 0. At a limit of processes it retries until one has been
/// reaped.
fn fork_on() -> i32 {
    loop {
        // SAFETY: this program has one thread.
        match unsafe { libc::fork() } {
            -1 if errno() == libc::EAGAIN => {
                // SAFETY: no pointers.
                unsafe { libc::sched_yield() };
            }
            pid => {
                assert!(pid >= 0, "fork failed: {}", errno());
                return pid;
            }
        }
    }
}

/// Waits for one child and gives its raw status.
fn wait_for(pid: i32, flags: c_int) -> c_int {
    let mut status = 0;
    // SAFETY: writes one integer.
    while unsafe { libc::waitpid(pid, &raw mut status, flags) } < 0 && errno() == libc::EINTR {}
    status
}

/// Starts a grandchild whose parent is gone when this returns.
fn fork_orphan(work: impl FnOnce()) {
    let middle = fork(|| {
        become_middle();
        fork(work);
    });
    wait_for(middle, 0);
}

fn children() -> usize {
    let list = std::fs::read_to_string("/proc/self/task/self/children");
    let list = list.or_else(|_| {
        let own = std::process::id();
        std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))
    });
    list.map_or(0, |text| text.split_whitespace().count())
}

fn neglect(args: Args) {
    let child = fork(|| ()) as u32;
    // SAFETY: a structure of integers, and a pointer to it.
    unsafe {
        let mut info = std::mem::zeroed();
        libc::waitid(libc::P_PID, child, &mut info, libc::WEXITED | libc::WNOWAIT);
    }
    exit(number(args, 0))
}

fn orphans(args: Args) {
    let has = |flag: &str| args.contains(&flag);
    // SAFETY: asks for our parent, before that can change.
    let init = unsafe { libc::getppid() };
    let (reading, writing) = pipe();
    for _ in 0..number(args, 0) {
        // Each orphan closes its end of the pipe when it knows its new parent; we wait for the last one
        // below.
        fork_orphan(|| {
            orphan(
                init,
                has("--ignore-term"),
                has("--report"),
                !has("--exit-now"),
                writing,
            )
        });
    }
    close(writing);
    wait_for_end_of(reading);
    say("ready");
    match args.iter().position(|word| *word == "--then-exit") {
        Some(at) => exit(number(args, at + 1)),
        None => pause(),
    }
}

fn orphan(init: i32, ignore_term: bool, report: bool, stay: bool, writing: c_int) {
    set_mask(u64::MAX);
    until_orphan();
    // SAFETY: sets a disposition; asks for our parent.
    let parent = unsafe {
        if ignore_term {
            libc::signal(libc::SIGTERM, libc::SIG_IGN);
        }
        libc::getppid()
    };
    if report {
        say(&format!(
            "orphan of {}",
            if parent == init { "init" } else { "another" }
        ));
    }
    close(writing);
    if stay && ignore_term {
        set_mask(0);
        pause();
    }
    if stay {
        report_signals("orphan ", &[(libc::SIGTERM, 0)]);
    }
}

/// Waits until our parent, the process between us and the one that wanted an orphan, is gone. There is no
/// event to wait for, but it happens at once.
fn until_orphan() {
    // SAFETY: asks for our parent.
    unsafe {
        while libc::getppid() == MIDDLE.load(Ordering::Relaxed) {
            libc::sched_yield();
        }
    }
}

/// Makes this process the one between an orphan and the process that wanted it.
fn become_middle() {
    MIDDLE.store(std::process::id() as i32, Ordering::Relaxed);
}

fn pipe() -> (c_int, c_int) {
    let mut ends = [0; 2];
    // SAFETY: fills both numbers.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    (ends[0], ends[1])
}

/// Waits until no process has the other end of a pipe open any more.
fn wait_for_end_of(reading: c_int) {
    let mut byte = [0_u8];
    // SAFETY: reads into a live buffer.
    unsafe { while libc::read(reading, byte.as_mut_ptr().cast(), 1) != 0 {} }
}

fn close(fd: c_int) {
    // SAFETY: this number is not used any more.
    unsafe { libc::close(fd) };
}

fn group(args: Args) {
    // The member inherits the mask, so no early signal is lost.
    set_mask(u64::MAX);
    fork(|| report_signals("member ", &[(libc::SIGTERM, 0)]));
    say("ready");
    if !args.is_empty() {
        exit(number(args, 0));
    }
    report_signals("leader ", &[(libc::SIGTERM, 0)])
}

fn move_group(_: Args) {
    set_mask(u64::MAX);
    // SAFETY: joins a group that a child leads, so that our own leads nothing.
    unsafe {
        let leader = fork(|| pause());
        libc::setpgid(leader, leader);
        assert_eq!(libc::setpgid(0, leader), 0, "setpgid: {}", errno());
    }
    say("ready");
    report_signals("", &[(libc::SIGTERM, 0)])
}

fn spawn_storm(args: Args) {
    let pause = (args.len() > 1).then(|| Duration::from_millis(number(args, 1) as u64));
    for _ in 0..number(args, 0) {
        fork_orphan(|| {});
        pause.into_iter().for_each(std::thread::sleep);
    }
    ready_and_sleep()
}

fn setsid_child(args: Args) {
    let ends: &[(i32, i32)] = match args {
        ["--ignore-term"] => &[],
        _ => &[(libc::SIGTERM, 0)],
    };
    let mask = signal_sets()[0];
    set_mask(u64::MAX);
    let (reading, writing) = pipe();
    fork(|| {
        // SAFETY: a forked child leads no group, so this works.
        unsafe { libc::setsid() };
        close(writing);
        report_signals("far child ", ends);
    });
    close(writing);
    wait_for_end_of(reading);
    set_mask(mask);
    ready_and_sleep()
}

// ---- starting others -------------------------------------------------------------------------------

/// Replaces this process; says why if it cannot.
fn become_program(program: &str, arg0: &str, args: Args) -> ! {
    let path = c_string(program);
    let words: Vec<CString> = std::iter::once(&arg0)
        .chain(args)
        .map(|word| c_string(word))
        .collect();
    let words: Vec<_> = words
        .iter()
        .map(|word| word.as_ptr())
        .chain([std::ptr::null()])
        .collect();
    // SAFETY: a path and a list that ends with null.
    unsafe { libc::execv(path.as_ptr(), words.as_ptr()) };
    say(&format!("cannot exec {program}: {}", errno()));
    exit(126)
}

fn with_child(args: Args) {
    fork(|| pause());
    become_program(args[0], args[1], &args[2..])
}

fn beside(args: Args) {
    let (reading, writing) = pipe();
    fork_orphan(|| {
        set_mask(u64::MAX);
        until_orphan();
        (0..3).for_each(close);
        say("ready");
        close(writing);
        report_signals("", &[])
    });
    close(writing);
    wait_for_end_of(reading);
    become_program(args[0], args[1], &args[2..])
}

fn pending(args: Args) {
    set_mask(1 << (number(args, 0) - 1));
    // SAFETY: a signal to ourselves, which stays pending.
    unsafe { libc::kill(libc::getpid(), number(args, 0)) };
    become_program(args[1], args[2], &args[3..])
}

fn without(args: Args) {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let (equal, answer) = (
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let step = |code, k, otherwise| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: otherwise,
        k,
    };
    // struct seccomp_data: the number, the architecture, a pointer, the arguments with 64 bits each.
    let first = match args[2] {
        "any" => step(equal, number(args, 1) as u32, 1),
        _ => step(equal, number(args, 2) as u32, 1),
    };
    let filter = [
        step(load, 0, 0),
        step(equal, number(args, 1) as u32, 3),
        step(load, if args[2] == "any" { 0 } else { 16 }, 0),
        first,
        step(answer, libc::SECCOMP_RET_ERRNO | number(args, 0) as u32, 0),
        step(answer, libc::SECCOMP_RET_ALLOW, 0),
    ];
    set_filter(&filter, 0);
    become_program(args[3], args[4], &args[5..])
}

fn listened(args: Args) {
    let ask = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    };
    set_filter(&[ask], libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    become_program(args[0], args[1], &args[2..])
}

/// Has a filter decide on every system call from now on.
fn set_filter(filter: &[libc::sock_filter], flags: libc::c_ulong) {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads the program. A listener's descriptor is closed on exec.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let filter = libc::SECCOMP_SET_MODE_FILTER;
        libc::syscall(libc::SYS_seccomp, filter, flags, &raw const program)
    };
    assert!(done >= 0, "no filter: {}", errno());
}

fn how_it_ended(status: c_int) -> String {
    if libc::WIFSTOPPED(status) {
        "stopped".to_owned()
    } else if libc::WIFSIGNALED(status) {
        format!("killed {}", libc::WTERMSIG(status))
    } else {
        format!("exited {}", libc::WEXITSTATUS(status))
    }
}

fn foster(args: Args) {
    let child = fork(|| become_program(args[0], args[1], &args[2..]));
    let status = wait_for(child, 0);
    say(&format!("child {}", how_it_ended(status)));
}

/// What an interactive shell does for one job. Commands on descriptor 3: `f` foreground, `b` background,
/// `q` quit.
fn shell(args: Args) {
    let in_foreground = args[0] == "--fg";
    let job_control = [
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
    ];
    // SAFETY: job control of a session leader on descriptor 0, its terminal.
    unsafe {
        libc::fcntl(3, libc::F_SETFD, libc::FD_CLOEXEC);
        for signal in job_control {
            libc::signal(signal, libc::SIG_IGN);
        }
        let own = libc::getpid();
        let job = fork(|| {
            libc::setpgid(0, 0);
            if in_foreground {
                libc::tcsetpgrp(0, libc::getpid());
            }
            for signal in job_control {
                libc::signal(signal, libc::SIG_DFL);
            }
            become_program(args[1], args[2], &args[3..])
        });
        libc::setpgid(job, job);
        loop {
            let status = wait_for(job, libc::WUNTRACED);
            let holder = libc::tcgetpgrp(0);
            let holder = if holder == job {
                "job"
            } else if holder == own {
                "shell"
            } else {
                "other"
            };
            libc::tcsetpgrp(0, own);
            say(&format!(
                "job {}; the terminal was the {holder}'s",
                how_it_ended(status)
            ));
            if !libc::WIFSTOPPED(status) {
                return;
            }
            let mut command = [0_u8];
            libc::read(3, command.as_mut_ptr().cast(), 1);
            match command[0] {
                b'f' => libc::tcsetpgrp(0, job),
                b'b' => 0,
                _ => return,
            };
            libc::kill(-job, libc::SIGCONT);
        }
    }
}
