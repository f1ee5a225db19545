//! Plan files that repeat themselves: what grows faster than the file takes too long here, or too much
//! memory.
//!
//! The input is a text as [`conf`](../conf.rs) has it. If there is a `~` in the plan file, that file is
//! repeated until it is large, else the files that it names are: two that grow may cost their product. A `~`
//! is the number of the repetition.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use pidlet::supervise::{Supervisor, Surroundings};
use pidlet::words::signal::SignalSet;
use pidlet_fuzz::image::{Image, PLAN, part};
use pidlet_fuzz::memory::round;

/// How large a part becomes.
const BYTES_MAX: usize = 64 << 10;
/// The same where a product is right: each of many instances has all the keys of its section and all words of
/// the file, and the names of a directory, which never has so many, are sorted by a simple method.
const BYTES_FEW: usize = 4 << 10;
/// How long that may take, on a slow machine and with all the fuzzer's counters.
const PATIENCE: Duration = Duration::from_secs(5);

fuzz_target!(|data: &[u8]| round(|| play(data)));

fn play(data: &[u8]) {
    let begun = Instant::now();
    let mut rest = data;
    let text = part(&mut rest);
    let mut image = Image::beside(text, &mut rest);
    if text.contains(&b'~') {
        let instances = text.windows(9).any(|word| word == b"instances");
        image.plan = repeated(text, if instances { BYTES_FEW } else { BYTES_MAX });
    } else {
        for part in [&mut image.passwd, &mut image.group, &mut image.file] {
            *part = repeated(part, BYTES_MAX);
        }
        image.names = repeated(image.names, BYTES_FEW);
    }
    let answer = image.ask(&[b"pidlet", b"-c", PLAN]);
    if answer.code.is_none() {
        let surroundings = Surroundings {
            init: true,
            no_shell: true,
            ignore_once: SignalSet::NONE,
        };
        let supervisor = Supervisor::new(&answer.plan, surroundings);
        std::hint::black_box(&supervisor);
    }
    assert!(begun.elapsed() < PATIENCE, "it takes {:?}", begun.elapsed());
}

fn repeated(unit: &'static [u8], bytes_max: usize) -> &'static [u8] {
    let mut text = Vec::new();
    let mut number = 0;
    while !unit.is_empty() && text.len() < bytes_max {
        for byte in unit {
            match byte {
                b'~' => text.extend(format!("{number}").bytes()),
                byte => text.push(*byte),
            }
        }
        number += 1;
    }
    text.leak()
}
