//! The project's `Dockerfile.scratch` as a template: with its stage that builds, and with a released binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Engine, docker, engine};
use crate::rootfs::{BUSYBOX, Rootfs};
use crate::support::*;
use crate::tool::Tool;

const COPY_BUILT: &str = "COPY --from=build /build/release/pidlet /pidlet";
const COPY_PROGRAMS: &str = "# COPY web worker /app/";
const COMMANDS: &str = r#"# CMD ["/app/web", "--port", "8080", "---", "/app/worker"]"#;

pub fn template() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile.scratch");
    std::fs::read_to_string(path).expect("the template is there")
}

/// The template with a released binary, as its comment says.
pub fn released() -> String {
    let template = template();
    let (above, stages) = template
        .split_once("\nFROM rust:")
        .expect("a stage that builds");
    let (_, last) = stages.split_once("\nFROM ").expect("a last stage");
    let released = format!("{above}\nFROM {last}");
    replaced(&released, COPY_BUILT, "COPY pidlet /pidlet")
}

/// The template's own places for programs and commands, filled in.
pub fn with_programs(dockerfile: &str, copy: &str, commands: &str) -> String {
    let with_copy = replaced(dockerfile, COPY_PROGRAMS, copy);
    replaced(&with_copy, COMMANDS, commands)
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in\n{text}");
    text.replace(from, to)
}

/// The first line that a program prints.
fn line_of(program: &str, args: &[&str]) -> PathBuf {
    let done = Command::new(program).args(args).output();
    let done = done.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let text = String::from_utf8(done.stdout).expect("the path is UTF-8");
    PathBuf::from(text.lines().next().expect("a line"))
}

/// Every shared library that one of these programs names, and the programs' interpreter.
fn libraries(programs: &[PathBuf]) -> Vec<PathBuf> {
    let said = Command::new("ldd")
        .args(programs)
        .output()
        .expect("cannot run ldd");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    let mut paths: Vec<PathBuf> = words
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .collect();
    paths.retain(|path| path.exists() && !programs.contains(path));
    paths.sort();
    paths.dedup();
    paths
}

/// What a program is linked with, below /lib: start files and what the linker finds libc's libraries by.
const LINKED: [&str; 13] = [
    "Scrt1.o",
    "crt1.o",
    "rcrt1.o",
    "crti.o",
    "crtn.o",
    "libc.so",
    "libc_nonshared.a",
    "libdl.a",
    "libm.so",
    "libmvec.so.1",
    "libpthread.a",
    "librt.a",
    "libutil.a",
];

/// An image that stands in for `rust:1-slim`: of this machine's toolchain what is needed to build and link a
/// program, and the crates that cargo has fetched.
fn import_toolchain(engine: &Engine) {
    let sysroot = line_of("rustc", &["--print", "sysroot"]);
    let multiarch = line_of("cc", &["-print-multiarch"]);
    let libgcc = line_of("cc", &["-print-libgcc-file-name"]);
    let driver = libgcc.parent().expect("libgcc lies in a directory");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("a home directory")).join(".cargo")
    });
    let real = |path| std::fs::canonicalize(path).expect("gcc and binutils are here");
    let (cc, ld) = (real("/usr/bin/cc"), real("/usr/bin/ld"));
    let compilers = [sysroot.join("bin/cargo"), sysroot.join("bin/rustc")];

    let mut programs = vec![cc.clone(), ld.clone(), driver.join("collect2")];
    programs.extend(compilers.clone());
    let mut parts = libraries(&programs);
    // Leave out what comes with the directories below.
    parts.retain(|path| !path.starts_with(&sysroot));
    parts.extend(compilers);
    parts.extend([cc.clone(), ld.clone(), BUSYBOX.into(), driver.into()]);
    parts.push(sysroot.join("lib"));
    parts.extend(["index", "cache"].map(|part| home.join("registry").join(part)));
    // It may say that crates come from elsewhere, and then the index is that place's.
    parts.extend(Some(home.join("config.toml")).filter(|path| path.exists()));
    for directory in ["/usr/lib", "/lib"] {
        let linked = LINKED.map(|name| Path::new(directory).join(&multiarch).join(name));
        parts.extend(linked.into_iter().filter(|path| path.exists()));
    }

    let moved = |from: &Path, to: &str| format!("--transform=s,^{}{to},", from.display());
    let archive = crate::scratch().join("toolchain.tar");
    let tar = Tool::new("/usr/bin/tar").args(["-chPf"]).arg(&archive);
    let tar = tar
        .arg(moved(&sysroot, "/,usr/local/"))
        .arg(moved(&home, "/,usr/local/cargo/"))
        .arg(moved(&cc, "$,usr/bin/cc"))
        .arg(moved(&ld, "$,usr/bin/ld"))
        .arg(moved(Path::new(BUSYBOX), "$,bin/sh"))
        .arg("--transform=s,^/,,");
    // Compilers of other languages are the largest part of gcc.
    let tar = tar.args(["--exclude=*/cc1*", "--exclude=*/lto1", "--exclude=*/share"]);
    tar.args(parts).succeed();
    let variables = [
        "ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    ];
    let import = engine.docker(&["import", "--change", variables[0], "--change", variables[1]]);
    import.arg(&archive).arg("rust:1-slim").succeed();
    std::fs::remove_file(&archive).expect("the archive was there");
}

#[test]
fn dockerfile_scratch_builds_an_image_of_the_source() {
    docker!();
    let engine = engine();
    import_toolchain(engine);
    // What is in a checkout, not what was built there.
    let context = Rootfs::empty();
    for part in [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "tests",
        "Dockerfile.scratch",
        "README.md",
    ] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
        Tool::new("/usr/bin/cp")
            .args(["-r"])
            .arg(from)
            .arg(context.path())
            .succeed();
    }
    let file = context.path().join("Dockerfile.scratch");
    engine.build_file(context.path(), &file, "pidlet");
    let ended = engine.run(&["--entrypoint", "/pidlet", "pidlet", "--version"]);
    let version = concat!("pidlet ", env!("CARGO_PKG_VERSION"));
    assert!(
        ended.exit == Exit::Code(0) && ended.stdout.starts_with(version),
        "{ended}"
    );
    // The image's one program is pidlet itself, so that is what it can run.
    let ended = engine.run(&["pidlet", "/pidlet", "--version"]);
    assert!(
        ended.exit == Exit::Code(0) && ended.stdout.starts_with(version),
        "{ended}"
    );
}

#[test]
fn dockerfile_scratch_takes_a_released_binary_and_programs() {
    docker!();
    let engine = engine();
    let context = Rootfs::empty()
        .program(pidlet(), "pidlet")
        .program(crate::rootfs::static_probe(), "web");
    let commands = r#"CMD ["/app/web", "say", "one", "sleep", "---", "/app/web", "exit", "6"]"#;
    let dockerfile = with_programs(&released(), "COPY web /app/", commands);
    for (name, kit) in [("classic", "0"), ("buildkit", "1")] {
        let file = crate::scratch().join(format!("Dockerfile.{name}"));
        std::fs::write(&file, &dockerfile).expect("cannot write a Dockerfile");
        let build = engine.docker(&["build", "--network", "none", "--tag", name, "--file"]);
        build
            .arg(&file)
            .arg(context.path())
            .env("DOCKER_BUILDKIT", kit)
            .succeed();
        let ended = engine.run(&[name]);
        assert_eq!(ended.exit, Exit::Code(6), "{name}: {ended}");
        // Words of the command line take the place of the image's commands.
        let ended = engine.run(&[name, "/app/web", "exit", "0"]);
        assert_eq!(ended.exit, Exit::Code(0), "{name}: {ended}");
    }
}
