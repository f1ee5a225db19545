//! The pure half of pidlet: everything that decides, nothing that does.
//!
//! ```text
//! argv, environment ──► front doors ──► Plan ──► Supervisor ◄──► kernel edge ──► exit code
//!                         (pure)       (data)     (pure)        (the program)
//! ```
//!
//! Nothing here makes a system call, reads a clock or holds a descriptor: time, the fate of a
//! child and a signal come in as values, and what is to be done goes out as values. So all of it
//! runs under plain `cargo test`. The edge, with every system call, belongs to the program.
//!
//! In reading order: [`words`] that everybody uses, the [`plan`], the [`front`] doors that make
//! one, the supervisor in [`supervise`] that carries it out, what services and servers say of
//! themselves in [`notify`] and [`http`], what becomes of the services' [`output`], the
//! [`message`]s that we have to say, and their words in [`voice`]. `docs/CONTRIBUTING.md` says where
//! a new key, option, kind of readiness or architecture has its place.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[macro_use]
pub mod words;

pub mod front;
pub mod http;
pub mod message;
pub mod notify;
pub mod output;
pub mod plan;
pub mod supervise;
pub mod voice;
