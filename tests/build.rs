//! Builds the program as others do: from a tarball, in directories of any name, without a network, with a C
//! library's start files. The same source must give the same program everywhere.

mod support;
use support::*;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the source in a directory of this name, without what git and cargo keep there.
fn tree(temp: &Temp, name: &str) -> PathBuf {
    let tree = PathBuf::from(temp.join(name));
    std::fs::create_dir(&tree).expect("a new directory");
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["Cargo.toml", "Cargo.lock", "src", "tests"] {
        let mut copy = Command::new("cp");
        copy.arg("-R").arg(top.join(name)).arg(&tree);
        assert!(copy.status().is_ok_and(|status| status.success()), "{name}");
    }
    tree
}

/// Cargo in this directory, without what the environment of the tests would tell it.
fn cargo(directory: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let told = |name: &str| {
        let names = ["RUSTFLAGS", "RUSTC", "CARGO", "OUT_DIR", "TARGET", "HOST"];
        names.contains(&name) || name.starts_with("CARGO_") && name != "CARGO_HOME"
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(told) {
            cargo.env_remove(name);
        }
    }
    cargo
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(directory);
    cargo
}

/// Builds the program as users do, without a warning. Returns its path, below `target`; `None` where the
/// crates that it needs are not on this machine.
fn build(cargo: &mut Command, target: &Path, path: &str) -> Option<PathBuf> {
    cargo.args(["build", "--release", "--offline", "--locked"]);
    cargo.args(["--bin", "pidlet"]);
    cargo.arg("--target-dir").arg(target);
    let done = cargo.output().expect("cargo can be run");
    let said = String::from_utf8_lossy(&done.stderr);
    if said.contains("no matching package named")
        || said.contains("attempting to make an HTTP request")
    {
        return None;
    }
    assert!(
        done.status.success() && !said.contains("warning:"),
        "{said}"
    );
    Some(target.join(path).join("release/pidlet"))
}

/// Checks that a program runs and says its version.
fn assert_runs(program: &Path) {
    let done = Command::new(program).arg("--version").output();
    let said = done.expect("the program can be run").stdout;
    assert_eq!(
        String::from_utf8_lossy(&said),
        concat!("pidlet ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn the_same_source_is_the_same_program_in_every_directory() {
    let temp = Temp::new();
    let mut programs = Vec::new();
    for (name, jobs, locale) in [("plain", "1", "C"), ("a b, c'd é", "2", "tr_TR.UTF-8")] {
        let tree = tree(&temp, name);
        let mut cargo = cargo(&tree);
        cargo
            .args(["--config", &format!("build.jobs={jobs}")])
            .env("LC_ALL", locale);
        let Some(program) = build(&mut cargo, &tree.join("target, too"), "") else {
            skip!("the crates of Cargo.lock are not on this machine");
        };
        assert_runs(&program);
        programs.push(std::fs::read(program).expect("the program can be read"));
    }
    assert!(programs[0] == programs[1], "the programs differ");
}

/// Distributions keep the symbols elsewhere, and find them by the build id.
#[test]
fn a_build_id_can_be_had() {
    let temp = Temp::new();
    let mut cargo = cargo(Path::new(env!("CARGO_MANIFEST_DIR")));
    cargo.env("RUSTFLAGS", "-Clink-arg=-Wl,--build-id=0xc0ffee00");
    match build(&mut cargo, temp.path(), "") {
        Some(program) => {
            assert_runs(&program);
            let bytes = std::fs::read(program).expect("the program can be read");
            let note = b"GNU\0\xc0\xff\xee\x00";
            assert!(bytes.windows(note.len()).any(|window| window == note));
        }
        None => skip!("the crates of Cargo.lock are not on this machine"),
    }
}

/// Rust itself links them for musl, where the C library is static. Because the target is named, the flags are
/// not used for the build script.
#[test]
fn start_files_of_a_c_library_are_no_obstacle() {
    let version = Command::new(env!("CARGO")).arg("-vV").output();
    let version = String::from_utf8(version.expect("cargo can be run").stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("cargo says what it runs on");
    let mut flags = String::new();
    for name in ["rcrt1.o", "crti.o", "crtbeginS.o", "crtn.o"] {
        let found = Command::new("cc")
            .arg(format!("-print-file-name={name}"))
            .output();
        let found = found.map(|found| found.stdout).unwrap_or_default();
        let found = String::from_utf8(found).expect("text");
        if !found.starts_with('/') {
            skip!("no {name} is here");
        }
        flags += &format!("-Clink-arg={} ", found.trim());
    }
    let temp = Temp::new();
    let mut cargo = cargo(Path::new(env!("CARGO_MANIFEST_DIR")));
    cargo
        .args(["--config", &format!("build.target='{host}'")])
        .env("RUSTFLAGS", flags);
    match build(&mut cargo, temp.path(), host) {
        Some(program) => assert_runs(&program),
        None => skip!("the crates of Cargo.lock are not on this machine"),
    }
}

/// As distributions do it: below a directory of theirs, whatever the umask is.
#[test]
fn make_install_serves_every_user_and_make_uninstall_undoes_it() {
    let temp = Temp::new();
    let directory = temp.join("to here");
    let make = |target: &str| {
        let mut make = Command::new("sh");
        make.args(["-c", "umask 077; exec make -s \"$@\"", "sh", target]);
        make.arg(format!("BIN={}", pidlet().display()))
            .args([format!("DESTDIR={directory}"), "PREFIX=/usr".to_owned()])
            .env_remove("MAKEFLAGS")
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let done = make.output().expect("a shell can be run");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), said)
    };
    let files = [
        ("bin/pidlet", 0o755),
        ("share/man/man8/pidlet.8", 0o644),
        ("share/man/man5/pidlet.conf.5", 0o644),
    ];
    let mode = |name: &str| {
        let metadata = std::fs::metadata(format!("{directory}/usr/{name}"));
        metadata
            .map(|metadata| metadata.permissions().mode() & 0o7777)
            .ok()
    };
    match make("install") {
        (Some(0), _) => {}
        (Some(127), _) => skip!("make is missing"),
        other => panic!("{other:?}"),
    }
    for (name, expected) in files {
        assert_eq!(mode(name), Some(expected), "{name}");
    }
    assert_eq!(make("uninstall"), (Some(0), String::new()));
    for (name, _) in files {
        assert_eq!(mode(name), None, "{name}");
    }
}
