//! The plans that are explored: tiny ones, of every kind.

use std::boxed::Box;
use std::format;
use std::string::String;

use super::super::{persona, plan};
use crate::front::sound;
use crate::plan::{Plan, Style};

/// A plan in shorthand, and what may happen to it besides the usual.
pub struct Model {
    /// The container's settings and, after each `|`, a service's name and what its section says.
    pub text: &'static str,
    /// A service that ends may leave a child behind.
    pub orphans: bool,
    /// A service may go on as another process.
    pub moves: bool,
    /// There is a terminal.
    pub terminal: bool,
    /// Not as PID 1, and without `/proc`.
    pub no_proc: bool,
    /// The program whose manners we have.
    pub style: Style,
}

const USUAL: Model = Model {
    text: "",
    orphans: false,
    moves: false,
    terminal: false,
    no_proc: false,
    style: Style::Pidlet,
};

const fn usual(text: &'static str) -> Model {
    Model { text, ..USUAL }
}

const fn orphans(text: &'static str) -> Model {
    Model {
        text,
        orphans: true,
        ..USUAL
    }
}

const fn moving(text: &'static str) -> Model {
    Model {
        text,
        moves: true,
        ..USUAL
    }
}

const fn terminal(text: &'static str) -> Model {
    Model {
        text,
        terminal: true,
        ..USUAL
    }
}

const fn persona_of(style: Style) -> Model {
    Model {
        orphans: true,
        terminal: true,
        style,
        ..USUAL
    }
}

pub const MODELS: &[Model] = &[
    // As from a command line: one service, two, and whose end is the end.
    orphans("| a:"),
    orphans("grace = 1s | a:"),
    orphans("grace = 0 | a:"),
    orphans("hold = yes; grace = 1s | a:"),
    orphans("hold = yes | a:"),
    orphans("lame-duck = 500ms; grace = 1s | a:"),
    orphans("lame-duck = 10s; hold = yes | a:"),
    terminal("| a:"),
    terminal("grace = 1s | a:"),
    terminal("| a: tty = yes | b:"),
    orphans("| a: | b:"),
    orphans("until = all; group = yes | a: | b:"),
    orphans("until = failure; grace = 1s | a: | b:"),
    orphans("hold = yes; until = all; grace = 1s | a: | b:"),
    usual("hold = yes; until = failure; lame-duck = 500ms; grace = 1s | a: | b:"),
    usual("grace = 0; until = all | a: | b: after = a"),
    Model {
        no_proc: true,
        ..orphans("| a: | b: essential = no")
    },
    persona_of(Style::Tini),
    persona_of(Style::DumbInit),
    persona_of(Style::Catatonit),
    // Dependencies.
    usual("| a: | b: after = a | c: after = b"),
    usual("until = all; grace = 1s | a: | b: after = a | c: after = a b"),
    usual("| a: type = oneshot | b: type = oneshot; after = a; essential = no | c: after = b"),
    usual("until = failure | a: type = oneshot; essential = no | b: after = a"),
    // Restarts.
    usual("| a: restart = always; backoff = 100ms..400ms; tries = 3 in 1s; stable = 300ms"),
    usual(
        "until = all | a: restart = on-failure; backoff = 1s..1s; tries = 2 in 1s | b: after = a",
    ),
    usual(
        "lame-duck = 500ms; grace = 1s | a: restart = always; backoff = 1s..2s | b: essential = no",
    ),
    usual(
        "hold = yes | a: type = oneshot; restart = on-failure; backoff = 1s..1s; \
            tries = 2 in 3s | b: after = a",
    ),
    // Readiness, health, watchdog.
    usual("| a: ready = notify; ready-timeout = 1s | b: after = a"),
    usual(
        "grace = 1s | a: ready = tcp:1; ready-timeout = 100ms; restart = on-failure; \
            backoff = 1s..1s | b: after = a",
    ),
    usual(
        "| a: health = tcp:1; health-every = 1s; health-tries = 2; stop = INT QUIT | b: essential = no",
    ),
    usual(
        "| a: ready = notify; watchdog = 500ms; restart = always; backoff = 1s..1s; tries = 2 in 1s",
    ),
    usual(
        "grace = 2s; lame-duck = 1s | a: ready = tcp:1; ready-timeout = 50ms; health = tcp:1; \
            health-every = 1s; health-tries = 1",
    ),
    usual("| a: health = tcp:1; health-every = 500ms; health-tries = 1 | b: after = a"),
    // Daemons.
    usual("| a: type = daemon; pidfile = /p; ready-timeout = 30ms | b: stdout = service:a"),
    usual(
        "grace = 1s | a: type = daemon; pidfile = /p; ready-timeout = 50ms \
            | b: after = a; essential = no",
    ),
    usual(
        "grace = 1s | a: type = daemon; pidfile = /p; ready-timeout = 50ms; restart = always; \
            backoff = 1s..1s; finish = f",
    ),
    usual(
        "grace = 1s | a: type = daemon; pidfile = /p; ready = notify; ready-timeout = 50ms \
            | b: type = daemon; pidfile = /p; ready-timeout = 50ms",
    ),
    // Services that go on as another process.
    moving("| a: ready = notify; stop-timeout = 1s | b: after = a"),
    moving("hold = yes; grace = 1s | a: watchdog = 500ms; stop = INT QUIT; finish = f | b:"),
    moving("grace = 1s | a: ready = notify; restart = always; backoff = 1s..1s | b:"),
    moving("| a: ready = notify"),
    moving(
        "grace = 1s | a: type = daemon; pidfile = /p; ready = notify; ready-timeout = 50ms | b:",
    ),
    // Stops.
    orphans("grace = 4s | a: stop = INT QUIT; stop-timeout = 1s | b: after = a; stop = QUIT TERM"),
    usual(
        "grace = 4s; group = yes | a: stop-timeout = 1s; restart = on-failure; backoff = 1s..1s; \
            kill = process",
    ),
    usual("until = all; grace = 1s | a: finish = f | b: finish = f; after = a"),
    usual(
        "lame-duck = 500ms; grace = 6s | a: finish = f; restart = always; \
            backoff = 100ms..100ms | b: type = oneshot",
    ),
    usual("until = all; grace = 1s | a: stdout = service:b | b:"),
    usual(
        "grace = 1s | a: stdout = service:c; stderr = service:b \
            | b: stdout = service:c; essential = no | c: essential = no",
    ),
    usual(
        "grace = 2s | a: instances = 2; stdout = service:b; restart = on-failure; \
            backoff = 1s..1s; tries = 2 in 1s | b: essential = no; stop-timeout = 500ms",
    ),
    usual("grace = 1s | a: stdout = service:b | b: ready = notify; watchdog = 1s"),
];

/// What each of two services may be.
const KINDS: [&str; 19] = [
    "",
    "type = oneshot",
    "type = oneshot; essential = no; restart = on-failure; backoff = 1s..1s; tries = 2 in 3s",
    "type = oneshot; finish = f; stop-timeout = 0",
    "essential = no",
    "essential = on-failure; stop-timeout = 200ms",
    "restart = always; backoff = 100ms..100ms",
    "restart = on-failure; backoff = 0..100ms; tries = 2 in 1s; essential = no",
    "restart = always; finish = f; backoff = 0; stable = 0; kill = process",
    "ready = notify; ready-timeout = 1s; stop = INT QUIT",
    "ready = notify; watchdog = 300ms; restart = on-failure; backoff = 200ms..200ms; essential = no",
    "ready = fd:3; ready-timeout = 500ms; finish = f; kill = group",
    "ready = tcp:1; ready-timeout = 30ms; restart = always; backoff = 100ms",
    "ready = tcp:1; ready-timeout = 50ms; health = tcp:1; health-every = 500ms; health-tries = 1",
    "health = tcp:1; health-every = 1s; health-tries = 2; restart = always; backoff = 100ms; \
        stop = QUIT TERM; stop-timeout = 300ms",
    "type = daemon; pidfile = /p; ready-timeout = 30ms",
    "type = daemon; pidfile = /p; ready-timeout = 30ms; restart = always; backoff = 100ms; \
        finish = f; essential = no",
    "type = daemon; pidfile = /p; ready-timeout = 30ms; ready = notify; watchdog = 200ms",
    "finish = f; essential = no; stop = INT QUIT TERM",
];
const SETTINGS: [&str; 7] = [
    "",
    "until = all; grace = 1s",
    "until = failure; grace = 0; group = yes",
    "grace = 2s; lame-duck = 500ms",
    "hold = yes; grace = 500ms",
    "hold = yes; until = all; lame-duck = 300ms; group = yes; grace = 1s",
    "until = failure; expect = 1; rewrite = TERM:INT; grace = 1s",
];
const BETWEEN: [&str; 3] = ["", "; after = a", "; stdout = service:a"];

/// Every pair of these in every kind of container.
pub fn pairs() -> impl Iterator<Item = &'static Model> {
    let all = SETTINGS.iter().flat_map(|settings| {
        KINDS.iter().flat_map(move |a| {
            KINDS.iter().flat_map(move |b| {
                let text = move |between| format!("{settings} | a: {a} | b: {b}{between}");
                // A oneshot reads from nobody.
                let reads = |between: &str| between.contains("service:");
                let fits = move |between: &&&str| !(a.contains("oneshot") && reads(between));
                BETWEEN.iter().filter(fits).map(text)
            })
        })
    });
    all.map(|text| {
        let text: &'static str = Box::leak(text.into_boxed_str());
        &*Box::leak(Box::new(usual(text)))
    })
}

/// The plan of a model.
pub fn plan_of(model: &Model) -> &'static Plan<'static> {
    if model.style != Style::Pidlet {
        return Box::leak(Box::new(plan(1, persona(model.style))));
    }
    let mut parts = model.text.split('|');
    let lines = |text: &str| text.replace(';', "\n");
    let settings = lines(parts.next().unwrap_or(""));
    let mut text = format!("[pidlet]\n{}\n", unindented(&settings));
    for service in parts {
        let (name, said) = service.split_once(':').expect("a name");
        let name = name.trim();
        text += &format!("[{name}]\nrun = {name}\n{}\n", unindented(&lines(said)));
    }
    Box::leak(Box::new(sound(&text)))
}

/// A line that begins with white space would continue the one before.
fn unindented(text: &str) -> String {
    let lines: std::vec::Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("\n")
}
