//! From a `Run` to a process: the only place that forks.
//!
//! Beside every program runs a *keeper*, which ends the whole namespace when the test lets go of the
//! lifeline, whether because it is over or because it was killed. For `Mode::Pid1` the keeper watches from
//! outside. For `Mode::Child` it is the first process of the namespace, and a short-lived *stage* enters the
//! namespace and starts the program with `CLONE_PARENT`, which makes it a child of ours. The program waits
//! for a byte from us, so that it can be looked at before it runs. Nothing between fork and exec allocates or
//! takes a lock: another thread may hold one.

use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use super::inspect;
use super::run::{Mode, ProcFs, Run, Session};

/// Our own descriptors start here, clear of the program's numbers.
const HIGH_FD: c_int = 300;

/// The result of a start.
pub struct Started {
    pub pid: i32,
    pub keeper: i32,
    pub lifeline: File,
    /// The program's, not the keeper's. While it is open no other namespace can have the same number.
    pub namespace: File,
}

/// Everything that the program's side needs after the fork, prepared before it.
struct Orders {
    program: CString,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    cwd: CString,
    empty_proc: bool,
    /// `CLONE_NEWNET` for a network namespace of its own, or 0.
    network: c_int,
    new_session: bool,
    terminal: bool,
    moves: Vec<(RawFd, RawFd)>,
    limits: Vec<(c_int, libc::rlimit)>,
    ignored: Vec<c_int>,
    mask: u64,
    go: RawFd,
    report: RawFd,
}

/// Starts `run` with `stdio` (source, target) as descriptors. The error names the step that failed.
pub fn launch(run: &Run, stdio: &[(RawFd, RawFd)], terminal: bool) -> Result<Started, String> {
    let (low_go_end, mut go) = pipe();
    let (mut report, low_report_end) = pipe();
    let (go_end, report_end) = (
        lift(low_go_end.as_raw_fd()),
        lift(low_report_end.as_raw_fd()),
    );
    drop((low_go_end, low_report_end));
    let extra = run.fds.iter().map(|(fd, target)| (fd.as_raw_fd(), *target));
    let moves = stdio.iter().copied().chain(extra);
    let moves: Vec<(OwnedFd, RawFd)> = moves.map(|(fd, target)| (lift(fd), target)).collect();
    let args = std::iter::once(&run.arg0).chain(&run.args);
    let argv: Vec<CString> = args.map(|arg| c_string(arg.as_bytes())).collect();
    let env = run.env.iter();
    let envp: Vec<CString> = env.map(|(name, value)| assignment(name, value)).collect();
    let limits = run.limits.iter();
    let orders = Orders {
        program: c_string(run.program.as_os_str().as_bytes()),
        argv: pointers(&argv),
        envp: pointers(&envp),
        cwd: c_string(run.cwd.as_os_str().as_bytes()),
        empty_proc: run.proc_fs == ProcFs::Empty,
        network: if run.own_network {
            libc::CLONE_NEWNET
        } else {
            0
        },
        new_session: run.session == Session::New || terminal,
        terminal,
        moves: moves
            .iter()
            .map(|(fd, target)| (fd.as_raw_fd(), *target))
            .collect(),
        limits: limits
            .map(|&(what, soft, hard)| (what, limit(soft, hard)))
            .collect(),
        ignored: run.ignored.clone(),
        mask: run
            .blocked
            .iter()
            .fold(0, |mask, &signal| mask | inspect::bit(signal)),
        go: go_end.as_raw_fd(),
        report: report_end.as_raw_fd(),
    };
    let (lifeline_end, lifeline) = pipe();
    let (pid, keeper) = match run.mode {
        Mode::Pid1 => start_first(&orders, &lifeline_end)?,
        Mode::Child => start_beside(&orders, &lifeline_end, &mut report)?,
    };
    drop((go_end, report_end, lifeline_end, moves));
    let namespace = File::open(format!("/proc/{pid}/ns/pid"));
    let sent = go.write_all(b"g");
    let mut failure = Vec::new();
    report
        .read_to_end(&mut failure)
        .expect("cannot read the report");
    let why = match (namespace, sent, failure.as_slice()) {
        (Ok(namespace), Ok(()), []) => {
            return Ok(Started {
                pid,
                keeper,
                lifeline,
                namespace,
            });
        }
        (_, _, [step, a, b, c, d]) => {
            let error = io::Error::from_raw_os_error(i32::from_ne_bytes([*a, *b, *c, *d]));
            format!("{}: {error}", STEPS[usize::from(*step)])
        }
        _ => "the program's side died before exec".to_owned(),
    };
    drop(lifeline);
    reap(pid);
    reap(keeper);
    Err(format!("{}: {why}", run.program.display()))
}

/// `Mode::Pid1`: the program, and its keeper outside.
fn start_first(orders: &Orders, lifeline: &File) -> Result<(i32, i32), String> {
    let new = libc::CLONE_NEWPID | libc::CLONE_NEWNS | orders.network;
    // SAFETY: the child goes on in `program` alone, which never returns.
    let pid = unsafe { clone(new | user_namespace()) };
    match pid {
        0 => program(orders),
        1.. => map_ids(pid)?,
        _ => {
            return Err(format!(
                "no PID, mount and network namespace for us: {}",
                io::Error::last_os_error()
            ));
        }
    }
    // SAFETY: names a child of ours that is not reaped; the descriptor is ours alone.
    let program =
        unsafe { OwnedFd::from_raw_fd(libc::syscall(libc::SYS_pidfd_open, pid, 0) as RawFd) };
    // SAFETY: the child goes on in `keep_from_outside` alone, which never returns.
    let keeper = unsafe { clone(0) };
    if keeper == 0 {
        keep_from_outside(lifeline.as_raw_fd(), program.as_raw_fd());
    }
    assert!(keeper > 0, "cannot fork: {}", io::Error::last_os_error());
    Ok((pid, keeper))
}

/// `Mode::Child`: the keeper as first process, and the program beside it.
fn start_beside(orders: &Orders, lifeline: &File, report: &mut File) -> Result<(i32, i32), String> {
    // SAFETY: the child goes on in `keep_from_inside` alone, which never returns.
    let keeper = unsafe { clone(libc::CLONE_NEWPID | user_namespace()) };
    match keeper {
        0 => keep_from_inside(lifeline.as_raw_fd()),
        1.. => map_ids(keeper)?,
        _ => {
            return Err(format!(
                "no PID namespace for us: {}",
                io::Error::last_os_error()
            ));
        }
    }
    let namespace = |kind: &str| File::open(format!("/proc/{keeper}/ns/{kind}"));
    let (user, pid) = match (namespace("user"), namespace("pid")) {
        (Ok(user), Ok(pid)) => (user, pid),
        (Err(error), _) | (_, Err(error)) => {
            return Err(format!("keeper {keeper} is gone: {error}"));
        }
    };
    // SAFETY: the child goes on in `stage` alone, which never returns.
    let stage_pid = unsafe { clone(0) };
    if stage_pid == 0 {
        let user = (user_namespace() != 0).then_some(user.as_raw_fd());
        stage(orders, user, pid.as_raw_fd());
    }
    assert!(stage_pid > 0, "cannot fork: {}", io::Error::last_os_error());
    let mut number = [0; 4];
    report.read_exact(&mut number).expect("the stage died");
    reap(stage_pid);
    match i32::from_ne_bytes(number) {
        pid @ 1.. => Ok((pid, keeper)),
        errno => Err(format!(
            "cannot enter a PID namespace: {}",
            io::Error::from_raw_os_error(-errno)
        )),
    }
}

/// Root needs no user namespace; other users do.
fn user_namespace() -> c_int {
    // SAFETY: asks for our id.
    if unsafe { libc::geteuid() } == 0 {
        0
    } else {
        libc::CLONE_NEWUSER
    }
}

/// Maps our ids to themselves in the user namespace of `pid`, if that has its own.
fn map_ids(pid: i32) -> Result<(), String> {
    // SAFETY: asks for our ids.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ];
    for (file, map) in maps.iter().filter(|_| user_namespace() != 0) {
        if let Err(error) = std::fs::write(format!("/proc/{pid}/{file}"), map) {
            return Err(format!("no user namespace for us: {file}: {error}"));
        }
    }
    Ok(())
}

/// The first process of a namespace: the kernel reaps for it, and with it everything in the namespace ends.
fn keep_from_inside(lifeline: RawFd) -> ! {
    // SAFETY: plain system calls in a process that runs no other code.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::dup2(lifeline, 0);
        wait_for_the_end(1);
        libc::_exit(0)
    }
}

/// Outside a namespace: kills its first process, and with it everything in the namespace ends.
fn keep_from_outside(lifeline: RawFd, program: RawFd) -> ! {
    // SAFETY: plain system calls in a process that runs no other code. A pidfd never refers to another
    // process.
    unsafe {
        let high = libc::fcntl(program, libc::F_DUPFD, HIGH_FD);
        libc::dup2(lifeline, 0);
        libc::dup2(high, 1);
        wait_for_the_end(2);
        let none = std::ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, 1, libc::SIGKILL, none, 0);
        libc::_exit(0)
    }
}

/// Returns when no process holds the other end of the lifeline, descriptor 0, any more. Closes the
/// descriptors from `first` on: they are copies of the tests' own, and would keep pipes and terminals open.
/// The new session keeps a developer's Ctrl-C from ending the keeper early.
unsafe fn wait_for_the_end(first: RawFd) {
    // SAFETY: plain system calls.
    unsafe {
        libc::setsid();
        close_range(first, c_int::MAX, 0);
        let mut byte = 0_u8;
        while libc::read(0, (&raw mut byte).cast(), 1) != 0 {}
    }
}

/// Enters the keeper's namespaces, starts the program as its sibling, reports the program's pid or minus an
/// errno.
fn stage(orders: &Orders, user: Option<RawFd>, pid_namespace: RawFd) -> ! {
    // SAFETY: plain system calls; the child of `clone` goes on in `program` alone, which never returns.
    unsafe {
        let entered = user.is_none_or(|fd| libc::setns(fd, libc::CLONE_NEWUSER) == 0)
            && libc::setns(pid_namespace, libc::CLONE_NEWPID) == 0;
        let pid = if entered {
            clone(libc::CLONE_PARENT | libc::CLONE_NEWNS | orders.network)
        } else {
            -1
        };
        if pid == 0 {
            program(orders);
        }
        let number = if pid > 0 {
            pid
        } else {
            -*libc::__errno_location()
        };
        libc::write(orders.report, (&raw const number).cast(), 4);
        libc::_exit(0)
    }
}

/// Names of the steps of `program`, for its report.
const STEPS: [&str; 9] = [
    "private mounts",
    "/proc",
    "session",
    "descriptors",
    "terminal",
    "directory",
    "limits",
    "exec",
    "network",
];

/// The program's side: sets up what it is to inherit, and execs.
fn program(orders: &Orders) -> ! {
    // SAFETY: plain system calls on what `Orders` keeps alive: the fork copied it.
    unsafe {
        // These are copies of the tests' descriptors: one is the other end of the pipe that we wait at, and
        // others would keep pipes of other runs open if we waited for ever.
        close_range(3, HIGH_FD - 1, 0);
        let mut byte = 0_u8;
        if libc::read(orders.go, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(125);
        }
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let none = std::ptr::null();
        must(
            orders,
            0,
            libc::mount(c"none".as_ptr(), c"/".as_ptr(), none, private, none.cast()),
        );
        let kind = if orders.empty_proc { c"tmpfs" } else { c"proc" };
        must(
            orders,
            1,
            libc::mount(
                kind.as_ptr(),
                c"/proc".as_ptr(),
                kind.as_ptr(),
                0,
                none.cast(),
            ),
        );
        if orders.network != 0 {
            must(orders, 8, bring_loopback_up());
        }
        must(
            orders,
            2,
            if orders.new_session {
                libc::setsid()
            } else {
                libc::setpgid(0, 0)
            },
        );
        close_range(3, c_int::MAX, CLOSE_RANGE_CLOEXEC);
        for standard in 0..3 {
            libc::close(standard);
        }
        for &(source, target) in &orders.moves {
            must(orders, 3, libc::dup2(source, target));
        }
        if orders.terminal {
            must(orders, 4, libc::ioctl(0, libc::TIOCSCTTY, 0));
        }
        must(orders, 5, libc::chdir(orders.cwd.as_ptr()));
        for (what, limit) in &orders.limits {
            must(orders, 6, libc::setrlimit(*what as _, limit));
        }
        set_signals(&orders.ignored, orders.mask);
        libc::execve(
            orders.program.as_ptr(),
            orders.argv.as_ptr(),
            orders.envp.as_ptr(),
        );
        must(orders, 7, -1);
        libc::_exit(125)
    }
}

/// Makes 127.0.0.1 and ::1 of a new network namespace usable.
unsafe fn bring_loopback_up() -> c_int {
    // SAFETY: zero is a valid request, and the kernel reads and writes no more than one. The descriptor is
    // closed by exec.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as c_char;
        request.ifr_name[1] = b'o' as c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request)
    }
}

/// Reports a failed step and ends.
unsafe fn must(orders: &Orders, step: u8, result: c_int) {
    if result >= 0 {
        return;
    }
    // SAFETY: errno is this thread's own; the descriptor is open.
    unsafe {
        let [a, b, c, d] = (*libc::__errno_location()).to_ne_bytes();
        let report = [step, a, b, c, d];
        libc::write(orders.report, report.as_ptr().cast(), report.len());
        libc::_exit(125);
    }
}

/// Resets every signal but those in `ignored` to its default, and sets the mask. Raw calls, as libc refuses
/// 32 and 33.
unsafe fn set_signals(ignored: &[c_int], mask: u64) {
    for signal in 1..=64 {
        // Handler, flags, restorer and mask as the kernel has them; all zero is the default.
        let mut action = [0_usize; 8];
        if ignored.contains(&signal) {
            action[0] = libc::SIG_IGN;
        }
        let none = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel reads a structure that is smaller than `action`.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, 8) };
    }
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

/// `fork` with flags, without the handlers and locks of libc's own, which must not run here.
unsafe fn clone(flags: c_int) -> c_int {
    let flags = (flags | libc::SIGCHLD) as libc::c_long;
    // SAFETY: no stack and no shared memory: the child is a copy with one thread.
    unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) as c_int }
}

const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// Closes all descriptors from `first` to `last`, or marks them as closed by exec.
unsafe fn close_range(first: c_int, last: c_int, flags: u32) {
    // SAFETY: closing descriptors of a process that runs no other code than ours.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, flags) == 0 {
            return;
        }
        // Kernels before 5.11.
        for fd in first..=last.min(4095) {
            if flags == CLOSE_RANGE_CLOEXEC {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            } else {
                libc::close(fd);
            }
        }
    }
}

/// Waits for a child of ours that ends by itself.
fn reap(pid: i32) {
    // SAFETY: waits for a process that this file started and that no other code waits for.
    unsafe { while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0 && interrupted() {} }
}

fn interrupted() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
}

/// A pipe that no exec inherits: its reading end, then its writing end.
pub fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: the call fills both numbers, which then are ours alone.
    unsafe {
        assert_eq!(
            libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC),
            0,
            "{}",
            io::Error::last_os_error()
        );
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

/// A copy of a descriptor that is out of the way of every target.
fn lift(fd: RawFd) -> OwnedFd {
    // SAFETY: the new descriptor is ours alone.
    unsafe {
        let high = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, HIGH_FD);
        assert!(
            high >= 0,
            "cannot duplicate descriptor {fd}: {}",
            io::Error::last_os_error()
        );
        OwnedFd::from_raw_fd(high)
    }
}

fn limit(soft: u64, hard: u64) -> libc::rlimit {
    libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    }
}

fn c_string(bytes: &[u8]) -> CString {
    CString::new(bytes).expect("arguments hold no NUL")
}

fn assignment(name: &std::ffi::OsStr, value: &std::ffi::OsStr) -> CString {
    c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// What execve takes; `strings` must outlive it.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|one| one.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}
