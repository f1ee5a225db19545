//! The linked program as a file and in memory: a static PIE that needs nothing beside it and gives up none of
//! the hardening that a dynamic linker would have given it.
//!
//! The file is read by a parser of our own: a dependency for four tables would be larger than the parser.

mod support;
use support::*;

use std::fmt::Write;

// Numbers of elf(5).
const ET_DYN: u64 = 3;
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const PT_GNU_STACK: u64 = 0x6474_e551;
const PT_GNU_RELRO: u64 = 0x6474_e552;
const PF_X: u64 = 1;
const PF_W: u64 = 2;
const DT_NEEDED: u64 = 1;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_REL: u64 = 17;
const DT_RELSZ: u64 = 18;
const DT_TEXTREL: u64 = 22;
const DT_JMPREL: u64 = 23;
const DT_FLAGS: u64 = 30;
const DT_RELR: u64 = 36;
const DF_TEXTREL: u64 = 4;

/// R_*_RELATIVE of each architecture's processor supplement, by e_machine.
const RELATIVE: [(u64, u64); 5] = [(62, 8), (3, 8), (183, 1027), (40, 23), (243, 3)];

/// Pages, and the alignment of what RELRO can protect.
const PAGE: u64 = 4096;

/// The hard limit of a release build on every architecture; `make size` has a tighter budget besides.
const SIZE_LIMIT: usize = 100_000;

/// A little-endian ELF file of either width.
struct Elf {
    data: Vec<u8>,
    wide: bool,
}

/// What a program header says.
#[derive(Debug)]
struct Segment {
    kind: u64,
    flags: u64,
    offset: u64,
    vaddr: u64,
    filesz: u64,
    memsz: u64,
}

impl Elf {
    fn read() -> Elf {
        let data = std::fs::read(pidlet()).expect("the program can be read");
        assert_eq!(data[..4], *b"\x7fELF");
        assert_eq!(data[5], 1, "little-endian");
        let wide = data[4] == 2;
        Elf { data, wide }
    }

    fn number(&self, at: u64, bytes: u64) -> u64 {
        let field = &self.data[at as usize..(at + bytes) as usize];
        field
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
    }

    /// The size of an address in bytes.
    fn width(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    fn word(&self, at: u64) -> u64 {
        self.number(at, self.width())
    }

    fn segments(&self) -> Vec<Segment> {
        let (phoff, entry_at) = if self.wide { (32, 54) } else { (28, 42) };
        let (size, count) = (self.number(entry_at, 2), self.number(entry_at + 2, 2));
        let first = self.word(phoff);
        let at = if self.wide {
            [4, 8, 16, 32, 40]
        } else {
            [24, 4, 8, 16, 20]
        };
        let segment = |index: u64| {
            let start = first + index * size;
            Segment {
                kind: self.number(start, 4),
                flags: self.number(start + at[0], 4),
                offset: self.word(start + at[1]),
                vaddr: self.word(start + at[2]),
                filesz: self.word(start + at[3]),
                memsz: self.word(start + at[4]),
            }
        };
        (0..count).map(segment).collect()
    }

    fn segment(&self, kind: u64) -> Option<Segment> {
        self.segments()
            .into_iter()
            .find(|segment| segment.kind == kind)
    }

    /// The dynamic section: tags with their values.
    fn dynamic(&self) -> Vec<(u64, u64)> {
        let segment = self
            .segment(PT_DYNAMIC)
            .expect("a PIE has a dynamic section");
        let entry = 2 * self.width();
        let starts = (0..segment.filesz / entry).map(|index| segment.offset + index * entry);
        let pairs = starts.map(|at| (self.word(at), self.word(at + self.width())));
        pairs.take_while(|(tag, _)| *tag != 0).collect()
    }

    fn tag(&self, tag: u64) -> Option<u64> {
        self.dynamic()
            .iter()
            .find(|(known, _)| *known == tag)
            .map(|(_, value)| *value)
    }

    /// The place in the file of the byte at an address.
    fn offset_of(&self, vaddr: u64) -> u64 {
        let segments = self.segments();
        let mut loads = segments.iter().filter(|segment| segment.kind == PT_LOAD);
        let holds =
            |segment: &&Segment| (segment.vaddr..segment.vaddr + segment.filesz).contains(&vaddr);
        let segment = loads.find(holds).expect("an address inside of the file");
        vaddr - segment.vaddr + segment.offset
    }

    /// The types of the relocations in a table of entries of `words` words.
    fn relocation_types(&self, table: u64, size: u64, words: u64) -> Vec<u64> {
        let (Some(table), Some(size)) = (self.tag(table), self.tag(size)) else {
            return Vec::new();
        };
        let (first, entry) = (self.offset_of(table), words * self.width());
        let infos = (0..size / entry).map(|index| self.word(first + index * entry + self.width()));
        infos
            .map(|info| {
                if self.wide {
                    info & 0xffff_ffff
                } else {
                    info & 0xff
                }
            })
            .collect()
    }

    fn holds(&self, text: &str) -> bool {
        self.data
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }
}

#[test]
fn the_program_needs_no_interpreter_and_no_library() {
    let elf = Elf::read();
    assert_eq!(
        elf.number(16, 2),
        ET_DYN,
        "a position-independent executable"
    );
    assert!(
        elf.segment(PT_INTERP).is_none(),
        "an interpreter is asked for"
    );
    assert_eq!(elf.tag(DT_NEEDED), None, "a library is asked for");
}

#[test]
fn no_memory_is_both_writable_and_executable() {
    let elf = Elf::read();
    let both = |segment: &&Segment| segment.flags & (PF_W | PF_X) == PF_W | PF_X;
    let segments = elf.segments();
    assert!(segments.iter().any(|segment| segment.kind == PT_LOAD));
    assert!(segments.iter().find(both).is_none(), "{segments:#?}");
    let stack = elf
        .segment(PT_GNU_STACK)
        .expect("without PT_GNU_STACK the stack is executable");
    assert_eq!(stack.flags & PF_X, 0);
}

#[test]
fn relocated_data_can_be_made_read_only() {
    let relro = Elf::read().segment(PT_GNU_RELRO).expect("a RELRO segment");
    assert!(
        relro_pages(&relro).1 > relro_pages(&relro).0,
        "no whole page: {relro:?}"
    );
}

/// The whole pages of the segment, as addresses before relocation.
fn relro_pages(relro: &Segment) -> (u64, u64) {
    (
        relro.vaddr / PAGE * PAGE,
        (relro.vaddr + relro.memsz) / PAGE * PAGE,
    )
}

#[test]
fn every_relocation_is_one_that_the_program_applies_itself() {
    let elf = Elf::read();
    let machine = elf.number(18, 2);
    let relative = RELATIVE.iter().find(|(known, _)| *known == machine);
    let relative = relative.expect("a known architecture").1;
    let mut types = elf.relocation_types(DT_RELA, DT_RELASZ, 3);
    types.extend(elf.relocation_types(DT_REL, DT_RELSZ, 2));
    assert!(types.iter().all(|&kind| kind == relative), "{types:?}");
    assert!(
        !types.is_empty() || elf.tag(DT_RELR).is_some(),
        "nothing is relocated at all"
    );
    assert_eq!(
        elf.tag(DT_JMPREL),
        None,
        "a table of calls that nothing would fill in"
    );
    assert_eq!(elf.tag(DT_TEXTREL), None);
    assert_eq!(
        elf.tag(DT_FLAGS).unwrap_or(0) & DF_TEXTREL,
        0,
        "code is relocated"
    );
}

#[test]
fn the_release_program_is_within_the_limit() {
    let size = Elf::read().data.len();
    println!("{}: {size} bytes", pidlet().display());
    if is_release() {
        assert!(size <= SIZE_LIMIT, "{size} bytes");
    }
}

/// `core::fmt` is larger than all that pidlet does. The release program has no symbols, but formatting also
/// brings strings and tables.
#[test]
fn the_release_program_holds_no_formatting_machinery() {
    let traces = [
        "called `Option::unwrap()`",
        "called `Result::unwrap()`",
        "fmt::Error",
        "index out of bounds",
        "attempt to add with overflow",
        "explicit panic",
        "00010203040506070809101112",
        "internal error: entered unreachable code",
    ];
    release_holds_none_of(&traces);
}

#[test]
fn the_release_program_tells_nothing_of_the_machine_that_built_it() {
    let home = std::env::var("HOME").unwrap_or_default();
    let home = if home.len() > 1 {
        home
    } else {
        "/root".to_owned()
    };
    let source = env!("CARGO_MANIFEST_DIR");
    release_holds_none_of(&[
        &home,
        "/root/",
        source,
        ".cargo/",
        "registry/src",
        "/rustc/",
    ]);
}

#[track_caller]
fn release_holds_none_of(texts: &[&str]) {
    let elf = Elf::read();
    assert!(elf.holds("pidlet: "), "the search finds what is there");
    if !is_release() {
        return;
    }
    let found: Vec<&&str> = texts.iter().filter(|text| elf.holds(text)).collect();
    assert!(found.is_empty(), "{found:?}");
}

// ---- in memory -------------------------------------------------------------------------------

/// A line of /proc/PID/maps.
#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    permissions: String,
    name: String,
}

/// The memory map of a running program that idles with one child.
fn mappings(mode: Mode) -> Vec<Mapping> {
    let init = Run::pidlet()
        .mode(mode)
        .args(["--", probe(), "sleep"])
        .start();
    init.wait_says("ready");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", init.pid()));
    let maps = maps.expect("a living child's maps can be read");
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        Some(Mapping {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            permissions: fields.next()?.to_owned(),
            name: fields.nth(3).unwrap_or_default().to_owned(),
        })
    };
    maps.lines()
        .map(|line| parse(line).expect("a mapping"))
        .collect()
}

/// The address that the program was loaded at.
fn base(maps: &[Mapping]) -> u64 {
    let own = maps
        .iter()
        .filter(|mapping| mapping.name.ends_with("/pidlet"));
    own.map(|mapping| mapping.start)
        .min()
        .expect("the program is mapped")
}

fn show(maps: &[Mapping]) -> String {
    maps.iter().fold(
        String::new(),
        |mut text,
         Mapping {
             start,
             end,
             permissions,
             name,
         }| {
            let _ = writeln!(text, "{start:x}-{end:x} {permissions} {name}");
            text
        },
    )
}

#[test]
fn a_running_program_has_no_writable_and_executable_memory() {
    for mode in Mode::BOTH {
        let maps = mappings(mode);
        let executable = |mapping: &&Mapping| mapping.permissions.contains('x');
        assert!(
            maps.iter().any(|mapping| executable(&mapping)),
            "{}",
            show(&maps)
        );
        let mut executable = maps.iter().filter(executable);
        assert!(
            !executable.any(|mapping| mapping.permissions.contains('w')),
            "{}",
            show(&maps)
        );
    }
}

#[test]
fn a_running_program_cannot_write_to_its_relocated_data() {
    let elf = Elf::read();
    let (first, end) = relro_pages(&elf.segment(PT_GNU_RELRO).expect("a RELRO segment"));
    for mode in Mode::BOTH {
        let maps = mappings(mode);
        for page in (first..end).step_by(PAGE as usize) {
            let address = base(&maps) + page;
            let mut holds = maps
                .iter()
                .filter(|map| (map.start..map.end).contains(&address));
            let permissions = holds.next().map(|mapping| mapping.permissions.as_str());
            assert_eq!(permissions, Some("r--p"), "{address:x} of\n{}", show(&maps));
        }
    }
}

#[test]
fn nothing_but_the_program_is_mapped_from_a_file() {
    for mode in Mode::BOTH {
        let maps = mappings(mode);
        let foreign = |mapping: &&Mapping| {
            mapping.name.starts_with('/') && mapping.name != pidlet().display().to_string()
        };
        assert!(maps.iter().find(foreign).is_none(), "{}", show(&maps));
    }
}

#[test]
fn every_run_is_loaded_at_another_address() {
    let random = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space");
    if random.is_ok_and(|value| value.trim() == "0") {
        skip!("this kernel randomises no addresses (randomize_va_space is 0)");
    }
    let (one, other) = (base(&mappings(Mode::Pid1)), base(&mappings(Mode::Pid1)));
    assert_ne!(one, other);
}
