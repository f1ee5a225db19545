#!/usr/bin/env python3
"""numbers.py HEADERS CRATE TARGET=TRIPLE...

Compares every number and layout of the kernel in the source with the kernel's headers, for each architecture. HEADERS is a
directory with Debian's cross headers. `tests/cross/numbers`, and the names that the source takes from linux-raw-sys, are
evaluated in C; the values become assertions in a crate in the directory CRATE, to be checked for each of these targets.
"""

import pathlib
import re
import subprocess
import sys

SOURCES = [path for part in ("edge", "init") for path in sorted(pathlib.Path("src", part).glob("**/*.rs"))]
CRATES = {"general": "sys", "errno": "errno", "ioctl": "ioctl", "net": "net", "prctl": "prctl"}

# Headers of the kernel, and of a libc for what the kernel does not publish. The two cannot be included together.
KERNEL = """
#include <linux/types.h>
#include <asm/unistd.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/stat.h>
#include <asm/poll.h>
#include <asm/termios.h>
#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signalfd.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/uio.h>
#include <linux/wait.h>
#define offsetof __builtin_offsetof
#define _KERNEL_NSIG 64
"""
LIBC = """
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#define BITS ((int)sizeof(void *) * 8)
#if __SIZEOF_POINTER__ == 8
#define Elf(kind) Elf64_##kind
#else
#define Elf(kind) Elf32_##kind
#endif
#if defined __x86_64__
#define R_RELATIVE R_X86_64_RELATIVE
#elif defined __i386__
#define R_RELATIVE R_386_RELATIVE
#elif defined __aarch64__
#define R_RELATIVE R_AARCH64_RELATIVE
#elif defined __arm__
#define R_RELATIVE R_ARM_RELATIVE
#elif defined __riscv
#define R_RELATIVE R_RISCV_RELATIVE
#elif defined __powerpc64__
#define R_RELATIVE R_PPC64_RELATIVE
#elif defined __s390x__
#define R_RELATIVE R_390_RELATIVE
#endif
"""

PRELUDE = """use core::mem::{MaybeUninit, offset_of, size_of};
use linux_raw_sys::{errno, general as sys, ioctl, net, prctl};
use pidlet::plan::Key;
use pidlet::words::errno::Errno;
use pidlet::words::signal::Signal;
type Siginfo = sys::siginfo__bindgen_ty_1__bindgen_ty_1;
"""

MANIFEST = """[package]
name = "numbers"
version = "0.0.0"
edition = "2024"
[lib]
path = "lib.rs"
[dependencies]
pidlet = {{ path = "{top}" }}
linux-raw-sys = {{ version = "*", default-features = false }}
[workspace]
"""
BUILD = """fn main() {
    let target = std::env::var("TARGET").unwrap();
    println!("cargo::rerun-if-changed=.");
    println!("cargo::rustc-env=ASSERTIONS={}/{target}.rs", std::env::current_dir().unwrap().display());
}
"""


def code(path):
    """A source file without its comments."""
    return re.sub(r"//.*", "", path.read_text())


def module(path):
    return path.stem if path.stem != "mod" else path.parent.stem


def names_of_linux_raw_sys():
    """The names that the source takes from linux-raw-sys, as `sys::NAME`."""
    found = set()
    for path in SOURCES:
        text = code(path)
        for crate, names in re.findall(r"use (?:linux_raw_sys::)?(\w+)::\{([^}]*)\}", text):
            if crate in CRATES or crate == "sys":
                found |= {f"{CRATES.get(crate, crate)}::{name.split()[0]}" for name in names.split(",") if name.strip()}
        for crate, name in re.findall(r"linux_raw_sys::(\w+)::(\w+)", text):
            found.add(f"{CRATES[crate]}::{name}")
        found |= {"::".join(name) for name in re.findall(r"\b(sys|net|prctl)::(\w+)", text)}
    return {name for name in found if not re.search(r"::(Ipv6Addr|super|self)", name)}


def items():
    """The source's constants, types and structures of C layout: name to text."""
    found = {}
    for path in SOURCES:
        text = code(path)
        pattern = r"(?:^ *#\[cfg[^\n]*\n)?^ *(?:pub(?:\([a-z]*\))? )?(?:const|type) ([A-Z]\w*)\b[\s\S]*?; *$"
        for match in re.finditer(pattern, text, re.M):
            found.setdefault(f"{module(path)}::{match[1]}", []).append(match[0])
        pattern = r"(?:^ *#\[cfg[^\n]*\n)?^ *#\[repr\(C\)\]\n *(?:pub )?struct (\w+)[^{]*\{[^}]*\}"
        for match in re.finditer(pattern, text, re.M):
            public = re.sub(r"^( *)(?:pub )?(\w+): ", r"\1pub \2: ", match[0], flags=re.M)
            found.setdefault(f"{module(path)}::{match[1]}", []).append(public)
    return found


def listed():
    """The list: pairs of Rust and C, and the names that are our own."""
    pairs, ours = [], set()
    for line in pathlib.Path("tests/cross/numbers").read_text().splitlines():
        if line.startswith("ours:"):
            ours |= set(line[5:].split())
        elif line and not line.startswith("#"):
            rust, c = line.split(" | ")
            pairs.append((rust.strip(), c.strip()))
    return pairs, ours


def by_place():
    """Pairs from the source's lists of names: signals, capabilities, errors."""
    signals = re.search(r'const NAMES: &str = "([^"]*)"', pathlib.Path("src/words/signal.rs").read_text())[1]
    for number, name in enumerate(signals.replace("\\", "").split(), 1):
        yield str(number), f"SIG{name}"
    caps = re.search(r'const CAPABILITIES: Text = text!\(\s*"([^"]*)"', pathlib.Path("src/plan/keys.rs").read_text())[1]
    for number, name in enumerate(caps.replace("\\", "").split()):
        yield str(number), f"CAP_{name.upper()}"
    for name in re.findall(r"pub const (\w+): Errno\b", pathlib.Path("src/words/errno.rs").read_text()):
        yield f"Errno::{name}.0", f"E{name}"
    for name in re.findall(r"pub const (\w+): Signal =", pathlib.Path("src/words/signal.rs").read_text()):
        yield f"Signal::{name}.number()", "__SIGRTMIN + 2 + 3" if name == "HALT" else f"SIG{name}"


def omissions(pairs, ours, raw, own):
    """What the source has and neither list mentions, and what is listed but missing."""
    mentioned = " ".join(rust for rust, _ in pairs)
    is_known = lambda name: name in ours or re.search(rf"\b{re.escape(name)}\b", mentioned)
    yield from (f"{name} is in neither list" for name in own if not is_known(name) and " type " not in f" {own[name][0]}")
    yield from (f"the layout of {name} is not compared" for name in raw
                if re.search(r"::[a-z_]+[a-z0-9_]*$", name) and not name.startswith("sys::__NR_") and not is_known(name))
    yield from (f"{name} is listed, but does not exist" for name in ours
                if "::" in name and name not in own and name not in raw)
    for path in SOURCES:
        for number in re.findall(r"\b0x[0-9a-f_]{4,}(?:u32)?", code(path)):
            number = number.removesuffix("_u32")
            if number not in ours and number not in mentioned and not re.search(rf"const \w+: \w+ = {number}", code(path)):
                yield f"{path}: {number} is in neither list"


def evaluate(headers, triple, prelude, expressions):
    """The values of those C expressions that compile with these headers."""
    wanted = dict(enumerate(expressions))
    clang = ["clang", f"--target={triple}", "-nostdlibinc", f"-isystem{headers}/usr/{triple}/include",
             "-ferror-limit=0", "-w", "-S", "-emit-llvm", "-o", "-", "-x", "c", "-"]
    while True:
        lines = [f"const long long value_{at} = (long long)({c});" for at, c in wanted.items()]
        done = subprocess.run(clang, input=prelude + "\n".join(lines), capture_output=True, text=True)
        if done.returncode == 0:
            break
        first = prelude.count("\n") + 1
        wrong = {int(line) - first for line in re.findall(r"^<stdin>:(\d+):\d+: error", done.stderr, re.M)}
        places = list(wanted)
        if not wrong or min(wrong) < 0:
            sys.exit(f"numbers: {triple}: {done.stderr}")
        for place in wrong:
            del wanted[places[place]]
    values = re.findall(r"^@value_(\d+) = .*constant i64 (-?\d+)", done.stdout, re.M)
    return {expressions[int(at)]: int(value) for at, value in values}


def assertions(pairs, values, own):
    """Rust that asserts these values."""
    text = [PRELUDE]
    used = sorted({name for rust, _ in pairs for name in re.findall(r"\b[a-z_]+::[A-Z]\w*", rust) if name in own})
    for home in sorted({name.split("::")[0] for name in used}):
        text.append(f"mod {home} {{ use super::*; use core::ffi::*;")
        for name in own:
            if name in used and name.startswith(f"{home}::") or name == f"{home}::Word":
                text += [re.sub(r"^( *)(pub(\([a-z]*\))? )?(const|type|struct)", r"\1pub \4", item, flags=re.M)
                         for item in own[name]]
        text.append("}")
    for rust, c in pairs:
        if c in values:
            message = f"{rust} is not {c}".replace('"', "")
            text.append(f'const _: () = assert!(({rust}) as i64 == {values[c]}, "{message}");')
    return "\n".join(text) + "\n"


def main():
    headers, crate, *targets = sys.argv[1:]
    crate = pathlib.Path(crate)
    raw, own = names_of_linux_raw_sys(), items()
    pairs, ours = listed()
    wrong = list(omissions(pairs, ours, raw, own))
    pairs += by_place()
    pairs += [(name, name.split("::")[1]) for name in sorted(raw) if re.search(r"::(__NR_\w+|[A-Z][A-Z0-9_]*)$", name)]
    crate.mkdir(parents=True, exist_ok=True)
    (crate / "Cargo.toml").write_text(MANIFEST.format(top=pathlib.Path.cwd()))
    (crate / "build.rs").write_text(BUILD)
    (crate / "lib.rs").write_text('#![no_std]\n#![allow(dead_code, unused_imports)]\ninclude!(env!("ASSERTIONS"));\n')
    unseen = {c for _, c in pairs}
    for target, triple in (pair.split("=") for pair in targets):
        expressions = sorted({c for _, c in pairs})
        values = {}
        for prelude in (KERNEL, LIBC):
            for c, value in evaluate(headers, triple, prelude, expressions).items():
                if values.setdefault(c, value) != value:
                    wrong.append(f"{target}: {c} is {values[c]} in the kernel's headers and {value} in the libc's")
        unseen -= set(values)
        missing = sorted({c for _, c in pairs if c not in values})
        print(f"numbers: {target}: {sum(c in values for _, c in pairs)} compared; missing here: {', '.join(missing)}")
        (crate / f"{target}.rs").write_text(assertions(pairs, values, own))
    wrong += [f"{c} has no value on any architecture" for c in sorted(unseen)]
    if wrong:
        sys.exit("\n".join(f"numbers: {line}" for line in wrong))


main()
