//! The programs without a libc that the benchmark is made of, built from the C files beside this one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Nothing but the program: no start-up code, no tables, no notes, one page where it fits.
const FLAGS: [&str; 18] = [
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-static",
    "-ffreestanding",
    "-fno-pic",
    "-no-pie",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-fomit-frame-pointer",
    "-Wl,--build-id=none",
    "-Wl,-z,noseparate-code",
    "-Wl,-z,norelro",
    "-Wl,-z,noexecstack",
    "-s",
];

pub struct Tools {
    /// The least that an init can do.
    pub limit: PathBuf,
    /// What the inits run.
    pub payload: PathBuf,
}

impl Tools {
    pub fn build() -> Tools {
        assert_eq!(
            std::env::consts::ARCH,
            "x86_64",
            "the programs beside this file are for nothing else"
        );
        Tools {
            limit: build("limit"),
            payload: build("payload"),
        }
    }
}

/// Where the benchmark leaves what it makes.
pub fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    std::fs::create_dir_all(&directory).expect("a directory for what is built");
    directory
}

fn build(name: &str) -> PathBuf {
    let program = directory().join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench");
    let mut cc = Command::new("cc");
    cc.args(FLAGS)
        .arg("-o")
        .arg(&program)
        .arg(source.join(name).with_extension("c"));
    let done = cc.status().expect("cc can be run");
    assert!(done.success(), "{name}.c cannot be built");
    program
}
