//! What every module uses: time, signals, exits, errors, lines of text.

#[macro_use]
pub mod packed;

mod dictionary;
pub mod errno;
pub mod exit;
pub mod line;
pub mod list;
pub mod signal;
pub mod text;
pub mod time;

/// A process id in our PID namespace; always positive.
pub type Pid = u32;
