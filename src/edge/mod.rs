//! The thin edge: everything that touches the kernel, and nothing that decides.

pub mod address;
pub mod arena;
pub mod check;
pub mod entry;
pub mod files;
pub mod mem;
pub mod memory_events;
pub mod notify;
pub mod output;
pub mod prepare;
pub mod process;
pub mod raw;
pub mod reactor;
pub mod reap;
pub mod relocate;
pub mod rest;
pub mod say;
pub mod settle;
pub mod sink;
pub mod spawn;
pub mod terminal;
