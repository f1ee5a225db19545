//! What a plan file says, and every fault that it may have.

use std::borrow::ToOwned;
use std::boxed::Box;
use std::cell::RefCell;
use std::format;
use std::string::String;
use std::vec::Vec;
use std::{assert, assert_eq};

use super::super::{Question, TEXT_BUFFER, pidlet};
use super::*;
use crate::plan::{Essential, GROUPS_MAX, Log, Plan, Style};
use crate::words::errno::Errno;
use crate::words::signal::Signal;
use crate::words::time::Span;

/// The files of the tests' image.
const FILES: [(&CStr, &[u8]); 10] = [
    (
        c"/etc/passwd",
        b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nnul:x:9:10::/a\0b:/c\n",
    ),
    (
        c"/etc/group",
        b"root:x:0:\napp:x:1001:\nweb:x:33:app,other,1000\n",
    ),
    (
        c"/env",
        b"\xef\xbb\xbf# one\nA=1\nB='x y' $HOME\r\n\nNAME\nNONE\n  C=3\n",
    ),
    (c"/wrong", b"=x\n"),
    (c"/three", b"a b=1\nA=1\n=x\n"),
    (c"/shell", b"B=2\n export A=1\n"),
    (c"/tab", b"A\t=1\n"),
    (c"/nul", b"A=1\0B=2\n"),
    (c"/d/a", b"1\0 2 \nmore\n"),
    (c"/d/b", b""),
];

const VARIABLES: [(&[u8], &CStr); 3] = [(b"NAME", c"a value"), (b"EMPTY", c""), (b"P", c"80 81")];

/// Reads a plan file; returns the plan and the lines that were printed.
fn plan(text: &(impl AsRef<[u8]> + ?Sized)) -> (Plan<'static>, Vec<String>) {
    let said: &'static RefCell<Vec<String>> = Box::leak(Box::default());
    let print = move |_, text: &[u8]| {
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        said.borrow_mut().push(text);
    };
    let variable = |name: &[u8]| VARIABLES.iter().find(|(known, _)| *known == name);
    let question: &'static Question = Box::leak(Box::new(Question {
        args: &[],
        getenv: Box::leak(Box::new(move |name: &[u8]| {
            variable(name).map(|(_, value)| *value)
        })),
        twins: true,
        own: 1,
        read: &|path| {
            let file = FILES.iter().find(|(known, _)| *known == path);
            file.map(|(_, text)| *text).ok_or(Errno::NOENT)
        },
        list: &|path, programs, each| match (path.to_bytes(), programs) {
            (b"/d", _) => {
                each(b"b");
                each(b"a");
                Ok(())
            }
            (b"/three", true) => {
                [&b"b"[..], b"c", b"a"].into_iter().for_each(each);
                Ok(())
            }
            (b"/empty", _) => Ok(()),
            (b"/1000" | b"/1001", _) => {
                let count = std::str::from_utf8(&path.to_bytes()[1..]).unwrap();
                let names = (0..count.parse().unwrap()).map(|number: u32| format!("{number:04}"));
                names.for_each(|name| each(name.as_bytes()));
                Ok(())
            }
            _ => Err(Errno::NOENT),
        },
        print: Box::leak(Box::new(print)),
    }));
    let text: &'static [u8] = Box::leak(text.as_ref().to_owned().into());
    let mut plan = Plan::new(Style::Pidlet);
    let mut settings = Settings::new(&mut plan, question);
    let mut buffer = TEXT_BUFFER;
    let table = pidlet::DOOR.table(&mut buffer);
    read(&mut settings, &table, c"f", text);
    (plan, said.take())
}

/// The plan of a file that has no fault.
#[track_caller]
pub(crate) fn sound(text: &str) -> Plan<'static> {
    let (plan, said) = plan(text);
    assert_eq!(said, Vec::<String>::new(), "{text}");
    plan
}

/// What a section with these lines says.
#[track_caller]
pub(crate) fn spec(text: &str) -> Spec<'static> {
    sound(&format!("[x]\nrun = x\n{text}")).services[0].spec
}

#[track_caller]
fn faults(text: &str, expected: &[&str]) {
    let (_, said) = plan(text);
    let lines: Vec<String> = expected
        .iter()
        .map(|line| format!("pidlet: f{line}"))
        .collect();
    assert_eq!(said, lines, "{text}");
}

/// The words of a value of `run`.
#[track_caller]
fn run(value: &str) -> Vec<&'static CStr> {
    sound(&format!("[a]\nrun = {value}")).services[0]
        .run
        .to_vec()
}

#[test]
fn words_are_split_as_a_shell_does() {
    for (value, expected) in [
        ("a b\tc", &[c"a", c"b", c"c"][..]),
        ("'a b' \"c d\"'e'", &[c"a b", c"c de"]),
        ("a\\ b \\\\ \\\"", &[c"a b", c"\\", c"\""]),
        ("\"a\\$b \\x \\\"\"", &[c"a$b \\x \""]),
        ("a '' \"\"", &[c"a", c"", c""]),
        ("a # comment", &[c"a"]),
        ("a#b '#' \\#", &[c"a#b", c"#", c"#"]),
        ("a # c\n  b # d\n\tc", &[c"a", c"b", c"c"]),
        ("a \\\n  b", &[c"a", c"b"]),
        ("\"a\\\\b \\` \\\n  c\"", &[c"a\\b `   c"]),
        ("a *.c ~ '`x`'", &[c"a", c"*.c", c"~", c"`x`"]),
        ("a\r\n", &[c"a"]),
        ("\"it's\" \" # |\"", &[c"it's", c" # |"]),
        ("date +%F 5% %%i", &[c"date", c"+%F", c"5%", c"%i"]),
        ("a \\", &[c"a", c"\\"]),
        ("a \\\r", &[c"a", c"\\"]),
        (
            "'a\n b' \"c\\\n d\n\te\" \\\n f",
            &[c"a\n b", c"c d\n\te", c"f"],
        ),
        ("'a\rb'", &[c"a\rb"]),
        (
            "a '|' \\; \"&&\" b|c ?d&e;f=g '>' \"$(h)\"",
            &[c"a", c"|", c";", c"&&", c"b|c", c"?d&e;f=g", c">", c"$(h)"],
        ),
    ] {
        assert_eq!(run(value), expected, "{value:?}");
        let value = value.replace('\n', "\r\n");
        assert_eq!(run(&value), expected, "{value:?}");
    }
    for value in [
        "a && b",
        "a | b",
        "a ;",
        "a >b",
        "a <b",
        "a &",
        "a; b",
        "a\nc;\td",
        "a 'b'&",
        "a 2>&1",
        "a b>c",
        "a `b`",
        "a --b=$(c)",
    ] {
        let value = value.replace('\n', "\n ");
        faults(
            &format!("[a]\nrun = {value}"),
            &[":2: [a] run: quote | & ; < > ` $(, or write sh -c '...'"],
        );
    }
    // Keys that are indented, as other programs' files allow.
    faults(
        "[a]\n  run = x",
        &[
            ":1: [a] it needs run or run-parts, not both",
            ":2: [a] \"run = x\": neither a [section] nor an unindented key = value",
        ],
    );
}

#[test]
fn variables_are_expanded_and_not_split_again() {
    for (value, expected) in [
        ("$NAME", &[c"a value"][..]),
        ("x${NAME}y ${NAME}", &[c"xa valuey", c"a value"]),
        ("\"$NAME\" '$NAME'", &[c"a value", c"$NAME"]),
        ("a $EMPTY \"$EMPTY\"", &[c"a", c"", c""]),
        ("${NONE:-8080} ${NONE:-} ${EMPTY:-x}", &[c"8080", c"", c"x"]),
        (
            "${NAME:-x} $NAME}x ${NO_NE:-y}",
            &[c"a value", c"a value}x", c"y"],
        ),
        (
            "$$ $$NAME \\$NAME a$ $1",
            &[c"$", c"$NAME", c"$NAME", c"a$", c"$1"],
        ),
    ] {
        // No variable is called `1`, so `$1` is refused: see below.
        let value = value.replace(" $1", " '$1'");
        assert_eq!(run(&value), expected, "{value:?}");
    }
    for (value, part) in [
        ("$NONE", "\"NONE\": this variable is not set"),
        ("$1", "\"1\": this variable is not set"),
        ("${NAME", "\"NAME\": expected ${NAME} or ${NAME:-default}"),
        (
            "${NAME:-x y",
            "\"NAME:-x y\": expected ${NAME} or ${NAME:-default}",
        ),
        ("${:-x", "\":-x\": expected ${NAME} or ${NAME:-default}"),
        (
            "${NAME-x}",
            "\"NAME-x\": expected ${NAME} or ${NAME:-default}",
        ),
        // A default ends at the first brace.
        (
            "${NAME:-${NONE:-x}}",
            "\"NAME:-${NONE:-x\": expected ${NAME} or ${NAME:-default}",
        ),
        ("'a", "a ' is not closed"),
        ("a \"b", "a \" is not closed"),
    ] {
        let fault = format!(":2: [a] run: {part}");
        faults(&format!("[a]\nrun = {value}"), &[&fault]);
    }
}

#[test]
fn the_plan_of_the_design() {
    let plan = sound(
        "\u{feff}[pidlet] # container-wide\r\ngrace = 25s\r\nlog = prefix\r\nuntil=all\n\n\
        [migrate]\ntype = oneshot\nrun = /app/migrate up\nafter = D_b-1.x@y\n\n\
        [D_b-1.x@y]\nrun = /usr/bin/postgres -D /data\nuser = app\nready = tcp:5432\n\
        stop = INT 20s               # signal(s) and own timeout\n\n\
        [web]\nrun = /app/web --port ${PORT:-8080}\nafter = migrate\nuser = 1000:1000\n\
        restart = on-failure\nready = http://127.0.0.1:8080/healthz\n\n\
        ; the end\n[nginx]\ntype = daemon\nrun = /usr/sbin/nginx\npidfile = /run/nginx.pid",
    );
    assert_eq!(plan.grace, Some(Span::seconds(25)));
    assert_eq!((plan.log, plan.until), (Log::Prefix, Essential::No));
    let names: Vec<&[u8]> = plan.services.iter().map(|service| service.name).collect();
    assert_eq!(names, [&b"migrate"[..], b"D_b-1.x@y", b"web", b"nginx"]);
    let [migrate, db, web, nginx] = &*plan.services else {
        std::panic!("four");
    };
    assert_eq!(
        (migrate.after, migrate.spec.kind()),
        (&[1][..], Type::Oneshot)
    );
    assert_eq!(
        (db.after, db.spec.stop_signal(0)),
        (&[][..], Some(Signal::INT))
    );
    assert_eq!(db.spec.stop_timeout(), Some(Span::seconds(20)));
    assert_eq!(db.spec.number(Key::User), 1000 << 32 | 1001);
    assert_eq!(db.spec.words(Key::Member), [c"1001", c"33"]);
    let account = [
        c"HOME=/home/app",
        c"USER=app",
        c"LOGNAME=app",
        c"SHELL=/bin/sh",
    ];
    assert_eq!(db.spec.words(Key::Account), account);
    assert_eq!(web.run, [c"/app/web", c"--port", c"8080"]);
    assert_eq!(
        (web.after, web.spec.words(Key::Member)),
        (&[0][..], &[c"1000"][..])
    );
    assert_eq!((nginx.spec.kind(), nginx.after), (Type::Daemon, &[][..]));
}

#[test]
fn the_environment_wins_over_the_plan_file() {
    let question = Question {
        args: &[],
        getenv: &|name| match name {
            b"PIDLET_GRACE" => Some(c"3s"),
            b"PIDLET_LAME_DUCK" => Some(c"1s"),
            _ => None,
        },
        twins: true,
        own: 1,
        read: &|_| Err(Errno::NOENT),
        list: &|_, _, _| Err(Errno::NOENT),
        print: &|_, _| (),
    };
    let mut plan = Plan::new(Style::Pidlet);
    let mut settings = Settings::new(&mut plan, &question);
    let mut buffer = TEXT_BUFFER;
    let table = pidlet::DOOR.table(&mut buffer);
    settings.environment(table);
    read(
        &mut settings,
        &table,
        c"f",
        b"[pidlet]\ngrace = 9s\nlame-duck = 2s\nhold = yes\n[a]\nrun = a",
    );
    assert_eq!((plan.grace, plan.hold), (Some(Span::seconds(3)), true));
    assert_eq!(plan.lame_duck, Span::seconds(1));
}

#[test]
fn an_option_is_set_once_unless_it_is_a_list() {
    let plan = sound(
        "[pidlet]\nexpect = 3\nexpect = 4,5\nrewrite = HUP:0\n[a]\nrun = a\n\
        [pidlet]\nrewrite = INT:TERM\nexpect = 6\nhold = yes",
    );
    assert!((3..7).all(|code| plan.expected(code)) && plan.hold);
    assert_eq!(plan.routes.get(Signal::INT), Some(Signal::TERM));
    faults(
        "[pidlet]\ngrace = 1s\ngrace = 2s\n[a]\nrun = a\n[pidlet]\nhold = no\ngrace = 3s",
        &[
            ":3: [pidlet] grace: it is already set in this section",
            ":8: [pidlet] grace: it is already set in this section",
        ],
    );
}

#[test]
fn every_fault_is_reported_with_its_place() {
    faults(
        "x = 1\n[pidlet]\ngrace = x\nhod = yes\nconfig = y\nlog = a b\nseperator = x\n\
        [a b]\nrun = a\nrun = b\n[c]\nredy = 1\nrun =\nnice = -21\nstop = INT x\nafter = d\n\
        nonsense\n[d]\ndisabled = yes\nrun = x\n\
        [c]\nrun = x\nbefore = cc\n[e\n",
        &[
            ":1: x: it stands before the first [section]",
            ":3: [pidlet] grace: \"x\": expected a duration, such as 500ms, 8s, 2m or 1h",
            ":4: [pidlet] hod: there is no such option for a file; is it \"hold\"?",
            ":5: [pidlet] config: there is no such option for a file",
            ":6: [pidlet] log: expected one word",
            ":7: [pidlet] seperator: there is no such option for a file",
            ":8: [a b] a name has letters, digits and _ - . @ only",
            ":10: [a b] run: it is already set in this section",
            ":12: [c] redy: there is no such key; is it \"ready\"?",
            ":13: [c] run: it has no value",
            ":14: [c] nice: \"-21\": expected a number from -20 to 19",
            ":15: [c] stop: \"x\": expected signals and perhaps a duration, such as QUIT TERM 5s",
            ":17: [c] \"nonsense\": neither a [section] nor an unindented key = value",
            ":24: [c] \"[e\": neither a [section] nor an unindented key = value",
            ":21: [c] another section has this name",
            ":16: [c] after: \"d\": there is no such service, or it is disabled",
            ":23: [c] before: \"cc\": there is no such service, or it is disabled",
        ],
    );
    faults(
        "[ ]\nrun = x",
        &[
            ":1: a name has letters, digits and _ - . @ only",
            ":2: run: it stands before the first [section]",
        ],
    );
}

#[test]
fn of_several_words_the_wrong_one_is_named() {
    for (said, word) in [
        ("stop = QUITE INT 20s", "QUITE"),
        ("stop = TERM 5s INT", "5s"),
        ("caps = chwon kill", "chwon"),
        ("caps = kill none", "none"),
        ("env = =x B=c", "=x"),
        ("tries = many in 60s", "many"),
        ("type = oneshoot now", "oneshoot"),
        ("type = oneshot now", "now"),
        ("ready = tcp:80 tcp:81", "tcp:81"),
    ] {
        let (_, said) = plan(&format!("[a]\nrun = x\n{said}"));
        let named = said[0].split(": ").nth(3);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(named, Some(&*format!("\"{word}\"")), "{said:?}");
    }
}

#[test]
fn all_faults_of_one_value_are_reported() {
    faults(
        "[a]\nrun = x $NONE ${NO} $NAME\ngroups = no web nor\nenv-file = /three\n[pidlet]\ngrace = $G",
        &[
            ":2: [a] run: \"NONE\": this variable is not set",
            ":2: [a] run: \"NO\": this variable is not set",
            ":3: [a] groups: \"no\": not in /etc/group",
            ":3: [a] groups: \"nor\": not in /etc/group",
            ":4: [a] env-file: \"a b=1\": neither NAME nor NAME=VALUE",
            ":4: [a] env-file: \"=x\": neither NAME nor NAME=VALUE",
            ":6: [pidlet] grace: \"G\": this variable is not set",
        ],
    );
}

#[test]
fn settings_that_contradict_each_other() {
    for (said, fault) in [
        ("type = daemon", "type = daemon and pidfile go together"),
        ("pidfile = /x", "type = daemon and pidfile go together"),
        (
            "type = oneshot\nready = notify",
            "a oneshot has no ready, health or watchdog",
        ),
        (
            "type = oneshot\nhealth = tcp:1",
            "a oneshot has no ready, health or watchdog",
        ),
        (
            "type = oneshot\nwatchdog = 1s",
            "a oneshot has no ready, health or watchdog",
        ),
        (
            "type = oneshot\nready-timeout = 1s",
            "a oneshot has no ready, health or watchdog",
        ),
        (
            "type = daemon\npidfile = /x\nready = fd:3",
            "a daemon has no ready = fd:N",
        ),
        (
            "type = oneshot\nrun-parts = /d",
            "it needs run or run-parts, not both",
        ),
    ] {
        faults(
            &format!("[a]\nrun = x\n{said}"),
            &[&format!(":1: [a] {fault}")],
        );
    }
    faults(
        "[a]\nrun-parts = /d",
        &[":1: [a] run-parts is for type = oneshot, without instances"],
    );
    faults(
        "[a]\ntype = oneshot\nrun-parts = /none",
        &[":3: [a] run-parts: \"/none\": cannot read it: No such file or directory"],
    );
    faults(
        "[a]\ntype = oneshot\nrun-parts = /d\ninstances = 2",
        &[":1: [a] run-parts is for type = oneshot, without instances"],
    );
    let plan = sound("[a]\ntype = oneshot\nrun-parts = /1000");
    assert_eq!(plan.services.len(), 1000);
    faults(
        "[a]\ntype = oneshot\nrun-parts = /1001",
        &[":3: [a] run-parts: more than 1000 programs"],
    );
    sound("[a]\nrun = x\ntty = yes\n[b]\nrun = x\ntty = no");
    faults(
        "[a]\nrun = x\ntty = yes\n[b]\nrun = x\ntty = yes",
        &[":6: [b] tty: only one service can have the terminal"],
    );
}

#[test]
fn the_only_service_gets_every_signal_unless_the_plan_says_how_it_stops() {
    for (said, passed) in [
        ("ready = fd:3\ntty = yes", true),
        ("restart = always", false),
        ("stop = INT", false),
        ("stop-timeout = 1s", false),
        ("[y]\nrun = y", false),
    ] {
        let plan = sound(&format!("[x]\nrun = x\n{said}"));
        assert_eq!(plan.pass_through(), passed, "{said}");
    }
}

#[test]
fn users_and_files_that_do_not_exist() {
    for (said, fault) in [
        ("user = nobody", "user: \"nobody\": not in /etc/passwd"),
        ("user = app:none", "user: \"none\": not in /etc/group"),
        (
            "user = 4294967295",
            "user: \"4294967295\": not in /etc/passwd",
        ),
        ("groups = web none", "groups: \"none\": not in /etc/group"),
        (
            "env-file = /none",
            "env-file: \"/none\": cannot read it: No such file or directory",
        ),
        (
            "env-file = /wrong",
            "env-file: \"=x\": neither NAME nor NAME=VALUE",
        ),
        (
            "env-file = /shell",
            "env-file: \"export A=1\": neither NAME nor NAME=VALUE",
        ),
        (
            "env-file = /tab",
            "env-file: \"A\\x09=1\": neither NAME nor NAME=VALUE",
        ),
        (
            "env-file = /nul",
            "env-file: \"A=1\\x00B=2\": neither NAME nor NAME=VALUE",
        ),
        // Only programs are limited to 1000.
        (
            "env-dir = /1001",
            "env-dir: \"/1001/0000\": cannot read it: No such file or directory",
        ),
        (
            "env-dir = /none",
            "env-dir: \"/none\": cannot read it: No such file or directory",
        ),
    ] {
        faults(
            &format!("[a]\nrun = x\n{said}"),
            &[&format!(":3: [a] {fault}")],
        );
    }
    let groups = spec("groups = web 9 10");
    assert_eq!(groups.words(Key::Groups), [c"33", c"9", c"10"]);
    // A user that is given as a number is a member of no other group.
    assert_eq!(spec("user = 1000").words(Key::Member), [c"1000"]);
    let nul = [c"HOME=/a", c"USER=nul", c"LOGNAME=nul", c"SHELL=/c"];
    assert_eq!(spec("user = nul").words(Key::Account), nul);
    let most = format!("groups ={}", " 7".repeat(GROUPS_MAX));
    assert_eq!(spec(&most).words(Key::Groups).len(), GROUPS_MAX);
    faults(
        &format!("[a]\nrun = x\n{most} 8"),
        &[":3: [a] groups: \"8\": expected at most 256 groups"],
    );
    assert_eq!(spec("user = app:web").number(Key::User), 1000 << 32 | 33);
    assert_eq!(spec("user = app:web").words(Key::Member), [c"33"]);
    // A user with a named group is in no other.
    assert_eq!(spec("user = app:app").words(Key::Member), [c"1001"]);
}

#[test]
fn variables_from_files() {
    let docker = [c"A=1", c"B='x y' $HOME", c"NAME=a value", c"C=3"];
    assert_eq!(spec("env-file = /env").words(Key::Env), docker);
    assert_eq!(spec("env-dir = /d").words(Key::Env), [c"a=1\n 2", c"b"]);
}

#[test]
fn circles_are_named() {
    faults(
        "[a]\nrun = x\nafter = b\n[b]\nrun = x\nbefore = a\nafter = c\n[c]\nrun = x\nafter = b",
        &[": these wait for each other: b after c after b"],
    );
    faults(
        "[a]\nrun = x\nstdout = service:a",
        &[": these wait for each other: a after a"],
    );
}

#[test]
fn instances_and_directories_are_several_services() {
    let plan = sound(
        "[w]\nrun = w --id %i 100%%\ninstances = 3\n[x]\nrun = x\nafter = w\n[one]\nrun = a %i %%",
    );
    assert_eq!(plan.services.len(), 5);
    assert_eq!(plan.services[2].run, [c"w", c"--id", c"3", c"100%"]);
    assert_eq!(plan.services[0].run[2], c"1");
    assert_eq!(plan.services[4].run, [c"a", c"1", c"%"]);
    let mut after = plan.services[3].after.to_vec();
    after.sort();
    assert_eq!(after, [0, 1, 2]);
    let plan = sound("[init]\ntype = oneshot\nrun-parts = /d\n[x]\nrun = x\nafter = init");
    assert_eq!(
        (plan.services[0].run, plan.services[1].run),
        (&[c"/d/a"][..], &[c"/d/b"][..])
    );
    assert_eq!(
        (plan.services[0].after, plan.services[1].after),
        (&[][..], &[0][..])
    );
    assert_eq!(plan.services[2].after.len(), 2);
    let plan = sound("[init]\ntype = oneshot\nrun-parts = /empty\n[x]\nrun = x\nafter = init");
    assert_eq!(plan.services.len(), 1);
    faults(
        "[init]\ntype = oneshot\nrun-parts = /empty\n[x]\nrun = x\nafter = y",
        &[":6: [x] after: \"y\": there is no such service, or it is disabled"],
    );
    let plan = sound("[a]\ntype = oneshot\nrun-parts = /three");
    let parts = plan.services.iter().map(|service| service.run[0]);
    assert_eq!(
        parts.collect::<Vec<_>>(),
        [c"/three/a", c"/three/b", c"/three/c"]
    );
    let plan = sound("[a]\ntype = oneshot\nrun-parts = /three\nenv = N=%i");
    let mut specs = plan.services.iter().map(|service| service.spec);
    assert!(specs.all(|spec| spec.words(Key::Env) == [c"N=1"]));
    // One that only some instances have is reported for the first of them.
    for (said, fault) in [
        (
            "user = 429496729%i",
            "user: \"4294967295\": not in /etc/passwd",
        ),
        (
            "nice = 1%i",
            "nice: \"110\": expected a number from -20 to 19",
        ),
    ] {
        faults(
            &format!("[b]\nrun = x\nnice = 99\n[a]\nrun = x\ninstances = 12\n{said}"),
            &[
                ":3: [b] nice: \"99\": expected a number from -20 to 19",
                &format!(":7: [a] {fault}"),
            ],
        );
    }
    for (said, fault) in [
        ("after = b%i", "after: \"b2\""),
        ("after = b%i c", "after: \"c\""),
        ("stdout = service:b%i", "stdout: \"b2\""),
    ] {
        faults(
            &format!("[a]\nrun = x\ninstances = 3\n{said}\n[b1]\nrun = x"),
            &[&format!(
                ":4: [a] {fault}: there is no such service, or it is disabled"
            )],
        );
    }
    // A fault of all instances is reported once, and only services have `%i`.
    faults(
        "[a]\nrun = x %i\ninstances = 3\nnice = 99\n[pidlet]\nrewrite = %i\n[b]\nrun = x\nnice = 1\nnice = 2",
        &[
            ":4: [a] nice: \"99\": expected a number from -20 to 19",
            ":6: [pidlet] rewrite: \"%i\": expected FROM:TO, two signals, or FROM:0 to drop one",
            ":10: [b] nice: it is already set in this section",
        ],
    );
    faults(
        "[a]\nrun = x\ninstances = 1001",
        &[":3: [a] instances: \"1001\": expected a number from 1 to 1000"],
    );
}

#[test]
fn a_service_that_writes_to_another_is_after_it() {
    let plan = sound("[a]\nrun = x\nfinish = service:b\nstdout = service:log\n[log]\nrun = l");
    assert_eq!(
        (plan.services[0].after, plan.services[1].after),
        (&[1][..], &[][..])
    );
    faults(
        "[a]\nrun = x\nstderr = service:logg\n[log]\nrun = l",
        &[":3: [a] stderr: \"logg\": there is no such service, or it is disabled; is it \"log\"?"],
    );
    for section in [
        "run = l\ninstances = 2",
        "run = l\ntype = oneshot",
        "run-parts = /empty\ntype = oneshot",
    ] {
        faults(
            &format!("[a]\nrun = x\ninstances = 3\nstdout = service:log\n[log]\n{section}"),
            &[":4: [a] stdout: \"log\": it names several services, or a oneshot"],
        );
    }
}

#[test]
fn no_services_and_too_many() {
    for nothing in ["", "# only\n\n[pidlet]\n", "[a]\ndisabled = yes\nrun = x"] {
        faults(nothing, &[": there is no service to run"]);
    }
    faults("[a]\nrun = x\0", &[":2: a NUL byte: this is not text"]);
    let many: String = (0..66)
        .map(|n| format!("[s{n}]\nrun = x\ninstances = 1000\n"))
        .collect();
    faults(&many, &[": more than 65535 services"]);
    let most = many.replacen("1000", "535", 1);
    assert_eq!(sound(&most).services.len(), SERVICES_MAX);
}

#[test]
fn values_need_not_be_utf_8() {
    let (plan, said) = plan(b"[a]\nrun = x \xff\xfe\n");
    assert!(said.is_empty());
    assert_eq!(plan.services[0].run[1].to_bytes(), b"\xff\xfe");
}

#[test]
fn large_files_are_read_in_linear_time() {
    let sections: String = (0..10_000)
        .map(|n| format!("[s{n}]\nrun = x\nafter = s0\n"))
        .collect();
    let sections = sections.replace("[s0]\nrun = x\nafter = s0\n", "[s0]\nrun = x\n");
    assert_eq!(sound(&sections).services.len(), 10_000);
    // Few words can make many dependencies.
    let (_, said) = plan(&format!(
        "[a]\nrun = x\ninstances = 1000\n[b]\nrun = x\ninstances = 1000\nafter = {}\n",
        "a ".repeat(17)
    ));
    assert_eq!(said, ["pidlet: f: more than 16777216 dependencies"]);
    // An unknown name is compared with a bounded number of services.
    for (unknown, near) in [
        ("t998", "; is it \"s998\"?"),
        ("t9998", "or it is disabled"),
    ] {
        let (_, said) = plan(&format!("{sections}after = {unknown}"));
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with(near), "{}", said[0]);
    }
    let line = format!("[a]\nrun = x {}\n", "y".repeat(1 << 20));
    assert_eq!(sound(&line).services[0].run[1].count_bytes(), 1 << 20);
    let lines = "# a comment that says nothing\n".repeat(350_000);
    assert_eq!(sound(&format!("{lines}[a]\nrun = x")).services.len(), 1);
    let keys = "env = A=1\n".repeat(100_000);
    assert_eq!(
        sound(&format!("[a]\nrun = x\n{keys}")).services[0]
            .spec
            .0
            .len(),
        100_000
    );
}

/// Texts made of the parts of plan files, in any order: nothing panics, and every fault is a line.
#[test]
fn any_text_is_read_or_refused() {
    const PIECES: [&str; 34] = [
        "[",
        "]",
        "a",
        "=",
        " = ",
        "\n",
        "\n ",
        "\r\n",
        "#",
        ";",
        "'",
        "\"",
        "\\",
        "$",
        "${",
        "}",
        ":-",
        "%i",
        "%",
        "run",
        "after",
        "[a]\n",
        "run = x\n",
        "after = a\n",
        "user = ",
        "stop = ",
        "ready = tcp:",
        "instances = 3\n",
        "[pidlet]\n",
        "tries = 5 in ",
        "backoff = 1s..",
        "http://[::",
        "\u{e9}",
        "type = oneshot\n",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..24 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
        }
        let (_, said) = plan(&text);
        assert!(
            said.iter().all(|line| line.starts_with("pidlet: f:")),
            "{text:?}: {said:?}"
        );
    }
}
