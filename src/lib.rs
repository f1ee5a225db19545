//! The pure half of pidlet: everything that decides, nothing that acts.
//!
//! ```text
//! argv, environment ──► front doors ──► Plan ──► Supervisor ◄──► kernel edge ──► exit code
//!                         (pure)       (data)     (pure)        (the program)
//! ```
//!
//! Nothing here makes a system call, reads a clock or holds a descriptor: the time, signals and the
//! ends of children come in as values, and actions go out as values, so all of it runs under plain
//! `cargo test`. The edge, which makes every system call, belongs to the program.
//!
//! In reading order: the [`words`] that every module uses, the [`plan`], the [`front`] doors that
//! make one, the supervisor in [`supervise`] that carries it out, the parsers of sd_notify messages
//! ([`notify`]) and HTTP responses ([`http`]), the form of the services' [`output`], the [`message`]s
//! that pidlet prints, and their wording in [`voice`]. `docs/CONTRIBUTING.md` says where a new key,
//! option, kind of readiness or architecture goes.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "read with the private items, as `make lint` builds it"
)]

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
