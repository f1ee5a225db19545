//! The command lines of pidlet, tini, dumb-init and catatonit with their environment.
//!
//! The input's first part is the command line, one word per line; behind it come the plan file and what
//! [`pidlet_fuzz::image`] says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pidlet::plan::Style;
use pidlet_fuzz::image::{Image, PLAN, check_lines, part};
use pidlet_fuzz::life::Life;
use pidlet_fuzz::memory::{keep, round};

fuzz_target!(|data: &[u8]| round(|| play(data)));

fn play(data: &[u8]) {
    let mut rest = data;
    let words = part(&mut rest);
    let args: Vec<&[u8]> = match words {
        [] => Vec::new(),
        _ => words.split(|byte| *byte == b'\n').collect(),
    };
    let plan = part(&mut rest);
    let image = Image::beside(plan, &mut rest);
    let answer = image.ask(&args);
    let ours = answer.plan.style == Style::Pidlet;
    match answer.code {
        None => {
            assert!(answer.out.is_empty());
            // dumb-init says that it debugs.
            assert!(!ours || answer.err.is_empty());
            let alone = args.len() % 2 == 0;
            Life::new(&answer.plan, alone, alone).is_quiet();
        }
        // Help, the version or a plan; dumb-init's are on the other stream.
        Some(0) => {
            assert!(!answer.out.is_empty() || !answer.err.is_empty());
        }
        Some(code) => {
            assert_eq!(code, 1);
            assert!(!answer.err.is_empty(), "it is refused without a message");
            assert!(answer.out.is_empty() || !ours);
        }
    }
    let help = answer
        .err
        .first()
        .is_some_and(|line| line.starts_with(b"Usage: "));
    if ours && !help {
        check_lines(&answer.err);
        let begin = |line: &Vec<u8>| line.starts_with(b"pidlet: ");
        assert!(
            answer.err.iter().all(begin),
            "{}",
            answer.err.concat().escape_ascii()
        );
    }
    if ours && answer.code == Some(0) && answer.plan.dry_run && answer.plan.services.len() > 1 {
        is_a_plan(&answer.out);
    }
}

/// What is printed of commands whose names can stand in a file is a plan itself.
fn is_a_plan(printed: &[u8]) {
    let section = |line: &[u8]| match line {
        [b'[', name @ .., b']'] => name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'),
        _ => true,
    };
    let lines = || printed.split(|byte| *byte == b'\n');
    let pairs =
        |line: &[u8]| line.is_empty() || line[0] == b'[' || line.windows(2).any(|two| two == b" =");
    let copies = lines()
        .filter(|line| line.first() == Some(&b'['))
        .any(|line| line.contains(&b'-'));
    if copies || !lines().all(section) || !lines().all(pairs) {
        return;
    }
    let again = Image::bare(keep(printed)).ask(&[b"pidlet", b"--dry-run", b"-c", PLAN]);
    if again.err.is_empty() {
        assert_eq!(
            again.out.escape_ascii().to_string(),
            printed.escape_ascii().to_string()
        );
    }
}
