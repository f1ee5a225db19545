//! What pidlet costs: system calls, wake-ups, memory, processes. Counted, not timed.
//!
//! System calls are counted with strace. Limits that only a release build must keep are asserted only of
//! that; a debug build is measured as well, and its numbers are printed.

mod support;
use support::*;

use std::fmt::Write;
use std::fs::File;
use std::time::Duration;

const KIB: u64 = 1024;
const PAGE: u64 = 4096;

/// How long nothing must happen.
const IDLE: Duration = Duration::from_secs(10);

const MANY: usize = 1000;

// ---- counting system calls ---------------------------------------------------------------------

#[test]
fn a_command_runs_after_at_most_ten_system_calls() {
    let strace = strace_or_skip!();
    let mut over = Vec::new();
    for mode in Mode::BOTH {
        let temp = Temp::new();
        let mut run = traced(&strace, &temp, &["-ff"]);
        if mode == Mode::Pid1 {
            // strace is the first process of its namespace, so pidlet needs one more.
            run = run.args(["unshare", "--pid", "--fork", "--mount-proc"]);
            // SAFETY: asks for our id.
            if unsafe { libc::geteuid() } != 0 {
                run = run.arg("--map-root-user");
            }
        }
        let own = pidlet()
            .to_str()
            .expect("the target directory's name is UTF-8");
        let ended = run.args([own, "--", probe(), "exit", "7"]).output();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
        let traces = traces(&temp);
        let of = |program: &str| {
            let find = |calls: &&Vec<String>| calls.iter().any(|call| is_exec_of(call, program));
            traces.iter().find(find).expect("a trace of each").iter()
        };
        let parent = of(own).skip_while(|call| !is_exec_of(call, own)).skip(1);
        let forks = parent
            .clone()
            .position(|call| is_fork(call))
            .expect("a fork");
        let child = of(probe());
        let execs = child
            .clone()
            .position(|call| is_exec_of(call, probe()))
            .expect("an exec");
        let calls: Vec<&String> = parent
            .take(forks + 1)
            .chain(child.take(execs + 1))
            .collect();
        println!("{mode:?}: {} system calls", calls.len());
        if calls.len() > 10 {
            over.push(format!("{mode:?}: {} calls: {calls:#?}", calls.len()));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[test]
fn each_further_command_costs_the_same_few_system_calls() {
    let strace = strace_or_skip!();
    let count = |commands: usize| {
        let temp = Temp::new();
        let own = pidlet()
            .to_str()
            .expect("the target directory's name is UTF-8");
        let run = traced(&strace, &temp, &[own, "--"]).args(many(commands));
        let init = run.start();
        init.wait_ready(commands);
        drop(init);
        let calls = calls(temp.join("trace"));
        let last = calls
            .iter()
            .rposition(|call| is_fork(call))
            .expect("a fork");
        assert_eq!(calls.iter().filter(|call| is_fork(call)).count(), commands);
        last + 1
    };
    let [few, more, most] = [20, 40, 60].map(count);
    println!("20, 40, 60 commands: {few}, {more}, {most} system calls");
    assert_eq!(most - more, more - few);
    assert!(more - few <= 20 * 6, "{} for twenty commands", more - few);
}

#[test]
fn a_billion_descriptors_cost_no_system_call_more() {
    let strace = strace_or_skip!();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: fills the structure.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    // As many as our hard limit allows; containers have seen a billion.
    let most = limit.rlim_max.min(1_000_000_000);
    assert!(
        most > 1024,
        "a hard limit of {most} descriptors shows nothing"
    );
    // Where close_range(2) is refused descriptors are closed another way, which must not take longer either.
    for refused in [None, Some("inject=close_range:error=ENOSYS")] {
        let count = |limit: u64| {
            let temp = Temp::new();
            let mut run = traced(&strace, &temp, &[]);
            if let Some(option) = refused {
                run = run.args(["-e", option]);
            }
            let own = pidlet();
            // If the command ended sooner, nothing would have to be closed.
            let script = "until [ /proc/$PPID/cwd -ef / ]; do :; done";
            let run = run.cwd(temp.path()).arg(own);
            let run = run.args(["--", "sh", "-c", script]);
            // A descriptor that must be closed, far up.
            let run = run.fd(File::open("/dev/null").expect("/dev/null"), 190);
            let ended = run.limit(libc::RLIMIT_NOFILE, limit, limit).output();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            let calls = calls(temp.join("trace"));
            let refusals = calls
                .iter()
                .filter(|call| call.ends_with("(INJECTED)"))
                .count();
            assert_eq!(refusals > 0, refused.is_some(), "{calls:#?}");
            // All calls until it waits. What comes then depends on when the command ends.
            let mut settles = false;
            let until = calls.iter().position(|call| {
                settles |= call.starts_with("chdir(");
                settles && call.starts_with("rt_sigtimedwait(")
            });
            calls[..until.expect("it waits")].to_vec()
        };
        let (low, high) = (count(1024), count(most));
        println!("{refused:?}: {} and {} system calls", low.len(), high.len());
        assert_eq!(high.len(), low.len(), "{low:#?}\n{high:#?}");
    }
}

/// As PID 1 pidlet reaps an orphan with one call; otherwise it looks at it first, as it may have to tell the
/// group of a service.
#[test]
fn orphans_at_once_cost_one_system_call_each_or_two() {
    let strace = strace_or_skip!();
    for (mode, each) in [(Mode::Pid1, 1), (Mode::Child, 2)] {
        let temp = Temp::new();
        let init = storm_behind_a_line(mode);
        // Stop pidlet, so that all of them are dead at once.
        init.kill(libc::SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        init.wait_says("ready");
        init.until("all are dead", || init.zombies() == MANY);
        let attached = Attached::to(&init, &strace, &temp);
        init.kill(libc::SIGCONT);
        init.until("all are reaped", || init.zombies() == 0);
        let calls = attached.calls();
        println!(
            "{mode:?}: {} system calls for {MANY} orphans at once",
            calls.len()
        );
        assert!(calls.len() >= MANY, "the trace is not whole: {calls:#?}");
        assert!(calls.len() <= each * MANY + 50, "{} calls", calls.len());
    }
}

/// One call to wait, one or two to reap, and one to look for others.
#[test]
fn orphans_that_come_one_by_one_cost_three_system_calls_each_or_four() {
    let strace = strace_or_skip!();
    for (mode, each) in [(Mode::Pid1, 3), (Mode::Child, 4)] {
        let temp = Temp::new();
        let init = storm_behind_a_line(mode);
        let attached = Attached::to(&init, &strace, &temp);
        init.send("\n");
        init.wait_says("ready");
        init.until("all are reaped", || init.zombies() == 0);
        let calls = attached.calls();
        println!(
            "{mode:?}: {} system calls for {MANY} orphans in a row",
            calls.len()
        );
        assert!(calls.len() >= MANY, "the trace is not whole: {calls:#?}");
        assert!(calls.len() <= each * MANY + 50, "{} calls", calls.len());
    }
}

/// An init whose child leaves orphans behind as soon as it reads a line, and then says so.
fn storm_behind_a_line(mode: Mode) -> Proc {
    let script = "echo waits; read line; exec \"$0\" spawn-storm \"$1\"";
    let run = Run::pidlet().mode(mode).stdin(Input::Pipe);
    let init = run
        .args(["--", "sh", "-c", script, probe(), &MANY.to_string()])
        .start();
    init.wait_says("waits");
    init.wait_settled();
    init
}

#[test]
fn nothing_is_allocated_after_the_first_start() {
    // A debug build asserts it itself, and says so.
    for (mode, script) in Mode::BOTH
        .into_iter()
        .flat_map(|mode| STOPS.map(|stop| (mode, stop)))
    {
        let (options, third, signals, code) = script;
        let signal = [probe(), "signals", "--exit-on", "15=0"];
        let mut words: Vec<&str> = options.to_vec();
        words.extend(["-vv", "--"]);
        words.extend(signal.iter().chain(&["---"]).chain(&signal).chain(&["---"]));
        // A command that ends the container by itself waits until the others are ready.
        let third = format!("read x; {third}");
        words.extend(["sh", "-c", &third, probe()]);
        let run = Run::pidlet().mode(mode).stdin(Input::Pipe);
        let init = run.args(words).start();
        init.wait_ready(2);
        init.send("\n");
        init.wait_ready(3);
        signals
            .iter()
            .for_each(|&signal| assert!(init.kill(signal)));
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(code), "{script:?}: {ended}");
        assert!(
            !ended.stderr.contains("internal error"),
            "{script:?}: {ended}"
        );
    }
}

/// Options, what the third command does, the signals that are sent, the container's code.
type Stop = (&'static [&'static str], &'static str, &'static [i32], i32);

const STOPS: [Stop; 5] = [
    (&[], "exec \"$0\" orphans 9 --then-exit 3", &[], 3),
    (
        &[],
        "exec \"$0\" signals --exit-on 15=4",
        &[libc::SIGUSR1, libc::SIGTERM],
        4,
    ),
    (
        &["--grace", "100ms"],
        "exec \"$0\" ignore 15",
        &[libc::SIGTERM],
        137,
    ),
    (
        &["--grace", "1h"],
        "exec \"$0\" ignore 15",
        &[libc::SIGTERM, libc::SIGINT],
        137,
    ),
    (
        &["--grace", "100ms"],
        "exec \"$0\" orphans 9 --ignore-term --then-exit 5",
        &[],
        5,
    ),
];

#[test]
fn no_memory_is_asked_of_the_kernel_after_the_first_start() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let own = pidlet()
        .to_str()
        .expect("the target directory's name is UTF-8");
    let commands = many(50);
    let run = traced(&strace, &temp, &[own, "-q", "--"]).args(commands);
    let orphans = ["---", probe(), "orphans", "9", "--then-exit", "3"];
    let ended = run.args(orphans).output();
    assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    let calls = calls(temp.join("trace"));
    let first = calls.iter().position(|call| is_fork(call)).expect("a fork");
    assert!(
        calls.len() > first + 100,
        "the trace is not whole: {calls:#?}"
    );
    let memory = ["mmap", "mmap2", "brk", "mremap"].map(|name| format!("{name}("));
    let asked = |call: &&String| memory.iter().any(|name| call.starts_with(name));
    let asked: Vec<&String> = calls[first..].iter().filter(asked).collect();
    assert!(asked.is_empty(), "{asked:#?}");
}

/// What the kernel itself does then depends on how the machine is set up: with `fs.suid_dumpable = 2` and
/// before Linux 5.16 any process of the user that a child has become could end us, by a signal that dumps
/// core.
#[test]
fn memory_shared_with_a_child_is_closed_as_soon_as_its_user_changes() {
    let strace = strace_or_skip!();
    if !is_root() {
        skip!("only root may change users");
    }
    let (temp, plan) = (Temp::new(), Temp::new());
    let plan = plan.write("plan", "[a]\nuser = 1000:1000\nrun = /bin/true\n", 0o644);
    let own = pidlet()
        .to_str()
        .expect("the target directory's name is UTF-8");
    let run = traced(&strace, &temp, &["-ff", own, "-c", &plan]);
    let ended = run.output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let traces = traces(&temp);
    let mut behind = traces.iter().flat_map(|calls| {
        let becomes = |call: &&String| call.starts_with("setresuid") && call.ends_with("= 0");
        calls.iter().skip_while(move |call| !becomes(call)).skip(1)
    });
    let next = behind.next().map_or("", String::as_str);
    assert!(next.starts_with("prctl(PR_SET_DUMPABLE, "), "{traces:#?}");
    assert!(next.contains("DISABLE"), "{next}");
}

// ---- many commands -----------------------------------------------------------------------------

/// The words of `count` commands that exit with 0 on TERM.
fn many(count: usize) -> Vec<&'static str> {
    let one: &[&str] = &[probe(), "signals", "--exit-on", "15=0"];
    vec![one; count].join(&"---")
}

#[test]
fn a_thousand_commands_need_no_further_process_and_256_bytes_each() {
    let temp = Temp::new();
    // One word each: what the kernel copies to the stack does not count as ours.
    let [good, seven, nine] = ["15=0", "15=7", "15=9"].map(|end| {
        let script = format!("#!/bin/sh\nexec {} signals --exit-on {end}\n", probe());
        temp.write(end, script, 0o755)
    });
    let mut commands = vec![&good[..]; MANY];
    // The first one in the list that fails gives the code.
    commands[399] = &seven;
    commands[699] = &nine;
    let words = commands.join("\n---\n");
    let words: Vec<&str> = words.lines().collect();
    for mode in Mode::BOTH {
        let init = idle(Run::pidlet().mode(mode).arg("--").args(&words));
        init.wait_ready(MANY);
        init.until("it sleeps", || {
            init.info().is_some_and(|info| info.state == 'S')
        });
        let others = init.others();
        assert_eq!(others.len(), MANY, "{mode:?}: {:#?}", others.last());
        assert!(
            others
                .iter()
                .all(|other| other.ppid == init.pid() && !other.is_zombie())
        );
        let (all, kernels) = (Memory::of(&init), kernels_stack(&init));
        let own = all.resident - kernels;
        println!("{mode:?}: {own} bytes resident for {MANY} commands, beside {kernels} of words");
        if is_release() {
            let budget = 64 * KIB + 256 * MANY as u64;
            assert!(own <= budget, "{own} over {budget} bytes\n{}", all.text);
        }
        init.kill(libc::SIGTERM);
        assert_eq!(
            init.wait_exit(),
            Exit::Code(7),
            "{mode:?}: {}",
            init.stderr()
        );
        assert!(init.others().is_empty());
    }
}

/// A plan file, to be run in its own directory, with `count` services, none of which ends the container.
fn plan_of(count: usize, in_rows: bool, temp: &Temp) -> String {
    let script = format!("#!/bin/sh\nexec {} signals --exit-on 15=0\n", probe());
    temp.write("s", script, 0o755);
    let mut text = String::from("[pidlet]\nuntil = all\n");
    for n in 0..count {
        writeln!(text, "[s{n}]\nrun = ./s").unwrap();
        // Rows of ten, each service after the one before it.
        if in_rows && n % 10 > 0 {
            writeln!(text, "after = s{}", n - 1).unwrap();
        }
    }
    temp.write("plan", text, 0o644)
}

#[test]
fn a_thousand_services_of_a_file_need_no_further_process_and_little_memory() {
    let temp = Temp::new();
    let file = plan_of(MANY, false, &temp);
    for mode in Mode::BOTH {
        let init = Run::pidlet()
            .mode(mode)
            .cwd(temp.path())
            .args(["-c", &file])
            .start();
        init.wait_ready(MANY);
        init.until("it sleeps", || {
            init.info().is_some_and(|info| info.state == 'S')
        });
        let others = init.others();
        assert_eq!(others.len(), MANY, "{mode:?}: {:#?}", others.last());
        let all = Memory::of(&init);
        println!(
            "{mode:?}: {} bytes resident for {MANY} services",
            all.resident
        );
        if is_release() {
            let budget = 64 * KIB + 256 * MANY as u64;
            assert!(
                all.resident <= budget,
                "{} over {budget} bytes\n{}",
                all.resident,
                all.text
            );
        }
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(0), "{mode:?}");
        assert!(init.others().is_empty());
    }
}

/// Each bracket might begin a section, of which there may be 65 535.
#[test]
fn brackets_in_a_plan_cost_no_memory() {
    let temp = Temp::new();
    let text = format!("# {}\n[a]\nrun = true\n", "[".repeat(1 << 20));
    let plan = temp.write("plan", text, 0o644);
    let run = Run::pidlet().limit(libc::RLIMIT_AS, 32 << 20, 32 << 20);
    let ended = run.args(["-c", &plan]).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
}

#[test]
fn an_event_costs_the_same_with_ten_services_and_with_a_thousand() {
    let strace = strace_or_skip!();
    for mode in Mode::BOTH {
        let count = |services: usize| {
            let temp = Temp::new();
            let file = plan_of(services, true, &temp);
            let init = Run::pidlet()
                .mode(mode)
                .cwd(temp.path())
                .args(["-v", "-c", &file])
                .start();
            init.wait_ready(services);
            init.until("it sleeps", || {
                init.info().is_some_and(|info| info.state == 'S')
            });
            let attached = Attached::to(&init, &strace, &temp);
            let victim = init.others().last().expect("a service").pid;
            // SAFETY: a process of the namespace that is this test's own.
            unsafe { libc::kill(victim, libc::SIGKILL) };
            init.wait_line(ErrOut, |line| line.contains("was killed by signal 9"));
            init.until("it sleeps again", || {
                init.info().is_some_and(|info| info.state == 'S')
            });
            let mut calls = attached.calls();
            // Whether the trace begins with the call that it slept in is a matter of luck.
            calls.retain(|call| !call.starts_with("rt_sigtimedwait("));
            calls
        };
        let (few, many) = (count(10), count(MANY));
        println!("{mode:?}: {} and {} system calls", few.len(), many.len());
        assert_eq!(few.len(), many.len(), "{few:#?}\n{many:#?}");
    }
}

#[test]
fn a_line_of_our_own_costs_one_system_call() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let words = ["-v", "--", probe(), "exit", "3"];
    let run = traced(&strace, &temp, &[]).arg(pidlet()).args(words);
    let ended = run.output();
    assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    let calls = calls(temp.join("trace"));
    let ours = |call: &&String| call.contains("(2, ");
    let ours: Vec<&String> = calls.iter().filter(ours).collect();
    if ours.iter().any(|call| call.contains("EOPNOTSUPP")) {
        skip!("the kernel has no non-blocking write to a pipe");
    }
    // The last one waits for a slow reader.
    assert_eq!(
        ours.len(),
        ended.stderr.lines().count(),
        "{ours:#?}\n{ended}"
    );
}

// ---- memory ------------------------------------------------------------------------------------

/// The memory of a process, in bytes.
struct Memory {
    resident: u64,
    private_dirty: u64,
    /// Each mapping with its share.
    text: String,
}

impl Memory {
    fn of(init: &Proc) -> Memory {
        let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", init.pid()));
        let smaps = smaps.expect("a living child's smaps can be read");
        let mut memory = Memory {
            resident: 0,
            private_dirty: 0,
            text: String::new(),
        };
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let key = words.next().unwrap_or_default();
            let bytes = words
                .next()
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0)
                * KIB;
            match key {
                "Rss:" => memory.resident += bytes,
                "Private_Dirty:" => memory.private_dirty += bytes,
                _ if key.ends_with(':') => continue,
                _ => {}
            }
            let _ = match key {
                "Rss:" | "Private_Dirty:" => write!(memory.text, "  {key} {} K", bytes / KIB),
                _ => write!(memory.text, "\n{line}"),
            };
        }
        memory
    }
}

/// The size of the whole pages of words, variables and pointers that the kernel put on the stack.
fn kernels_stack(init: &Proc) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", init.pid())).expect("its stat");
    let rest = &stat[stat.rfind(')').expect("a name in brackets") + 2..];
    // proc_pid_stat(5): the third field is the first of the rest.
    let field = |number: usize| {
        rest.split(' ')
            .nth(number - 3)
            .and_then(|word| word.parse().ok())
    };
    let (start, end): (u64, u64) = match (field(28), field(51)) {
        (Some(start @ 1..), Some(end @ 1..)) => (start, end),
        _ => panic!("the kernel does not say where the stack is: {stat}"),
    };
    end.next_multiple_of(PAGE) - start.next_multiple_of(PAGE)
}

/// Starts it, and waits until it has nothing left to do.
#[track_caller]
fn idle(run: Run) -> Proc {
    // A page that was never written to the disk counts as dirty, whichever process made it so.
    let file = File::open(pidlet()).expect("the program can be read");
    file.sync_all()
        .expect("the program can be written to the disk");
    let init = run.cwd("/proc").start();
    init.wait_settled();
    init
}

#[test]
fn an_idle_init_with_one_command_is_small() {
    let mut over = Vec::new();
    for mode in Mode::BOTH {
        // The kernel puts the words, the pointers to them and our first frame at random places of the stack,
        // on one page or on three: the luckiest run shows what is ours.
        let runs = (0..9).map(|_| {
            let init = idle(Run::pidlet().mode(mode).args(["--", probe(), "sleep"]));
            init.wait_says("ready");
            Memory::of(&init)
        });
        let least = runs.min_by_key(|memory| memory.private_dirty);
        let Memory {
            resident,
            private_dirty,
            text,
        } = least.expect("nine runs");
        let (resident, private_dirty) = (resident / KIB, private_dirty / KIB);
        println!("{mode:?}: {resident} KiB resident, {private_dirty} KiB private and dirty");
        if is_release() && (resident > 36 || private_dirty > 16) {
            over.push(format!("{mode:?}: {resident} and {private_dirty}{text}"));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// Two pages of it may be lost to address randomisation, which is therefore off here.
#[test]
fn a_stack_of_16_kib_is_enough() {
    let temp = Temp::new();
    let speaks = "act a notify=READY=1 notify=STATUS=here exit=3";
    let plan = format!("[a]\nrun = {} {speaks}\nready = notify\n", probe());
    let plan = temp.write("plan", plan, 0o644);
    // Leftover processes are looked for, and get a signal.
    let leaves = ["--", probe(), "orphans", "9", "--then-exit", "3"];
    // The environment is on the stack.
    let filler = "x".repeat(600);
    let mut over = Vec::new();
    for mode in Mode::BOTH {
        for log in ["inherit", "json"] {
            for words in [&["-c", &plan][..], &leaves] {
                let small = "ulimit -s 16 && exec \"$0\" \"$@\"";
                let run = Run::new("/usr/bin/setarch").args(["-R", "sh", "-c", small]);
                let run = run.mode(mode).arg(pidlet()).args(["-v", "--log", log]);
                let ended = run.args(words).env("FILLER", &filler).output();
                if is_release() && ended.exit != Exit::Code(3) {
                    over.push(format!("{mode:?}, {log}: {ended}"));
                }
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[test]
fn small_files_of_a_plan_take_little_memory() {
    const FILES: usize = 100;
    let temp = Temp::new();
    let directory = temp.join("variables");
    std::fs::create_dir(&directory).unwrap();
    for number in 0..FILES {
        std::fs::write(format!("{directory}/V{number}"), "value").unwrap();
    }
    // Code and constants come back from the file many pages at a time, or not at all, so only pages that were
    // written to count.
    let dirty = |keys: &str| {
        let text = format!("[s]\nrun = {} sleep\n{keys}", probe());
        let plan = temp.write("plan", text, 0o644);
        let init = Run::pidlet().args(["-c", &plan]).start();
        init.wait_says("ready");
        init.until("it sleeps", || {
            init.info().is_some_and(|info| info.state == 'S')
        });
        Memory::of(&init).private_dirty
    };
    let (none, all) = (dirty(""), dirty(&format!("env-dir = {directory}\n")));
    println!("{none} bytes without them, {all} with them");
    assert!(all < none + FILES as u64 * KIB / 2, "{none} and {all}");
}

// ---- doing nothing -----------------------------------------------------------------------------

#[test]
fn less_than_a_second_takes_few_waits() {
    for mode in Mode::BOTH {
        let run = Run::listened().mode(mode);
        let run = run.args(["--grace", "900ms", "--"]);
        let init = run
            .args([probe(), "ignore", "15", "---", probe(), "ignore", "15"])
            .start();
        let Some(listener) = Listener::to(&init, pidlet(), |_| None) else {
            skip!("this kernel lets no process answer another's system calls");
        };
        init.wait_ready(2);
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(137), "{}", init.describe());
        let waits = |call: &&Call| call.number == libc::SYS_rt_sigtimedwait;
        let count = listener.calls().iter().filter(waits).count();
        assert!(count < 50, "{count} waits");
    }
}

/// How often a process was woken up or lost the processor.
fn switches(init: &Proc) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", init.pid())).expect("status");
    let counts = status
        .lines()
        .filter(|line| line.contains("ctxt_switches:"));
    let counts = counts.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
    let counts: Vec<u64> = counts.collect();
    assert_eq!(counts.len(), 2, "{status}");
    counts.iter().sum()
}

/// A container for each way to be idle.
fn idlers(mode: Mode) -> Vec<Proc> {
    let run = |name: &str| Run::pidlet().mode(mode).arg0(name);
    let one = ["--", probe(), "sleep"];
    let mut idlers = vec![
        idle(run("pidlet").args(one)),
        idle(
            run("pidlet")
                .args(["--grace", "5s", "--lame-duck", "1s"])
                .args(one),
        ),
        idle(run("pidlet").args(["--hold", "--", probe(), "sleep", "---", "false"])),
        idle(run("pidlet").arg("--").args(many(3))),
        idle(run("pidlet").tty().args(one)),
        idle(run("tini").args(["-s"]).args(one)),
        idle(run("dumb-init").args(one)),
        idle(run("catatonit").args(one)),
        idle(run("catatonit").args(["-P"])),
    ];
    for init in &idlers[..8] {
        init.until("a command is ready", || init.stdout().contains("ready"));
    }
    let many = idle(run("pidlet").arg("--").args(many(MANY)));
    many.wait_ready(MANY);
    idlers.push(many);
    idlers
}

/// A container whose services are up, as found by every kind of check that is repeated until then.
fn checked(mode: Mode, temp: &Temp) -> Proc {
    const CHECKS: [&str; 6] = [
        "tcp:8080",
        "http://127.0.0.1:8080/",
        "unix:socket",
        "file:socket",
        "exec:test -S socket",
        "fd:3",
    ];
    let script = "import http.server as h, os, socket\n\
        s = socket.socket(socket.AF_UNIX)\ns.bind('socket')\ns.listen()\n\
        h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler).serve_forever()\n";
    temp.write("server", script, 0o644);
    let mut plan = String::from("[pidlet]\nlog = prefix\n[server]\nrun = python3 server\n");
    for (number, check) in CHECKS.iter().enumerate() {
        plan += &format!(
            "[s{number}]\nrun = sh -c '(echo >&3) 2>&-; exec sleep 1000'\nready = {check}\n\
            restart = always\ntries = 5 in 60s\nstderr = file:log\n"
        );
    }
    let plan = temp.write("plan", plan, 0o644);
    let run = Run::pidlet().mode(mode).own_network().cwd(temp.path());
    let init = run.args(["-v", "-c", &plan]).start();
    init.until("all are up", || {
        let lines = init.lines(ErrOut);
        lines.iter().filter(|line| line.contains(" is up ")).count() == CHECKS.len()
    });
    // An answer is read to its end even when the service is up already.
    init.until("it sleeps, and no connection is left", || {
        let connected = init.fds().iter().any(|(_, to)| to.starts_with("socket:"));
        !connected && init.info().is_some_and(|info| info.state == 'S')
    });
    init
}

#[test]
fn an_idle_init_is_never_woken_up() {
    let strace = strace();
    let temp = Temp::new();
    let mut idlers: Vec<Proc> = Mode::BOTH.into_iter().flat_map(idlers).collect();
    let plans = Mode::BOTH.map(|mode| (mode, Temp::new()));
    idlers.extend(plans.iter().map(|(mode, temp)| checked(*mode, temp)));
    // Two more are watched by strace, which itself wakes them up, so they are not among those that are
    // counted.
    let watched = Mode::BOTH.map(|mode| {
        let init = idle(Run::pidlet().mode(mode).args(["--", probe(), "sleep"]));
        init.wait_says("ready");
        init
    });
    let attach = |init| {
        strace
            .as_ref()
            .map(|strace| Attached::to(init, strace, &temp))
    };
    let attached = [attach(&watched[0]), attach(&watched[1])];
    let before: Vec<u64> = idlers.iter().map(switches).collect();
    std::thread::sleep(IDLE);
    for (init, before) in idlers.iter().zip(before) {
        assert_eq!(switches(init) - before, 0, "{}", init.describe());
    }
    for attached in attached.into_iter().flatten() {
        // The call that it sleeps in.
        let calls = attached.calls();
        assert_eq!(calls.len(), 1, "{calls:#?}");
    }
    if strace.is_none() {
        skip!("strace is missing or may not trace; no context switch was seen");
    }
}
