//! Relocates the static PIE that we are, and makes what is only relocated read-only (RELRO).
//!
//! Nobody else does it: there is no dynamic linker. Until this has run, nothing may be used that
//! needs a relocation, which is any pointer in data; so no panic with a location, no table of
//! strings, no call through a pointer.

use super::raw;

/// ELF words are as wide as pointers on every architecture that we know.
type Word = usize;

const PT_DYNAMIC: u32 = 2;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const DT_RELA: Word = 7;
const DT_RELASZ: Word = 8;
const DT_REL: Word = 17;
const DT_RELSZ: Word = 18;
const DT_RELRSZ: Word = 35;
const DT_RELR: Word = 36;

/// R_*_RELATIVE of the processor supplements: add the load address. `tests/elf.rs` sees to it
/// that the linker left no other kind.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
const RELATIVE: u32 = 8;
#[cfg(target_arch = "aarch64")]
const RELATIVE: u32 = 1027;
#[cfg(target_arch = "arm")]
const RELATIVE: u32 = 23;
#[cfg(target_arch = "riscv64")]
const RELATIVE: u32 = 3;

/// Elf32_Ehdr or Elf64_Ehdr, elf(5).
#[repr(C)]
struct Header {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: Word,
    phoff: Word,
    shoff: Word,
    flags: u32,
    ehsize: u16,
    phentsize: u16,
    phnum: u16,
}

/// Elf64_Phdr.
#[cfg(target_pointer_width = "64")]
#[repr(C)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: Word,
    vaddr: Word,
    paddr: Word,
    filesz: Word,
    memsz: Word,
    align: Word,
}

/// Elf32_Phdr.
#[cfg(target_pointer_width = "32")]
#[repr(C)]
struct Segment {
    kind: u32,
    offset: Word,
    vaddr: Word,
    paddr: Word,
    filesz: Word,
    memsz: Word,
    flags: u32,
    align: Word,
}

/// Relocates the program whose ELF header is at `header`.
///
/// # Safety
///
/// `header` must be that of the running program, a static PIE linked at address 0 that was not
/// relocated yet.
pub unsafe fn relocate(header: *const u8) {
    let base = header as Word;
    // SAFETY: the linker put the header and the segments' table at the start of the first segment,
    // which the kernel mapped.
    unsafe {
        let header = &*header.cast::<Header>();
        let segments = (base + header.phoff) as *const Segment;
        let mut index = 0;
        while index < header.phnum as usize {
            let segment = &*segments.add(index);
            if segment.kind == PT_DYNAMIC {
                dynamic(base, (base + segment.vaddr) as *const [Word; 2]);
            }
            index += 1;
        }
        index = 0;
        while index < header.phnum as usize {
            let segment = &*segments.add(index);
            if segment.kind == PT_GNU_RELRO && segment.memsz > 0 {
                raw::protect_relro(base + segment.vaddr, segment.memsz);
            }
            index += 1;
        }
    }
}

/// Walks the dynamic section's tables of relocations.
///
/// # Safety
///
/// As [`relocate`]; `entry` is the dynamic section.
unsafe fn dynamic(base: Word, mut entry: *const [Word; 2]) {
    let (mut rela, mut rela_size) = (0, 0);
    let (mut rel, mut rel_size) = (0, 0);
    let (mut relr, mut relr_size) = (0, 0);
    // SAFETY: the section ends with an entry whose tag is 0; the tables are where it says.
    unsafe {
        while (*entry)[0] != 0 {
            let [tag, value] = *entry;
            if tag == DT_RELA {
                rela = value;
            } else if tag == DT_RELASZ {
                rela_size = value;
            } else if tag == DT_REL {
                rel = value;
            } else if tag == DT_RELSZ {
                rel_size = value;
            } else if tag == DT_RELR {
                relr = value;
            } else if tag == DT_RELRSZ {
                relr_size = value;
            }
            entry = entry.add(1);
        }
        table::<3>(base, rela, rela_size);
        table::<2>(base, rel, rel_size);
        packed(
            base,
            (base + relr) as *const Word,
            relr_size / size_of::<Word>(),
        );
    }
}

/// Applies entries of `WORDS` words: with an addend of their own (RELA), or with the addend in
/// place (REL).
///
/// # Safety
///
/// As [`relocate`]; the table is one of the program's.
unsafe fn table<const WORDS: usize>(base: Word, table: Word, size: Word) {
    let mut entry = (base + table) as *const [Word; WORDS];
    let end = base + table + size;
    while (entry as Word) < end {
        // SAFETY: the entry is inside the table, and names a word of our data.
        unsafe {
            let words = &*entry;
            if words[1] as u32 == RELATIVE {
                let place = (base + words[0]) as *mut Word;
                *place = base + if WORDS == 3 { words[WORDS - 1] } else { *place };
            }
            entry = entry.add(1);
        }
    }
}

/// Applies packed relative relocations (the generic ABI's `DT_RELR`): an even word is the address
/// of a place, an odd one a bit map of the places that follow.
///
/// # Safety
///
/// As [`relocate`]; the table is the program's.
unsafe fn packed(base: Word, table: *const Word, count: usize) {
    let mut place = core::ptr::null_mut::<Word>();
    let mut index = 0;
    while index < count {
        // SAFETY: as the format says, every place is a word of our data.
        unsafe {
            let word = *table.add(index);
            if word & 1 == 0 {
                place = (base + word) as *mut Word;
                *place += base;
                place = place.add(1);
            } else {
                let mut bits = word >> 1;
                let mut offset = 0;
                while bits != 0 {
                    if bits & 1 != 0 {
                        *place.add(offset) += base;
                    }
                    bits >>= 1;
                    offset += 1;
                }
                place = place.add(Word::BITS as usize - 1);
            }
        }
        index += 1;
    }
}
