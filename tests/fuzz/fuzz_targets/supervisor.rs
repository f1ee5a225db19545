//! The supervisor, with random plans and events, nonsense among them.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use pidlet_fuzz::image::{Image, PLAN};
use pidlet_fuzz::life::Life;
use pidlet_fuzz::memory::{keep, round, told};
use pidlet_fuzz::plans;

/// The most events of a life.
const EVENTS_MAX: usize = 500;

fuzz_target!(|data: &[u8]| round(|| _ = play(&mut Unstructured::new(keep(data)))));

fn play(input: &mut Unstructured) -> Result<()> {
    let [init, no_shell, wild] = input.arbitrary::<[bool; 3]>()?;
    let plan = match input.int_in_range(0..=15)? {
        // The peers have plans of their own, and the last one of them has nothing to do.
        0 => Image::default().ask(&[b"tini", b"x"]),
        1 => Image::default().ask(&[b"dumb-init", b"-v", b"x"]),
        2 => Image::default().ask(&[b"catatonit", b"x"]),
        3 => Image::default().ask(&[b"pidlet", b"-t1", b"x", b"---", b"y"]),
        4 => Image::default().ask(&[b"x", b"-P"]),
        _ => {
            let text = keep(&plans::text(input)?);
            if told() {
                eprintln!("{}", String::from_utf8_lossy(text));
            }
            Image::bare(text).ask(&[b"pidlet", b"-c", PLAN])
        }
    };
    if plan.code.is_some() {
        return Ok(());
    }
    let mut life = Life::new(&plan.plan, init, no_shell);
    life.wild = wild;
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        life.happens(input)?;
    }
    life.ends();
    Ok(())
}
