//! When a service is up, and whether it stays well (pidlet.conf(5)): a line on a descriptor, and every kind
//! of check. What services say by sd_notify(3) is in `notify.rs`.

mod support;
use support::*;

use std::os::unix::net::UnixListener;

#[test]
fn a_newline_on_a_descriptor_is_readiness() {
    for mode in Mode::BOTH {
        for fd in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
            let script = format!("echo begin >&9\nread x\nprintf 'all is\\n more' >&{fd}\n");
            // Unless it is tested itself, 9 is another name for standard output, or error where 1 is tested.
            let script = match fd {
                9 => script.replace("echo begin >&9", "echo begin"),
                1 => format!("exec 9>&2\n{script}"),
                _ => format!("exec 9>&1\n{script}"),
            };
            let web = Web::shell(&format!("{script}exec sleep 1000\n"));
            let web = web.keys(&format!("ready = fd:{fd}"));
            let init = web.start(mode);
            let stream = if fd == 1 { ErrOut } else { Out };
            init.wait_line(stream, |line| line == "begin");
            assert_not_up(&init);
            init.send("\n");
            is_up_and_stops(init);
        }
    }
}

#[test]
fn a_long_text_on_the_readiness_descriptor_costs_little() {
    let script = "os.write(9, b'x' * 50000 + b'\\n')\ntime.sleep(1000)\n";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = fd:9");
        let init = web.run_by(Run::listened(), mode).start();
        let Some(listener) = Listener::to(&init, pidlet(), |_| None) else {
            skip!("this kernel lets no process answer another's system calls");
        };
        init.wait_says("next");
        let calls = listener.calls().len();
        assert!(calls < 5000, "{calls} system calls");
        is_up_and_stops(init);
    }
}

#[test]
fn an_end_without_a_newline_is_no_readiness() {
    let script = "printf 'no line' >&3\nexec 3>&-\nexec sleep 1000\n";
    let web = Web::shell(script).keys("ready = fd:3\nready-timeout = 300ms");
    for mode in Mode::BOTH {
        ends_for(web.start(mode), "was not ready within 300ms: stopped");
    }
}

#[test]
fn the_readiness_descriptor_is_blocking_and_is_closed_when_done() {
    let script = "import fcntl
say(fcntl.fcntl(3, fcntl.F_GETFL) & os.O_NONBLOCK)
os.write(3, TEXT)
THEN
time.sleep(1000)
";
    for mode in Mode::BOTH {
        for (text, then) in [("b'no line'", "os.close(3)"), ("b'\\n\\n'", "")] {
            let script = script.replace("TEXT", text).replace("THEN", then);
            let web = Web::python(&script).keys("ready = fd:3");
            let init = web.start(mode);
            init.wait_says("0");
            init.until("the descriptor is closed", || {
                let fds = init.fds();
                let is_own = |(fd, to): &(i32, String)| *fd > 2 && to.starts_with("pipe:");
                !fds.iter().any(is_own)
            });
        }
    }
}

#[test]
fn each_start_gets_a_new_readiness_descriptor() {
    let script = "os.write(200, b'\\n'); go(); os._exit(1)";
    let keys = "ready = fd:200\nrestart = always\nbackoff = 1ms..1ms";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys(keys);
        let init = web.start(mode);
        for count in 1..=5 {
            init.until("it is up once more", || {
                let lines = init.lines(ErrOut);
                let up = |line: &&String| line.contains(") is up after ");
                lines.iter().filter(up).count() == count
            });
            init.send("\n");
        }
        // During the next start pidlet has both ends of a pipe.
        init.until("it has one pipe at most", || {
            let own = init.fds();
            let pipes = own
                .iter()
                .filter(|(fd, target)| *fd > 2 && target.starts_with("pipe:"));
            pipes.count() <= 1
        });
    }
}

#[test]
fn many_services_that_are_checked_need_many_descriptors_and_have_their_own_limit() {
    let temp = Temp::new();
    let plan = "[web]\ninstances = 40\nrun = sh -c 'ulimit -n; exec sleep 1000'\nready = fd:3\n";
    let run = Run::with_plan(&temp, plan).limit(libc::RLIMIT_NOFILE, 30, 4096);
    let init = run.start();
    init.until("all of them run", || {
        let lines = init.lines(Out);
        lines.iter().filter(|line| *line == "30").count() == 40 || init.try_wait().is_some()
    });
    init.kill(libc::SIGTERM);
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(143), "{ended}");
}

#[test]
fn a_server_that_is_checked_cannot_send_us_anything() {
    // As soon as the server is connected to, it takes the processor that pidlet runs on.
    let script = "
s = socket.socket(socket.AF_UNIX)
s.bind('socket')
try:
    one = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(os.getppid(), one)
    os.sched_setaffinity(0, one)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError: say('cannot')
s.listen()
c, _ = s.accept()
try:
    c.send(b'x')
    say('something')
except ConnectionError: say('nothing')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = unix:socket");
        let init = web.start(mode);
        let said = init.wait_line(Out, |line| line != "next");
        if said == "cannot" {
            skip!("only root may reserve a processor");
        }
        assert_eq!(said, "nothing");
        is_up_and_stops(init);
    }
}

#[test]
fn a_connection_is_readiness() {
    let tcp = "say('begin'); go(); s = socket.create_server(('127.0.0.1', 8080)); time.sleep(1000)";
    let six = "say('begin'); go(); s = socket.create_server(('::1', 8080), \
        family=socket.AF_INET6); time.sleep(1000)";
    let unix = "say('begin'); go(); s = socket.socket(socket.AF_UNIX); s.bind('TEMP/socket'); \
        s.listen(); time.sleep(1000)";
    let datagrams = "say('begin'); s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); go(); \
        s.bind('TEMP/socket'); time.sleep(1000)";
    for mode in Mode::BOTH {
        for (script, ready) in [
            (tcp, "tcp:8080"),
            (tcp, "tcp:127.0.0.1:8080"),
            (six, "tcp:[::1]:8080"),
            (unix, "unix:TEMP/socket"),
            (datagrams, "unix:TEMP/socket"),
        ] {
            let web = Web::python("").keys(&format!("ready = {ready}"));
            let script = script.replace("TEMP/", &web.temp.join(""));
            web.temp.write("web", format!("{PRELUDE}{script}\n"), 0o755);
            let init = web.start_apart(mode);
            init.wait_says("begin");
            assert_not_up(&init);
            init.send("\n");
            is_up_and_stops(init);
        }
    }
}

#[test]
fn a_connection_that_was_made_is_closed_at_once() {
    let script = "
s = socket.create_server(('127.0.0.1', 8080))
c, _ = s.accept()
say(c.recv(1))
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = tcp:8080");
        let init = web.start_apart(mode);
        init.wait_says("b''");
        is_up_and_stops(init);
    }
}

#[test]
fn a_connection_to_ourselves_is_no_readiness() {
    if !is_root() {
        skip!("only root may say which ports clients have");
    }
    // Nothing listens there, and the kernel has no other port for the client that connects to it.
    let script = "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range; exec \"$@\"";
    for mode in Mode::BOTH {
        let web = Web::shell("exec sleep 1000\n").keys("ready = tcp:40000\nready-timeout = 300ms");
        let run = Run::new("/bin/sh").own_network();
        let run = run.args(["-c", script, "sh"]).arg(pidlet());
        ends_for(
            web.run_by(run, mode).start(),
            "was not ready within 300ms: stopped",
        );
    }
}

#[test]
fn an_http_response_is_readiness_if_it_is_a_good_one() {
    // Each request is answered with the next of these, piece by piece; the last one is good.
    let script = "
s = socket.create_server(('127.0.0.1', 8080))
for answer in [[], [b'HTTP/1.1 500 no\\r\\n\\r\\n'], [b'HTT', b'P/1.1 4', b'04 no'], [b'SSH-2.0-x\\r\\n'],
        [b'HTTP/1.1 20'], [b'H', b'TTP/1', b'.0 ', b'20', b'4']]:
    c, _ = s.accept()
    request = b''
    while not request.endswith(b'\\r\\n\\r\\n'): request += c.recv(1000)
    say(request.decode().split('\\r\\n'))
    for piece in answer:
        c.send(piece)
        time.sleep(0.05)
    c.close()
say('last')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = http://127.0.0.1:8080/a?b");
        let init = web.start_apart(mode);
        init.wait_says("last");
        let request = "['GET /a?b HTTP/1.1', 'Host: 127.0.0.1:8080', 'User-Agent: pidlet', \
            'Connection: close', '', '']";
        let lines = init.lines(Out);
        assert_eq!(lines.iter().filter(|line| *line == request).count(), 6);
        is_up_and_stops(init);
    }
}

#[test]
fn a_server_that_does_not_answer_holds_nothing_up() {
    // The server listens before it is asked, and stays until it was, however slowly it starts or accepts.
    let server = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s = socket.create_server(('127.0.0.1', 8080))
os.write(3, b'\\n')
c, _ = s.accept()
request = b''
while not request.endswith(b'\\r\\n\\r\\n'): request += c.recv(1000)
say('asked')
signal.signal(signal.SIGTERM, signal.SIG_DFL)
say(f'then {c.recv(1)}')
time.sleep(1000)
";
    let keys = "after = server\nready = http://127.0.0.1:8080/\nready-timeout = 400ms\n\
        restart = always\nbackoff = 1h..1h\n[server]\nrun = TEMP/server\nready = fd:3";
    for mode in Mode::BOTH {
        let web = Web::shell("exec sleep 1000\n").keys(keys);
        web.temp
            .write("server", format!("{PRELUDE}{server}"), 0o755);
        let init = web.start_apart(mode);
        init.wait_says("asked");
        let fault = "was not ready within 400ms: stopped";
        init.wait_line(ErrOut, |line| line.contains(fault));
        // pidlet no longer waits for the answer, and the container goes on.
        init.wait_says("then b''");
    }
}

#[test]
fn a_file_is_readiness_and_so_is_a_command_that_succeeds() {
    for mode in Mode::BOTH {
        for ready in ["file:TEMP/there", "exec:test -e TEMP/there"] {
            let web = Web::shell("echo begin\nread x\n: >there\nexec sleep 1000\n");
            let web = web.keys(&format!("ready = {ready}"));
            let init = web.start(mode);
            init.wait_says("begin");
            assert_not_up(&init);
            init.send("\n");
            is_up_and_stops(init);
        }
    }
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_group() {
    let check = "#!/bin/sh\nsleep 1001 & echo checks\nwait\n";
    for mode in Mode::BOTH {
        // On a loaded machine not every check gets to say so in time.
        for (tries, said) in [(6, 0), (1000, 5)] {
            let web = Web::shell("exec sleep 1000\n");
            web.temp.write("check", check, 0o755);
            let keys = "health = exec:TEMP/check\nhealth-every = 100ms\nhealth-tries";
            let web = web.keys(&format!("{keys} = {tries}"));
            let init = web.start(mode);
            let checks = |line: &&String| *line == "checks";
            init.until("enough checks have said so", || {
                init.lines(Out).iter().filter(checks).count() >= said
            });
            if said == 0 {
                ends_for(init, "is unhealthy: stopped");
                continue;
            }
            // The service's own, and that of the check in progress. One that was killed may not be gone yet.
            init.until("no other sleeps are left", || {
                let others = init.others();
                others.iter().filter(|info| info.comm == "sleep").count() <= 2
            });
        }
    }
}

#[test]
fn a_command_that_takes_too_long_is_killed_where_it_has_left_its_group() {
    let check = format!(
        "{PRELUDE}
pid = os.fork()
if pid == 0: time.sleep(1000)
os.setpgid(pid, pid)
os.setpgid(0, pid)
os.kill(pid, signal.SIGKILL)
os.wait()
say('left')
time.sleep(1000)
"
    );
    let web = Web::shell("exec sleep 1000\n");
    web.temp.write("check", check, 0o755);
    let web = web.keys("health = exec:TEMP/check\nhealth-every = 1s\nhealth-tries = 1000");
    // Under PID 1 the check would lead a session, and the leader of a session cannot leave its group.
    let init = web.start(Mode::Child);
    let left = |line: &&String| *line == "left";
    init.until("two have left", || {
        init.lines(Out).iter().filter(left).count() >= 2
    });
    init.until("one of them is left at most", || {
        let others = init.others();
        others.iter().filter(|info| info.comm == "check").count() <= 1
    });
}

/// What a server answers, how it is checked, and what pidlet then says it found.
const FOUND: [(&str, &str, &str); 9] = [
    (
        "HTTP/1.1 503 No\\r\\n\\r\\n",
        "http://127.0.0.1:8080/",
        "error 503",
    ),
    ("", "http://127.0.0.1:8080/", "Protocol error"),
    (
        "SSH-2.0-OpenSSH_9.2p1",
        "http://127.0.0.1:8080/",
        "Protocol error",
    ),
    ("", "tcp:8081", "Connection refused"),
    ("", "unix:TEMP/none", "No such file or directory"),
    ("", "file:TEMP/web/none", "Not a directory"),
    ("", "exec:/no/such", "No such file or directory"),
    ("", "exec:TEMP/fails", "error 7"),
    ("", "notify", "Timer expired"),
];

#[test]
fn the_result_of_the_last_check_is_reported() {
    // A server may take long to start, so the containers run in parallel.
    let mut inits = Vec::new();
    for mode in Mode::BOTH {
        for (answer, ready, found) in FOUND {
            let server = format!(
                "
s = socket.create_server(('127.0.0.1', 8080))
while True:
    c, _ = s.accept()
    c.recv(1000)
    c.send(b'{answer}')
    c.close()
"
            );
            let web = Web::python(&server).keys(&format!("ready = {ready}\nready-timeout = 5s"));
            web.temp.write("fails", "#!/bin/sh\nexit 7\n", 0o755);
            let ready = ready.replace("TEMP/", &web.temp.join(""));
            let fault = format!("was not ready within 5s: stopped (ready \"{ready}\": {found})");
            inits.push((web.start_apart(mode), fault, web));
        }
    }
    for (init, fault, _web) in inits {
        let ended = ends_for(init, &fault);
        assert!(ended.last_line().contains(&fault), "{ended}");
    }
}

#[test]
fn a_command_that_does_not_end_is_no_readiness() {
    let web = Web::shell("exec sleep 1000\n");
    let web = web.keys("ready = exec:sleep 1000\nready-timeout = 200ms");
    for mode in Mode::BOTH {
        let fault = "stopped (ready \"exec:sleep\": Timer expired)";
        ends_for(web.start(mode), fault);
    }
}

#[test]
fn verbose_reports_why_a_check_command_cannot_be_run() {
    let web = Web::shell("exec sleep 1000\n").keys("ready = exec:/no/such");
    for mode in Mode::BOTH {
        let init = web.run(mode).arg("-v").start();
        init.wait_line(ErrOut, |line| {
            line == "pidlet: web: cannot run its check: No such file or directory"
        });
    }
}

#[test]
fn a_service_that_is_no_longer_healthy_is_stopped() {
    // A check takes its time on a loaded machine, so the containers run in parallel.
    let mut inits = Vec::new();
    for mode in Mode::BOTH {
        for health in ["file:TEMP/well", "exec:test -e TEMP/well", "unix:TEMP/well"] {
            let web = Web::shell("read x\nrm -f well\nexec sleep 1000\n");
            let listener = match health.starts_with("unix") {
                true => Some(UnixListener::bind(web.temp.join("well")).unwrap()),
                false => {
                    web.temp.write("well", "", 0o644);
                    None
                }
            };
            let keys = format!("health = {health}\nhealth-every = 1s\nhealth-tries = 3");
            let web = web.keys(&keys);
            let init = web.start(mode);
            init.wait_says("next");
            init.send("\n");
            inits.push((init, health, web, listener));
        }
    }
    for (init, health, _web, _listener) in inits {
        let found = match health {
            "exec:test -e TEMP/well" => "\": error 1)",
            _ => "/well\": No such file or directory)",
        };
        let ended = ends_for(init, "is unhealthy: stopped (health \"");
        assert!(ended.last_line().contains(found), "{ended}");
    }
}

#[test]
fn an_http_response_is_read_to_its_end_whatever_it_says() {
    let script = "
s = socket.create_server(('127.0.0.1', 8080))
for status in (503, 200):
    c, _ = s.accept()
    request = b''
    while not request.endswith(b'\\r\\n\\r\\n'): request += c.recv(1000)
    body = b'x' * 20000
    answer = f'HTTP/1.1 {status} well\\r\\n\\r\\n'.encode()
    # A bad one is followed by the next check, which does not wait for its end.
    if status == 503: answer += body
    c.sendall(answer)
    try:
        if status == 200:
            time.sleep(0.1)
            c.sendall(body)
        c.shutdown(socket.SHUT_WR)
        say(f'{status} then {c.recv(1)}')
    except OSError as error: say(f'{status} {error}')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = http://127.0.0.1:8080/");
        let init = web.start_apart(mode);
        // Closing a connection with data unread resets it.
        init.wait_says("503 then b''");
        init.wait_says("200 then b''");
        is_up_and_stops(init);
    }
}

#[test]
fn an_endless_http_response_is_not_read_for_ever() {
    let script = "
s = socket.create_server(('127.0.0.1', 8080))
c, _ = s.accept()
c.send(b'HTTP/1.1 200 OK\\r\\n\\r\\n')
try:
    while True:
        c.send(b'x')
        time.sleep(0.001)
except ConnectionError: say('closed')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = http://127.0.0.1:8080/");
        let init = web.start_apart(mode);
        init.wait_says("closed");
        is_up_and_stops(init);
    }
}

#[test]
fn an_http_response_that_never_ends_is_given_up_for_the_next_check() {
    let script = "
s = socket.create_server(('127.0.0.1', 8080))
kept = []
for status in (503, 503, 200):
    c, _ = s.accept()
    c.recv(1000)
    c.sendall(f'HTTP/1.1 {status} well\\r\\n\\r\\n'.encode())
    if kept: say(kept[-1].recv(1))
    kept.append(c)
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = http://127.0.0.1:8080/");
        // Where standard error is closed, what is written there must not go to a connection.
        let run = web.run(mode).own_network().stderr(Output::Closed);
        let init = run.start();
        init.until("both have ended by then", || {
            init.lines(Out).iter().filter(|line| *line == "b''").count() == 2
        });
        init.wait_says("next");
        // The third connection can be written to, which must not keep pidlet awake.
        init.until("pidlet sleeps", || {
            init.info().is_some_and(|info| info.state == 'S')
        });
        let mut fds = init.fds();
        fds.retain(|(_, to)| to.starts_with("socket:"));
        assert!(matches!(fds[..], [(3.., _)]), "{fds:?}");
    }
}
