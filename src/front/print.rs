//! What `--dry-run` prints: the checked plan in the words of the plan file (DESIGN §9).

use crate::plan::{Essential, Plan};
use crate::words::signal::Signal;
use crate::words::text::{Line, take};
use crate::words::time::Span;

/// Takes text.
pub type Put<'p> = &'p dyn Fn(&[u8]);

/// Prints a plan.
#[inline(never)]
pub fn plan(plan: &Plan, put: Put) {
    let mut line = Line::new();
    line.put("[pidlet]\nuntil = ").put(match plan.until {
        Essential::Yes => "any",
        Essential::No => "all",
        Essential::OnFailure => "failure",
    });
    if plan.bounded() {
        line.put("\ngrace = ").put_setting(plan.budget());
    }
    if plan.lame_duck > Span::ZERO {
        line.put("\nlame-duck = ").put_setting(plan.lame_duck);
    }
    if plan.group {
        line.put("\ngroup = yes");
    }
    if plan.hold {
        line.put("\nhold = yes");
    }
    if let Some(signal) = plan.parent_death {
        line.put("\nparent-death = ").put_signal(signal);
    }
    // What follows can be more than one line holds.
    let flush = |line: &mut Line| {
        put(line.text());
        line.clear();
    };
    for number in 1..65 {
        let Some(from) = Signal::new(number) else {
            continue;
        };
        let to = plan.routes.get(from);
        if to != Some(from) {
            flush(line.put("\nrewrite = ").put_signal(from).put(":"));
            match to {
                Some(to) => line.put_signal(to),
                None => line.put("0"),
            };
        }
    }
    for code in 0..256_u32 {
        if plan.expect.has(code as u8) {
            flush(line.put("\nexpect = ").put_number(code.into()));
        }
    }
    for service in 0..plan.services.len() {
        flush(line.put("\n\n[").put_service(plan, service).put("]\nrun ="));
        for word in plan.command(service) {
            put(b" ");
            print_word(word.to_bytes(), put);
        }
    }
    put(b"\n");
}

/// A word as a shell and the plan file read it back.
fn print_word(mut word: &[u8], put: Put) {
    let plain = |byte: &u8| {
        // Digits are among `+` to `:`.
        matches!(byte, b'%' | b'+'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z')
    };
    if !word.is_empty() && word.iter().all(plain) {
        return put(word);
    }
    put(b"'");
    loop {
        let len = word.len();
        let piece = take(&mut word, b'\'');
        put(piece);
        if piece.len() == len {
            break;
        }
        put(b"'\\''");
    }
    put(b"'");
}
