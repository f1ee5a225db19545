//! When a service is up, and whether it stays well (pidlet.conf(5)): every kind of check, what services
//! say by sd_notify(3), daemons with pid files, and what is said to whoever watches the container.

mod support;
use support::*;

use std::fs::File;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

/// What every Python service begins with. It goes on line by line of standard input.
const PRELUDE: &str = "#!/usr/bin/python3
import array, os, signal, socket, sys, time
def say(text): print(text, flush=True)
def go(): return sys.stdin.readline()
def channel():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect('\\0' + os.environ['NOTIFY_SOCKET'][1:])
    return s
def notify(text): channel().send(text.encode())
def barrier():
    r, w = os.pipe()
    socket.send_fds(channel(), [b'BARRIER=1'], [w])
    os.close(w)
    assert os.read(r, 1) == b''
def named(text=None):
    with open('pid.new', 'w') as f: f.write(text or str(os.getpid()))
    os.rename('pid.new', 'pid')
def orphan(code):
    r, w = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(w, str(os.getpid()).encode())
            os.setsid()
            code()
            os._exit(0)
        os._exit(0)
    os.wait()
    return int(os.read(r, 20))
";

/// A container of one service, `web`, and a oneshot after it, which says `next`.
struct Web {
    temp: Temp,
    keys: String,
}

impl Web {
    /// A service that is a Python script.
    fn python(script: &str) -> Web {
        let temp = Temp::new();
        let path = temp.write("web", format!("{PRELUDE}{script}"), 0o755);
        Web {
            temp,
            keys: format!("run = {path}\n"),
        }
    }

    /// A service that is a shell script.
    fn shell(script: &str) -> Web {
        let temp = Temp::new();
        let path = temp.write("web", format!("#!/bin/sh\n{script}"), 0o755);
        Web {
            temp,
            keys: format!("run = {path}\n"),
        }
    }

    /// With these keys, too; `TEMP` in them is the directory of its own.
    fn keys(mut self, keys: &str) -> Web {
        let directory = self.temp.join("");
        self.keys += &keys.replace("TEMP/", &directory);
        self.keys += "\n";
        self
    }

    fn run(&self, mode: Mode) -> Run {
        self.run_by(Run::pidlet(), mode)
    }

    /// By pidlet, or by what becomes it.
    fn run_by(&self, run: Run, mode: Mode) -> Run {
        let plan = format!(
            "[web]\n{}\n[next]\ntype = oneshot\nrun = /bin/echo next\nafter = web\n",
            self.keys.replace("TEMP/", &self.temp.join(""))
        );
        let plan = self.temp.write("plan", plan, 0o644);
        let run = run.mode(mode).args(["-vv", "-c", &plan]);
        run.cwd(self.temp.path()).stdin(Input::Pipe)
    }

    fn start(&self, mode: Mode) -> Proc {
        self.run(mode).start()
    }

    /// In a network of its own, where every port is free.
    fn start_apart(&self, mode: Mode) -> Proc {
        self.run(mode).own_network().start()
    }
}

#[track_caller]
fn is_not_up(init: &Proc) {
    let up = init.lines(Out).iter().any(|line| line == "next");
    assert!(!up, "up too early: {}", init.describe());
}

/// Waits for what comes after the service, and stops all.
#[track_caller]
fn is_up_and_stops(init: Proc) {
    init.wait_says("next");
    init.wait_line(ErrOut, |line| line.contains(") is up after "));
    init.kill(libc::SIGTERM);
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(143), "{ended}");
}

/// Waits for the end of a container whose service had this fault.
#[track_caller]
fn ends_for(init: Proc, fault: &str) -> Ended {
    init.wait_line(ErrOut, |line| line.contains(fault));
    let ended = init.finish();
    assert_ne!(ended.exit, Exit::Code(0), "{ended}");
    ended
}

#[test]
fn a_newline_on_a_descriptor_is_readiness() {
    for mode in Mode::BOTH {
        for fd in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
            let script = format!("echo begin >&9\nread x\nprintf 'all is\\n more' >&{fd}\n");
            // Where it is not the descriptor itself, 9 is another name for standard output.
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
            is_not_up(&init);
            init.send("\n");
            is_up_and_stops(init);
        }
    }
}

#[test]
fn whoever_says_much_before_it_is_ready_costs_little() {
    let script = "os.write(9, b'x' * 50000 + b'\\n')\ntime.sleep(1000)\n";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = fd:9");
        let init = web.run_by(Run::listened(), mode).start();
        let Some(listener) = Listener::to(&init, pidlet(), |_| None) else {
            skip!("this kernel has nobody answer system calls");
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
fn the_descriptor_waits_for_who_writes_and_is_closed_when_all_is_said() {
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
            init.until("nobody listens any more", || {
                let fds = init.fds();
                let is_own = |(fd, to): &(i32, String)| *fd > 2 && to.starts_with("pipe:");
                !fds.iter().any(is_own)
            });
        }
    }
}

#[test]
fn the_descriptor_is_made_anew_for_each_start() {
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
        // The next start has two ends of one while it lasts.
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
fn ready_1_is_heard_from_the_process_and_its_family_only() {
    for mode in Mode::BOTH {
        for (who, script) in [
            ("itself", "notify('READY=1')"),
            (
                "its child",
                "if os.fork() == 0: notify('X_A=b\\nREADY=1\\n'); os._exit(0)",
            ),
            (
                "a grandchild in a session of its own",
                "if os.fork() == 0:
    if os.fork() == 0: os.setsid(); notify('READY=1'); barrier(); os._exit(0)
    os.wait(); os._exit(0)",
            ),
            (
                "an orphan in its group",
                "
if os.fork() == 0:
    if os.fork() == 0: time.sleep(0.05); notify('READY=1'); barrier(); os._exit(0)
    os._exit(0)",
            ),
            (
                "an orphan in its session",
                "
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent: time.sleep(0.01)
        os.setpgid(0, 0)
        notify('READY=1')
        barrier()
    os._exit(0)",
            ),
        ] {
            if who.ends_with("session") && mode == Mode::Child {
                // Where nobody is to be stopped together with us it is ours.
                continue;
            }
            let script = format!("say('begin')\ngo()\n{script}\ntime.sleep(1000)\n");
            let web = Web::python(&script).keys("ready = notify");
            let ordinary = ["--reuid", "1", "--regid", "1", "--clear-groups"];
            let ordinary = Run::new("/usr/bin/setpriv").args(ordinary);
            let mut runs = vec![Run::pidlet()];
            if is_root() {
                runs.push(ordinary.arg(pidlet()));
            }
            for run in runs {
                let init = web.run_by(run, mode).start();
                init.wait_says("begin");
                is_not_up(&init);
                init.send("\n");
                eprintln!("{who}");
                is_up_and_stops(init);
            }
        }
    }
}

#[test]
fn strangers_are_not_heard() {
    let script = "say(os.environ['NOTIFY_SOCKET'])
go()
barrier()
say('handled')
go()
def stranger():
    # Whatever it calls itself, and so `/proc/PID/stat` has it.
    with open('/proc/self/comm', 'w') as f: f.write(f') S {main} {main} ')
    notify('READY=1')
    barrier()
    say('orphan')
main = os.getpid()
orphan(stranger)
go()
notify('READY=1')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.start(mode);
        let name = init.wait_line(Out, |line| line.starts_with('@'));
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.send_to_addr(b"READY=1", &address).unwrap();
        init.send("\n");
        init.wait_says("handled");
        is_not_up(&init);
        init.send("\n");
        init.wait_says("orphan");
        is_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

/// For each message of a stranger we look at all his ancestors.
#[test]
fn whoever_speaks_without_end_does_not_hold_up_the_stop() {
    let script = "#!/bin/sh
if [ \"$1\" = 0 ]; then exec TEMP/speak; fi
if [ \"$1\" ]; then sh \"$0\" $(($1 - 1)); else setsid sh \"$0\" 800 & fi
wait
";
    let speak = format!(
        "{PRELUDE}
channel = channel()
for _ in range(8):
    if os.fork() == 0:
        while True: channel.send(b'X=1')
if os.fork() == 0:
    for _ in range(400):
        if os.fork() == 0: os._exit(0)
    os._exit(0)
os.wait()
say('speaking')
time.sleep(1000)
"
    );
    for mode in Mode::BOTH {
        let web = Web::shell("").keys("ready = notify\n[pidlet]\ngrace = 2s");
        let script = script.replace("TEMP/", &web.temp.join(""));
        web.temp.write("web", script, 0o755);
        web.temp.write("speak", &speak, 0o755);
        let init = web.run(mode).stderr(Output::Null).start();
        init.wait_says("speaking");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(143), "{ended}");
    }
}

#[test]
fn descriptors_that_come_with_a_message_are_closed() {
    let script = "
fds = [os.dup(0) for _ in range(200)]
for _ in range(200): socket.send_fds(channel(), [b'FDSTORE=1'], fds)
barrier()
notify('READY=1')
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.start(mode);
        init.wait_says("next");
        assert!(init.fds().len() < 10, "{:?}", init.fds());
        is_up_and_stops(init);
    }
}

/// Whether this is recvmsg(2) with no room for a byte of the message.
fn has_no_room(call: &Call) -> bool {
    let word = |address: u64| {
        let mut word = [0; 8];
        let memory = File::open(format!("/proc/{}/mem", call.pid)).ok()?;
        memory.read_exact_at(&mut word, address).ok()?;
        Some(u64::from_ne_bytes(word))
    };
    // The third word of struct msghdr is where the parts are, and the second one of each its size.
    let size = || word(word(call.args[1] + 16)? + 8);
    call.number == libc::SYS_recvmsg && size() == Some(0)
}

/// gVisor leaves a message where it is of which nothing is read: it would be heard for ever.
#[test]
fn a_message_with_descriptors_is_taken_with_room_for_a_byte() {
    let script = "barrier()\nnotify('READY=1')\ntime.sleep(1000)\n";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.run_by(Run::listened(), mode).start();
        let refuse = |call: &Call| has_no_room(call).then_some(libc::EAGAIN);
        if Listener::to(&init, pidlet(), refuse).is_none() {
            skip!("this kernel has nobody answer system calls");
        }
        is_up_and_stops(init);
    }
}

/// Sends a connection whose other side reads nothing, as the last of as many descriptors as go with a message
/// (unix(7)), and lets go of it: whoever closes it waits.
const LINGERS: &str = "
import struct
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.setblocking(False)
try:
    while True: client.send(b'x' * 65536)
except BlockingIOError: pass
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 1000))
say('begin')
go()
socket.send_fds(channel(), [b'X=1'], [0] * 252 + [client.fileno()])
client.close()
say('sent')
go()
barrier()
notify('READY=1')
time.sleep(1000)
";

#[track_caller]
fn is_not_held_up(init: Proc) {
    init.wait_says("begin");
    // Nobody hears the message before it is the last that has the connection.
    init.kill(libc::SIGSTOP);
    init.send("\n");
    init.wait_says("sent");
    init.kill(libc::SIGCONT);
    init.send("\n");
    is_up_and_stops(init);
}

#[test]
fn a_descriptor_that_takes_long_to_close_holds_nobody_up() {
    for mode in Mode::BOTH {
        // Who has them cannot be ended when his time is over; and what he does not take for want of room or
        // of descriptors he closes himself.
        let call = libc::SYS_timer_create.to_string();
        let without = ["without", &libc::ENOSYS.to_string(), &call, "any"];
        let run = Run::new(probe()).args(without).arg(pidlet()).arg("pidlet");
        let web = Web::python(LINGERS).keys("ready = notify");
        let mut run = web.run_by(run, mode);
        // Nobody but root may have more of them on their way than he may have open (unix(7), ETOOMANYREFS).
        if is_root() {
            run = run.limit(libc::RLIMIT_NOFILE, 100, 4096);
        }
        is_not_held_up(run.start());
    }
}

#[test]
fn where_no_process_can_be_made_a_message_with_descriptors_waits() {
    for mode in Mode::BOTH {
        let web = Web::python(LINGERS).keys("ready = notify");
        let init = web.run_by(Run::listened(), mode).start();
        // The first process is the service's.
        let mut made = 0;
        let refuse = move |call: &Call| {
            made += u32::from(call.number == libc::SYS_clone && !call.child);
            (call.number == libc::SYS_clone && (2..6).contains(&made)).then_some(libc::EAGAIN)
        };
        if Listener::to(&init, pidlet(), refuse).is_none() {
            skip!("this kernel has nobody answer system calls");
        }
        is_not_held_up(init);
    }
}

#[test]
fn a_server_that_is_checked_cannot_send_us_anything() {
    // As soon as it is connected to it has the processor that pidlet runs on.
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
            skip!("only root may have a processor to himself");
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
    for mode in Mode::BOTH {
        for (script, ready) in [
            (tcp, "tcp:8080"),
            (tcp, "tcp:127.0.0.1:8080"),
            (six, "tcp:[::1]:8080"),
            (unix, "unix:TEMP/socket"),
        ] {
            let web = Web::python("").keys(&format!("ready = {ready}"));
            let script = script.replace("TEMP/", &web.temp.join(""));
            web.temp.write("web", format!("{PRELUDE}{script}\n"), 0o755);
            let init = web.start_apart(mode);
            init.wait_says("begin");
            is_not_up(&init);
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
    // Where nobody listens, and the kernel has no other port for who connects to it.
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
fn an_answer_of_http_is_readiness_if_it_is_a_good_one() {
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
fn a_server_that_does_not_answer_holds_nobody_up() {
    // It listens before it is asked, and stays until it was, however slowly it starts or accepts.
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
        // Nobody waits for the answer any more, and the container goes on.
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
            is_not_up(&init);
            init.send("\n");
            is_up_and_stops(init);
        }
    }
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_group() {
    let check = "#!/bin/sh\nsleep 1001 & echo checks\nwait\n";
    for mode in Mode::BOTH {
        // Not each of them comes to say so in time on a loaded machine.
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
                ends_for(init, "is not well: stopped");
                continue;
            }
            // The service's own, and that of the check that goes on. Who was killed may be on his way.
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
    // Under PID 1 it would lead a session, whose leader cannot leave its group.
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

/// What a server answers, how it is asked, and what is said of that.
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
fn what_the_last_check_found_is_said() {
    // A server may take long to start, so that all of them wait side by side.
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
fn why_a_command_that_checks_cannot_be_run_is_said_to_who_asks() {
    let web = Web::shell("exec sleep 1000\n").keys("ready = exec:/no/such");
    for mode in Mode::BOTH {
        let init = web.run(mode).arg("-v").start();
        init.wait_line(ErrOut, |line| {
            line == "pidlet: web: cannot run its check: No such file or directory"
        });
    }
}

#[test]
fn who_is_not_well_any_more_is_stopped() {
    // A check takes its time on a loaded machine, so that all of them wait side by side.
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
        let ended = ends_for(init, "is not well: stopped (health \"");
        assert!(ended.last_line().contains(found), "{ended}");
    }
}

#[test]
fn a_watchdog_that_hears_nothing_stops_the_service() {
    let script = "
assert os.environ['WATCHDOG_PID'] == str(os.getpid())
assert os.environ['WATCHDOG_USEC'] == '3000000'
notify('READY=1')
for count in range(20):
    notify('WATCHDOG=1')
    time.sleep(0.2)
say('silent')
time.sleep(1000)
";
    let trigger = "notify('WATCHDOG=trigger'); time.sleep(1000)";
    // It waits for whoever is not up yet, and Python alone may take long to start.
    let keys = "watchdog = 3s\nready = notify";
    let inits = Mode::BOTH.map(|mode| {
        let web = Web::python(script).keys(keys);
        (web.start(mode), web)
    });
    for (init, _web) in inits {
        init.wait_says("silent");
        ends_for(init, "let its watchdog wait: stopped (watchdog \"3s\")");
    }
    for mode in Mode::BOTH {
        let web = Web::python(trigger).keys("watchdog = 1h");
        ends_for(web.start(mode), "let its watchdog wait: stopped");
        // Without readiness it waits from the start.
        let web = Web::shell("exec sleep 1000\n").keys("watchdog = 200ms");
        ends_for(web.start(mode), "let its watchdog wait: stopped");
    }
}

#[test]
fn what_was_said_in_time_counts_however_late_we_are() {
    let script = "
def hangup(number, frame): os.write(1, b'hup\\n')
signal.signal(signal.SIGHUP, hangup)
notify('READY=1')
go()
time.sleep(3)
notify('WATCHDOG=1')
say('said')
while True: time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify\nwatchdog = 2s");
        let init = web.start(mode);
        init.wait_line(ErrOut, |line| line.contains(") is up after "));
        init.kill(libc::SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        init.wait_says("said");
        init.kill(libc::SIGCONT);
        init.kill(libc::SIGHUP);
        init.wait_says("hup");
        let late = |line: &String| line.contains("watchdog");
        assert!(!init.lines(ErrOut).iter().any(late), "{}", init.describe());
    }
}

/// Whoever freezes or traces us interrupts a wait, and no signal tells of it.
#[test]
fn what_was_said_in_time_counts_where_the_wait_was_interrupted() {
    let inits = Mode::BOTH.map(|mode| {
        let web = Web::shell("echo >&9\n: >said\nexec sleep 1000\n");
        let web = web.keys("ready = fd:9\nready-timeout = 5s");
        let init = web.run_by(Run::listened(), mode).start();
        let (said, mut late) = (web.temp.path().join("said"), false);
        let interrupt = move |call: &Call| {
            if late || call.number != libc::SYS_epoll_pwait {
                return None;
            }
            late = said.exists();
            if late {
                // Until it is over: whoever is later by far is given time anew.
                std::thread::sleep(Duration::from_millis(call.args[3] + 300));
            }
            Some(libc::EINTR)
        };
        Listener::to(&init, pidlet(), interrupt).map(|_| (init, web))
    });
    for init in inits {
        let Some((init, _web)) = init else {
            skip!("this kernel has nobody answer system calls");
        };
        is_up_and_stops(init);
    }
}

#[test]
fn the_environment_has_what_is_the_services_own() {
    let script = "say(sorted(n for n in os.environ if n[:3] in ('NOT', 'WAT', 'ONE'))); go()";
    for (keys, names) in [
        ("ready = notify", "['NOTIFY_SOCKET', 'ONE']"),
        (
            "watchdog = 1h",
            "['NOTIFY_SOCKET', 'ONE', 'WATCHDOG_PID', 'WATCHDOG_USEC']",
        ),
    ] {
        let web = Web::python(script).keys(keys);
        let run = web.run(Mode::Child).env("NOTIFY_SOCKET", "/outside");
        let run = run.env("WATCHDOG_USEC", "1").env("WATCHDOG_PID", "1");
        let init = run.env("ONE", "1").start();
        init.wait_says(names);
    }
}

#[test]
fn a_process_that_is_named_is_the_services_own() {
    let script = "
def main():
    # Root's service may go on as anybody.
    if os.getuid() == 0: os.setuid(1)
    go()
    os._exit(7)
pid = orphan(main)
notify(f'MAINPID={pid}\\nREADY=1')
";
    // Not its own, not a child of pidlet's: not believed. An ordinary user may name nobody else's and
    // nothing that is not there. The last one is his in any case: a child of his own would go on after him.
    let wrong = "
pid = os.fork()
if pid == 0: time.sleep(1000)
for other in (pid, 999999, 0, 1, os.getppid()): notify(f'MAINPID={other}')
barrier()
os._exit(8)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.start(mode);
        init.wait_says("next");
        init.send("\n");
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
        let web = Web::python(wrong).keys("ready = notify");
        let ended = web.start(mode).finish();
        assert_eq!(ended.exit, Exit::Code(8), "{ended}");
    }
}

#[test]
fn a_service_goes_on_in_the_process_that_it_has_named_before_it_ends() {
    let script = "
old, new = os.getpid(), os.fork()
if new == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    notify(f'MAINPID={os.getpid()}\\nREADY=1')
    barrier()
    go()
    os.kill(old, signal.SIGUSR1)
    while os.getppid() == old: time.sleep(0.01)
    barrier()
    say('moved')
    signal.sigwait([signal.SIGTERM])
    os._exit(7)
time.sleep(1000)
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.start(mode);
        init.wait_says("next");
        init.send("\n");
        init.wait_says("moved");
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
    }
}

/// A root's service and what another user's says of it and of its orphan; needs root.
const OTHERS: &str = "
pid = orphan(lambda: time.sleep(1000))
with open('new', 'w') as f: f.write(f'{os.environ[\"NOTIFY_SOCKET\"]} {os.getpid()} {pid}\\n')
os.rename('new', 'told')
go()
notify('READY=1')
time.sleep(1000)
";

#[test]
fn nobody_speaks_for_another_user() {
    if !is_root() {
        skip!("only root may change users");
    }
    // An orphan descends from no service any more, and may join every group of its session, which is its own.
    let other = format!(
        "{PRELUDE}
while not os.path.exists('told'): time.sleep(0.01)
name, main, stranger = open('told').read().split()
r, w = os.pipe()
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent: time.sleep(0.01)
        try:
            os.setpgid(0, int(main))
            say('joined')
        except PermissionError: notify('READY=1')
        barrier()
        os.write(w, b'x')
    os._exit(0)
os.read(r, 1)
notify('MAINPID=' + stranger)
barrier()
say('handled')
os._exit(0)
"
    );
    for mode in Mode::BOTH {
        let web = Web::python(OTHERS).keys(
            "ready = notify\n[other]\nuser = daemon\nrun = TEMP/other\n\
            ready = notify\nessential = no",
        );
        web.temp.write("other", &other, 0o755);
        let init = web.start(mode);
        init.wait_says("handled");
        init.wait_line(ErrOut, |line| {
            line.contains("other (pid ") && line.contains("exited with code 0")
        });
        is_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

/// Whether processes may be given numbers that have been used before, which the kernel lets only root.
fn has_numbers_to_choose() -> bool {
    is_root() && std::fs::exists("/proc/sys/kernel/ns_last_pid").unwrap_or(false)
}

/// A process that has a certain number.
const NUMBERED: &str = "
def numbered(number, code):
    with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write(str(number - 1))
    pid = os.fork()
    if pid == 0: code(); os._exit(0)
    assert pid == number, (pid, number)
";

#[test]
fn nobody_is_heard_for_who_has_his_number_now() {
    if !has_numbers_to_choose() {
        skip!("only root may choose the number of a process");
    }
    let script = format!(
        "{NUMBERED}
say('begin')
go()
pid = os.fork()
if pid == 0: os.setuid(1); notify('READY=1'); os._exit(0)
os.waitpid(pid, 0)
numbered(pid, lambda: time.sleep(1000))
say('numbered')
go()
barrier()
say('handled')
go()
notify('READY=1')
time.sleep(1000)
"
    );
    for mode in Mode::BOTH {
        let web = Web::python(&script).keys("ready = notify");
        let init = web.start(mode);
        init.wait_says("begin");
        // Nobody hears the message before its sender is gone.
        init.kill(libc::SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        init.wait_says("numbered");
        init.kill(libc::SIGCONT);
        init.send("\n");
        init.wait_says("handled");
        is_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

#[test]
fn who_speaks_is_heard_where_proc_shows_other_processes() {
    if !is_root() {
        skip!("only root may start a service as another user");
    }
    let script = "notify('READY=1')\ntime.sleep(1000)\n";
    let web = Web::python(script).keys("ready = notify\nuser = 1");
    // Its PID 1, in which /proc is that of the namespace around it.
    let unshare = Run::new("/usr/bin/unshare").args(["--fork", "--pid", "--kill-child"]);
    let init = web.run_by(unshare.arg(pidlet()), Mode::Child).start();
    init.wait_says("next");
}

#[test]
fn a_service_goes_on_in_no_process_of_another_that_has_the_number_of_its_own() {
    if !has_numbers_to_choose() {
        skip!("only root may choose the number of a process");
    }
    let root = format!(
        "{NUMBERED}
while not os.path.exists('named'): time.sleep(0.01)
number = int(open('named').read())
def stranger():
    while os.getppid() == parent: time.sleep(0.01)
    say('orphan')
    time.sleep(1000)
if os.fork() == 0:
    parent = os.getpid()
    numbered(number, stranger)
    os._exit(0)
os.wait()
time.sleep(1000)
"
    );
    let other = format!(
        "{PRELUDE}
pid = os.fork()
if pid == 0: time.sleep(1000)
notify(f'MAINPID={{pid}}')
barrier()
os.kill(pid, signal.SIGKILL)
os.wait()
with open('new', 'w') as f: f.write(str(pid))
os.rename('new', 'named')
go()
os._exit(7)
"
    );
    for mode in Mode::BOTH {
        let web = Web::python(&root)
            .keys("[other]\nuser = daemon\nrun = TEMP/other\nwatchdog = 1h\nstdin = inherit");
        web.temp.write("other", &other, 0o755);
        std::os::unix::fs::chown(web.temp.path(), Some(1), None).unwrap();
        let init = web.start(mode);
        init.wait_says("orphan");
        init.send("\n");
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
    }
}

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
fn who_checks_a_service_is_not_it() {
    let check = "
named()
while not os.path.exists('told'): time.sleep(0.01)
";
    let script = "
notify('READY=1')
while not os.path.exists('pid'): time.sleep(0.01)
notify('MAINPID=' + open('pid').read())
barrier()
open('told', 'w').close()
while os.path.exists('/proc/' + open('pid').read()): time.sleep(0.01)
os._exit(8)
";
    for mode in Mode::BOTH {
        let web = Web::python(script);
        web.temp.write("check", format!("{PRELUDE}{check}"), 0o755);
        let web = web.keys("ready = notify\nhealth = exec:TEMP/check\nhealth-every = 2s");
        let ended = web.start(mode).finish();
        assert_eq!(ended.exit, Exit::Code(8), "{ended}");
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
    named(f'{os.getpid()}\\n')
    go()
    os._exit(6)
orphan(daemon)
";

#[test]
fn a_daemon_is_found_by_its_pid_file() {
    for mode in Mode::BOTH {
        for stale in [None, Some("1\n"), Some("999999"), Some(""), Some("x")] {
            let script = match stale {
                // As Postfix has it.
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
            // In its new namespace the next one may have the same number, before it is ready.
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
    named()
    while os.path.exists(f'/proc/{old}'): time.sleep(0.01)
    print('moved', flush=True)
    signal.sigwait([signal.SIGTERM])
    os._exit(7)
def first():
    named()
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
    // A shell may take a second to start, so that all of them wait side by side.
    let nothing = "/pid\" within 5s";
    let nobody = "left no process in the background";
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
            inits.push((knows.start(mode), nobody, knows));
        }
    }
    for (init, fault, _web) in inits {
        ends_for(init, fault);
    }
}

/// The next message to whoever watches the container.
fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 100];
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let len = socket.recv(&mut buffer).expect("nothing was said upward");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

#[test]
fn whoever_watches_the_container_is_told() {
    let script =
        "notify('STATUS=begins'); go(); notify('READY=1\\nSTATUS=works'); time.sleep(1000)";
    for mode in Mode::BOTH {
        for is_abstract in [false, true] {
            let web = Web::python(script).keys("ready = notify");
            let path = web.temp.join("upward");
            let (socket, name) = match is_abstract {
                false => (UnixDatagram::bind(&path).unwrap(), path),
                true => {
                    let address = SocketAddr::from_abstract_name(&path).unwrap();
                    let socket = UnixDatagram::bind_addr(&address).unwrap();
                    (socket, format!("@{path}"))
                }
            };
            let heard = || heard(&socket);
            let init = web.run(mode).env("NOTIFY_SOCKET", name).start();
            assert_eq!(heard(), "STATUS=web: begins");
            init.send("\n");
            init.wait_says("next");
            let mut both = [heard(), heard()];
            both.sort();
            assert_eq!(both, ["READY=1", "STATUS=web: works"]);
            init.until("only the socket for services is open", || {
                let fds = init.fds();
                let sockets = fds.iter().filter(|(_, to)| to.starts_with("socket:"));
                sockets.count() == 1
            });
            init.kill(libc::SIGTERM);
            assert_eq!(heard(), "STOPPING=1");
            init.wait_exit();
        }
    }
}

/// Whether a container whose service says much of itself is heard to be ready by who reads slowly.
fn is_heard_to_be_ready(web: &Web, mode: Mode) -> bool {
    let path = web.temp.join("upward");
    _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    let init = web.run(mode).env("NOTIFY_SOCKET", path).start();
    loop {
        std::thread::sleep(Duration::from_millis(20));
        match heard(&socket).as_str() {
            "READY=1" => return true,
            // The last thing that is said.
            "STATUS=web: over" => return false,
            _ => init.send("\n"),
        }
    }
}

#[test]
fn whoever_says_much_does_not_drown_that_the_container_is_ready() {
    let script = "
for n in range(500): notify(f'STATUS={n}')
notify('READY=1')
while True:
    go()
    notify('STATUS=over')
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        // We wait a tenth of a second for a reader, who may be kept from it that long on a loaded machine.
        let heard = (0..5).any(|_| is_heard_to_be_ready(&web, mode));
        assert!(heard, "{mode:?}");
    }
}

#[test]
fn commands_of_a_command_line_say_themselves_that_they_are_ready() {
    let temp = Temp::new();
    let path = temp.join("upward");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    for mode in Mode::BOTH {
        for command in [&["true"][..], &["true", "---", "true"]] {
            let run = Run::pidlet().mode(mode).args(["-u", "all", "--"]);
            let ended = run.args(command).env("NOTIFY_SOCKET", &path).output();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            let heard = socket.recv(&mut [0; 100]).is_ok();
            assert!(!heard, "we have said something for them");
        }
    }
}

#[test]
fn an_answer_of_http_is_read_to_its_end_whatever_it_says() {
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
        // Who closes with something unread resets the connection.
        init.wait_says("503 then b''");
        init.wait_says("200 then b''");
        is_up_and_stops(init);
    }
}

#[test]
fn an_answer_of_http_without_end_is_not_read_for_ever() {
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
fn an_answer_of_http_that_never_ends_is_left_for_the_next_check() {
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
        // What is written to standard error is for nobody else, where it is closed.
        let run = web.run(mode).own_network().stderr(Output::Closed);
        let init = run.start();
        init.until("both have ended by then", || {
            init.lines(Out).iter().filter(|line| *line == "b''").count() == 2
        });
        init.wait_says("next");
        // There is room to write on the third one.
        init.until("pidlet sleeps", || {
            init.info().is_some_and(|info| info.state == 'S')
        });
        let mut fds = init.fds();
        fds.retain(|(_, to)| to.starts_with("socket:"));
        assert!(matches!(fds[..], [(3.., _)]), "{fds:?}");
    }
}

#[test]
fn what_instances_say_of_themselves_is_told_with_their_numbers() {
    let script = "notify('STATUS=works'); go()";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify\ninstances = 2");
        let path = web.temp.join("upward");
        let socket = UnixDatagram::bind(&path).unwrap();
        let _init = web.run(mode).env("NOTIFY_SOCKET", path).start();
        let mut said = [heard(&socket), heard(&socket)];
        said.sort();
        assert_eq!(said, ["STATUS=web-2: works", "STATUS=web: works"]);
    }
}
