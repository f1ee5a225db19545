//! Relocates the static PIE that we are and, when the start is over, makes read-only (RELRO) the data that
//! only relocation and the arena write to.
//!
//! There is no dynamic linker to do it. Until this has run, nothing may be used that needs a relocation,
//! which is any pointer in data: no panic with a location, no table of strings, no call through a pointer.

use core::ptr::null_mut;

use super::raw;

/// ELF words are as wide as pointers on every architecture that we support.
type Word = usize;

const PT_LOAD: u32 = 1;
const PF_W: u32 = 2;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const DT_RELRSZ: Word = 35;
const DT_RELR: Word = 36;

/// The table of relocations that are not packed. Each architecture has one kind: with addends of their own
/// (`DT_RELA`, `DT_RELASZ`), or with addends in place (`DT_REL`, `DT_RELSZ`).
#[cfg(target_pointer_width = "64")]
const DT_TABLE: [Word; 2] = [7, 8];
#[cfg(target_pointer_width = "32")]
const DT_TABLE: [Word; 2] = [17, 18];

/// R_*_RELATIVE of the processor supplements: add the load address. `tests/elf.rs` checks that the linker
/// left no other kind.
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

/// Elf64_Rela.
#[cfg(target_pointer_width = "64")]
#[repr(C)]
struct Relocation {
    offset: Word,
    info: Word,
    addend: Word,
}

/// Elf32_Rel.
#[cfg(target_pointer_width = "32")]
#[repr(C)]
struct Relocation {
    offset: Word,
    info: Word,
}

/// Where parts of the running program are: each as its first byte and the one behind its last.
#[derive(Clone, Copy)]
pub struct Segments {
    /// The segments that are never written to, constants and code, from the first page to the end
    /// of the last.
    pub constants: [(Word, Word); 2],
    /// What is written to only by relocation and during the start.
    relro: (Word, Word),
}

impl Segments {
    /// Makes the RELRO segment read-only. If that fails nothing is lost.
    pub fn protect(&self) {
        let end = self.relro.1 & !(PAGE - 1);
        for page in PAGES {
            let start = self.relro.0 & !(page - 1);
            // SAFETY: it is our own RELRO segment, which shares no page of any size with what is written to,
            // and nothing writes to it any more.
            if unsafe { raw::protect(start, end.wrapping_sub(start)) } {
                break;
            }
        }
    }
}

/// Possible page sizes, the smallest first: the kernel refuses a start that is not page-aligned, and rounds
/// the end up.
#[cfg(target_arch = "aarch64")]
const PAGES: [Word; 3] = [PAGE, 16 << 10, 64 << 10];
#[cfg(not(target_arch = "aarch64"))]
const PAGES: [Word; 1] = [PAGE];

const PAGE: Word = 4096;

/// Relocates the program whose ELF header is at `header`. Addresses are added modulo the word, as
/// the processor supplements have it.
///
/// # Safety
///
/// `header` must be that of the running program, a static PIE linked at address 0 that has not been relocated
/// yet.
pub unsafe fn relocate(header: *const u8) -> Segments {
    let base = header as Word;
    let mut constants = [(base, base); 2];
    let mut relro = (base, base);
    let mut known = 0;
    // SAFETY: the linker put the header and the segments' table at the start of the first segment,
    // which the kernel mapped.
    unsafe {
        let header = header.cast::<Header>();
        let mut segment = base.wrapping_add((*header).phoff) as *const Segment;
        let mut left = (*header).phnum;
        while left > 0 {
            let start = base.wrapping_add((*segment).vaddr);
            let end = start.wrapping_add((*segment).memsz);
            if (*segment).kind == PT_DYNAMIC {
                dynamic(base, start as *const [Word; 2]);
            } else if (*segment).kind == PT_GNU_RELRO {
                relro = (start, end);
            } else if (*segment).kind == PT_LOAD && (*segment).flags & PF_W == 0 && known < 2 {
                constants[known] = (
                    start & !(PAGE - 1),
                    end.wrapping_add(PAGE - 1) & !(PAGE - 1),
                );
                known += 1;
            }
            segment = segment.wrapping_add(1);
            left -= 1;
        }
    }
    Segments { constants, relro }
}

/// Applies the dynamic section's tables of relocations.
///
/// # Safety
///
/// As [`relocate`]; `entry` is the dynamic section.
unsafe fn dynamic(base: Word, mut entry: *const [Word; 2]) {
    let (mut plain, mut plain_size) = (0, 0);
    let (mut packed, mut packed_size) = (0, 0);
    // SAFETY: the section ends with an entry whose tag is 0; the tables are where it says.
    unsafe {
        while (*entry)[0] != 0 {
            let [tag, value] = *entry;
            if tag == DT_TABLE[0] {
                plain = value;
            } else if tag == DT_TABLE[1] {
                plain_size = value;
            } else if tag == DT_RELR {
                packed = value;
            } else if tag == DT_RELRSZ {
                packed_size = value;
            }
            entry = entry.wrapping_add(1);
        }
        apply(base, base.wrapping_add(plain), plain_size);
        apply_packed(base, base.wrapping_add(packed), packed_size);
    }
}

/// Applies relocations.
///
/// # Safety
///
/// As [`relocate`]; the table is the program's.
unsafe fn apply(base: Word, table: Word, size: Word) {
    let mut entry = table as *const Relocation;
    let end = table.wrapping_add(size);
    while (entry as Word) < end {
        // SAFETY: the entry is inside the table, and names a word of our data.
        unsafe {
            if (*entry).info as u32 == RELATIVE {
                let place = base.wrapping_add((*entry).offset) as *mut Word;
                #[cfg(target_pointer_width = "64")]
                let addend = (*entry).addend;
                #[cfg(target_pointer_width = "32")]
                let addend = *place;
                *place = base.wrapping_add(addend);
            }
        }
        entry = entry.wrapping_add(1);
    }
}

/// Applies packed relative relocations (the generic ABI's `DT_RELR`): an even word is the address
/// of a place, an odd one a bit map of the places that follow.
///
/// # Safety
///
/// As [`relocate`]; the table is the program's.
unsafe fn apply_packed(base: Word, table: Word, size: Word) {
    let mut place = null_mut::<Word>();
    let mut entry = table as *const Word;
    let end = table.wrapping_add(size);
    while (entry as Word) < end {
        // SAFETY: as the format says, every place is a word of our data.
        unsafe {
            let word = *entry;
            // An address stands for one place, behind which the next one begins.
            let (mut bits, places) = if word & 1 == 0 {
                place = base.wrapping_add(word) as *mut Word;
                (1, 1)
            } else {
                (word >> 1, Word::BITS as usize - 1)
            };
            let next = place.wrapping_add(places);
            while bits != 0 {
                if bits & 1 != 0 {
                    *place = base.wrapping_add(*place);
                }
                bits >>= 1;
                place = place.wrapping_add(1);
            }
            place = next;
        }
        entry = entry.wrapping_add(1);
    }
}
