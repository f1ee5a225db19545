//! Services that put themselves into the background, and are found by their pid files.

mod support;
use support::*;

#[test]
fn a_pid_file_of_a_user_names_no_process_of_another() {
    if !is_root() {
        skip!("only root may change users");
    }
    let script = "
pid = orphan(lambda: time.sleep(1000))
with open('pid', 'w') as f: f.write(f'{pid}\\n')
notify('READY=1')
time.sleep(1000)
";
    let inits = Mode::BOTH.map(|mode| {
        let web = Web::python(script).keys(
            "ready = notify\n[other]\nuser = daemon\ntype = daemon\nrun = true\n\
            pidfile = TEMP/pid\nafter = web\nready-timeout = 3s",
        );
        (web.start(mode), web)
    });
    for (init, _web) in inits {
        let fault = "/pid\" names a process that is not its own";
        ends_for(init, fault);
    }
}

#[test]
fn a_pid_file_names_no_check() {
    let wait = "while [ ! -s pid ]; do sleep 0.01; done";
    for mode in Mode::BOTH {
        let web = Web::shell("exec sleep 1000");
        let check = "#!/bin/sh\necho $$ >pid\nexec sleep 1000\n";
        web.temp.write("check", check, 0o755);
        let web = web.keys(&format!(
            "ready = exec:TEMP/check\n[other]\ntype = daemon\nrun = sh -c '{wait}'\n\
            pidfile = TEMP/pid\nready-timeout = 4s"
        ));
        let fault = "/pid\" names a process that is not its own";
        ends_for(web.start(mode), fault);
    }
}

/// A launcher: its daemon writes a pid file and waits for a line.
const DAEMON: &str = "
def daemon():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    write_pid(f'{os.getpid()}\\n')
    go()
    os._exit(6)
orphan(daemon)
";

#[test]
fn a_daemon_is_found_by_its_pid_file() {
    for mode in Mode::BOTH {
        for stale in [None, Some("1\n"), Some("999999"), Some(""), Some("x")] {
            let script = match stale {
                // Padded, as Postfix writes it.
                None => &DAEMON.replace("{os.getpid()}", "{os.getpid():32}"),
                Some(_) => DAEMON,
            };
            let web = Web::python(script).keys("type = daemon\npidfile = TEMP/pid");
            if let Some(stale) = stale {
                std::fs::write(web.temp.join("pid"), stale).unwrap();
            }
            let init = web.start(mode);
            init.wait_says("next");
            init.send("\n");
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(6), "{stale:?} {ended}");
            // In its new namespace the next daemon may get the same number, before it is ready.
            std::fs::remove_file(web.temp.join("pid")).unwrap();
            let init = web.start(mode);
            init.wait_says("next");
            init.kill(libc::SIGTERM);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{stale:?} {ended}");
        }
    }
}

#[test]
fn a_daemon_that_has_moved_to_another_process_has_not_ended() {
    let script = "
def second(old):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    write_pid()
    while os.path.exists(f'/proc/{old}'): time.sleep(0.01)
    print('moved', flush=True)
    signal.sigwait([signal.SIGTERM])
    os._exit(7)
def first():
    write_pid()
    go()
    old, new = os.getpid(), os.fork()
    if new == 0: second(old)
    while open('pid').read() != str(new): time.sleep(0.01)
    os._exit(6)
orphan(first)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("type = daemon\npidfile = TEMP/pid");
        let init = web.start(mode);
        init.wait_says("next");
        init.send("\n");
        init.wait_says("moved");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
    }
}

#[test]
fn a_daemon_is_heard_before_its_launcher_has_ended() {
    // An orphan in a session of its own: only the pid file says whose it is.
    let script = "
init = os.getppid()
def daemon():
    while os.getppid() != init: time.sleep(0.01)
    with open('pid', 'w') as f: f.write(str(os.getpid()))
    notify('READY=1')
    barrier()
    open('said', 'w').close()
    time.sleep(1000)
orphan(daemon)
while not os.path.exists('said'): time.sleep(0.01)
";
    for mode in Mode::BOTH {
        let web = Web::python(script);
        let web = web.keys("type = daemon\npidfile = TEMP/pid\nready = notify");
        is_up_and_stops(web.start(mode));
    }
}

#[test]
fn a_daemon_without_a_good_pid_file_is_a_failure() {
    // A shell may take a second to start, so the containers run in parallel.
    let nothing = "/pid\" within 5s";
    let no_process = "left no process in the background";
    let stranger = "/pid\" names a process that is not its own";
    let mut inits = Vec::new();
    for mode in Mode::BOTH {
        for (script, fault) in [
            ("", nothing),
            (": >pid", nothing),
            ("mkfifo pid", nothing),
            ("mkdir pid", nothing),
            ("printf 12x >pid", nothing),
            ("printf 0 >pid", nothing),
            ("printf %s -1 >pid", nothing),
            ("printf 2147483648 >pid", nothing),
            ("printf 4294967296 >pid", nothing),
            ("printf 1 >pid", stranger),
            ("printf $PPID >pid", stranger),
            ("printf 999999 >pid", stranger),
        ] {
            let web = |script: &str, timeout: &str| {
                let web = Web::shell(script).keys("type = daemon\npidfile = TEMP/pid");
                web.keys(&format!("ready-timeout = {timeout}"))
            };
            // As long as something runs it may be the daemon, and its file may come.
            let waits = web(&format!("sleep 1000 &\n{script}"), "5s");
            let knows = web(script, "1h");
            inits.push((waits.start(mode), fault, waits));
            inits.push((knows.start(mode), no_process, knows));
        }
    }
    for (init, fault, _web) in inits {
        ends_for(init, fault);
    }
}
