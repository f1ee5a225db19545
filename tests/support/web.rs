//! A container with one service whose readiness is tested.

use super::*;

/// The start of every Python service. `go` waits for the test to write a line to standard input.
pub const PRELUDE: &str = "#!/usr/bin/python3
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
def write_pid(text=None):
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

/// A container with one service, `web`, and after it a oneshot that says `next`.
pub struct Web {
    pub temp: Temp,
    pub keys: String,
}

impl Web {
    /// A service that is a Python script.
    pub fn python(script: &str) -> Web {
        Web::script(format!("{PRELUDE}{script}"))
    }

    /// A service that is a shell script.
    pub fn shell(script: &str) -> Web {
        Web::script(format!("#!/bin/sh\n{script}"))
    }

    fn script(text: String) -> Web {
        let temp = Temp::new();
        let path = temp.write("web", text, 0o755);
        let keys = format!("run = {path}\n");
        Web { temp, keys }
    }

    /// Adds these keys; `TEMP/` in them stands for the container's own directory.
    pub fn keys(mut self, keys: &str) -> Web {
        let directory = self.temp.join("");
        self.keys += &keys.replace("TEMP/", &directory);
        self.keys += "\n";
        self
    }

    pub fn run(&self, mode: Mode) -> Run {
        self.run_by(Run::pidlet(), mode)
    }

    /// Run by pidlet, or by a program that execs it.
    pub fn run_by(&self, run: Run, mode: Mode) -> Run {
        let plan = format!(
            "[web]\n{}\n[next]\ntype = oneshot\nrun = /bin/echo next\nafter = web\n",
            self.keys.replace("TEMP/", &self.temp.join(""))
        );
        let plan = self.temp.write("plan", plan, 0o644);
        let run = run.mode(mode).args(["-vv", "-c", &plan]);
        run.cwd(self.temp.path()).stdin(Input::Pipe)
    }

    pub fn start(&self, mode: Mode) -> Proc {
        self.run(mode).start()
    }

    /// In a network namespace of its own, where every port is free.
    pub fn start_apart(&self, mode: Mode) -> Proc {
        self.run(mode).own_network().start()
    }
}

#[track_caller]
pub fn assert_not_up(init: &Proc) {
    let web =
        |line: &String| line.starts_with("pidlet: web (pid ") && line.contains(") is up after ");
    // Its own line comes before those of what happens later; that of the oneshot may come after them.
    let up = init.lines(ErrOut).iter().any(web);
    let up = up || init.lines(Out).iter().any(|line| line == "next");
    assert!(!up, "up too early: {}", init.describe());
}

/// Waits for the oneshot after the service, then stops the container.
#[track_caller]
pub fn is_up_and_stops(init: Proc) {
    init.wait_says("next");
    init.wait_line(ErrOut, |line| line.contains(") is up after "));
    init.kill(libc::SIGTERM);
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(143), "{ended}");
}

/// Waits for the end of a container whose service had this fault.
#[track_caller]
pub fn ends_for(init: Proc, fault: &str) -> Ended {
    init.wait_line(ErrOut, |line| line.contains(fault));
    let ended = init.finish();
    assert_ne!(ended.exit, Exit::Code(0), "{ended}");
    ended
}
