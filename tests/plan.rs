//! Plans from a file: where and as which users services run, in which order they start and stop, and when
//! they start again. What the file may say at all is tested without processes, in `src/front/conf/tests.rs`.

mod support;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use support::*;

/// A plan file in a directory of its own.
struct Plan {
    directory: Temp,
    file: String,
}

impl Plan {
    fn new(text: &str) -> Plan {
        let directory = Temp::new();
        let text = text.replace("PROBE", probe());
        let text = text.replace("DIR", directory.path().to_str().unwrap());
        let file = directory.write("pidlet.conf", text, 0o644);
        Plan { directory, file }
    }

    fn run(&self, mode: Mode) -> Run {
        Run::pidlet().mode(mode).args(["-c", &self.file])
    }

    /// Stops it once one service is ready, which then has to be killed; returns how it ended.
    #[track_caller]
    fn killed(&self, mode: Mode) -> Ended {
        let init = self.run(mode).start();
        init.wait_ready(1);
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(137), "{ended}");
        ended
    }
}

/// Runs the plan `text` in both modes; returns what it printed and how it ended.
#[track_caller]
fn ends(text: &str, code: i32) -> Vec<Ended> {
    Mode::BOTH
        .into_iter()
        .map(|mode| {
            let ended = Plan::new(text).run(mode).output();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
            ended
        })
        .collect()
}

#[track_caller]
fn last_line_has(ended: &Ended, text: &str) {
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains(text),
        "no {text:?} in the last line of {ended}"
    );
}

#[test]
fn starts_in_order_and_stops_in_reverse() {
    let script = |name: &str, ready: &str| {
        let trap = format!("trap \"echo {name} stops; exit 0\" TERM");
        format!("sh -c '{trap}; echo {name}; {ready}; while :; do sleep 0.01; done'")
    };
    let (app, web) = (script("app", "echo >&3"), script("web", ":"));
    let plan = Plan::new(&format!(
        "[web]\nrun = {web}\nafter = app\n[app]\nrun = {app}\nready = fd:3\nafter = init\n\
        [init]\ntype = oneshot\nrun = sh -c 'sleep 0.1; echo init'\n",
    ));
    for mode in Mode::BOTH {
        let init = plan.run(mode).start();
        init.wait_line(Out, |line| line == "web");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(
            ended.stdout, "init\napp\nweb\nweb stops\napp stops\n",
            "{ended}"
        );
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
}

#[test]
fn a_service_after_a_failed_oneshot_is_not_started() {
    for ended in ends(
        "[m]\ntype = oneshot\nrun = sh -c 'exit 7'\n[w]\nrun = echo no\nafter = m",
        7,
    ) {
        assert_eq!(ended.stdout, "", "{ended}");
        last_line_has(&ended, "m (pid ");
    }
    let text = "[m]\ntype = oneshot\nessential = no\nrun = false\n[w]\nrun = echo no\nafter = m";
    for ended in ends(text, 1) {
        assert_eq!(ended.stdout, "", "{ended}");
        last_line_has(
            &ended,
            "w is not started: m, which it is after, will never be up",
        );
    }
}

#[test]
fn runs_again_until_it_has_failed_too_often() {
    let text = "[a]\nrun = sh -c 'echo run; exit 4'\nrestart = on-failure\nbackoff = 10ms..20ms\n\
        tries = 3 in 60s\nfinish = sh -c 'echo finish $0 $1'";
    for ended in ends(text, 4) {
        assert_eq!(ended.stdout, "run\nfinish 4 0\n".repeat(3), "{ended}");
        assert!(ended.stderr.contains("a was started too often"), "{ended}");
    }
    let text = "[a]\nrun = sh -c 'kill -9 $$'\nfinish = echo";
    for ended in ends(text, 137) {
        assert_eq!(ended.stdout, "256 9\n", "{ended}");
    }
}

#[test]
fn leftovers_of_a_run_are_gone_before_the_next_one() {
    // Each run leaves a process in its group that ignores TERM and holds a lock that the next run needs.
    let text = "[pidlet]\ngrace = 100ms\n[a]\nrestart = always\nbackoff = 1ms\ntries = 3 in 60s\n\
        run = sh -c 'trap \"\" TERM; exec 9>DIR/lock; flock -w 20 9 || exit 7; echo run; \
        sleep 1000 & kill -9 $$'";
    for ended in ends(text, 137) {
        assert_eq!(ended.stdout, "run\nrun\nrun\n", "{ended}");
    }
}

#[test]
fn a_process_that_has_reused_the_pid_of_a_service_is_told_to_stop() {
    if !can_choose_pids() {
        skip!("only root may choose the number of a process");
    }
    // What the first service left in its group was told to stop when that ended. Its number has been used
    // again since, and an unrelated process leads a group of that number, which must still be told. Other
    // processes may fork at the same moment, hence the loop.
    let text = "[pidlet]\ngrace = 20s\n[first]\ntype = oneshot\nrestart = on-failure\n\
        run = sh -c 'echo $$ >DIR/number'\n[a]\nafter = first\n\
        run = sh -c 'read number <DIR/number; until [ \"$!\" = $number ]; do \
        echo $((number - 1)) >/proc/sys/kernel/ns_last_pid; \
        [ -z \"$!\" ] || kill -9 $!; setsid PROBE --to DIR/said signals --exit-on 15=0 & done; \
        until [ -s DIR/said ]; do sleep 0.01; done'";
    for mode in Mode::BOTH {
        let plan = Plan::new(text);
        let ended = plan.run(mode).output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        let said = lines_of(plan.directory.join("said"));
        assert!(
            said.iter().any(|line| line.starts_with("got 15 ")),
            "{said:?}"
        );
    }
}

#[test]
fn the_reason_of_a_restart_is_reported_at_once_and_once() {
    for (keys, code, why) in [
        ("run = sh -c 'exit 4'", 4, "exited with code 4 after "),
        ("run = true", 0, "exited with code 0 after "),
        (
            "run = sh -c 'kill -11 $$'",
            139,
            "was killed by signal 11 (SEGV) after ",
        ),
        (
            "run = /nosuch",
            127,
            "cannot run \"/nosuch\": No such file or directory;",
        ),
        (
            "run = sleep 1000\nready = tcp:1\nready-timeout = 20ms",
            143,
            "was not ready within 20ms: stopped (ready \"tcp:1\": ",
        ),
    ] {
        let restart = "restart = always\nbackoff = 1ms\ntries = 2 in 60s";
        for ended in ends(&format!("[a]\n{keys}\n{restart}"), code) {
            let mut lines = ended.stderr.lines();
            let again = lines.find(|line| line.ends_with("; starts again in 1ms"));
            assert!(again.is_some_and(|line| line.contains(why)), "{ended}");
        }
    }
}

#[test]
fn why_a_service_cannot_be_started_is_said_where_it_was_stopped_for_a_fault_before() {
    let plan = Plan::new(
        "[a]\nrun = DIR/program\nessential = no\nhealth = file:DIR/program\nhealth-every = 10ms\n\
        health-tries = 1\nrestart = on-failure\nbackoff = 1ms\ntries = 2 in 60s\n[b]\nrun = sleep 1000",
    );
    for mode in Mode::BOTH {
        let program = "#!/bin/sh\nrm $0\nexec sleep 1000\n";
        plan.directory.write("program", program, 0o755);
        let init = plan.run(mode).start();
        init.wait_line(ErrOut, |line| {
            line.starts_with("pidlet: a: cannot run") && line.ends_with("No such file or directory")
        });
        init.kill(libc::SIGTERM);
        init.finish();
    }
}

#[test]
fn each_part_is_set_up_as_its_section_says() {
    let text = "[a]\ntype = oneshot\ndir = /tmp\numask = 027\nnice = 19\nnofile = 50:60\ncore = 0\n\
        no-new-privs = yes\nclear-env = yes\nenv = A=1 'B=x y'\n\
        run = /bin/sh -c 'pwd; umask; /usr/bin/nice; ulimit -n; ulimit -Hn; /usr/bin/env; \
        /bin/grep NoNewPrivs /proc/self/status; exec PROBE fds'";
    for ended in ends(text, 0) {
        let mut lines: Vec<&str> = ended.stdout.lines().collect();
        lines.retain(|line| {
            !["PWD", "_=", "SHLVL"]
                .iter()
                .any(|name| line.starts_with(name))
        });
        let expected = [
            "/tmp",
            "0027",
            "19",
            "50",
            "60",
            "A=1",
            "B=x y",
            "NoNewPrivs:\t1",
            "fds=0 1 2",
        ];
        assert_eq!(lines, expected, "{ended}");
    }
    // Where the key says no, the flag is as it was.
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = ours.lines().find(|line| line.starts_with("NoNewPrivs"));
    let text = "[a]\nno-new-privs = no\nrun = grep NoNewPrivs /proc/self/status";
    for ended in ends(text, 0) {
        assert_eq!(ended.stdout.lines().next(), ours, "{ended}");
    }
}

#[test]
fn a_services_limit_of_descriptors_does_not_hinder_its_set_up() {
    let text = "[a]\ntype = oneshot\nnofile = 5\noom-score-adj = 1000\nstdout = file:DIR/log\n\
        run = sh -c 'ulimit -n; cat /proc/self/oom_score_adj'";
    for mode in Mode::BOTH {
        let plan = Plan::new(text);
        let ended = plan.run(mode).output();
        let log = plan.directory.join("log");
        assert_eq!(lines_of(log), ["5", "1000"], "{ended}");
    }
}

#[test]
fn every_limit_is_the_one_in_the_plan() {
    // Key and value, then the name that `/proc/PID/limits` has for it and the values that it must show.
    const LIMITS: [(&str, &str, &str, &str); 13] = [
        ("cpu", "600:700", "Max cpu time", "600 700"),
        ("fsize", "1G", "Max file size", "1073741824 1073741824"),
        ("data", "2G", "Max data size", "2147483648 2147483648"),
        ("stack", "4M", "Max stack size", "4194304 4194304"),
        ("core", "0", "Max core file size", "0 0"),
        ("rss", "1G:2G", "Max resident set", "1073741824 2147483648"),
        ("nproc", "1000", "Max processes", "1000 1000"),
        ("nofile", "50:60", "Max open files", "50 60"),
        ("memlock", "32K", "Max locked memory", "32768 32768"),
        ("as", "4G", "Max address space", "4294967296 4294967296"),
        ("locks", "10", "Max file locks", "10 10"),
        ("sigpending", "11", "Max pending signals", "11 11"),
        ("msgqueue", "12", "Max msgqueue size", "12 12"),
    ];
    let mut text = String::from("[a]\nrun = cat /proc/self/limits\n");
    for (key, said, ..) in LIMITS {
        text += &format!("{key} = {said}\n");
    }
    for ended in ends(&text, 0) {
        for (key, _, name, expected) in LIMITS {
            let line = ended
                .stdout
                .lines()
                .find_map(|line| line.strip_prefix(name));
            let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
            assert_eq!(words[..2].join(" "), expected, "{key}: {ended}");
        }
    }
}

#[test]
fn oom_score_adj_is_set_before_the_user() {
    let user = if is_root() { "user = daemon\n" } else { "" };
    let text =
        format!("[a]\nrun = cat /proc/self/oom_score_adj\noom-score-adj = 321\nnice = 7\n{user}");
    for ended in ends(&text, 0) {
        assert_eq!(ended.stdout, "321\n", "{ended}");
    }
}

#[test]
fn variables_come_from_files_and_directories_in_the_order_of_the_file() {
    let text = "[a]\nrun = env -0\nclear-env = yes\nenv = A=1 B=1 PATH=/usr/bin:/bin\nenv-file = DIR/vars\n\
        env-dir = DIR/vars.d\nenv = C=4\n";
    let plan = Plan::new(text);
    let directory = &plan.directory;
    directory.write("vars", "# B=0\nB=\"2 $A\"  \nC=2\nD=2\nOURS\nNONE\n", 0o644);
    std::fs::create_dir(directory.join("vars.d")).unwrap();
    for (name, value) in [("C", "3\n"), ("D", ""), ("E", "3\0\t4 \nmore"), (".F", "3")] {
        directory.write(&format!("vars.d/{name}"), value, 0o644);
    }
    std::fs::create_dir(directory.join("vars.d/G")).unwrap();
    let expected = "A=1\0PATH=/usr/bin:/bin\0B=\"2 $A\"  \0OURS=5\0E=3\n\t4\0C=4\0";
    for mode in Mode::BOTH {
        let ended = plan.run(mode).env("OURS", "5").output();
        assert_eq!(ended.stdout, expected, "{ended}");
    }
    // There is room for any number of variables.
    let many: Vec<String> = (0..20).map(|number| format!("V{number}=x")).collect();
    for ended in ends(&format!("[a]\nrun = env\nenv = {}", many.join(" ")), 0) {
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(
            lines.ends_with(&many.iter().map(String::as_str).collect::<Vec<_>>()),
            "{ended}"
        );
    }
    // The plan that is printed has the variables themselves, and no longer says which file they came from.
    let ended = plan
        .run(Mode::Child)
        .env("OURS", "5")
        .arg("--dry-run")
        .output();
    assert!(
        ended
            .stdout
            .contains("\nenv = 'B=\"2 $A\"  ' C=2 D=2 OURS=5\n"),
        "{ended}"
    );
    // Where there is no file, an empty one can be named.
    let text =
        "[a]\nrun = env -0\nclear-env = yes\nenv = PATH=/usr/bin:/bin\nenv-file = /dev/null\n";
    for ended in ends(text, 0) {
        assert_eq!(ended.stdout, "PATH=/usr/bin:/bin\0", "{ended}");
    }
    // The service's own PATH says where its program is looked for.
    directory.write("tool", "#!/bin/sh\nexit 7\n", 0o755);
    let text = format!("[a]\nrun = tool\nenv = PATH={}\n", directory.join(""));
    ends(&text, 7);
    // A name with white space is refused in a file, too.
    directory.write("vars", "A=1\nexport B=2\n", 0o644);
    let ended = plan.run(Mode::Child).output();
    assert_eq!((ended.exit, &*ended.stdout), (Exit::Code(1), ""), "{ended}");
    last_line_has(
        &ended,
        ":5: [a] env-file: \"export B=2\": neither NAME nor NAME=VALUE",
    );
}

#[test]
fn kill_decides_whether_the_whole_group_is_told() {
    let child = "(trap 'echo child; exit' TERM; echo >&3; while :; do sleep 0.01; done) &";
    for (option, said, told) in [
        ("no", "", false),
        ("no", "kill = group", true),
        ("yes", "", true),
        ("yes", "kill = process", false),
    ] {
        let plan = Plan::new(&format!(
            "[pidlet]\ngroup = {option}\ngrace = 20s\n\
            [a]\nrun = DIR/a\nready = fd:3\nstop-timeout = 10s\n{said}\n\
            [b]\nrun = sh -c 'echo b; exec sleep 1000'\nafter = a\n"
        ));
        // The shell is told to stop, its child only as a member of the group. The shell waits for the child,
        // or gives it time to say what it must not say.
        let then = if told {
            "wait $!"
        } else {
            "sleep 0.3; kill -9 $!"
        };
        let script =
            format!("#!/bin/sh\ntrap 'echo parent; {then}; exit 0' TERM\n{child}\nwait\nwait\n");
        plan.directory.write("a", script, 0o755);
        for mode in Mode::BOTH {
            let init = plan.run(mode).start();
            init.wait_says("b");
            init.kill(libc::SIGTERM);
            let ended = init.finish();
            let lines: Vec<&str> = ended.stdout.lines().collect();
            assert!(lines.contains(&"parent"), "{ended}");
            assert_eq!(lines.contains(&"child"), told, "{option} {said}: {ended}");
        }
    }
}

#[test]
fn a_service_that_has_left_its_group_is_told_besides_the_group() {
    let text = "[pidlet]\ngrace = 2s\ngroup = yes\n[a]\nstop-timeout = 1s\n\
        run = PROBE act a on=15:exit:3:0 fork=child-heeds move out=1 wait\n";
    let plan = Plan::new(text);
    for mode in Mode::BOTH {
        let init = plan.run(mode).start();
        init.wait_line(Out, |line| line.ends_with("a wrote 1 1"));
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert!(ended.stdout.contains(" a/1 got 15 from "), "{ended}");
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    }
}

#[test]
fn instances_have_their_numbers_and_disabled_ones_do_not_run() {
    let text = "[pidlet]\nuntil = all\nlog = prefix\n\
        [last]\nrun = echo last\n\
        [w]\nrun = sh -c 'echo $0 $N; cat' \"%i of %%\"\nenv = N=n%i\ninstances = 3\n\
        stdin = file:DIR/in%i\ntype = oneshot\nbefore = last\n[off]\nrun = echo off\ndisabled = yes\n";
    let plan = Plan::new(text);
    for number in 1..=3 {
        let content = format!("in {number}\n");
        plan.directory.write(&format!("in{number}"), content, 0o644);
    }
    for mode in Mode::BOTH {
        let ended = plan.run(mode).output();
        let mut lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.pop(), Some("last | last"), "{ended}");
        lines.sort_unstable();
        let expected = [
            "w | 1 of % n1",
            "w | in 1",
            "w-2 | 2 of % n2",
            "w-2 | in 2",
            "w-3 | 3 of % n3",
            "w-3 | in 3",
        ];
        assert_eq!(lines, expected, "{ended}");
    }
}

#[test]
fn with_one_capability_an_ordinary_user_binds_port_80() {
    if !is_root() {
        skip!("only root may change users");
    }
    let bind = "python3 -c 'import os, socket; socket.create_server((\"127.0.0.1\", 80)); \
        print(os.getuid())'";
    for (said, code, printed) in [
        ("caps = net_bind_service", 0, "1\n"),
        ("caps = net_bind_service\nno-new-privs = yes", 0, "1\n"),
        ("caps = chown", 1, ""),
    ] {
        let plan = Plan::new(&format!("[a]\nrun = {bind}\nuser = daemon\n{said}\n"));
        for mode in Mode::BOTH {
            // Since Linux 4.11 a network namespace may open its low ports to every user.
            let script = "echo 1024 > /proc/sys/net/ipv4/ip_unprivileged_port_start; exec \"$@\"";
            let run = Run::new("/bin/sh").mode(mode).own_network();
            let run = run.args(["-c", script, "sh", pidlet().to_str().unwrap(), "-c"]);
            let ended = run.arg(&plan.file).output();
            assert_eq!(ended.exit, Exit::Code(code), "{said}: {ended}");
            assert_eq!(ended.stdout, printed, "{said}: {ended}");
        }
    }
}

/// As a container's program under `--cap-drop all --user 12345`.
fn without_capabilities(plan: &Plan, mode: Mode) -> Ended {
    let run = Run::new("/usr/bin/setpriv").mode(mode);
    let run = run.args(["--reuid", "12345", "--regid", "12345", "--clear-groups"]);
    let run = run.args(["--bounding-set=-all", "--inh-caps=-all", "--"]);
    let run = run.args([pidlet().to_str().unwrap(), "-c", &plan.file]);
    run.output()
}

#[test]
fn caps_none_needs_no_privilege_where_there_are_no_capabilities() {
    if !is_root() {
        skip!("only root may become a user without privileges");
    }
    let plan = Plan::new("[a]\nrun = grep -c ^Cap.*:.0*$ /proc/self/status\ncaps = none\n");
    for mode in Mode::BOTH {
        let ended = without_capabilities(&plan, mode);
        assert_eq!(ended.stdout, "5\n", "{ended}");
    }
}

/// The kernel closes even that file to the process that it is about, if it may not be looked at.
#[test]
fn oom_score_adj_can_still_be_set_after_caps_none_where_there_are_no_capabilities() {
    if !is_root() {
        skip!("only root may become a user without privileges");
    }
    let plan = Plan::new(
        "[a]\nrun = sh -c 'cat /proc/self/oom_score_adj; exit 1'\noom-score-adj = 500\n\
         caps = none\nrestart = on-failure\nbackoff = 1ms..1ms\ntries = 2 in 60s\n",
    );
    for mode in Mode::BOTH {
        let ended = without_capabilities(&plan, mode);
        assert_eq!(ended.stdout, "500\n500\n", "{ended}");
        assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    }
}

/// Whether a capability is in our bounding set.
fn may_have(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("we run");
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:\t"));
    let set = u64::from_str_radix(set.expect("every kernel has this line"), 16);
    set.expect("a number") >> number & 1 != 0
}

#[test]
fn services_run_as_their_users() {
    if !is_root() {
        skip!("only root may change users");
    }
    let status = "run = sh -c 'id -u; id -g; id -G; echo $HOME $USER; \
        grep -E \"^Cap(Prm|Eff|Bnd|Amb)\" /proc/self/status'";
    for (said, expected) in [
        ("user = daemon", vec!["1", "1", "1", "/usr/sbin daemon"]),
        (
            "user = daemon:games",
            vec!["1", "60", "60", "/usr/sbin daemon"],
        ),
        ("user = 12345", vec!["12345", "12345", "12345"]),
        (
            "user = 12345:54321\ngroups = games 7",
            vec!["12345", "54321", "54321 7 60"],
        ),
        (
            "user = daemon\nenv = HOME=/h",
            vec!["1", "1", "1", "/h daemon"],
        ),
    ] {
        for ended in ends(&format!("[a]\n{said}\n{status}"), 0) {
            let lines: Vec<&str> = ended.stdout.lines().take(expected.len()).collect();
            assert_eq!(lines, expected, "{said}: {ended}");
            assert!(
                ended.stdout.contains("CapEff:\t0000000000000000"),
                "{ended}"
            );
        }
    }
    // A service with a user does not get the groups that we have ourselves, however the user is named.
    for (said, groups) in [
        ("user = daemon", "1\n"),
        ("user = 12345", "12345\n"),
        ("user = 12345\ngroups = 7", "12345 7\n"),
        ("", "0 4 24\n"),
    ] {
        let plan = Plan::new(&format!("[a]\nrun = id -G\n{said}"));
        let run = Run::new("/usr/bin/setpriv").args(["--groups", "4,24"]);
        let ended = run.arg(pidlet()).args(["-c", &plan.file]).output();
        assert_eq!(ended.stdout, groups, "{said}: {ended}");
    }
    // Adds a capability in the second word of the sets, if we have it.
    let (more, more_bit) = if may_have(34) {
        ("syslog", 1_u64 << 34)
    } else {
        ("", 0)
    };
    let text = format!("[a]\nuser = daemon\ncaps = net_bind_service chown {more}\n{status}");
    for ended in ends(&text, 0) {
        for set in ["Prm", "Eff", "Bnd", "Amb"] {
            let line = format!("Cap{set}:\t{:016x}", more_bit | 0x401);
            assert!(ended.stdout.contains(&line), "{ended}");
        }
    }
    for ended in ends(&format!("[a]\nuser = root\ncaps = none\n{status}"), 0) {
        assert!(
            ended.stdout.contains("CapEff:\t0000000000000000"),
            "{ended}"
        );
    }
}

#[test]
fn a_service_that_changes_its_user_keeps_no_capabilities() {
    if !is_root() {
        skip!("only root may change users");
    }
    // A user other than root, but with capabilities: the kernel drops none of them by itself.
    let both = "+setuid,+setgid";
    let born = ["--reuid", "1000", "--regid", "1000", "--clear-groups"];
    for (user, caps) in [("1000", "00000000000000c0"), ("1001", "0000000000000000")] {
        let sets = "grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status";
        let plan = Plan::new(&format!("[a]\nuser = {user}\nrun = {sets}"));
        let run = Run::new("/usr/bin/setpriv").args(born);
        let run = run.args(["--inh-caps", both, "--ambient-caps", both]);
        let ended = run.arg(pidlet()).args(["-c", &plan.file]).output();
        let expected = ["Prm", "Eff", "Amb"].map(|set| format!("Cap{set}:\t{caps}\n"));
        assert_eq!(ended.stdout, expected.concat(), "{user}: {ended}");
    }
}

#[test]
fn memory_shared_with_a_less_privileged_child_cannot_be_looked_at() {
    if !is_root() {
        skip!("only root may change users");
    }
    // As in a container, where root may not look at every process (no SYS_PTRACE). The memory that PID 1
    // shares with a child for a moment is closed for ever, since it is not known when the moment is over.
    let look = "run = readlink -v /proc/1/exe\n";
    for (said, seen) in [
        ("nice = 1", true),
        ("user = daemon", false),
        ("caps = chown", false),
    ] {
        let text = format!(
            "[a]\ntype = oneshot\n{said}\nrun = true\n[b]\ntype = oneshot\nafter = a\n{look}"
        );
        let plan = Plan::new(&text);
        let run = Run::new("/usr/bin/setpriv").args(["--bounding-set", "-sys_ptrace"]);
        let ended = run.arg(pidlet()).args(["-c", &plan.file]).output();
        assert_eq!(!ended.stdout.is_empty(), seen, "{said}: {ended}");
        assert!(
            seen || ended.stderr.contains("Permission denied"),
            "{said}: {ended}"
        );
    }
}

#[test]
fn a_service_that_cannot_be_set_up_is_not_run() {
    for (said, reason) in [
        ("dir = /none", "a: dir \"/none\": No such file or directory"),
        (
            "dir = /etc/passwd",
            "a: dir \"/etc/passwd\": Not a directory",
        ),
        (
            "stdin = file:/none",
            "a: stdin \"file:/none\": No such file or directory",
        ),
    ] {
        for ended in ends(&format!("[a]\nrun = echo no\n{said}"), 125) {
            assert_eq!(ended.stdout, "", "{ended}");
            last_line_has(&ended, reason);
        }
    }
    if is_root() {
        // Where pidlet may not change the user, the service does not run as another one.
        let text = "[outer]\nuser = daemon\nrun = PIDLET -c DIR/inner";
        let plan = Plan::new(&text.replace("PIDLET", pidlet().to_str().unwrap()));
        plan.directory
            .write("inner", "[a]\nuser = games\nrun = echo no", 0o644);
        std::os::unix::fs::chown(plan.directory.path(), Some(1), Some(1)).unwrap();
        let ended = plan.run(Mode::Pid1).output();
        assert_eq!(
            (ended.exit, &*ended.stdout),
            (Exit::Code(125), ""),
            "{ended}"
        );
        assert!(ended.stderr.contains("Operation not permitted"), "{ended}");
        // Nor does root's privilege let a service into a directory that is closed to its user.
        let plan = Plan::new("[a]\nuser = daemon\ndir = DIR/closed\nrun = echo no\n");
        let closed = plan.directory.join("closed");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(closed)
            .unwrap();
        let ended = plan.run(Mode::Pid1).output();
        assert_eq!(ended.exit, Exit::Code(125), "{ended}");
        last_line_has(&ended, "closed\": Permission denied");
    }
}

#[test]
fn a_program_that_cannot_be_loaded_does_not_hold_up_the_rest_for_ever() {
    // The most that the containers may take to end; the kernel must not break the lease in that time.
    let wait = std::time::Duration::from_secs(35);
    let patience = std::fs::read_to_string("/proc/sys/fs/lease-break-time").unwrap_or_default();
    if patience.trim().parse().unwrap_or(0) < wait.as_secs() + 10 {
        skip!("the kernel takes a lease away after {patience:?} seconds");
    }
    // An execve waits for the process that has a lease on the file.
    let text = "[a]\nrun = DIR/a\nready = notify\n[b]\nrun = DIR/b\nafter = a\n";
    let script = "#!/usr/bin/python3
import fcntl, os, signal, socket, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(sys.path[0] + '/b', os.O_WRONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b'READY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:])
signal.sigwait([signal.SIGIO])
print('asked', flush=True)
while True: time.sleep(1000)
";
    let inits = Mode::BOTH.map(|mode| {
        let plan = Plan::new(text);
        plan.directory.write("a", script, 0o755);
        plan.directory.write("b", "#!/bin/sh\n", 0o755);
        let init = plan.run(mode).start();
        init.wait_says("asked");
        init.kill(libc::SIGTERM);
        (init, plan)
    });
    for (init, _plan) in inits {
        init.wait(wait);
        let ended = init.finish();
        // Which code counts depends on whether the end of `b` or the signal is seen first.
        let codes = [Exit::Code(137), Exit::Code(143)];
        assert!(codes.contains(&ended.exit), "{ended}");
    }
}

#[test]
fn a_child_stopped_before_its_program_runs_does_not_hold_up_the_rest_for_ever() {
    let inits = Mode::BOTH.map(|mode| {
        let plan = Plan::new("[a]\nrun = sleep 1000\n");
        let run = Run::listened().mode(mode);
        let init = run.args(["-c", &plan.file]).start();
        let stop = |call: &Call| {
            // The latter is execve on 32-bit architectures; on others no child makes that call.
            if call.child && [libc::SYS_execve, 11].contains(&call.number) {
                // SAFETY: a process of this test's own namespace, which waits for our answer.
                unsafe { libc::kill(call.pid, libc::SIGSTOP) };
            }
            None
        };
        let listener = Listener::to(&init, pidlet(), stop);
        (init, plan, listener.is_some())
    });
    for (init, _plan, listened) in inits {
        if !listened {
            skip!("this kernel lets no process answer another's system calls");
        }
        assert_eq!(init.wait_exit(), Exit::Code(137), "{}", init.describe());
    }
}

#[test]
fn an_ordinary_user_may_name_its_own_ids() {
    // SAFETY: no arguments.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let text = format!("[a]\nuser = {uid}:{gid}\nrun = sh -c 'id -u'");
    for ended in ends(&text, 0) {
        assert_eq!(ended.stdout, format!("{uid}\n"), "{ended}");
    }
}

#[test]
fn with_setuid_alone_no_service_changes_its_user_or_groups() {
    if !is_root() {
        skip!("only root may become an ordinary user");
    }
    let born = ["--reuid", "1000", "--regid", "1001", "--clear-groups"];
    let born = born
        .into_iter()
        .chain(["--inh-caps", "+setuid", "--ambient-caps", "+setuid"]);
    for (said, wrong) in [
        ("user = 1000:1001", None),
        ("user = 1000", Some("user \"1000\"")),
        ("user = 1001:1001", Some("user \"1001:1001\"")),
        ("user = 1000:1001\ngroups = 1001", Some("groups \"1001\"")),
    ] {
        let plan = Plan::new(&format!("[a]\n{said}\nrun = id -u"));
        let run = Run::new("/usr/bin/setpriv")
            .args(born.clone())
            .arg(pidlet());
        let ended = run.args(["-q", "-c", &plan.file]).output();
        let (code, output) = if wrong.is_some() {
            (125, "")
        } else {
            (0, "1000\n")
        };
        assert_eq!(
            (ended.exit, ended.stdout.as_str()),
            (Exit::Code(code), output),
            "{ended}"
        );
        let said = wrong.map(|wrong| {
            format!("pidlet: a: {wrong}: Operation not permitted; container exits 125\n")
        });
        assert_eq!(ended.stderr, said.unwrap_or_default());
    }
}

#[test]
fn late_services_start_in_the_directory_where_we_were_started() {
    let text = "[a]\ntype = oneshot\nrun = sh -c 'sleep 0.1'\n[b]\ntype = oneshot\nafter = a\nrun = pwd\n\
        [c]\ntype = oneshot\nafter = b\nrun = pwd\ndir = sub";
    let plan = Plan::new(text);
    std::fs::create_dir(plan.directory.join("sub")).unwrap();
    for mode in Mode::BOTH {
        let ended = plan.run(mode).cwd(plan.directory.path()).output();
        let here = plan.directory.path().to_str().unwrap();
        assert_eq!(ended.stdout, format!("{here}\n{here}/sub\n"), "{ended}");
    }
}

#[test]
fn passed_sockets_go_only_to_services_that_want_them() {
    let listens = "echo $LISTEN_FDS; test \"$LISTEN_PID\" = $$ && echo me; exec PROBE fds";
    let text = format!(
        "[a]\ntype = oneshot\nsockets = yes\nrun = sh -c '{listens}'\n\
        [b]\ntype = oneshot\nafter = a\nrun = sh -c 'echo none $LISTEN_FDS$LISTEN_PID; exec PROBE fds'"
    );
    let plan = Plan::new(&text);
    let (one, two) = pipe();
    assert!(one.as_raw_fd() != two.as_raw_fd());
    // LISTEN_PID must name the process that is started: only PID 1's number is known beforehand.
    let run = plan
        .run(Mode::Pid1)
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1");
    let ended = run.fd(one, 3).fd(two, 4).output();
    assert_eq!(
        ended.stdout, "1\nme\nfds=0 1 2 3\nnone\nfds=0 1 2\n",
        "{ended}"
    );
    // A descriptor is a socket or for readiness, not both.
    let plan = Plan::new("[a]\nrun = sh -c 'echo >&4; sleep 0.1'\nsockets = yes\nready = fd:4\n");
    for (count, code) in [("1", 0), ("2", 125)] {
        let (one, two) = pipe();
        let run = plan.run(Mode::Pid1).env("LISTEN_PID", "1");
        let run = run.env("LISTEN_FDS", count).fd(one, 3).fd(two, 4);
        let ended = run.output();
        assert_eq!(ended.exit, Exit::Code(code), "{ended}");
    }
    // LISTEN_FDS says more than there are: our own descriptors are not passed on.
    let text = "[a]\nrun = sleep 1000\nready = notify\nessential = no\nstdout = file:DIR/log\n\
        [b]\nsockets = yes\nrun = PROBE fds\n";
    let plan = Plan::new(text);
    let run = plan.run(Mode::Pid1).env("LISTEN_PID", "1");
    let ended = run.env("LISTEN_FDS", "100").fd(pipe().0, 3).output();
    assert_eq!(ended.stdout, "fds=0 1 2 3\n", "{ended}");
    // LISTEN_PID names another process: no service gets the sockets, or is told that it has.
    let plan = Plan::new(&format!("[a]\nsockets = yes\nrun = sh -c '{listens}'\n"));
    let run = plan.run(Mode::Pid1).env("LISTEN_PID", "77");
    let ended = run.env("LISTEN_FDS", "1").fd(pipe().0, 3).output();
    assert_eq!(ended.stdout, "1\nfds=0 1 2\n", "{ended}");
}

#[test]
fn the_programs_of_a_directory_run_in_order() {
    let plan = Plan::new(
        "[init]\ntype = oneshot\nrun-parts = DIR/init.d\n[main]\nrun = echo main\nafter = init\n",
    );
    std::fs::create_dir(plan.directory.join("init.d")).unwrap();
    for (name, mode) in [
        ("20-b", 0o755),
        ("10-a", 0o755),
        ("15-no", 0o644),
        (".hidden", 0o755),
    ] {
        let script = format!("#!/bin/sh\nsleep 0.02; echo {name}\n");
        plan.directory
            .write(&format!("init.d/{name}"), script, mode);
    }
    for mode in Mode::BOTH {
        let ended = plan.run(mode).output();
        assert_eq!(ended.stdout, "10-a\n20-b\nmain\n", "{ended}");
    }
    plan.directory
        .write("init.d/12-fails", "#!/bin/sh\nexit 9\n", 0o755);
    let ended = plan.run(Mode::Pid1).output();
    assert_eq!(
        (ended.exit, &*ended.stdout),
        (Exit::Code(9), "10-a\n"),
        "{ended}"
    );
}

#[test]
fn every_fault_is_reported_and_nothing_runs() {
    let text = "[a]\nrun = echo no\nredy = 1\nafter = b\n[c]\nuser = nobody-here\nrun = echo no";
    for ended in ends(text, 1) {
        assert_eq!(ended.stdout, "", "{ended}");
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{ended}");
        assert!(lines[0].ends_with(":3: [a] redy: there is no such key; is it \"ready\"?"));
        assert!(lines[1].ends_with(":6: [c] user: \"nobody-here\": not in /etc/passwd"));
        assert!(lines[2].ends_with("after: \"b\": there is no such service, or it is disabled"));
    }
}

#[test]
fn a_file_that_holds_no_plan_is_refused() {
    for (file, reason) in [
        ("/none", "cannot read \"/none\": No such file or directory"),
        ("/etc", "cannot read \"/etc\": Is a directory"),
        ("/dev/zero", "cannot read \"/dev/zero\": Invalid argument"),
        ("/dev/null", "/dev/null: there is no service to run"),
    ] {
        let ended = Run::pidlet().args(["-c", file]).output();
        assert_eq!(ended.exit, Exit::Code(1), "{ended}");
        assert_eq!(ended.stderr, format!("pidlet: {reason}\n"), "{ended}");
    }
    let ended = Run::pidlet().args(["-c", "/none", "--", "true"]).output();
    assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    // The peers read no such file.
    let plan = Plan::new("[a]\nrun = echo it is\n");
    for name in ["tini", "dumb-init", "catatonit"] {
        let run = Run::pidlet().arg0(name).env("PIDLET_CONFIG", &plan.file);
        let ended = run.output();
        assert_eq!((ended.exit, &*ended.stdout), (Exit::Code(1), ""), "{ended}");
        assert!(ended.stderr.contains("sage: "), "{ended}");
    }
}

#[test]
fn the_plan_is_printed_in_the_order_of_its_start() {
    let text = "[pidlet]\ngrace = 3s\nlog = json\n[w]\nrun = w ${NONE:-8080} 'x y'\nafter = d\nuser = 7\n\
        [d]\nrun = d\nready = tcp:5432\nstop = INT 2s\n";
    let plan = Plan::new(text);
    let ended = plan.run(Mode::Child).arg("--dry-run").output();
    let expected = "[pidlet]\nuntil = any\ngrace = 3s\nlog = json\n\n\
        [d]\nrun = d\nready = tcp:5432\nstop = INT 2s\n\n\
        [w]\nrun = w 8080 'x y'\nafter = d\nuser = 7:7\n";
    assert_eq!(ended.stdout, expected, "{ended}");
    // What is printed is a plan itself.
    let again = Plan::new(&ended.stdout);
    let twice = again.run(Mode::Child).arg("--dry-run").output();
    assert_eq!(twice.stdout, expected, "{twice}");
    // That holds for any words, also for a `%i` that stands for no number.
    let words = "[a]\nrun = a '%i $HOME' %%i %% 100% '' \\' ';' '#' [b] 'x=y;z' \\\\\n";
    let once = Plan::new(words).run(Mode::Child).arg("--dry-run").output();
    assert_eq!(once.exit, Exit::Code(0), "{once}");
    assert!(once.stdout.contains("a '%i $HOME' '%i' '%' "), "{once}");
    let again = Plan::new(&once.stdout);
    let twice = again.run(Mode::Child).arg("--dry-run").output();
    assert_eq!(twice.stdout, once.stdout, "{twice}");
}

#[test]
fn a_service_may_have_its_own_stop_signals_and_times() {
    // Long enough for the service to say what it got, even under an emulator.
    let text = "[pidlet]\ngrace = 20s\n[a]\nrun = PROBE signals --exit-on 3=0\nstop = INT QUIT 2s\n\
        [b]\nrun = PROBE signals\nstop-timeout = 2s\nafter = a";
    let plan = Plan::new(text);
    let inits = Mode::BOTH.map(|mode| {
        let init = plan.run(mode).start();
        init.wait_ready(2);
        init.kill(libc::SIGTERM);
        init
    });
    for init in inits {
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(137), "{ended}");
        for said in ["got 2 ", "got 3 ", "got 15 "] {
            assert!(ended.stdout.contains(said), "{ended}");
        }
        assert!(ended.stderr.contains("b (pid "), "{ended}");
    }
}

#[test]
fn a_finish_command_does_not_change_the_reason_for_a_kill() {
    let plan = Plan::new("[a]\nrun = PROBE ignore 15\nstop-timeout = 50ms\nfinish = true\n");
    for mode in Mode::BOTH {
        last_line_has(&plan.killed(mode), "did not stop in time and was killed");
    }
}

#[test]
fn a_killed_finish_command_is_not_reported_as_the_service() {
    let text = "[pidlet]\ngrace = 300ms\n[a]\nrun = PROBE sleep\nfinish = PROBE ignore 15\n";
    let plan = Plan::new(text);
    for mode in Mode::BOTH {
        let init = plan.run(mode).start();
        init.wait_ready(1);
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(143), "{ended}");
        let said = format!(
            "pidlet: a: cannot run finish \"{}\": Timer expired",
            probe()
        );
        assert!(ended.stderr.contains(&said), "{ended}");
        assert!(!ended.stderr.contains("did not stop"), "{ended}");
    }
}

#[test]
fn a_kill_is_reported_with_the_time_limit_that_was_over() {
    for (time, over) in [("50ms", "50ms"), ("1h", "300ms")] {
        let text =
            format!("[pidlet]\ngrace = 300ms\n[a]\nrun = PROBE ignore 15\nstop-timeout = {time}\n");
        let plan = Plan::new(&text);
        for mode in Mode::BOTH {
            let ended = plan.killed(mode);
            let said = format!(") did not stop within {over}: killed");
            assert!(ended.stderr.contains(&said), "{ended}");
        }
    }
}

#[test]
fn the_only_service_may_have_its_own_stop_time() {
    // Long enough for the service to say what it got, even under an emulator.
    let plan = Plan::new("[a]\nrun = PROBE signals\nstop-timeout = 3s\n");
    for mode in Mode::BOTH {
        let ended = plan.killed(mode);
        assert!(ended.stdout.contains("got 15 "), "{ended}");
        assert!(
            ended.stderr.contains("did not stop in time and was killed"),
            "{ended}"
        );
    }
}

#[test]
fn a_service_that_ignores_its_stop_signal_leaves_others_time_to_stop() {
    let script = "trap 'echo db stops; exit 0' TERM; echo db; while :; do sleep 0.1; done";
    let text = format!(
        "[pidlet]\ngrace = 8s\n[db]\nrun = sh -c \"{script}\"\n\
        [web]\nrun = PROBE signals\nafter = db\n"
    );
    let plan = Plan::new(&text);
    for mode in Mode::BOTH {
        let ended = plan.killed(mode);
        assert!(ended.stdout.contains("\ndb stops\n"), "{ended}");
    }
}

#[test]
fn the_terminal_is_for_the_service_with_tty() {
    // A process that can open the terminal can take it.
    let text = "[a]\nrun = sh -c 'test -t 0 || echo none; (: </dev/tty) 2>/dev/null && echo another; \
        exec PROBE signals --exit-on 15=0'\n\
        [b]\ntty = yes\nrun = sh -c 'test -t 0 && echo terminal; exec PROBE signals --exit-on 2=5'";
    let plan = Plan::new(text);
    for mode in Mode::BOTH {
        let init = plan.run(mode).tty().start();
        init.wait_ready(2);
        init.pty().type_in(b"\x03");
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(5), "{ended}");
        let said = ["none", "terminal", "another"].map(|word| ended.stdout.contains(word));
        assert_eq!(said, [true, true, false], "{ended}");
    }
}

#[test]
fn the_only_service_has_the_terminal_whatever_its_section_says() {
    for said in ["", "restart = on-failure\n", "stop = HUP\n", "tty = yes\n"] {
        let plan = Plan::new(&format!(
            "[a]\nrun = sh -c 'read line; exit 5'\ntries = 1 in 1s\n{said}"
        ));
        for mode in Mode::BOTH {
            let init = plan.run(mode).tty().start();
            init.until("it is in the foreground", || {
                let group = init.pty().foreground();
                init.children().iter().any(|info| Some(info.pid) == group)
            });
            // A service that reads in the background is stopped, and nothing would continue it.
            init.pty().type_in(b"line\n");
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(5), "{said}{ended}");
        }
    }
}

#[test]
fn the_terminal_is_ours_between_two_runs() {
    let plan = Plan::new("[a]\ntty = yes\nrun = false\nrestart = always\nbackoff = 1h..1h\n");
    for mode in Mode::BOTH {
        let init = plan.run(mode).tty().start();
        init.wait_line(ErrOut, |line| line.contains("; starts again in "));
        init.until("we are in the foreground", || {
            init.pty().foreground() == Some(init.pid())
        });
        init.pty().type_in(b"\x03");
        init.wait_exit();
    }
}

#[test]
fn without_a_command_the_plan_in_etc_is_run() {
    let plan = Plan::new("[pidlet]\nuntil = all\n[a]\nrun = echo it is\n");
    let etc = plan.directory.path().to_str().unwrap();
    let script = format!("mount --bind {etc} /etc && exec \"$0\" $1");
    let user: &[&str] = if is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let run = |argument: &str| {
        let run = Run::new("/usr/bin/unshare")
            .mode(Mode::Pid1)
            .arg("--mount")
            .args(user);
        run.args(["sh", "-c", &script, pidlet().to_str().unwrap(), argument])
            .output()
    };
    for nothing in ["", "--"] {
        let ended = run(nothing);
        assert_eq!(
            (ended.exit, &*ended.stdout),
            (Exit::Code(0), "it is\n"),
            "{ended}"
        );
    }
    let ended = run("--dry-run");
    assert_eq!(
        ended.stdout, "[pidlet]\nuntil = all\n\n[a]\nrun = echo it is\n",
        "{ended}"
    );
    // Without that file it is a fault.
    std::fs::remove_file(&plan.file).unwrap();
    let ended = run("");
    assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    assert!(
        ended.stderr.contains("no command and no /etc/pidlet.conf"),
        "{ended}"
    );
}

#[test]
fn a_reader_of_another_service_loses_no_lines() {
    let text = "[b]\nrun = PROBE signals --exit-on 15=0\nafter = a\n\
        [a]\nrun = sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; \
        echo >&3; exec sleep 1000'\nready = fd:3\nessential = no\nstdout = service:log\n\
        [log]\nrun = sh -c 'sleep 0.3; cat > DIR/log; echo all read'\n";
    let plan = Plan::new(text);
    for mode in Mode::BOTH {
        let init = plan.run(mode).start();
        init.wait_line(Out, |line| line == "ready");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert!(ended.stdout.contains("all read"), "{ended}");
        let log = std::fs::read_to_string(plan.directory.join("log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert!(
            lines
                .iter()
                .enumerate()
                .all(|(n, line)| *line == format!("line {}", n + 1))
        );
        assert_eq!(lines.len(), 2000, "{ended}");
    }
    // When all the writers are gone, the input of the reader ends, too.
    let text = "[pidlet]\nuntil = all\n[a]\nrun = echo one\nstdout = service:log\n\
        [log]\nrun = sed 's/^/read: /'\n";
    for ended in ends(text, 0) {
        assert_eq!(ended.stdout, "read: one\n", "{ended}");
    }
}

#[test]
fn a_reader_that_is_restarted_goes_on_where_it_was() {
    let text = "[a]\nrun = sh -c 'for i in 1 2 3 4; do echo $i; done; exec sleep 1000'\n\
        stdout = service:log\n\
        [log]\nrun = sh -c 'read x; echo read $x; test $x != 4 || exec sleep 1000'\n\
        restart = always\nbackoff = 1ms\nessential = no\n";
    let plan = Plan::new(text);
    for mode in Mode::BOTH {
        let init = plan.run(mode).start();
        init.wait_line(Out, |line| line == "read 4");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        let read = ["read 1\n", "read 2\n", "read 3\n", "read 4\n"].concat();
        assert_eq!(ended.stdout, read, "{ended}");
    }
}

#[test]
fn a_reader_is_restarted_although_its_writers_are_gone() {
    // It gets what is left of what they wrote, and then the end of its input.
    let text = "[pidlet]\nuntil = all\n\
        [a]\ntype = oneshot\nrun = sh -c 'echo one; echo two; \
        until test -e DIR/read; do sleep 0.01; done'\nstdout = service:log\n\
        [b]\ntype = oneshot\nrun = touch DIR/gone\nafter = a\n\
        [log]\nrun = sh -c 'test ! -e DIR/gone || exec sed \"s/^/again: /\"; read x; echo read $x; \
        touch DIR/read; until test -e DIR/gone; do sleep 0.01; done; exit 1'\n\
        restart = on-failure\nbackoff = 1ms\n";
    for ended in ends(text, 0) {
        assert_eq!(ended.stdout, "read one\nagain: two\n", "{ended}");
    }
}
