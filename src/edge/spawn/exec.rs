//! Executing a program, which is looked for in PATH as execvp(3) does.

use core::ffi::{CStr, c_char};

use crate::edge::entry::variable;
use crate::edge::raw;
use pidlet::output::Buffer;
use pidlet::plan::{StartFault, Step};
use pidlet::words::errno::Errno;
use pidlet::words::text;

/// Where a program is looked for when PATH is not set, as execvp(3) of glibc does.
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// The longest path that the kernel takes, limits.h.
const PATH_MAX: usize = 4096;

/// What a search that executes nothing returns if there is such a program.
const FOUND: Errno = Errno(0);

/// What a program is executed with.
pub struct Attempt<'p> {
    /// Room for the longest command: a place for the shell, the words and a null pointer.
    pub argv: &'p mut [*const c_char],
    /// How many places of it are taken.
    pub words: usize,
    pub envp: *mut *const c_char,
    /// A file without `#!` that the kernel does not know is given to `/bin/sh`, as execvp(3) does.
    pub shell_fallback: bool,
}

impl Attempt<'_> {
    /// Appends a word to the command.
    #[inline(never)]
    pub fn put(&mut self, word: *const c_char) {
        if let Some(place) = self.argv.get_mut(self.words) {
            *place = word;
            self.words += 1;
        }
    }

    /// execvp(3), with its error, or the fault that a script's interpreter is missing.
    pub fn execute(&mut self, program: &CStr) -> StartFault {
        let errno = self.search(program, true);
        let there = errno == Errno::NOENT && self.search(program, false) == FOUND;
        StartFault {
            step: if there { Step::Interpreter } else { Step::Exec },
            errno,
        }
    }

    /// Executes the program, or the first of its name in PATH that can be executed; or only looks whether
    /// there is one.
    #[inline(never)]
    fn search(&mut self, program: &CStr, execute: bool) -> Errno {
        let name = program.to_bytes_with_nul();
        if name.len() == 1 || text::cut(name, b'/').0.len() < name.len() {
            return self.try_file(program, execute);
        }
        let mut buffer = [0; PATH_MAX];
        let mut last = Errno::NOENT;
        // SAFETY: our own environment or the spawner's: pointers up to a NULL, to strings that live on.
        let path = unsafe { variable(self.envp, b"PATH") };
        let mut rest = path
            .map_or(DEFAULT_PATH, |(_, path)| path)
            .to_bytes_with_nul();
        while !rest.is_empty() {
            // The NUL ends the last directory.
            let directory = match text::take(&mut rest, b':') {
                [directory @ .., 0] => directory,
                directory => directory,
            };
            let Some(path) = join(&mut buffer, directory, name) else {
                continue;
            };
            match self.try_file(path, execute) {
                errno @ (Errno::ACCES | Errno::NOENT | Errno::NOTDIR | Errno::STALE) => {
                    // EACCES is the error to report, whatever is missing elsewhere.
                    if last != Errno::ACCES {
                        last = errno;
                    }
                }
                errno => return errno,
            }
        }
        last
    }

    /// Executes a file, or only looks whether it is there.
    fn try_file(&mut self, path: &CStr, execute: bool) -> Errno {
        if !execute {
            return raw::why_missing(path);
        }
        // The kernel reads the array that is changed here, so everything goes through one pointer.
        let whole = self.argv.as_mut_ptr();
        // SAFETY: the strings are the plan's and our own, and the arrays end with a null pointer. `argv`
        // always has room for more than the shell and a name.
        unsafe {
            let words = whole.add(1);
            let errno = raw::execve(path.as_ptr(), words, self.envp);
            if errno != Errno::NOEXEC || !self.shell_fallback {
                return errno;
            }
            whole.write(SHELL.as_ptr());
            let name = words.replace(path.as_ptr());
            let errno = raw::execve(SHELL.as_ptr(), whole, self.envp);
            words.write(name);
            errno
        }
    }
}

/// `directory/name` in `buffer`, if it fits; an empty directory is the current one.
#[inline(never)]
fn join<'b>(buffer: &'b mut [u8], directory: &[u8], name_with_nul: &[u8]) -> Option<&'b CStr> {
    let mut path = Buffer::new(buffer);
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    for part in [directory, slash, name_with_nul] {
        path.put(part);
    }
    // SAFETY: everything fitted, and the name ends with a NUL.
    path.fits()
        .then(|| unsafe { CStr::from_ptr(buffer.as_ptr().cast()) })
}
