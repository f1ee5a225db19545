//! Random plans, as files, so that each of them is one that a front door makes.

use arbitrary::{Result, Unstructured};

/// Lines for the whole container.
const CONTAINER: &[&str] = &[
    "until = all",
    "until = failure",
    "grace = 0",
    "grace = 1s",
    "grace = 10s",
    "lame-duck = 500ms",
    "group = yes",
    "hold = yes",
    "parent-death = TERM",
    "rewrite = TERM:INT",
    "rewrite = INT:0",
    "rewrite = USR1:TERM",
    "expect = 143",
    "expect = 1",
    "verbose = 3",
    "quiet = 2",
];

/// Lines for a service; `@` is the name of another one. No delay is zero, so that nothing is started again at
/// once.
const SERVICE: &[&str] = &[
    "type = oneshot",
    "type = oneshot",
    "type = daemon\npidfile = /p",
    "type = daemon\npidfile = /p",
    "essential = no",
    "essential = on-failure",
    "after = @",
    "after = @",
    "after = @ @",
    "before = @",
    "ready = notify",
    "ready = notify",
    "ready = fd:3",
    "ready = tcp:80",
    "ready = exec:true",
    "ready-timeout = 100ms",
    "health = http://localhost/",
    "health = file:/x",
    "health-every = 100ms",
    "health-tries = 1",
    "watchdog = 200ms",
    "restart = always",
    "restart = always",
    "restart = on-failure",
    "backoff = 1ms..100ms",
    "backoff = 4294967295ms..4294967295ms",
    "tries = 2 in 1s",
    "tries = 3 in 1h",
    "stable = 0",
    "stable = 1s",
    "stop = INT QUIT",
    "stop = KILL 1s",
    "stop = INT USR1 USR2 10ms",
    "stop-timeout = 0",
    "stop-timeout = 300ms",
    "kill = group",
    "kill = process",
    "finish = f",
    "finish = f",
    "tty = yes",
    "stdout = service:@",
    "stderr = service:@",
    "instances = 2",
    "instances = 5",
];

/// The most sections of a plan.
const SECTIONS_MAX: usize = 6;

/// A plan file, which may have faults.
pub fn text(input: &mut Unstructured) -> Result<Vec<u8>> {
    let mut text = String::from("[pidlet]\n");
    lines(&mut text, CONTAINER, 4, 1, input)?;
    let sections = input.int_in_range(1..=SECTIONS_MAX)?;
    for section in 0..sections {
        let name = char::from(b'a' + section as u8);
        text += &format!("[{name}]\nrun = {name}\n");
        lines(&mut text, SERVICE, 7, sections, input)?;
    }
    Ok(text.into_bytes())
}

fn lines(
    text: &mut String,
    all: &[&str],
    most: usize,
    sections: usize,
    input: &mut Unstructured,
) -> Result<()> {
    let mut said: Vec<&str> = Vec::new();
    for _ in 0..input.int_in_range(0..=most)? {
        let line = *input.choose(all)?;
        let key = line.split(' ').next().unwrap_or_default();
        // Most keys are refused if they are said twice, and there is nothing to learn from that.
        if said.contains(&key) && !["after", "before", "expect", "rewrite"].contains(&key) {
            continue;
        }
        said.push(key);
        for letter in line.chars() {
            match letter {
                '@' => text.push(char::from(b'a' + input.choose_index(sections)? as u8)),
                _ => text.push(letter),
            }
        }
        text.push('\n');
    }
    Ok(())
}
