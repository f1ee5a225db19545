//! What is printed instead of running anything; of `--dry-run` the checked plan in the words of the
//! plan file (DESIGN §9).

use super::getopt::Complaint;
use super::{Answer, Question};
use crate::message::Stream;
use crate::plan::{Essential, Plan, Style};
use crate::words::Pid;
use crate::words::signal::Signal;
use crate::words::text::Line;
use crate::words::time::Span;

/// Takes text.
pub type Put<'p> = &'p mut dyn FnMut(&[u8]);

impl Answer<'_> {
    /// Where it goes, and the exit code.
    pub fn stream(&self) -> (Stream, u8) {
        match self {
            Answer::Text(stream, _)
            | Answer::Usage {
                asked: Some(stream),
                ..
            } => (*stream, 0),
            Answer::DryRun => (Stream::Out, 0),
            Answer::Usage { .. } | Answer::Fatal(_) | Answer::Faults(_) => (Stream::Err, 1),
        }
    }

    /// Prints it.
    pub fn print(&self, question: &Question, plan: &Plan, own: Pid, put: Put) {
        match self {
            Answer::Text(_, text) => put(text),
            Answer::Faults(text) => put(text),
            Answer::DryRun => print_plan(plan, put),
            Answer::Usage {
                complaint, help, ..
            } => {
                // tini's own usage has the last component only.
                let tini = plan.style == Style::Tini;
                let name = if tini {
                    question.name()
                } else {
                    question.argv0()
                };
                if let Some(complaint) = complaint {
                    put(question.argv0());
                    put(b": ");
                    complaint.print(put);
                }
                for text in [b"Usage: ", name, b" ", help.as_bytes()] {
                    put(if help.is_empty() { b"" } else { text });
                }
            }
            Answer::Fatal(complaint) => {
                let mut label = Line::new();
                let tini = plan.style == Style::Tini;
                label.put(if tini {
                    "[FATAL tini ("
                } else {
                    "ERROR (catatonit:"
                });
                label
                    .put_number(own.into())
                    .put(if tini { ")] " } else { "): " });
                put(label.text());
                complaint.print(put);
            }
        }
    }
}

impl Complaint<'_> {
    fn print(&self, put: Put) {
        let mut line = Line::new();
        put(line
            .put(self.before)
            .put_bytes(self.what)
            .put(self.after)
            .end());
    }
}

fn print_plan(plan: &Plan, put: Put) {
    let mut line = Line::new();
    let mut row = |line: &mut Line| {
        put(line.end());
        line.clear();
    };
    line.put("[pidlet]\nuntil = ");
    row(line.put(match plan.until {
        Essential::Yes => "any",
        Essential::No => "all",
        Essential::OnFailure => "failure",
    }));
    if plan.bounded() {
        row(line.put("grace = ").put_setting(plan.budget()));
    }
    if plan.lame_duck > Span::ZERO {
        row(line.put("lame-duck = ").put_setting(plan.lame_duck));
    }
    if plan.group {
        row(line.put("group = yes"));
    }
    if plan.hold {
        row(line.put("hold = yes"));
    }
    if let Some(signal) = plan.parent_death {
        row(line.put("parent-death = ").put_signal(signal));
    }
    for from in (1..=64).filter_map(Signal::new) {
        let to = plan.routes.get(from);
        if to != Some(from) {
            line.put("rewrite = ").put_signal(from).put(":");
            row(match to {
                Some(to) => line.put_signal(to),
                None => line.put("0"),
            });
        }
    }
    for code in 0..=255 {
        if plan.expect.has(code) {
            row(line.put("expect = ").put_number(code.into()));
        }
    }
    for service in 0..plan.services.len() {
        line.put("\n[").put_service(plan, service).put("]\nrun =");
        put(line.text());
        line.clear();
        // A command is printed whole, however long it is.
        for word in plan.command(service) {
            put(b" ");
            print_word(word.to_bytes(), put);
        }
        put(b"\n");
    }
}

/// A word as a shell and the plan file read it back.
fn print_word(word: &[u8], put: Put) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return put(word);
    }
    put(b"'");
    for byte in word {
        put(if *byte == b'\'' {
            b"'\\''"
        } else {
            core::slice::from_ref(byte)
        });
    }
    put(b"'");
}
