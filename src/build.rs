//! Link arguments of the program, and the commit that `tini --version` names.
//!
//! Why each argument, and what it costs (measured on a 15 KB prototype):
//!
//! - no start files, no libraries: the program brings its own entry and needs no libc. For musl Rust links
//!   its own start files all the same: an entry that is not `_start` can stand beside theirs, and the
//!   linker script discards what is in them;
//! - static PIE without an interpreter: address space randomisation costs about 700 bytes;
//! - `-z text`: no relocation may touch code;
//! - `-z pack-relative-relocs`: a relocation costs 8 bytes or one bit instead of 24 bytes;
//! - no build id, unless flags ask for one, as distributions do that keep the symbols elsewhere: nothing
//!   else reads it;
//! - Rust's own linker, where there is one: GNU ld pads the file to whole pages, which costs 6 KB on
//!   x86-64, and 50 KB on aarch64, whose pages may have 64 KiB;
//! - no unwind tables: with `panic = "abort"` nothing reads them, and they are a fifth of the file. The
//!   compiler makes them all the same, so a line of linker script discards them. mold and gold read no
//!   such script: where flags ask for one of them, another linker is used.
//!
//! RELRO and a stack that is not executable are the linkers' defaults; `tests/elf.rs` checks them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The start files of musl and of GCC that come with Rust. Linkers put what they make themselves into the
/// first of them, so not everything in them can be discarded.
const START_FILES: [&str; 5] = ["crt1", "crti", "crtbegin", "crtbeginS", "crtn"];

fn main() {
    let script = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("discard.ld");
    let start_files: String = START_FILES
        .iter()
        .map(|name| format!("*{name}.o(.text* .data* .bss* .init* .fini*) "))
        .collect();
    std::fs::write(
        &script,
        format!(
            "SECTIONS {{ /DISCARD/ : {{ *(.eh_frame) *(.ARM.ex*) *(.comment) {start_files}}} }} \
             INSERT BEFORE .text;\n"
        ),
    )
    .expect("cannot write the linker script");
    let mut for_linker = vec![
        "--no-dynamic-linker",
        "-z,text",
        "-z,relro",
        "-z,now",
        "-z,noexecstack",
        "-z,pack-relative-relocs",
        "--no-eh-frame-hdr",
        "--entry=pidlet_start",
    ];
    if !flags().contains("--build-id") {
        for_linker.push("--build-id=none");
    }
    if calls_linker_itself() {
        pass(["-static", "-pie"]);
        for_linker.iter().for_each(|words| pass(words.split(',')));
    } else {
        pass(["-nostartfiles", "-nostdlib", "-static-pie"]);
        let linker = match lld_for_compilers() {
            Some(directory) => {
                pass([format!("-B{}", directory.display())]);
                Some("lld")
            }
            None => asks_for_another().then_some("bfd"),
        };
        if let Some(linker) = linker {
            pass([format!("-fuse-ld={linker}")]);
            // clang's own option, which wins over the other one.
            if flags().contains("--ld-path=") {
                pass([format!("--ld-path=ld.{linker}")]);
            }
        }
        for_linker
            .iter()
            .for_each(|words| pass([format!("-Wl,{words}")]));
    }
    // C compilers know this one, too; `-Wl` would split the path at a comma.
    pass([format!("-T{}", script.display())]);
    println!("cargo::rustc-env=PIDLET_COMMIT={}", commit());
    println!("cargo::rerun-if-changed=src/build.rs");
    for file in [".git/HEAD", ".git/logs/HEAD", ".cargo_vcs_info.json"] {
        if Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

/// Passes arguments on to whatever links the program.
fn pass<A: std::fmt::Display>(arguments: impl IntoIterator<Item = A>) {
    for argument in arguments {
        println!("cargo::rustc-link-arg-bin=pidlet={argument}");
    }
}

/// Whether rustc calls a linker itself, not a C compiler that calls one: when building for another
/// architecture, `rust-lld`, which comes with Rust, saves a cross compiler.
fn calls_linker_itself() -> bool {
    // Cargo does not notice a change of its own variables, so it is told the source of this one.
    let target = std::env::var("TARGET").unwrap_or_default();
    let target = target.to_uppercase().replace('-', "_");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    let linker = std::env::var("RUSTC_LINKER").unwrap_or_default();
    let flags = flags();
    let flag = flags.split('\x1f').rev().find_map(|flag| {
        let flag = flag.strip_prefix("-C").unwrap_or(flag);
        flag.strip_prefix("linker=")
    });
    let name = Path::new(flag.unwrap_or(&linker)).file_stem();
    let name = name.unwrap_or_default().to_string_lossy();
    ["lld", "ld"].contains(&name.rsplit('-').next().unwrap_or_default())
}

/// Whether flags ask a C compiler, by name or by path, for a linker that does not read a script like ours.
fn asks_for_another() -> bool {
    flags().split('\x1f').any(|flag| {
        let mut words = ["-fuse-ld=", "--ld-path="].iter();
        words.any(|word| flag.contains(word))
            && ["mold", "gold"].iter().any(|name| flag.contains(name))
    })
}

/// What `RUSTFLAGS` and the like say.
fn flags() -> String {
    std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default()
}

/// Where Rust's own linker has the name that C compilers know it by; some distributions leave it out.
fn lld_for_compilers() -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC")?;
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(sysroot.ok()?.stdout).ok()?;
    let host = std::env::var("HOST").ok()?;
    let directory = format!("{}/lib/rustlib/{host}/bin/gcc-ld", sysroot.trim());
    let directory = PathBuf::from(directory);
    directory.join("ld.lld").exists().then_some(directory)
}

/// ` - git.` and seven digits of the commit that is built, as `docker info` reads it; empty if unknown.
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
