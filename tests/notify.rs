//! What services say by sd_notify(3), which senders are heard and which are not, and what the supervisor of
//! the container is told.

mod support;
use support::*;

use std::fs::File;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn ready_1_is_heard_from_the_process_and_its_family_only() {
    for mode in Mode::BOTH {
        for (sender, script) in [
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
            if sender.ends_with("session") && mode == Mode::Child {
                // Without a terminal only services of PID 1 have sessions of their own; here it is pidlet's.
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
                assert_not_up(&init);
                init.send("\n");
                eprintln!("{sender}");
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
    # A process may choose its name, which `/proc/PID/stat` has between brackets.
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
        assert_not_up(&init);
        init.send("\n");
        init.wait_says("orphan");
        assert_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

/// For each message from a stranger pidlet looks at all ancestors of the sender.
#[test]
fn endless_messages_do_not_hold_up_the_stop() {
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
        let web = Web::python(script).keys("ready = notify\n[pidlet]\nverbose = 2");
        let init = web.start(mode);
        init.wait_says("next");
        assert!(init.fds().len() < 10, "{:?}", init.fds());
        // The process that closed them is no process of the service's.
        assert!(!init.stderr().contains("orphan"), "{}", init.stderr());
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
    // The third word of struct msghdr says where the parts are, and the second word of each part is its size.
    let size = || word(word(call.args[1] + 16)? + 8);
    call.number == libc::SYS_recvmsg && size() == Some(0)
}

/// gVisor leaves a message in place if nothing of it is read: it would be heard for ever.
#[test]
fn a_message_with_descriptors_is_taken_with_room_for_a_byte() {
    let script = "barrier()\nnotify('READY=1')\ntime.sleep(1000)\n";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        let init = web.run_by(Run::listened(), mode).start();
        let refuse = |call: &Call| has_no_room(call).then_some(libc::EAGAIN);
        if Listener::to(&init, pidlet(), refuse).is_none() {
            skip!("this kernel lets no process answer another's system calls");
        }
        is_up_and_stops(init);
    }
}

/// Sends a connection whose other side reads nothing, as the last of as many descriptors as fit in a message
/// (unix(7)), and closes its own copy: the process that closes the last copy blocks.
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
    // The message must not be received before it has the last copy of the connection.
    init.kill(libc::SIGSTOP);
    init.send("\n");
    init.wait_says("sent");
    init.kill(libc::SIGCONT);
    init.send("\n");
    is_up_and_stops(init);
}

#[test]
fn a_descriptor_that_takes_long_to_close_holds_nothing_up() {
    for mode in Mode::BOTH {
        // Without timers, the process that takes the descriptors is not ended when its time is over; and it
        // also closes those that it has no room or no numbers for.
        let call = libc::SYS_timer_create.to_string();
        let without = ["without", &libc::ENOSYS.to_string(), &call, "any"];
        let run = Run::new(probe()).args(without).arg(pidlet()).arg("pidlet");
        let web = Web::python(LINGERS).keys("ready = notify");
        let mut run = web.run_by(run, mode);
        // Only root may have more descriptors in flight than its limit of open ones (unix(7), ETOOMANYREFS).
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
        // The first process made is the service.
        let mut made = 0;
        let refuse = move |call: &Call| {
            made += u32::from(call.number == libc::SYS_clone && !call.child);
            (call.number == libc::SYS_clone && (2..6).contains(&made)).then_some(libc::EAGAIN)
        };
        if Listener::to(&init, pidlet(), refuse).is_none() {
            skip!("this kernel lets no process answer another's system calls");
        }
        is_not_held_up(init);
    }
}

#[test]
fn no_watchdog_runs_out_while_no_message_can_be_received() {
    let script = "
notify('READY=1')
go()
r, w = os.pipe()
socket.send_fds(channel(), [b'X=1'], [w])
for count in range(6):
    notify('WATCHDOG=1')
    time.sleep(1)
say('spoke')
time.sleep(1000)
";
    let inits = Mode::BOTH.map(|mode| {
        let web = Web::python(script).keys("ready = notify\nwatchdog = 4s");
        (web.run_by(Run::listened(), mode).start(), web)
    });
    let refuses = Arc::new(AtomicBool::new(false));
    for (init, _web) in &inits {
        let refuses = Arc::clone(&refuses);
        let refuse = move |call: &Call| {
            let refused = call.number == libc::SYS_clone && !call.child;
            (refused && refuses.load(Ordering::Relaxed)).then_some(libc::EAGAIN)
        };
        if Listener::to(init, pidlet(), refuse).is_none() {
            skip!("this kernel lets no process answer another's system calls");
        }
        init.wait_says("next");
    }
    refuses.store(true, Ordering::Relaxed);
    for (init, _web) in &inits {
        init.send("\n");
    }
    for (init, _web) in &inits {
        let spoke = || init.lines(Out).iter().any(|line| line == "spoke");
        init.until("it has spoken or ended", || {
            spoke() || init.try_wait().is_some()
        });
        assert!(spoke(), "{}", init.describe());
    }
    refuses.store(false, Ordering::Relaxed);
    for (init, _web) in inits {
        ends_for(init, "failed its watchdog: stopped (watchdog \"4s\")");
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
    // The watchdog waits until the service is up, since Python alone may take long to start.
    let keys = "watchdog = 3s\nready = notify";
    let inits = Mode::BOTH.map(|mode| {
        let web = Web::python(script).keys(keys);
        (web.start(mode), web)
    });
    for (init, _web) in inits {
        init.wait_says("silent");
        ends_for(init, "failed its watchdog: stopped (watchdog \"3s\")");
    }
    for mode in Mode::BOTH {
        let web = Web::python(trigger).keys("watchdog = 1h");
        ends_for(web.start(mode), "failed its watchdog: stopped");
        // Without `ready` the watchdog runs from the start.
        let web = Web::shell("exec sleep 1000\n").keys("watchdog = 200ms");
        ends_for(web.start(mode), "failed its watchdog: stopped");
    }
}

#[test]
fn a_message_sent_in_time_counts_however_late_we_are() {
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

/// When pidlet is frozen or traced, one of its waits is interrupted, and no signal tells why.
#[test]
fn a_message_sent_in_time_counts_even_if_the_wait_was_interrupted() {
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
                // Past the deadline, but not by far: a wait that is very late gives the service its time
                // anew.
                std::thread::sleep(Duration::from_millis(call.args[3] + 300));
            }
            Some(libc::EINTR)
        };
        Listener::to(&init, pidlet(), interrupt).map(|_| (init, web))
    });
    for init in inits {
        let Some((init, _web)) = init else {
            skip!("this kernel lets no process answer another's system calls");
        };
        is_up_and_stops(init);
    }
}

#[test]
fn the_environment_has_the_services_own_notify_variables() {
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
fn mainpid_must_name_a_process_of_the_services_own() {
    let script = "
def main():
    # Root's service may go on as any user.
    if os.getuid() == 0: os.setuid(1)
    go()
    os._exit(7)
pid = orphan(main)
notify(f'MAINPID={pid}\\nREADY=1')
";
    // None of these is a child of pidlet's, so none becomes the service. As an ordinary user's service may
    // name neither another user's process nor one that does not exist, pidlet itself, the user's own, is
    // named last: had the service's own child the last word, the service would go on in it.
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

/// A service of root's and its orphan, which a service of another user speaks for and names; needs root.
const OTHERS: &str = "
pid = orphan(lambda: time.sleep(1000))
with open('new', 'w') as f: f.write(f'{os.environ[\"NOTIFY_SOCKET\"]} {os.getpid()} {pid}\\n')
os.rename('new', 'told')
go()
notify('READY=1')
time.sleep(1000)
";

#[test]
fn no_service_speaks_for_another_users() {
    if !is_root() {
        skip!("only root may change users");
    }
    // An orphan descends from no service any more, but may join any group of its own session.
    let other = format!(
        "{PRELUDE}
while not os.path.exists('told'): time.sleep(0.01)
name, main, stranger = open('told').read().split()
r, w = os.pipe()
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent: time.sleep(0.01)
        # The group of a service of PID 1 is in another session.
        try: os.setpgid(0, int(main))
        except PermissionError: pass
        notify('READY=1')
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
        assert_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

/// Makes a process that has a given pid.
const FORK_WITH_PID: &str = "
def fork_with_pid(number, code):
    with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write(str(number - 1))
    pid = os.fork()
    if pid == 0: code(); os._exit(0)
    assert pid == number, (pid, number)
";

#[test]
fn a_message_does_not_count_for_a_process_that_has_reused_its_senders_pid() {
    if !can_choose_pids() {
        skip!("only root may choose the number of a process");
    }
    let script = format!(
        "{FORK_WITH_PID}
say('begin')
go()
pid = os.fork()
if pid == 0: os.setuid(1); notify('READY=1'); os._exit(0)
os.waitpid(pid, 0)
fork_with_pid(pid, lambda: time.sleep(1000))
say('reused')
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
        // The message must not be received before its sender is gone.
        init.kill(libc::SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        init.wait_says("reused");
        init.kill(libc::SIGCONT);
        init.send("\n");
        init.wait_says("handled");
        assert_not_up(&init);
        init.send("\n");
        is_up_and_stops(init);
    }
}

#[test]
fn services_are_heard_where_proc_shows_another_pid_namespace() {
    if !is_root() {
        skip!("only root may start a service as another user");
    }
    let script = "notify('READY=1')\ntime.sleep(1000)\n";
    let web = Web::python(script).keys("ready = notify\nuser = 1");
    // pidlet is PID 1 of a namespace in which /proc is that of the namespace around it.
    let unshare = Run::new("/usr/bin/unshare").args(["--fork", "--pid", "--kill-child"]);
    let init = web.run_by(unshare.arg(pidlet()), Mode::Child).start();
    init.wait_says("next");
}

#[test]
fn a_service_does_not_go_on_in_anothers_process_that_has_reused_a_pid() {
    if !can_choose_pids() {
        skip!("only root may choose the number of a process");
    }
    let root = format!(
        "{FORK_WITH_PID}
while not os.path.exists('named'): time.sleep(0.01)
number = int(open('named').read())
def stranger():
    while os.getppid() == parent: time.sleep(0.01)
    say('orphan')
    time.sleep(1000)
if os.fork() == 0:
    parent = os.getpid()
    fork_with_pid(number, stranger)
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
fn a_service_does_not_become_the_process_of_its_check() {
    let check = "
write_pid()
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

/// The next message to the supervisor of the container.
fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 100];
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let len = socket
        .recv(&mut buffer)
        .expect("nothing was sent to the supervisor of the container");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

#[test]
fn the_supervisor_of_the_container_is_told() {
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

/// Whether a slow reader hears that a container is ready although its service says a lot.
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
fn many_status_messages_do_not_drown_out_that_the_container_is_ready() {
    let script = "
for n in range(500): notify(f'STATUS={n}')
notify('READY=1')
while True:
    go()
    notify('STATUS=over')
";
    for mode in Mode::BOTH {
        let web = Web::python(script).keys("ready = notify");
        // pidlet waits a tenth of a second for the reader, which may not get to read that soon on a loaded
        // machine.
        let heard = (0..5).any(|_| is_heard_to_be_ready(&web, mode));
        assert!(heard, "{mode:?}");
    }
}

#[test]
fn readiness_is_left_to_the_commands_of_a_command_line() {
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
            assert!(!heard, "we have reported something for them");
        }
    }
}

#[test]
fn the_status_of_an_instance_is_passed_on_with_its_number() {
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
