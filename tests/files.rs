//! Lines of services in files: rotation, sharing, and files that fail, vanish or belong to other users.

mod support;
use support::*;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

#[test]
fn files_are_rotated_by_size_at_ends_of_lines() {
    let temp = Temp::new();
    let log = temp.join("log");
    let text = format!(
        "[pidlet]\nuntil = all\n[a]\nrun = seq 100 999\nstdout = file:{log}\nlog-size = 1000\nlog-keep = 2\n"
    );
    let ended = Run::with_plan(&temp, &text).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let size = |path: &str| std::fs::metadata(path).map(|data| data.len()).ok();
    assert_eq!(size(&log), Some(600));
    for (number, expected) in [(1, Some(1000)), (2, Some(1000)), (3, None)] {
        assert_eq!(size(&format!("{log}.{number}")), expected);
    }
    let last = lines_of(&log);
    assert_eq!(last.first().unwrap(), "850");
    assert_eq!(last.last().unwrap(), "999");
    // The same whatever the name of the directory is.
    let temp = Temp::new();
    let directory = temp.join("a\tb");
    std::fs::create_dir(&directory).unwrap();
    let text = format!(
        "[a]\nrun = seq 100 999\nstdout = file:'{directory}/log'\nlog-size = 1000\nlog-keep = 1\n"
    );
    Run::with_plan(&temp, &text).output();
    assert_eq!(size(&format!("{directory}/log.1")), Some(1000));
    // With no old file kept, the log begins anew.
    let temp = Temp::new();
    let log = temp.join("log");
    let text =
        format!("[a]\nrun = seq 100 999\nstdout = file:{log}\nlog-size = 1000\nlog-keep = 0\n");
    Run::with_plan(&temp, &text).output();
    assert_eq!(lines_of(&log).len(), 150);
    assert_eq!(size(&format!("{log}.1")), None);
}

#[test]
fn what_a_file_holds_already_is_kept_and_counts() {
    let temp = Temp::new();
    let (log, old) = (temp.join("log"), temp.join("log.1"));
    let before = "old\n".repeat(150);
    std::fs::write(&log, &before).unwrap();
    let text =
        format!("[a]\nrun = seq 100 299\nstdout = file:{log}\nlog-size = 1000\nlog-keep = 1\n");
    let ended = Run::with_plan(&temp, &text).output();
    let whole = std::fs::read_to_string(&old).unwrap_or_default();
    assert!(whole.starts_with(&before), "{ended}");
    assert_eq!(whole.len(), 1000, "{ended}");
    assert_eq!(lines_of(&log).first().map(String::as_str), Some("200"));
    // Without `log-size` there is no limit.
    let text = text.replace("log-size = 1000\nlog-keep = 1\n", "");
    Run::with_plan(&temp, &text).output();
    assert_eq!(lines_of(&log).len(), 300);
}

#[test]
fn a_line_longer_than_a_file_has_one_to_itself() {
    let temp = Temp::new();
    let files = ["log.2", "log.1", "log"].map(|name| temp.join(name));
    let [long, longer] = ["x", "y"].map(|word| word.repeat(200));
    let text = format!(
        "[a]\nrun = printf '%s\\n' {long} {longer} short\nstdout = file:{}\n\
        log-size = 100\nlog-keep = 5\n",
        files[2]
    );
    let ended = Run::with_plan(&temp, &text).output();
    for (path, line) in files.iter().zip([&*long, &*longer, "short"]) {
        assert_eq!(lines_of(path), [line], "{ended}");
    }
    assert!(!temp.path().join("log.3").exists(), "an empty file is kept");
}

#[test]
fn an_old_file_that_cannot_be_renamed_is_kept() {
    let temp = Temp::new();
    let log = temp.join("log");
    let old = |number: u32| format!("{log}.{number}");
    std::fs::create_dir(old(2)).unwrap();
    let text =
        format!("[a]\nrun = seq 100 999\nstdout = file:{log}\nlog-size = 1000\nlog-keep = 2\n");
    let ended = Run::with_plan(&temp, &text).output();
    let mut lines = lines_of(old(1));
    assert_eq!(lines.len(), 250, "{ended}");
    lines.extend(lines_of(&log));
    let all = (100..1000).map(|number| number.to_string());
    assert!(lines.into_iter().eq(all), "lines are lost");
    // However often that is tried, it is said once.
    let said = ended.stderr.lines().filter(|line| line.contains("rotate"));
    let line = format!("pidlet: cannot rotate \"{log}\": Is a directory");
    assert!(said.eq([line]), "{ended}");
}

#[test]
fn a_file_is_open_once_however_often_it_is_rotated() {
    let temp = Temp::new();
    let log = temp.join("log");
    let text = format!(
        "[a]\nrun = sh -c 'seq 1000 2999; exec sleep 1000'\nstdout = file:{log}\n\
        log-size = 1000\nlog-keep = 1\n"
    );
    // The first descriptor that a program opens is 0 where it was closed.
    for input in [Input::Null, Input::Closed] {
        let init = Run::with_plan(&temp, &text).stdin(input).start();
        init.until("all is written", || {
            lines_of(&log).last().is_some_and(|line| line == "2999")
        });
        let mut files = init.fds();
        files.retain(|(_, to)| to.starts_with(&log));
        assert!(matches!(files[..], [(3.., _)]), "{files:?}");
        std::fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_new_file_does_not_begin_with_the_end_of_a_line_that_was_torn() {
    let temp = Temp::new();
    let (log, old) = (temp.join("log"), temp.join("log.1"));
    // No file of ours grows beyond ten bytes: the first line is torn there, the second one finds no room, and
    // the third one exceeds `log-size`, so that a new file begins.
    let text = format!(
        "[a]\nrun = printf '123456789012345\\nx\\nabc\\n'\nstdout = file:{log}\n\
        log-size = 12\nlog-keep = 1\n"
    );
    let run = Run::with_plan(&temp, &text).limit(libc::RLIMIT_FSIZE, 10, libc::RLIM_INFINITY);
    let ended = run.output();
    let contents = [&old, &log].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    assert_eq!(contents, ["1234567890", "abc\n"], "{ended}");
    let line = format!("pidlet: cannot write \"{log}\": File too large; lines dropped: 2");
    assert!(ended.stderr.lines().any(|said| said == line), "{ended}");
}

#[test]
fn a_line_that_was_torn_ends_before_the_next_one() {
    let temp = Temp::new();
    let log = temp.join("log");
    let text =
        format!("[a]\nrun = sh -c 'echo 123456789012345; read x; echo abc'\nstdout = file:{log}\n");
    let run = Run::with_plan(&temp, &text).stdin(Input::Pipe);
    let init = run
        .limit(libc::RLIMIT_FSIZE, 10, libc::RLIM_INFINITY)
        .start();
    let line = format!("pidlet: cannot write \"{log}\": File too large; lines dropped: 1");
    init.wait_line(ErrOut, |said| said == line);
    init.limit(libc::RLIMIT_FSIZE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
    init.send("\n");
    let ended = init.finish();
    let content = std::fs::read_to_string(&log).unwrap();
    assert_eq!(content, "1234567890\nabc\n", "{ended}");
}

#[test]
fn a_file_that_cannot_be_reopened_is_given_up() {
    let temp = Temp::new();
    let (here, gone) = (temp.join("here"), temp.join("gone"));
    std::fs::create_dir(&here).unwrap();
    let text = format!(
        "[a]\nrun = sh -c 'echo 123; until test -s {here}/log; do sleep 0.01; done; mv {here} {gone}; \
        echo lost'\nstdout = file:{here}/log\nlog-size = 4\nlog-keep = 1\n"
    );
    let ended = Run::with_plan(&temp, &text).output();
    let line =
        format!("pidlet: cannot write \"{here}/log\": No such file or directory; lines dropped: 1");
    assert!(ended.stderr.lines().any(|said| said == line), "{ended}");
    assert_eq!(lines_of(format!("{gone}/log")), ["123"], "{ended}");
}

#[test]
fn services_share_a_file_and_lines_that_cannot_be_written_are_counted() {
    let temp = Temp::new();
    let (log, sub) = (temp.join("log"), temp.join("missing/log"));
    let text = format!(
        "[pidlet]\nuntil = all\n\
        [a]\nrun = seq 20000\nstdout = file:{log}\nstderr = file:{log}\n\
        [b]\nrun = sh -c \"seq 20000; seq 20000 >&2\"\nstdout = file:{log}\nstderr = file:{log}\n\
        [c]\nrun = seq 7\nstdout = file:/dev/full\n\
        [d]\nrun = seq 8\nstdout = file:{sub}\n\
        [e]\nrun = sh -c \"echo shown; cat\"\nstdin = file:/etc/passwd\nstderr = null\n"
    );
    let ended = Run::with_plan(&temp, &text).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let mut numbers: Vec<u32> = lines_of(&log)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..=20_000).flat_map(|number| [number; 3]).collect();
    assert!(numbers == expected);
    let full = "pidlet: cannot write \"/dev/full\": No space left on device; lines dropped: 7";
    let missing =
        format!("pidlet: cannot write \"{sub}\": No such file or directory; lines dropped: 8");
    for line in [full, &missing] {
        assert!(ended.stderr.lines().any(|said| said == line), "{ended}");
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    assert_eq!(ended.stdout, format!("shown\n{passwd}"));
}

#[test]
fn dropped_lines_are_reported_at_once_the_first_time_and_then_at_the_end() {
    let temp = Temp::new();
    // Nothing else happens for an hour.
    let text = "[a]\nrun = sh -c 'printf half; exit 1'\nstdout = file:/dev/full\n\
        restart = always\nbackoff = 1h..1h\n\
        [b]\nrun = sh -c 'read x; echo more; echo and more'\nstdout = file:/dev/full\n";
    let init = Run::with_plan(&temp, text).stdin(Input::Pipe).start();
    let line = |count: u32| {
        let why = "No space left on device";
        format!("pidlet: cannot write \"/dev/full\": {why}; lines dropped: {count}")
    };
    init.wait_line(Stream::Err, |said| said == line(1));
    init.send("\n");
    let ended = init.finish();
    let said = ended.stderr.lines().filter(|said| *said == line(2));
    assert_eq!(said.count(), 1, "{ended}");
}

#[test]
fn a_link_is_followed_only_if_root_or_we_own_it() {
    if !is_root() {
        skip!("only root has files of others");
    }
    for user in ["0", "1"] {
        let temp = Temp::new();
        let [roots, ones, theirs, secret] =
            ["roots", "ones", "theirs", "secret"].map(|name| temp.join(name));
        temp.write("secret", "", 0o666);
        std::os::unix::fs::chown(temp.path(), Some(1), None).unwrap();
        for (link, owner) in [(&roots, 0), (&ones, 1), (&theirs, 2)] {
            std::os::unix::fs::symlink(&secret, link).unwrap();
            std::os::unix::fs::lchown(link, Some(owner), None).unwrap();
        }
        // Nor is a refused link moved away, as a file of ours would be.
        let mut text = "[pidlet]\nuntil = all\n".to_owned();
        for path in [&roots, &ones, &theirs] {
            let name = path.rsplit('/').next().unwrap();
            text += &format!("[{name}]\nrun = echo {name}\nstdout = file:{path}\n");
            text += "log-size = 1K\nlog-keep = 1\n";
        }
        let plan = temp.write("pidlet.conf", &text, 0o644);
        let run = Run::new("/usr/bin/setpriv").args(["--clear-groups", "--reuid", user]);
        let ended = run.arg(pidlet()).args(["-c", &plan]).output();
        let mut followed = lines_of(&secret);
        followed.sort_unstable();
        let (all, refused) = match user {
            "0" => (&["roots"][..], &[&ones, &theirs][..]),
            _ => (&["ones", "roots"][..], &[&theirs][..]),
        };
        assert_eq!(followed, all, "{ended}");
        for path in refused {
            let why = "Too many levels of symbolic links; lines dropped: 1";
            let line = format!("pidlet: cannot write \"{path}\": {why}");
            assert!(ended.stderr.lines().any(|said| said == line), "{ended}");
            assert!(Path::new(path).is_symlink(), "{ended}");
        }
    }
    let temp = Temp::new();
    let ended = Run::with_plan(
        &temp,
        "[c]\nrun = echo standard\nstdout = file:/dev/stdout\n",
    )
    .output();
    assert_eq!(ended.stdout, "standard\n", "{ended}");
}

#[test]
fn a_file_that_was_moved_away_is_reopened() {
    let temp = Temp::new();
    let log = temp.join("log");
    let text = format!(
        "[a]\nrun = sh -c 'while :; do echo x; sleep 0.05; done'\nstdout = file:{log}\ntimestamps = yes\n"
    );
    let init = Run::with_plan(&temp, &text.replace("timestamps = yes\n", "")).start();
    init.until("there are lines", || !lines_of(&log).is_empty());
    std::fs::rename(&log, format!("{log}.old")).unwrap();
    init.until("there are lines again", || !lines_of(&log).is_empty());
    init.kill(libc::SIGTERM);
    assert_eq!(init.wait_exit(), Exit::Code(143));
}

#[test]
fn a_full_pipe_that_was_moved_away_is_emptied_first() {
    let temp = Temp::new();
    let go = temp.join("go");
    let (log, mut reader) = temp.pipe();
    let text = format!(
        "[a]\nrun = sh -c 'exec yes'\nstdout = file:{log}\n\
        [gate]\ntype = oneshot\nrun = sh -c 'until test -e {go}; do sleep 0.01; done'\n\
        [b]\nafter = gate\nrun = sh -c 'echo b >&2; echo b; exec sleep 1000'\nstdout = file:{log}\n"
    );
    let init = Run::with_plan(&temp, &text).start();
    init.until("yes waits for the reader", || {
        init.find("yes").is_some_and(|info| info.state == 'S')
    });
    std::fs::rename(&log, format!("{log}.old")).unwrap();
    // By then pidlet no longer relies on the path still leading to the pipe.
    std::thread::sleep(Duration::from_millis(1100));
    std::fs::write(&go, "").unwrap();
    init.wait_line(ErrOut, |line| line == "b");
    let mut buffer = [0; 65536];
    init.until("there is a new file with all that comes now", || {
        while reader.read(&mut buffer).is_ok_and(|read| read > 0) {}
        lines_of(&log).iter().any(|line| line == "b")
    });
}
