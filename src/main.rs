//! The program: asks the front doors for a plan, and carries it out until the supervisor says exit.
//!
//! `main → init → edge → lib`: the library decides, the edge acts, and the init is the loop between them.

#![no_std]
#![no_main]

extern crate alloc;

mod edge;
mod init;

use core::cell::Cell;

use edge::entry::Start;
use edge::process::OwnProcess;
use edge::{files, raw, say};
use init::Init;
use pidlet::front::{self, Question};
use pidlet::message::Stream;
use pidlet::plan::Plan;

/// Everything after the start in `entry`; returns the exit code.
fn main(start: &'static Start) -> u8 {
    let args = start.args();
    let getenv = |name: &[u8]| start.getenv(name);
    let log = Cell::new(None);
    let print = |stream, text: &[u8]| match log.get() {
        None => say::answer(stream, text),
        Some(file) => _ = raw::write(file, text),
    };
    let question = Question {
        args,
        getenv: &getenv,
        twins: start.has_any(b"PIDLET_"),
        own: raw::own_pid(),
        read: &|path| files::whole(path),
        list: &files::list,
        print: &print,
    };
    loop {
        let mut plan = Plan::new(front::style(&question));
        let answer = front::ask(&question, &mut plan);
        if log.get().is_some() {
            // The exit code of every fault, whatever has changed in the files meanwhile.
            return 1;
        }
        match answer {
            Ok(()) => return Init::new(&plan, start, OwnProcess::new(question.own)).run(),
            Err(0) => return 0,
            // What is wrong is why the container ends, so it is said once more, for the termination log.
            Err(code) => match say::termination_log(&plan) {
                Ok(file) => log.set(Some(file)),
                Err(_) => return code,
            },
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    say::answer(Stream::Err, b"pidlet: internal error: please report it\n");
    raw::exit(125)
}
