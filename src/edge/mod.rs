//! The thin edge: everything that touches the kernel, and nothing that decides.
//!
//! | | |
//! |---|---|
//! | from the first instruction on | [`entry`], [`relocate`], [`mem`], [`arena`] |
//! | system calls, and nothing else | [`raw`] |
//! | our own process, and our children | [`process`], [`spawn`], [`reap`], [`leftovers`] |
//! | waiting | [`reactor`] |
//! | what services say and write | [`notify`], [`check`], [`output`] |
//! | our own words | [`say`] |
//! | the rest of the world | [`terminal`], [`files`], [`memory_events`], [`address`], [`release`] |
//!
//! Descriptors are plain numbers. The kernel answers with one, or with an error's negated number; we keep
//! one, or [`reactor::NONE`]. Only the tables of [`output`] have 0 for none: memory that stays all zeroes
//! costs nothing, and standard input is never in them.

pub mod address;
pub mod arena;
pub mod check;
pub mod entry;
pub mod files;
pub mod leftovers;
pub mod mem;
pub mod memory_events;
pub mod notify;
pub mod output;
pub mod process;
pub mod raw;
pub mod reactor;
pub mod reap;
pub mod release;
pub mod relocate;
pub mod say;
pub mod spawn;
pub mod terminal;
