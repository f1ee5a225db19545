//! The front doors: what was asked for on the command line and in the environment, as a [`Plan`].
//!
//! `argv[0]` says who is asked: under the name of tini, dumb-init or catatonit pidlet *is* that
//! program (DESIGN §4). A door only reads and refuses; it never does anything.

pub mod catatonit;
pub mod commands;
pub mod dumb_init;
pub mod getopt;
pub mod pidlet;
pub mod print;
pub mod settings;
pub mod tini;

use core::ffi::CStr;

use crate::message::Stream;
use crate::plan::{Plan, Style};
use crate::words::list::List;
use getopt::Complaint;

/// What a door may look at.
pub struct Question<'a> {
    /// The arguments, `argv[0]` first; empty if there is none at all.
    pub args: &'a [&'a CStr],
    /// Looks a variable up in the environment.
    pub getenv: &'a dyn Fn(&[u8]) -> Option<&'a CStr>,
}

/// Something to print instead of running anything. [`print`] has the text.
#[derive(Debug)]
pub enum Answer<'a> {
    /// What was asked for, on standard output unless the model has it on standard error.
    Text(Stream, &'static [u8]),
    /// How we are called.
    Usage {
        /// A line in front: what is wrong.
        complaint: Option<Complaint<'a>>,
        /// The help.
        help: &'static str,
        /// It was asked for: not a fault.
        asked: Option<Stream>,
    },
    /// A fault with the label of a fatal one in the model's words.
    Fatal(Complaint<'a>),
    /// Lines that say what is wrong.
    Faults(List<'a, u8>),
    /// The plan itself.
    DryRun,
}

/// Our licence, for those who are asked for it.
pub const LICENSE: &[u8] = include_bytes!("../../LICENSE-MIT");

/// Whose manners we have under this name.
pub fn style(question: &Question) -> Style {
    match question.name() {
        b"tini" | b"tini-static" | b"docker-init" => Style::Tini,
        b"dumb-init" => Style::DumbInit,
        b"catatonit" | b"podman-init" => Style::Catatonit,
        _ => Style::Pidlet,
    }
}

/// Asks the door of the plan's style.
pub fn ask<'a>(question: &Question<'a>, plan: &mut Plan<'a>) -> Result<(), Answer<'a>> {
    match plan.style {
        // Podman runs a pod's infra container as `/<basename of the real file> -P`: a symbolic
        // link has lost its name by then.
        _ if matches!(question.args, [_, word] if word.to_bytes() == b"-P") => Ok(()),
        Style::Pidlet => pidlet::ask(question, plan),
        Style::Tini => tini::ask(question, plan),
        Style::DumbInit => dumb_init::ask(question, plan),
        Style::Catatonit => catatonit::ask(question, plan),
    }
}

impl<'a> Question<'a> {
    /// `argv[0]` in full, or our name if there is none.
    pub fn argv0(&self) -> &'a [u8] {
        self.args.first().map_or(b"pidlet", |word| word.to_bytes())
    }

    /// The last component of `argv[0]`.
    pub fn name(&self) -> &'a [u8] {
        commands::last_component(self.argv0())
    }

    /// The value of a variable, if it is there at all.
    pub fn variable(&self, name: &[u8]) -> Option<&'a [u8]> {
        (self.getenv)(name).map(CStr::to_bytes)
    }
}
