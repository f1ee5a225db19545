//! Real programs as they are put together in one container: databases, web servers and applications from
//! Debian's packages, started, queried and stopped by a plan; and the plan of the design, with several of
//! them together.
//!
//! Each container has a network of its own, so that ports are fixed. What pidlet says and what the services
//! log goes to one stream, standard error, so that its lines show the order of events.

mod support;
use support::*;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Prints the page of its argument.
const GET: &str = "/usr/bin/python3 -c \
    'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode().strip())'";

/// A plan file in a directory that every user may write to. In the plan and in other files `DIR` stands for
/// the directory.
struct Container {
    directory: Temp,
}

impl Container {
    fn new(plan: &str) -> Container {
        let directory = Temp::new();
        let open = std::fs::Permissions::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), open).expect("cannot open up a directory");
        let container = Container { directory };
        container.with("plan", plan, 0o644)
    }

    /// Adds this file.
    fn with(self, name: &str, content: &str, mode: u32) -> Container {
        let here = self.directory.path().to_str().expect("the path is UTF-8");
        self.directory
            .write(name, content.replace("DIR", here), mode);
        self
    }

    fn start(&self, mode: Mode) -> Proc {
        let run = Run::pidlet().mode(mode).own_network();
        let plan = self.directory.join("plan");
        run.args(["-vv", "-c", &plan]).stdin(Input::Pipe).start()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The path of a program of this name, from users' and administrators' directories.
fn program(name: &str) -> Option<PathBuf> {
    let directories = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"];
    let mut paths = directories.iter().map(|place| Path::new(place).join(name));
    paths.find(|path| path.exists())
}

/// The path of an entry of a directory whose name begins with `name`, with `below` behind it: of those that
/// exist, the last one by name.
fn versioned(directory: &str, name: &str, below: &str) -> Option<String> {
    let entries = std::fs::read_dir(directory).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names = names.filter(|found| found.starts_with(name));
    let mut paths: Vec<String> = names
        .map(|found| format!("{directory}/{found}{below}"))
        .filter(|path| Path::new(path).exists())
        .collect();
    paths.sort();
    paths.pop()
}

/// The directory of PostgreSQL's programs, if its server is there and would run as our user: it wants a name
/// for that.
fn postgres() -> Option<String> {
    // SAFETY: asks for our id, and only whether there is an entry for it.
    let has_name = is_root() || unsafe { !libc::getpwuid(libc::getuid()).is_null() };
    if !has_name {
        return None;
    }
    let server = versioned("/usr/lib/postgresql", "", "/bin/postgres")?;
    Some(server.strip_suffix("/postgres")?.to_owned())
}

/// The line that runs a service as an ordinary user; empty where we are one.
fn ordinary(user: &str) -> String {
    if is_root() {
        format!("user = {user}")
    } else {
        String::new()
    }
}

/// The users that a server is tried as: root and an ordinary one, where we are root.
fn users() -> Vec<String> {
    let mut users = vec![String::new()];
    users.extend(Some(ordinary("12345:12345")).filter(|line| !line.is_empty()));
    users
}

/// Whether a line suits a pattern: parts with `*` between them, which it has in this order.
fn suits(line: &str, pattern: &str) -> bool {
    let mut rest = Some(line);
    for part in pattern.split('*') {
        rest = rest.and_then(|text| Some(text.split_once(part)?.1));
    }
    rest.is_some()
}

/// Lines that suit the patterns must come in this order, whatever stands between them.
#[track_caller]
fn in_order(text: &str, patterns: &[&str]) {
    let mut lines = text.lines();
    for pattern in patterns {
        assert!(
            lines.any(|line| suits(line, pattern)),
            "no {pattern:?} at its place in\n{text}"
        );
    }
}

/// Waits for a line of standard error.
#[track_caller]
fn wait_message(init: &Proc, pattern: &str) {
    init.wait_line(ErrOut, |line| suits(line, pattern));
}

/// Waits until `count` lines of standard error suit.
#[track_caller]
fn wait_messages(init: &Proc, pattern: &str, count: usize) {
    init.until(&format!("{pattern:?} is said {count} times"), || {
        let lines = init.lines(ErrOut);
        lines.iter().filter(|line| suits(line, pattern)).count() >= count
    });
}

/// Waits for the end with this code, after which no process is left.
#[track_caller]
fn ends(init: Proc, code: i32) -> Ended {
    let exit = init.wait_exit();
    assert_eq!(exit, Exit::Code(code), "{}", init.describe());
    // The kernel may still be busy with the processes that it killed at the end of a namespace.
    init.until("no process is left", || init.others().is_empty());
    let ended = init.finish();
    for fault in [
        "did not stop",
        "cannot ",
        "reaped an orphan*killed by signal 9",
    ] {
        let said = |line: &str| line.starts_with("pidlet: ") && suits(line, fault);
        assert!(!ended.stderr.lines().any(said), "{fault:?} in {ended}");
    }
    ended
}

/// Stops the container as `docker stop` does, and waits for its end.
#[track_caller]
fn stops(init: Proc, code: i32) -> Ended {
    init.kill(libc::SIGTERM);
    ends(init, code)
}

/// Sends a signal to a process of a container by its number outside.
#[track_caller]
fn kill(info: &Info, signal: i32) {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::kill(info.pid, signal) };
    assert_eq!(done, 0, "cannot signal {info:?}");
}

/// The process that a pid file names by its number inside.
fn named_by(init: &Proc, pidfile: &Path) -> Option<Info> {
    let text = std::fs::read_to_string(pidfile).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    init.others().into_iter().find(|info| info.inner == pid)
}

/// What a process shows as its command line.
fn title(info: &Info) -> String {
    let line = std::fs::read(format!("/proc/{}/cmdline", info.pid)).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

/// The living children of a process of a container.
fn children_of(init: &Proc, parent: &Info) -> Vec<Info> {
    let mut all = init.others();
    all.retain(|info| info.ppid == parent.pid && !info.is_zombie());
    all
}

const POSTGRES: &str = "
[app]
run = sh -c 'trap \"echo app stops >&2; exit 0\" TERM; echo app; while :; do sleep 0.02; done'
after = query

[query]
type = oneshot
run = BIN/psql -h 127.0.0.1 -U postgres -XAt -c \"select 'answer ' || 6 * 7\" postgres
restart = on-failure            # it listens a moment before it answers
backoff = 20ms..100ms
after = db

[db]
run = BIN/postgres -D DIR/db -c listen_addresses=127.0.0.1 -c port=5432 -k .
after = initdb
ready = READY
stop = INT 20s
USER

[initdb]
type = oneshot
run = BIN/initdb -D DIR/db -U postgres -A trust -N --no-locale -E UTF8
USER
";

#[test]
fn postgresql_is_set_up_queried_and_stopped() {
    let Some(bin) = postgres() else {
        skip!("needs PostgreSQL's server, and a user with a name");
    };
    let plan = POSTGRES.replace("BIN", &bin);
    let plan = plan.replace("USER", &ordinary("postgres"));
    let asks = format!("exec:{bin}/pg_isready -q -h 127.0.0.1");
    for (mode, ready) in [
        (Mode::Pid1, "tcp:5432"),
        (Mode::Child, "tcp:5432"),
        (Mode::Child, &asks),
    ] {
        let container = Container::new(&plan.replace("READY", ready));
        let init = container.start(mode);
        init.wait_says("app");
        assert!(
            init.stdout().contains("\nanswer 42\n"),
            "{}",
            init.describe()
        );
        let ended = stops(init, 0);
        in_order(
            &ended.stderr,
            &[
                "pidlet: initdb (pid * runs",
                "pidlet: initdb (pid * exited with code 0",
                "pidlet: db (pid * runs",
                "pidlet: db (pid * is up",
                "pidlet: query (pid * runs",
                "pidlet: query (pid * exited with code 0",
                "pidlet: app (pid * runs",
                "pidlet: received TERM",
                "app stops",
                "pidlet: app (pid * exited with code 0",
                "received fast shutdown request",
                "database system is shut down",
                "pidlet: db (pid * exited with code 0",
                "container exits 0",
            ],
        );
    }
}

#[test]
fn postgresql_whose_first_process_is_killed_ends_the_container() {
    let Some(bin) = postgres() else {
        skip!("needs PostgreSQL's server, and a user with a name");
    };
    let plan = POSTGRES.replace("BIN", &bin);
    let plan = plan.replace("USER", &ordinary("postgres"));
    for mode in Mode::BOTH {
        let container = Container::new(&plan.replace("READY", "tcp:5432"));
        let init = container.start(mode);
        init.wait_says("app");
        // Its first line is the server's pid.
        let pidfile = std::fs::read_to_string(container.path("db/postmaster.pid")).unwrap();
        let pid: i32 = pidfile.lines().next().unwrap().parse().unwrap();
        let server = init.others().into_iter().find(|info| info.inner == pid);
        let server = server.expect("the server runs");
        // A helper that dies is the server's own affair: it starts all of them anew.
        let helper = || {
            let mut helpers = children_of(&init, &server).into_iter();
            helpers.find(|info| title(info).starts_with("postgres: walwriter"))
        };
        // A process gets its title a moment after it was made.
        init.until("it has helpers", || helper().is_some());
        kill(&helper().expect("found above"), libc::SIGKILL);
        wait_messages(&init, "database system is ready to accept connections", 2);
        kill(&server, libc::SIGKILL);
        let ended = ends(init, 137);
        let reason =
            "pidlet: db (pid * was killed by signal 9 (KILL) from outside*; container exits 137";
        in_order(&ended.stderr, &["app stops", reason]);
    }
}

const NGINX: &str = "
error_log stderr notice;
pid DIR/nginx.pid;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    server {
        listen 127.0.0.1:8080;
        location / { LOCATION }
    }
}
";

/// A container of nginx with these arguments and keys, and a oneshot after it that prints a page.
fn nginx(program: &Path, args: &str, keys: &str) -> Container {
    let plan = format!(
        "[nginx]\nrun = {} -e stderr -c DIR/nginx.conf {args}\nready = http://127.0.0.1:8080/\n{keys}\n\
        [get]\ntype = oneshot\nrun = {GET} http://127.0.0.1:8080/x\nafter = nginx\n",
        program.display()
    );
    let answer = NGINX.replace("LOCATION", "return 200 \"page $uri\\n\";");
    Container::new(&plan).with("nginx.conf", &answer, 0o644)
}

/// The keys for nginx as a daemon.
const DAEMON: &str = "type = daemon\npidfile = DIR/nginx.pid";

/// Starts nginx as a daemon, and waits until it serves; returns the container and nginx's master.
#[track_caller]
fn in_the_background(container: &Container, mode: Mode) -> (Proc, Info) {
    let init = container.start(mode);
    init.wait_says("page /x");
    let master = named_by(&init, &container.path("nginx.pid")).expect("a pid file");
    (init, master)
}

#[test]
fn nginx_in_the_background_serves_and_stops() {
    let Some(nginx_program) = program("nginx") else {
        skip!("needs nginx");
    };
    for mode in Mode::BOTH {
        for (user, stop) in users().iter().zip(["QUIT 10s", "TERM"]) {
            let keys = format!("{DAEMON}\nstop = {stop}\n{user}");
            let container = nginx(&nginx_program, "", &keys);
            let (init, master) = in_the_background(&container, mode);
            // One worker that dies is the master's own affair.
            let worker = children_of(&init, &master).pop().expect("it has a worker");
            kill(&worker, libc::SIGKILL);
            init.until("there is another worker", || {
                let workers = children_of(&init, &master);
                workers.iter().any(|other| other.pid != worker.pid)
            });
            let ended = stops(init, 0);
            in_order(
                &ended.stderr,
                &[
                    "pidlet: nginx (pid * is up",
                    "pidlet: get (pid * runs",
                    "exited on signal 9",
                    "pidlet: received TERM",
                    "pidlet: nginx (pid * exited with code 0",
                    "container exits 0",
                ],
            );
        }
    }
}

#[test]
fn nginx_in_the_foreground_serves_and_stops() {
    let Some(nginx_program) = program("nginx") else {
        skip!("needs nginx");
    };
    for mode in Mode::BOTH {
        for (user, stop) in users().iter().zip(["TERM", "QUIT"]) {
            let keys = format!("stop = {stop}\n{user}");
            let container = nginx(&nginx_program, "-g 'daemon off;'", &keys);
            let init = container.start(mode);
            init.wait_says("page /x");
            stops(init, 0);
        }
    }
}

/// Its manual's "Upgrading Executable on the Fly".
#[test]
fn nginx_that_upgrades_itself_goes_on() {
    let Some(nginx_program) = program("nginx") else {
        skip!("needs nginx");
    };
    for mode in Mode::BOTH {
        let container = nginx(&nginx_program, "", DAEMON);
        let (init, old) = in_the_background(&container, mode);
        let master = || named_by(&init, &container.path("nginx.pid"));
        kill(&old, libc::SIGUSR2);
        init.until("there is another master", || {
            master().is_some_and(|new| new.pid != old.pid)
        });
        kill(&old, libc::SIGQUIT);
        let is_there = || init.others().iter().any(|other| other.pid == old.pid);
        init.until("the old master is gone", || !is_there());
        let new = master().expect("a pid file");
        let ended = stops(init, 0);
        let told = format!("pidlet: nginx (pid {}) exited with code 0", new.inner);
        in_order(
            &ended.stderr,
            &["pidlet: received TERM", &told, "container exits 0"],
        );
    }
}

#[test]
fn nginx_whose_master_is_killed_ends_the_container() {
    let Some(nginx_program) = program("nginx") else {
        skip!("needs nginx");
    };
    for mode in Mode::BOTH {
        let container = nginx(&nginx_program, "", DAEMON);
        let (init, master) = in_the_background(&container, mode);
        kill(&master, libc::SIGKILL);
        let ended = ends(init, 137);
        let last = ended.stderr.lines().last().unwrap_or_default();
        let reason =
            "pidlet: nginx (pid * was killed by signal 9 (KILL) from outside*; container exits 137";
        assert!(suits(last, reason), "{ended}");
    }
}

#[test]
fn nginx_whose_master_is_killed_starts_again() {
    let Some(nginx_program) = program("nginx") else {
        skip!("needs nginx");
    };
    for mode in Mode::BOTH {
        // The old pid file is still there then, and so are for a moment the workers, which hold the port.
        let container = nginx(
            &nginx_program,
            "",
            &format!("{DAEMON}\nrestart = on-failure\nbackoff = 20ms"),
        );
        let (init, master) = in_the_background(&container, mode);
        kill(&master, libc::SIGKILL);
        wait_message(
            &init,
            "pidlet: nginx (pid * from outside after *; starts again in ",
        );
        wait_messages(&init, "pidlet: nginx (pid * is up", 2);
        let again = named_by(&init, &container.path("nginx.pid")).expect("a pid file");
        assert_ne!(again.pid, master.pid);
        stops(init, 0);
    }
}

const HAPROXY: &str = "
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend page
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain string 'page A'
";

/// Prints the page whenever it has changed, and ignores USR2.
const READER: &str = r#"#!/usr/bin/python3
import signal, time, urllib.request
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
seen = None
while True:
    try:
        page = urllib.request.urlopen("http://127.0.0.1:8080/").read().decode()
    except OSError:
        page = seen
    if page != seen:
        print(page, flush=True)
    seen = page
    time.sleep(0.02)
"#;

/// Its master execs itself for that and starts other workers; told to stop, it ends when the last one has
/// served its clients.
#[test]
fn haproxy_reads_its_configuration_again_and_drains() {
    let (Some(haproxy), Some(_)) = (program("haproxy"), program("python3")) else {
        skip!("needs haproxy and python3");
    };
    let haproxy = haproxy.display();
    for mode in Mode::BOTH {
        for user in users() {
            let plan = format!(
                "[haproxy]\nrun = {haproxy} -Ws -f DIR/haproxy.cfg\nready = notify\nstop = USR1\n{user}\n\
                [reader]\nrun = DIR/reader\nafter = haproxy\n"
            );
            let container = Container::new(&plan)
                .with("haproxy.cfg", HAPROXY, 0o644)
                .with("reader", READER, 0o755);
            let init = container.start(mode);
            init.wait_says("page A");
            let _with = container.with("haproxy.cfg", &HAPROXY.replace("page A", "page B"), 0o644);
            init.kill(libc::SIGUSR2);
            init.wait_says("page B");
            // Until then it reacts to no signal.
            wait_message(&init, "Former worker (*");
            let ended = stops(init, 0);
            let said = [
                "pidlet: haproxy (pid * is up",
                "pidlet: reader (pid * runs",
                "pidlet: passed on USR2",
                "pidlet: received TERM",
                "pidlet: reader (pid * was killed by signal 15 (TERM)",
                "pidlet: haproxy (pid * exited with code 0",
            ];
            in_order(&ended.stderr, &said);
        }
    }
}

const REDIS: &str = "
[redis]
run = redis-server --supervised systemd --bind 127.0.0.1 --port 6379 --dir DIR --save '900 1'
ready = notify
USER

[ping]
type = oneshot
run = redis-cli ping
after = redis

[set]
type = oneshot
run = redis-cli set key value
after = ping
";

#[test]
fn redis_says_when_it_is_ready_and_saves_when_it_stops() {
    if program("redis-server").is_none() || program("redis-cli").is_none() {
        skip!("needs redis-server and redis-cli");
    }
    for mode in Mode::BOTH {
        for user in users() {
            let container = Container::new(&REDIS.replace("USER", &user));
            let init = container.start(mode);
            init.wait_says("OK");
            let ended = stops(init, 0);
            let out = [
                "Ready to accept connections",
                "PONG",
                "OK",
                "DB saved on disk",
                "Redis is now ready to exit, bye bye",
            ];
            in_order(&ended.stdout, &out);
            let said = [
                "pidlet: redis (pid * runs",
                "pidlet: redis (pid * is up",
                "pidlet: ping (pid * runs",
                "pidlet: ping (pid * exited with code 0",
                "pidlet: set (pid * runs",
            ];
            in_order(&ended.stderr, &said);
            assert!(container.path("dump.rdb").exists(), "{ended}");
        }
    }
}

/// A typical application: it warms up, listens late, and answers 503 for a while.
const APPLICATION: &str = r#"#!/usr/bin/python3
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    warm = 0
    def do_GET(self):
        Handler.warm += 1
        good = Handler.warm > 3
        self.send_response(200 if good else 503)
        self.end_headers()
        self.wfile.write(b"page %d of %s\n" % (Handler.warm, self.path.encode()))
    def log_message(self, *words):
        print(*words, file=sys.stderr, flush=True)
print("begins", flush=True)
sys.stdin.readline()
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"#;

#[test]
fn a_python_application_is_up_when_its_response_is_good() {
    if program("python3").is_none() {
        skip!("needs python3");
    }
    let plan = format!(
        "[app]\nrun = DIR/app\nready = http://127.0.0.1:8080/health\n\
        [get]\ntype = oneshot\nrun = {GET} http://127.0.0.1:8080/\nafter = app\n"
    );
    for mode in Mode::BOTH {
        let container = Container::new(&plan).with("app", APPLICATION, 0o755);
        let init = container.start(mode);
        init.wait_says("begins");
        init.send("\n");
        init.wait_says("page 5 of /");
        // It has no handler for TERM, and its end is the container's.
        let ended = stops(init, 143);
        let answers = [
            "503",
            "503",
            "503",
            "200",
            "pidlet: app (pid * is up",
            "pidlet: get (pid * runs",
        ];
        in_order(&ended.stderr, &answers);
    }
}

const PHP: &str = "
[php]
run = FPM -F -y DIR/fpm.conf
ready = unix:DIR/php.sock
stop = QUIT 10s
USER

[nginx]
run = NGINX -e stderr -c DIR/nginx.conf -g 'daemon off;'
ready = http://127.0.0.1:8080/
after = php
USER

[get]
type = oneshot
run = GET http://127.0.0.1:8080/
after = nginx
";

const FPM: &str = "
[global]
error_log = DIR/fpm.log
[www]
listen = DIR/php.sock
pm = static
pm.max_children = 2
";

#[test]
fn php_behind_nginx_serves_and_stops_in_reverse() {
    let (fpm, nginx) = (versioned("/usr/sbin", "php-fpm", ""), program("nginx"));
    let (Some(fpm), Some(nginx)) = (fpm, nginx) else {
        skip!("needs php-fpm and nginx");
    };
    let plan = PHP.replace("FPM", &fpm);
    let plan = plan.replace("NGINX", nginx.to_str().unwrap());
    let plan = plan.replace("GET", GET);
    let plan = plan.replace("USER", &ordinary("12345:12345"));
    let location = "fastcgi_pass unix:DIR/php.sock; fastcgi_param REQUEST_METHOD GET; \
        fastcgi_param SCRIPT_FILENAME DIR/index.php;";
    for mode in Mode::BOTH {
        let container = Container::new(&plan)
            .with("fpm.conf", FPM, 0o644)
            .with("nginx.conf", &NGINX.replace("LOCATION", location), 0o644)
            .with("index.php", "<?php echo 'page of ', PHP_SAPI;", 0o644);
        let init = container.start(mode);
        init.wait_says("page of fpm-fcgi");
        let ended = stops(init, 0);
        in_order(
            &ended.stderr,
            &[
                "pidlet: php (pid * is up",
                "pidlet: nginx (pid * runs",
                "pidlet: nginx (pid * is up",
                "pidlet: get (pid * runs",
                "pidlet: received TERM",
                "pidlet: nginx (pid * exited with code 0",
                "pidlet: php (pid * exited with code 0",
            ],
        );
        let log = lines_of(container.path("fpm.log")).join("\n");
        in_order(
            &log,
            &[
                "ready to handle connections",
                "Finishing ...",
                "exiting, bye-bye!",
            ],
        );
    }
}

const ETCD: &str = "
[etcd]
run = etcd --data-dir DIR/etcd --listen-client-urls http://127.0.0.1:2379 --logger zap \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
    --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
ready = http://127.0.0.1:2379/health
env = ETCD_UNSUPPORTED_ARCH=ARCH
USER

[put]
type = oneshot
run = etcdctl --dial-timeout=60s --command-timeout=60s put key value
env = ETCDCTL_API=3
after = etcd

[get]
type = oneshot
run = etcdctl --dial-timeout=60s --command-timeout=60s get key
env = ETCDCTL_API=3
after = put
";

#[test]
fn etcd_is_healthy_queried_and_stopped() {
    if program("etcd").is_none() || program("etcdctl").is_none() {
        skip!("needs etcd and etcdctl");
    }
    // On architectures other than amd64 it runs only if it is told to.
    let arch = std::env::consts::ARCH.replace("aarch64", "arm64");
    let plan = ETCD.replace("ARCH", &arch);
    for mode in Mode::BOTH {
        let container = Container::new(&plan.replace("USER", &ordinary("12345:12345")));
        let init = container.start(mode);
        init.wait_says("value");
        // It closes everything and then kills itself with the signal that it got.
        let ended = stops(init, 143);
        assert!(ended.stdout.ends_with("OK\nkey\nvalue\n"), "{ended}");
        in_order(
            &ended.stderr,
            &[
                "pidlet: etcd (pid * is up",
                "pidlet: put (pid * runs",
                "pidlet: put (pid * exited with code 0",
                "pidlet: get (pid * runs",
                "received signal*shutting down",
                "closed etcd server",
                "pidlet: etcd (pid * was killed by signal 15 (TERM)",
            ],
        );
    }
}

/// The plan with which the design of plan files began, to the letter.
const PLAN: &str = "\
[pidlet]                     # container-wide; the options of §4 by their long names
grace = 25s
log = prefix

[migrate]
type = oneshot
run = /app/migrate up
after = db

[db]
run = /usr/bin/postgres -D /data
user = postgres
ready = tcp:5432
stop = INT 20s               # signal(s) and own timeout

[web]
run = /app/web --port ${PORT:-8080}
after = migrate
user = 1000:1000
restart = on-failure
ready = http://127.0.0.1:8080/healthz

[nginx]
type = daemon
run = /usr/sbin/nginx
pidfile = /run/nginx.pid
";

const STAND_IN: &str = "#!/usr/bin/python3
import http.server, os, signal, socket, sys, urllib.request
def say(text): os.write(1, (text + '\\n').encode())
def stop(text):
    say(text)
    os._exit(0)
def go(): os.read(0, 1)
";

const STAND_IN_DB: &str = "
say(f'db begins {sys.argv[1:]} {os.getuid()}')
signal.signal(signal.SIGINT, lambda *_: stop('db stops'))
open('/data/PG_VERSION', 'w').close()
go()
say('db is about to listen')
server = socket.create_server(('127.0.0.1', 5432))
while True:
    client, _ = server.accept()
    try: client.send(b'15')
    except OSError: pass
    client.close()
";

const STAND_IN_MIGRATE: &str = "
try: open('/written', 'w')
except OSError as error: say(f'migrate {sys.argv[1:]}: {error.strerror}')
with socket.create_connection(('127.0.0.1', 5432)) as db: say(f'migrate: {db.recv(9).decode()}')
";

const STAND_IN_WEB: &str = "
say(f'web begins {sys.argv[1:]} {os.getuid()}')
signal.signal(signal.SIGTERM, lambda *_: stop('web stops'))
go()
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        if Handler.asked == 2: say('web is about to be healthy')
        self.send_response(200 if Handler.asked > 1 else 503)
        self.end_headers()
        self.wfile.write(b'page of web')
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2])), Handler).serve_forever()
";

const NGINX_OF_PLAN: &str = "
user nginx nginx;
error_log stderr;
worker_processes 2;
events {}
http {
    access_log off;
    client_body_temp_path /run/body;
    proxy_temp_path /run/proxy;
    fastcgi_temp_path /run/fastcgi;
    uwsgi_temp_path /run/uwsgi;
    scgi_temp_path /run/scgi;
    server {
        listen unix:/run/http.sock;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
}
";

/// Makes a root file system from the first argument in the directory of the second, enters it and execs
/// pidlet, as an ordinary user if the third argument is not empty. The process stays the same from the first
/// program to pidlet. The machine's own programs are in /host.
const STAGE: &str = "#!/bin/sh
set -eu
PATH=/usr/bin:/usr/sbin:/bin:/sbin
mount -t tmpfs -o mode=755 none \"$2\"
cp -R \"$1/.\" \"$2\"
cd \"$2\"
mkdir -p host old proc dev run tmp data bin usr/bin usr/sbin var/log
ln -s /host/lib lib; ln -s /host/lib usr/lib
if [ -e /usr/lib64 ]; then ln -s /host/lib64 lib64; fi
ln -s /host/bin/sh bin/sh; ln -s /host/bin/python3 usr/bin/python3; ln -s /host/sbin/nginx usr/sbin/nginx
ln -s /run var/log/nginx
mount --rbind /usr host
mount --rbind /proc proc
: >dev/null; mount --bind /dev/null dev/null
for place in run tmp data; do mount -t tmpfs -o mode=1777 none $place; done
pivot_root . old
PATH=/host/bin:/host/sbin
umount -l /old
mount -o remount,bind,ro /
cd /
set -- \"$3\" /pidlet -vv
if [ -n \"$1\" ]; then
    shift
    exec unshare --user --map-user=1000 --map-group=1000 \"$@\"
fi
shift
exec \"$@\"
";

/// The container of that plan in a root file system of its own.
struct Example {
    directory: Temp,
    /// An ordinary user runs everything, in a user namespace that has no other user; else root does.
    ordinary: bool,
}

impl Example {
    fn new(ordinary: bool) -> Example {
        let directory = Temp::new();
        for name in [
            "root",
            "root/app",
            "root/etc",
            "root/etc/nginx",
            "root/usr",
            "root/usr/bin",
            "new",
        ] {
            std::fs::create_dir(directory.join(name)).expect("cannot make a directory");
        }
        let (postgres, nginx) = if ordinary { (1000, 1000) } else { (70, 101) };
        let passwd = format!(
            "root:x:0:0::/:/bin/sh\npostgres:x:{postgres}:{postgres}::/data:/bin/sh\n\
            nginx:x:{nginx}:{nginx}::/:/bin/sh\n"
        );
        let group = format!("root:x:0:\npostgres:x:{postgres}:\nnginx:x:{nginx}:\n");
        directory.write("root/etc/passwd", passwd, 0o644);
        directory.write("root/etc/group", group, 0o644);
        directory.write("root/etc/pidlet.conf", PLAN, 0o644);
        directory.write("root/etc/nginx/nginx.conf", NGINX_OF_PLAN, 0o644);
        for (name, script) in [
            ("root/usr/bin/postgres", STAND_IN_DB),
            ("root/app/migrate", STAND_IN_MIGRATE),
            ("root/app/web", STAND_IN_WEB),
        ] {
            directory.write(name, format!("{STAND_IN}{script}"), 0o755);
        }
        directory.hard_link(pidlet(), "root/pidlet");
        directory.write("stage", STAGE, 0o755);
        Example {
            directory,
            ordinary,
        }
    }

    fn start(&self, mode: Mode) -> Proc {
        let mut words = Vec::new();
        if self.ordinary {
            if is_root() {
                words.extend(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]);
            }
            words.extend(["unshare", "--user", "--map-root-user", "--mount"]);
        }
        let run = Run::new("/usr/bin/env").mode(mode).own_network();
        let places = ["stage", "root", "new"].map(|name| self.directory.join(name));
        let user = if self.ordinary { "1000" } else { "" };
        run.args(words)
            .args(places)
            .arg(user)
            .stdin(Input::Pipe)
            .start()
    }
}

/// What nginx answers. Its socket is in a file system that only the container has.
#[track_caller]
fn page(init: &Proc) -> String {
    let socket = format!("/proc/{}/root/run/http.sock", init.pid());
    let mut socket = UnixStream::connect(socket).expect("nginx listens");
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("nginx answers");
    answer.lines().last().unwrap_or_default().to_owned()
}

/// Runs that container from its start to its stop.
#[track_caller]
fn the_plan_of_the_design_works(ordinary: bool) {
    for mode in Mode::BOTH {
        let example = Example::new(ordinary);
        let init = example.start(mode);
        let (db, web) = if ordinary { (1000, 1000) } else { (70, 1000) };
        let db_begins = format!("db begins ['-D', '/data'] {db}");
        let web_begins = format!("web begins ['--port', '8080'] {web}");
        init.wait_says(&format!("db | {db_begins}"));
        init.send("g");
        init.wait_says(&format!("web | {web_begins}"));
        init.send("g");
        wait_message(&init, "pidlet: web (pid * is up");
        // Once for the process that goes away, and then for the one in the pid file.
        wait_messages(&init, "pidlet: nginx (pid * runs", 2);
        assert_eq!(page(&init), "page of web", "{}", init.describe());

        let server = init.find("web").expect("web runs");
        kill(&server, libc::SIGKILL);
        wait_message(
            &init,
            "pidlet: web (pid * from outside after *; starts again in ",
        );
        init.send("g");
        wait_messages(&init, "pidlet: web (pid * is up", 2);
        assert_eq!(page(&init), "page of web", "{}", init.describe());

        let ended = stops(init, 0);
        // The order of lines is known within one service, but not between two.
        for (name, expected) in [
            (
                "db",
                &[&*db_begins, "db is about to listen", "db stops"][..],
            ),
            (
                "migrate",
                &["migrate ['up']: Read-only file system", "migrate: 15"],
            ),
            (
                "web",
                &[
                    &web_begins,
                    "web is about to be healthy",
                    &web_begins,
                    "web is about to be healthy",
                    "web stops",
                ],
            ),
        ] {
            let prefix = format!("{name} | ");
            let lines = ended.stdout.lines();
            let lines: Vec<&str> = lines
                .filter_map(|line| line.strip_prefix(&prefix))
                .collect();
            assert_eq!(lines, expected, "{ended}");
        }
        let last = "pidlet: stopped by TERM: migrate (pid * exited with code 0*; container exits 0";
        in_order(
            &ended.stderr,
            &[
                "pidlet: db (pid * is up",
                "pidlet: migrate (pid * exited with code 0",
                "pidlet: web (pid * is up",
                "pidlet: web (pid * was killed by signal 9 (KILL) from outside",
                "pidlet: received TERM",
                "pidlet: web (pid * exited with code 0",
                "pidlet: db (pid * exited with code 0",
                last,
            ],
        );
    }
}

#[test]
fn the_plan_of_the_design_works_as_root() {
    if !is_root() {
        skip!("only root may change users");
    }
    if program("nginx").is_none() || program("python3").is_none() {
        skip!("needs nginx and python3");
    }
    the_plan_of_the_design_works(false);
}

#[test]
fn the_plan_of_the_design_works_as_an_ordinary_user() {
    if program("nginx").is_none() || program("python3").is_none() {
        skip!("needs nginx and python3");
    }
    the_plan_of_the_design_works(true);
}
