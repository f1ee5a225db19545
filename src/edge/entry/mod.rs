//! From the first instruction that the kernel runs to `main`, and whatever else needs an architecture's own
//! assembly: one file for each.
//!
//! The first system call blocks all 64 signals: until then the kernel drops what is sent to PID 1. It comes
//! before relocation, so it is in each architecture's `pidlet_start`.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "arm")]
mod arm;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::slice::from_raw_parts;

use super::arena::{self, FirstChunk};
use super::raw;
use super::relocate::{self, Segments};
#[cfg(target_arch = "aarch64")]
pub use aarch64::{clone, instruction};
#[cfg(target_arch = "arm")]
pub use arm::{clone, instruction};
use pidlet::words::signal::SignalSet;
use pidlet::words::text;
#[cfg(target_arch = "riscv64")]
pub use riscv64::{clone, instruction};
#[cfg(target_arch = "x86")]
pub use x86::{clone, instruction};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{clone, instruction};

/// What the kernel put on the stack for us (`Documentation/arch/x86/..`, the ELF ABI: argc, argv,
/// NULL, envp, NULL, auxv).
#[derive(Clone, Copy)]
pub struct Start {
    argc: usize,
    argv: *mut *const c_char,
    /// Where we are in memory.
    pub segments: Segments,
    /// The signals that were blocked before we blocked all.
    pub mask: SignalSet,
}

impl Start {
    /// The arguments.
    pub fn args(&self) -> &'static [&'static CStr] {
        strings(self.argv)
    }

    /// The environment as the kernel laid it out: pointers up to a NULL.
    pub fn envp(&self) -> *mut *const c_char {
        // SAFETY: `argv` has `argc` pointers and a NULL, and the environment comes after that.
        unsafe { self.argv.add(self.argc + 1) }
    }

    /// All variables.
    pub fn environment(&self) -> &'static [&'static CStr] {
        strings(self.envp())
    }

    /// Whether any variable's name begins like this.
    pub fn has_any(&self, begin: &[u8]) -> bool {
        let mut place = self.envp();
        // SAFETY: the kernel made the pointers up to a NULL, to strings that live as long as we do.
        unsafe {
            while !(*place).is_null() {
                if CStr::from_ptr(*place).to_bytes().starts_with(begin) {
                    return true;
                }
                place = place.add(1);
            }
        }
        false
    }

    /// The value of a variable as a number, or 0.
    pub fn number(&self, name: &[u8]) -> u64 {
        let value = self.getenv(name).unwrap_or(c"");
        text::number(value.to_bytes()).unwrap_or(0)
    }

    /// The value of a variable, as getenv(3) finds it.
    pub fn getenv(&self, name: &[u8]) -> Option<&'static CStr> {
        // SAFETY: the kernel made it, and it lives as long as we do.
        unsafe { variable(self.envp(), name) }.map(|(_, value)| value)
    }
}

/// The place in an environment of the first variable of this name, and its value.
///
/// # Safety
///
/// `place` must be an environment's first one: pointers up to a NULL, to strings that live as long as
/// what is returned is used.
pub unsafe fn variable(
    mut place: *mut *const c_char,
    name: &[u8],
) -> Option<(*mut *const c_char, &'static CStr)> {
    // SAFETY: we go no further than the NULL that ends the environment and the NUL that ends a string: a NUL
    // matches neither a byte of the name nor the `=` behind it.
    unsafe {
        while !(*place).is_null() {
            let mut end = (*place).cast::<u8>();
            for &byte in name {
                if byte == 0 || *end != byte {
                    break;
                }
                end = end.add(1);
            }
            if *end == b'=' && end == (*place).cast::<u8>().add(name.len()) {
                return Some((place, CStr::from_ptr(end.add(1).cast())));
            }
            place = place.add(1);
        }
    }
    None
}

/// The strings of an array of pointers that ends with a NULL.
#[inline(never)]
fn strings(pointers: *mut *const c_char) -> &'static [&'static CStr] {
    let mut count = 0;
    // SAFETY: the kernel made the pointers, to strings that live as long as we do.
    unsafe {
        while !(*pointers.add(count)).is_null() {
            count += 1;
        }
        let strings = arena::fresh(count.saturating_mul(size_of::<&CStr>())).cast::<&CStr>();
        for index in 0..count {
            strings
                .add(index)
                .write(CStr::from_ptr(*pointers.add(index)));
        }
        from_raw_parts(strings, count)
    }
}

/// Called by `pidlet_start` with the stack as the kernel left it, the address of our ELF header and the
/// place where `pidlet_start` saved the old signal mask.
///
/// # Safety
///
/// Only `pidlet_start` may call it, once, with what the kernel gave it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pidlet_entry(stack: *mut usize, header: *const u8, mask: *const u64) -> ! {
    // SAFETY: `header` is our own, and nothing that needs a relocation ran before.
    let segments = unsafe { relocate::relocate(header) };
    let mut first = MaybeUninit::<FirstChunk>::zeroed();
    // SAFETY: we never return, so what is in our frame lives as long as we do. The kernel put argc and argv
    // there; `pidlet_start` gave eight bytes for the mask.
    let start = unsafe {
        arena::begin(first.as_mut_ptr());
        Start {
            argc: *stack,
            argv: stack.add(1).cast(),
            mask: SignalSet(*mask),
            segments,
        }
    };
    let place = &raw const start;
    // SAFETY: as above.
    raw::exit(crate::main(unsafe { &*place }))
}
