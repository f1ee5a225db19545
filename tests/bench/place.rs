//! Where inits and their payload run: a directory with the payload and the FIFOs that it knows.

use std::path::Path;

use crate::contestants::Contestant;
use crate::fifo::Fifo;
use crate::support::{Output, Run, Temp};
use crate::tools::Tools;

pub struct Place {
    pub temp: Temp,
    /// What the payload reports.
    pub fifo: Fifo,
    /// What it waits for.
    pub go: Fifo,
}

impl Place {
    pub fn new(tools: &Tools) -> Place {
        let temp = Temp::new();
        temp.hard_link(&tools.payload, "payload");
        Place {
            fifo: Fifo::new(&temp.join("fifo")),
            go: Fifo::new(&temp.join("go")),
            temp,
        }
    }

    /// A program started here, whose output is thrown away.
    pub fn program(&self, path: impl AsRef<Path>) -> Run {
        // What an earlier measurement left is not for this one.
        self.fifo.drain();
        self.go.drain();
        Run::new(path)
            .cwd(self.temp.path())
            .stdout(Output::Null)
            .stderr(Output::Null)
    }

    /// `count` payloads with these words under an init, which is PID 1.
    pub fn run(&self, init: &Contestant, count: usize, words: &[&str]) -> Option<Run> {
        let line = init.command_line(count, words, &self.temp)?;
        Some(self.program(&line[0]).args(&line[1..]))
    }

    /// The same, with a first record that says when the init was exec'ed.
    pub fn stamped(&self, init: &Contestant, count: usize, words: &[&str]) -> Option<Run> {
        let line = init.command_line(count, words, &self.temp)?;
        Some(
            self.program(self.temp.join("payload"))
                .arg("stamp")
                .args(&line),
        )
    }
}
