//! Link arguments of the one program, and the commit that `tini --version` names.
//!
//! Why each argument, and what it costs (measured on a 15 KB prototype):
//!
//! - no start files, no libraries: the program brings its own `_start` and needs no libc;
//! - static PIE without an interpreter: address space randomisation costs about 700 bytes;
//! - `-z text`: no relocation may touch code;
//! - `-z pack-relative-relocs`: a relocation costs 8 bytes or one bit instead of 24 bytes;
//! - no build id: nobody reads it;
//!
//! - no tables for unwinding: with `panic = "abort"` nobody reads them, and they are a fifth of the
//!   file. The compiler makes them all the same, so a line of linker script leaves them out.
//!
//! RELRO and a stack that is not executable are the linkers' defaults; `tests/elf.rs` holds them.

use std::path::Path;
use std::process::Command;

fn main() {
    let arguments = [
        "-nostartfiles",
        "-nostdlib",
        "-static-pie",
        "-Wl,--no-dynamic-linker",
        "-Wl,-z,text",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,-z,noexecstack",
        "-Wl,-z,pack-relative-relocs",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bin=pidlet={argument}");
    }
    let script = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("discard.ld");
    std::fs::write(
        &script,
        "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.comment) } } INSERT BEFORE .text;\n",
    )
    .expect("cannot write the linker script");
    println!(
        "cargo::rustc-link-arg-bin=pidlet=-Wl,-T,{}",
        script.display()
    );
    println!("cargo::rustc-env=PIDLET_COMMIT={}", commit());
    println!("cargo::rerun-if-changed=src/build.rs");
    for file in [".git/HEAD", ".git/logs/HEAD", ".cargo_vcs_info.json"] {
        if Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

/// ` - git.` and seven digits of the commit that is built, as `docker info` reads it; nothing
/// where it is not known.
fn commit() -> String {
    let git = Command::new("git")
        .args(["rev-parse", "--short=7", "HEAD"])
        .output();
    let hash = match git {
        Ok(output) if output.status.success() && Path::new(".git").exists() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        // A package made by `cargo package` says where it came from.
        _ => std::fs::read_to_string(".cargo_vcs_info.json")
            .ok()
            .and_then(|text| Some(text.split("\"sha1\": \"").nth(1)?.get(..7)?.to_owned()))
            .unwrap_or_default(),
    };
    if hash.is_empty() {
        hash
    } else {
        format!(" - git.{hash}")
    }
}
