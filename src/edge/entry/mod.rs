//! From the kernel's first instruction to `main`.
//!
//! The first system call blocks all 64 signals: until then the kernel drops what is sent to PID 1.
//! It comes before relocation, so it is spelled in the architecture's own `_start`.

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

use super::{arena, raw, relocate};
use pidlet::words::list::List;
use pidlet::words::signal::SignalSet;

/// What the kernel put on the stack for us (`Documentation/arch/x86/..`, the ELF ABI: argc, argv,
/// NULL, envp, NULL, auxv).
#[derive(Clone, Copy)]
pub struct Start {
    argc: usize,
    argv: *mut *const c_char,
    /// Our segments that are never written to.
    pub constants: [(usize, usize); 2],
    /// The signals that were blocked before we blocked all.
    pub mask: SignalSet,
}

impl Start {
    /// The arguments.
    pub fn args(&self) -> &'static [&'static CStr] {
        let args = arena::array(c"", self.argc);
        for (index, slot) in args.iter_mut().enumerate() {
            // SAFETY: the kernel made `argc` pointers to strings that live as long as we do.
            *slot = unsafe { CStr::from_ptr(*self.argv.add(index)) };
        }
        args
    }

    /// The environment as the kernel laid it out: pointers up to a NULL.
    pub fn envp(&self) -> *mut *const c_char {
        // SAFETY: `argv` has `argc` pointers and a NULL, and the environment comes after that.
        unsafe { self.argv.add(self.argc + 1) }
    }

    /// A variable's place in the environment, and its value: of the first one of that name.
    pub fn variable(&self, name: &[u8]) -> Option<(*mut *const c_char, &'static CStr)> {
        let mut place = self.envp();
        // SAFETY: we are at most at the NULL that ends the environment; its strings live as long as
        // we do. What is behind the beginning of a string ends with the same NUL.
        unsafe {
            while !(*place).is_null() {
                let variable = CStr::from_ptr(*place).to_bytes_with_nul();
                if let Some([b'=', value @ ..]) = variable.strip_prefix(name) {
                    return Some((place, CStr::from_bytes_with_nul_unchecked(value)));
                }
                place = place.add(1);
            }
        }
        None
    }

    /// All variables.
    pub fn environment<'p>(&self) -> List<'p, &'p CStr> {
        let mut place = self.envp();
        let mut count = 0;
        // SAFETY: as above.
        while unsafe { !(*place.add(count)).is_null() } {
            count += 1;
        }
        let mut list = List::with_room(c"", count);
        for _ in 0..count {
            // SAFETY: as above; so many are there.
            unsafe {
                list.push(CStr::from_ptr(*place));
                place = place.add(1);
            }
        }
        list
    }

    /// The value of a variable, as getenv(3) finds it.
    pub fn getenv(&self, name: &[u8]) -> Option<&'static CStr> {
        self.variable(name).map(|(_, value)| value)
    }
}

/// Called by `_start` with the stack as the kernel left it, the address of our ELF header and the
/// place where `_start` saved the old signal mask.
///
/// # Safety
///
/// Only `_start` may call it, once, with what the kernel gave it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pidlet_entry(
    stack: *mut usize,
    header: *const u8,
    mask: *const [u32; 2],
) -> ! {
    // SAFETY: `header` is our own, and nothing that needs a relocation ran before.
    unsafe { relocate::relocate(header) };
    // SAFETY: the kernel put argc and argv there; `_start` gave eight bytes for the mask.
    let start = unsafe {
        let [low, high] = *mask;
        Start {
            argc: *stack,
            argv: stack.add(1).cast(),
            mask: SignalSet(u64::from(low) | u64::from(high) << 32),
            constants: relocate::constants(header),
        }
    };
    raw::exit(crate::main(start))
}
