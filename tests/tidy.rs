//! Rules for the source: which module may use which, where system calls and `unsafe` may stand, and how long
//! a line or a function may be.
//!
//! The text is read as it is. Comments and strings are blanked where only code counts, so that
//! prose may name what code may not.

use std::path::{Path, PathBuf};

const COLUMNS_MAX: usize = 110;
const FUNCTION_LINES_MAX: usize = 70;
/// How far above an `unsafe` its reason may begin, other comment lines not counted.
const REASON_LINES: usize = 4;

/// Everything that may lie at the top level, and what tools put there.
const TOP_LEVEL: [&str; 18] = [
    "Cargo.toml",
    "Cargo.toml.orig",
    ".cargo_vcs_info.json",
    ".cargo-ok",
    "Cargo.lock",
    ".cargo",
    "src",
    "tests",
    "Makefile",
    "Dockerfile.scratch",
    "README.md",
    "CHANGELOG.md",
    ".ci",
    ".gitignore",
    "docs",
    "packaging",
    ".git",
    "target",
];

/// The modules of the library, and those that each may use.
const LAYERS: [(&str, &[&str]); 9] = [
    ("words", &[]),
    ("http", &["words"]),
    ("plan", &["words"]),
    ("output", &["words", "plan"]),
    ("message", &["words", "plan"]),
    ("front", &["words", "plan", "message"]),
    ("supervise", &["words", "plan", "message"]),
    ("notify", &["words", "supervise"]),
    ("voice", &["words", "plan", "message", "front", "supervise"]),
];

/// The instruction for a system call, in every assembler that we know.
const TRAPS: [&str; 8] = [
    "syscall",
    "svc #0",
    "svc 0",
    "swi 0",
    "ecall",
    "int 0x80",
    "int $0x80",
    "sysenter",
];

/// A source file.
struct Source {
    /// Relative to the top level.
    name: String,
    text: String,
    /// The text with comments, strings and characters blanked; no line changes its length.
    code: String,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a directory, except what cargo makes there.
fn sources(directory: &str) -> Vec<Source> {
    let mut paths: Vec<PathBuf> = vec![top().join(directory)];
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() && path.ends_with("target") {
            continue;
        } else if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a readable directory");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top()).expect("below the top level");
            let text = std::fs::read_to_string(&path).expect("a readable UTF-8 file");
            let name = name.to_str().expect("the name is UTF-8").to_owned();
            found.push(Source {
                name,
                code: blanked(&text),
                text,
            });
        }
    }
    assert!(!found.is_empty(), "{directory} holds no source");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether a file holds tests and nothing else. They may use every module, and their tables are long.
fn holds_tests(file: &Source) -> bool {
    file.name.ends_with("/tests.rs") || file.name.contains("/tests/")
}

fn source(name: &str) -> Source {
    let text = std::fs::read_to_string(top().join(name)).expect("a readable UTF-8 file");
    Source {
        name: name.to_owned(),
        code: blanked(&text),
        text,
    }
}

/// The kind of a piece of Rust text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    /// A string or a character.
    Literal,
}

/// The pieces that Rust text consists of.
fn parts(text: &str) -> Vec<(Part, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (part, length) = match first {
            '/' if rest.starts_with("//") => (Part::Comment, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (Part::Comment, end_of(rest, "*/")),
            'r' if rest.starts_with("r\"") => (Part::Literal, 2 + end_of(&rest[2..], "\"")),
            'r' if rest.starts_with("r#\"") => (Part::Literal, 3 + end_of(&rest[3..], "\"#")),
            '"' => (Part::Literal, quoted(rest, '"')),
            '\'' if is_character(rest) => (Part::Literal, quoted(rest, '\'')),
            _ => (Part::Code, first.len_utf8()),
        };
        let (piece, after) = rest.split_at(length);
        parts.push((part, piece));
        rest = after;
    }
    parts
}

/// Rust text without comments, strings and character literals; the lines stay where they are.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for (part, piece) in parts(text) {
        match part {
            Part::Code => code.push_str(piece),
            _ => code.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
    }
    code
}

fn end_of(rest: &str, mark: &str) -> usize {
    rest.find(mark).map_or(rest.len(), |at| at + mark.len())
}

/// The length of a literal with its quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    let (first, second) = (chars.next(), chars.next());
    first == Some('\\') || second == Some('\'')
}

/// Panics with all complaints at once.
#[track_caller]
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Every line with its place.
fn lines<'a>(name: &'a str, text: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    text.lines()
        .enumerate()
        .map(move |(at, line)| (format!("{name}:{}", at + 1), line))
}

/// The words of a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

// ---- which module may use which ------------------------------------------------------------------

/// The module that a file of the library belongs to: `words` for `src/words/text.rs`.
fn module(name: &str) -> Option<&str> {
    let path = name.strip_prefix("src/")?.strip_suffix(".rs")?;
    let first = path.split('/').next()?;
    (!["main", "init", "edge", "build", "lib"].contains(&first)).then_some(first)
}

fn library() -> Vec<Source> {
    let mut all = sources("src");
    all.retain(|file| module(&file.name).is_some());
    all
}

/// Every path in the code, from the library's root on where it says so, groups unfolded:
/// `crate::{a, b::c}` is `crate::a` and `crate::b::c`.
fn paths(file: &Source) -> Vec<String> {
    let mut paths = Vec::new();
    let mut prefixes = vec![String::new()];
    let mut path = String::new();
    for token in tokens(&file.code) {
        match token {
            "{" => prefixes.push(if path.ends_with("::") {
                std::mem::take(&mut path)
            } else {
                "".into()
            }),
            "}" => drop(prefixes.pop()),
            "::" => path.push_str("::"),
            _ if token.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                if !path.ends_with("::") {
                    path.clone_from(prefixes.last().unwrap_or(&String::new()));
                }
                path.push_str(token);
                paths.push(absolute(&file.name, &path));
                continue;
            }
            _ => {}
        }
        if token != "::" {
            path.clear();
        }
    }
    paths
}

/// Names, `::`, and every other character alone.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            _ if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// `super::` resolved, `pidlet::` as `crate::`.
fn absolute(file: &str, path: &str) -> String {
    let inner = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let mut above: Vec<&str> = inner.split('/').collect();
    let mut rest = path;
    while let Some(after) = rest.strip_prefix("super::") {
        above.pop();
        rest = after;
    }
    if rest.len() < path.len() {
        let above: String = above.iter().map(|module| format!("{module}::")).collect();
        return format!("crate::{above}{rest}");
    }
    match path.strip_prefix("pidlet::") {
        Some(rest) => format!("crate::{rest}"),
        None => path.to_owned(),
    }
}

fn leads_to(path: &str, module: &str) -> bool {
    let rest = path
        .strip_prefix("crate::")
        .and_then(|rest| rest.strip_prefix(module));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn the_arrows_between_modules_point_one_way() {
    let mut arrows = 0;
    let mut complaints = Vec::new();
    for file in library().iter().filter(|file| !holds_tests(file)) {
        let own = module(&file.name).expect("a file of the library");
        let known = LAYERS.iter().find(|(layer, _)| *layer == own);
        let (_, allowed) = known.unwrap_or_else(|| panic!("{own} is in no layer"));
        let modules = LAYERS.iter().map(|(layer, _)| *layer);
        let forbidden = modules.filter(|module| *module != own && !allowed.contains(module));
        let forbidden: Vec<&str> = forbidden.chain(["edge", "init", "main"]).collect();
        for path in paths(file) {
            arrows += usize::from(leads_to(&path, "words"));
            let to = forbidden.iter();
            let wrong = to.filter(|module| leads_to(&path, module));
            complaints.extend(wrong.map(|_| format!("{} uses {path}", file.name)));
        }
    }
    for file in sources("src/edge") {
        let wrong = paths(&file).into_iter();
        let wrong = wrong.filter(|path| leads_to(path, "init"));
        complaints.extend(wrong.map(|path| format!("{} uses {path}", file.name)));
    }
    assert!(arrows > 20, "too few of the arrows were found");
    none(complaints);
}

#[test]
fn the_library_knows_nothing_of_the_kernel_and_holds_no_unsafe() {
    let names = [
        "rustix",
        "linux_raw_sys",
        "libc",
        "unsafe",
        "asm",
        "global_asm",
        "extern",
    ];
    let mut complaints = Vec::new();
    for file in library() {
        for (place, line) in lines(&file.name, &file.code) {
            let wrong = words(line).filter(|word| names.contains(word));
            complaints.extend(wrong.map(|word| format!("{place}: {word}")));
        }
    }
    none(complaints);
    let root = source("src/lib.rs");
    for line in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(
            root.text.lines().any(|known| known == line),
            "src/lib.rs has no {line}"
        );
    }
    let edge = words(&root.code).find(|word| *word == "edge");
    assert_eq!(edge, None, "src/lib.rs has the edge as a module");
}

#[test]
fn only_the_edge_holds_unsafe_code_and_says_why_each_time() {
    let mut reasons = 0;
    let mut complaints = Vec::new();
    for file in sources("src") {
        let text: Vec<&str> = file.text.lines().collect();
        let code: Vec<&str> = file.code.lines().collect();
        for at in 0..code.len() {
            if !words(code[at]).any(|word| word == "unsafe") || is_type_or_attribute(code[at]) {
                continue;
            }
            let place = format!("{}:{}: {}", file.name, at + 1, text[at].trim());
            if !file.name.starts_with("src/edge/") {
                complaints.push(format!("{place}: outside of the edge"));
            } else if !has_reason(&text, code[at], at) {
                complaints.push(format!("{place}: no SAFETY comment"));
            }
            reasons += 1;
        }
    }
    assert!(reasons > 20, "too little of the unsafe code was found");
    none(complaints);
}

/// `unsafe` that needs no reason: an attribute, and the type of a function.
fn is_type_or_attribute(code: &str) -> bool {
    code.contains("#[unsafe(") || code.contains(": unsafe extern")
}

/// A `SAFETY` comment right above, or `# Safety` in the documentation of an unsafe function. The
/// comment's own lines, attributes and documentation do not count as distance.
fn has_reason(text: &[&str], code: &str, at: usize) -> bool {
    let function = words(code).any(|word| word == "fn");
    if function && code.starts_with(' ') && is_in_unsafe_impl(&text[..at]) {
        // The contract of a trait's function is in the trait.
        return true;
    }
    let wanted = if function { "# Safety" } else { "SAFETY:" };
    let mut distance = 0;
    for line in text[..at].iter().rev().map(|line| line.trim()) {
        if line.starts_with("//") && line.contains(wanted) {
            return true;
        }
        distance += usize::from(!line.starts_with("//") && !line.starts_with("#["));
        if distance > REASON_LINES || (function && distance > 0) {
            return false;
        }
    }
    false
}

/// Whether what comes after these lines is inside of an `unsafe impl`.
fn is_in_unsafe_impl(above: &[&str]) -> bool {
    let mut items = above
        .iter()
        .rev()
        .filter(|line| !line.starts_with([' ', '/']));
    items
        .find(|line| !line.is_empty())
        .is_some_and(|line| line.starts_with("unsafe impl"))
}

#[test]
fn system_calls_are_spelled_where_the_architectures_are() {
    let mut seen = 0;
    let mut complaints = Vec::new();
    for file in sources("src") {
        let home = file.name.starts_with("src/edge/entry/");
        for (_, text) in parts(&file.text)
            .iter()
            .filter(|(part, _)| *part == Part::Literal)
        {
            let trap = TRAPS.iter().any(|trap| text.contains(trap));
            seen += usize::from(trap && home);
            if trap && !home {
                complaints.push(format!("{}: {text}", file.name));
            }
        }
    }
    assert!(seen >= 5, "too few of the instructions were found");
    none(complaints);
}

// ---- what a reader meets -----------------------------------------------------------------------

#[test]
fn every_source_file_begins_with_what_it_is_for() {
    let files = [sources("src"), sources("tests")].into_iter().flatten();
    let mute = files.filter(|file| !file.text.starts_with("//! "));
    none(mute.map(|file| format!("{} has no //! at its top", file.name)));
}

#[test]
fn no_line_is_too_long_for_a_screen() {
    let files: Vec<Source> = [sources("src"), sources("tests")]
        .into_iter()
        .flatten()
        .collect();
    let all = files.iter().flat_map(|file| lines(&file.name, &file.text));
    let long = all.filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
    none(long.map(|(place, line)| format!("{place}: {} columns", line.chars().count())));
}

#[test]
fn no_function_is_too_long_to_grasp() {
    let mut seen = 0;
    let mut complaints = Vec::new();
    let files = sources("src");
    for file in files.iter().filter(|file| !holds_tests(file)) {
        for (line, name, length) in functions(&file.code) {
            seen += 1;
            if length > FUNCTION_LINES_MAX {
                complaints.push(format!("{}:{line}: {name} has {length} lines", file.name));
            }
        }
    }
    assert!(seen > 100, "too few of the functions were found");
    none(complaints);
}

/// Where each function begins, its name and its number of lines, without the module of tests. A body ends
/// where the brace that opened it is closed.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let code = code
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(code);
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mut rest = words(line).skip_while(|word| *word != "fn").skip(1);
        let (Some(name), false) = (rest.next(), line.contains(": unsafe extern")) else {
            continue;
        };
        let mut depth = 0;
        for (length, line) in lines[at..].iter().enumerate() {
            let opened = line.matches('{').count() as i64;
            depth += opened - line.matches('}').count() as i64;
            if depth == 0 && (opened > 0 || line.contains('}') || line.trim_end().ends_with(';')) {
                found.push((at + 1, name, length + 1));
                break;
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts each, as this file is searched, too.
    let marks = [
        ("to", "do!"),
        ("FIX", "ME"),
        ("XX", "X"),
        ("db", "g!"),
        ("TO", "DO"),
    ];
    let marks = marks.map(|(one, other)| format!("{one}{other}"));
    let files: Vec<Source> = [sources("src"), sources("tests")]
        .into_iter()
        .flatten()
        .collect();
    let all = files.iter().flat_map(|file| lines(&file.name, &file.text));
    none(all.flat_map(|(place, line)| {
        let left = marks.iter().filter(|mark| line.contains(mark.as_str()));
        left.map(|mark| format!("{place}: {mark}"))
            .collect::<Vec<_>>()
    }));
}

// ---- the top level -----------------------------------------------------------------------------

#[test]
fn the_top_level_holds_what_the_design_lists_and_nothing_else() {
    if !top().join(".git").exists() {
        // A distribution puts files of its own beside ours, and runs these tests.
        eprintln!("SKIPPED: this is no checkout");
        return;
    }
    let entries = std::fs::read_dir(top()).expect("a readable directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("the name is UTF-8"));
    let listed = |name: &String| TOP_LEVEL.contains(&name.as_str()) || name.starts_with("LICENSE-");
    none(
        names
            .filter(|name| !listed(name))
            .map(|name| format!("{name} is not in the list")),
    );
}

#[test]
fn the_program_depends_on_two_crates_and_not_on_their_internals() {
    // A published package has a rewritten manifest, and ours beside it.
    let manifest = std::fs::read_to_string(top().join("Cargo.toml.orig"))
        .or_else(|_| std::fs::read_to_string(top().join("Cargo.toml")))
        .expect("a manifest");
    let header = |line: &&str| line.starts_with('[');
    let tables = manifest
        .lines()
        .filter(header)
        .filter(|line| line.contains("dependencies"));
    let tables: Vec<&str> = tables.collect();
    assert_eq!(tables, ["[dependencies]", "[dev-dependencies]"]);
    let begin = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1);
    let crates = begin
        .take_while(|line| !header(line))
        .filter(|line| line.contains('='));
    let mut crates: Vec<&str> = crates.collect();
    crates.sort_unstable();
    let names = crates
        .iter()
        .map(|line| line.split('=').next().unwrap_or("").trim());
    assert_eq!(names.collect::<Vec<_>>(), ["linux-raw-sys", "rustix"]);
    for line in crates {
        assert!(line.contains("default-features = false"), "{line}");
        for feature in ["\"std\"", "\"runtime\"", "\"use-libc\"", "\"all-apis\""] {
            assert!(!line.contains(feature), "{line}");
        }
    }
}

// ---- the tests of the tests --------------------------------------------------------------------

#[test]
fn comments_and_literals_are_not_searched_as_code() {
    let text = "a(\"b \\\" // c\"); // d\nlet 'e: f = '\\''; /* g\n */ let h = 'i'; &'j k r\"l\"";
    let code = blanked(text);
    assert_eq!(
        words(&code).collect::<String>(),
        "alete fleth jk".replace(' ', ""),
        "{code}"
    );
    assert_eq!(code.lines().count(), text.lines().count());
    let file = |text: &str| Source {
        name: "src/words/text.rs".into(),
        text: String::new(),
        code: blanked(text),
    };
    let found = paths(&file(
        "use crate::{plan::{A, B}, front};\nfn x() { super::super::voice::y() }",
    ));
    for path in [
        "crate::plan::A",
        "crate::plan::B",
        "crate::front",
        "crate::voice::y",
    ] {
        assert!(
            found.iter().any(|known| known == path),
            "{path} in {found:?}"
        );
    }
    let long = format!("fn f(\n) {{\n{}}}\nfn g() {{}}\n", "if x { y }\n".repeat(9));
    assert_eq!(functions(&long), [(1, "f", 12), (13, "g", 1)]);
}
