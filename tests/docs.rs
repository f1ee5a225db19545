//! What the documents promise: the manual pages are sound and complete, and the plans, commands and messages
//! that they and README show are what pidlet takes and says.

mod support;
use support::*;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use pidlet::plan::{Key, Spec};

/// The manual page of the program.
const PROGRAM: &str = "docs/pidlet.8";
/// The manual page of plan files.
const FILE: &str = "docs/pidlet.conf.5";

/// The options that a plan file may not have.
const NOT_IN_FILES: [&str; 4] = ["config", "help", "separator", "version"];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), name].iter().collect()
}

fn document(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The long options of `--help`, in its order.
fn options() -> Vec<String> {
    let ended = Run::pidlet().arg("--help").output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let lines = ended.stdout.lines().filter_map(|line| {
        let (short, long) = line.split_once("--")?;
        let named = line.starts_with("  ") && short.trim().trim_end_matches(',').len() <= 2;
        let end = long.find(' ').unwrap_or(long.len());
        named.then(|| long[..end].to_owned())
    });
    lines.collect()
}

/// The texts between a line `begin` and the next line `end` that are plans: those with a section.
fn plans(text: &str, begin: &str, end: &str) -> Vec<String> {
    let mut plans = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == begin) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        if block.iter().any(|line| line.starts_with('[')) {
            plans.push(block.join("\n") + "\n");
        }
    }
    plans
}

#[test]
fn the_manual_pages_are_sound() {
    for page in [PROGRAM, FILE] {
        let mut lint = Command::new("mandoc");
        lint.args(["-Tlint", "-Wwarning"]).arg(path(page));
        match lint.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => skip!("mandoc is missing"),
            Err(error) => panic!("cannot run mandoc: {error}"),
            Ok(done) => {
                let said = String::from_utf8_lossy(&done.stdout);
                assert!(done.status.success() && said.is_empty(), "{said}");
            }
        }
    }
}

#[test]
fn every_option_is_in_its_manual_page() {
    let page = document(PROGRAM);
    let options = options();
    assert!(options.len() >= 18, "{options:?}");
    for option in options {
        let item = format!("Fl -{option}");
        let heading = |line: &str| {
            let mut behind = line.split(&item).skip(1);
            line.starts_with(".It ") && behind.any(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        assert!(page.lines().any(heading), "{PROGRAM} lacks --{option}");
        let variable = format!("PIDLET_{}", option.replace('-', "_").to_uppercase());
        let has_twin = option != "help" && option != "version";
        let row = format!(".It Ev {variable} Ta ");
        assert_eq!(page.contains(&row), has_twin, "{PROGRAM}: {variable}");
    }
}

#[test]
fn every_key_is_in_its_manual_page_once() {
    let page = document(FILE);
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It Ic ")?.split(' ').next())
        .collect();
    // Two keys have no name, so that no plan can set them.
    let names = (0..)
        .map_while(Key::nth_name)
        .filter(|name| !name.is_empty());
    let mut names: Vec<String> = names
        .map(|name| String::from_utf8(name.to_vec()).expect("names are ASCII"))
        .collect();
    let mut headings: Vec<String> = headings.into_iter().map(str::to_owned).collect();
    names.sort();
    headings.sort();
    assert_eq!(headings, names);
}

/// A key's item in its manual page: what its heading says of the value, and the text.
fn item<'p>(page: &'p str, key: &str) -> (&'p str, &'p str) {
    let heading = format!("\n.It Ic {key} No = ");
    let rest = page.split_once(&heading).expect("an item of this key").1;
    let (value, text) = rest.split_once('\n').expect("a text below the heading");
    let end = [".It ", ".El\n"]
        .iter()
        .filter_map(|end| text.find(&format!("\n{end}")));
    (value, &text[..end.min().expect("an end of the list")])
}

/// What a key of this kind with these choices takes, and what it only just refuses.
fn values(key: &str, kind: u8, choices: &str) -> (Vec<String>, Vec<String>) {
    let (taken, refused) = match kind {
        b'b' => ("yes no true on 1 false off 0 Yes OFF", "2 9 y maybe ''"),
        b'c' => (choices, "maybe 1 ''"),
        b'D' if !choices.is_empty() => ("1ms 1 1s 2m 1h", "0 0s 1.5s 1d 5S -1 ''"),
        b'D' => ("0 0s 1ms 1 1s 2m 1h", "1.5s 1d 5S -1 ''"),
        b's' => ("0 1 1K 1k 10M 1G", "1T 1MB 1.5M -1 unlimited ''"),
        b'r' if !choices.is_empty() => (
            "0 60 1:2 1:unlimited unlimited",
            "64K 10m 1:2k 1m:unlimited 2:1 1s ''",
        ),
        b'r' => (
            "0 64K 1:2 1K:unlimited unlimited",
            "2:1 :1 1:2:3 -1 1T many ''",
        ),
        b'o' => ("0 022 777", "8 1000 u=rwx ''"),
        b'n' => {
            let bounds = choices.split(" to ").map(|bound| bound.parse::<i64>());
            let bounds: Vec<i64> = bounds.map(|bound| bound.expect("a bound")).collect();
            let (least, most) = (bounds[0], bounds[1]);
            let taken = vec![least.to_string(), most.to_string()];
            let near = [least - 1, most + 1].map(|number| number.to_string());
            return (taken, [near.to_vec(), vec!["1x".to_owned()]].concat());
        }
        _ => panic!("{key} is of another kind"),
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    (words(taken), words(refused))
}

/// A plan with a section `[x0]`, `[x1]` and so on for each of these values, and what pidlet says of it.
fn check_values(key: &str, values: &[String]) -> (String, Ended) {
    let mut plan = "[y]\nrun = true\n".to_owned();
    for (place, value) in values.iter().enumerate() {
        plan += &format!("[x{place}]\nrun = true\n{key} = {value}\n");
        if value == "daemon" {
            plan += "pidfile = /x\n";
        }
    }
    let ended = check(&plan);
    (plan, ended)
}

#[test]
fn values_are_those_that_the_manual_page_names() {
    let page = document(FILE);
    let mut count = 0;
    let mut more_than_nothing = Vec::new();
    for name in (0..)
        .map_while(Key::nth_name)
        .filter(|name| !name.is_empty())
    {
        let (key, kind, choices) = Key::find(name).expect("a key of this name");
        let [name, choices] = [name, choices].map(|text| std::str::from_utf8(text).expect("ASCII"));
        let form = match kind {
            b'b' => "Ar boolean".to_owned(),
            b'c' => format!("Cm {}", choices.replace(' ', " | ")),
            b'D' => "Ar duration".to_owned(),
            b'n' => "Ar number".to_owned(),
            b'o' => "Ar mode".to_owned(),
            b'r' => "Ar limit".to_owned(),
            b's' => "Ar size".to_owned(),
            _ => continue,
        };
        let (value, text) = item(&page, name);
        assert_eq!(value, form, "{FILE}: {name}");
        if kind == b'n' {
            assert!(text.contains(choices), "{text}");
        }
        if kind == b'D' && !choices.is_empty() {
            more_than_nothing.push(name);
        }
        let default = Spec::DEFAULT.number(key);
        if default > 0 {
            let default = match kind {
                b'n' => default.to_string(),
                b's' => format!("{}M", default >> 20),
                _ => format!("{}s", default / 1000),
            };
            let said = format!("The default is {default}.");
            assert!(text.contains(&said), "{FILE}: {name} lacks {said:?}");
        }
        let (taken, refused) = values(name, kind, choices);
        // Only one service can have the terminal.
        let at_once = if name == "tty" { 1 } else { taken.len() };
        for values in taken.chunks(at_once) {
            let (plan, ended) = check_values(name, values);
            assert_eq!(ended.exit, Exit::Code(0), "{plan}{ended}");
        }
        let (plan, ended) = check_values(name, &refused);
        assert_eq!(ended.exit, Exit::Code(1), "{plan}{ended}");
        for place in 0..refused.len() {
            let fault = format!("[x{place}] {name}: ");
            assert!(ended.stderr.contains(&fault), "{plan}{ended}");
        }
        count += taken.len() + refused.len();
    }
    assert!(count >= 300, "{count}");
    let first = more_than_nothing.join(" , ");
    let said = format!("Those of\n.Ic {first}\nand\n.Ic tries\nmust not be 0.");
    assert!(page.contains(&said), "{FILE} lacks {said:?}");
}

#[test]
fn readme_has_every_option_as_the_help_has_it() {
    let readme = document("README.md").replace("\\|", "|");
    let ended = Run::pidlet().arg("--help").output();
    let mut count = 0;
    for line in ended.stdout.lines() {
        // Two spaces stand in front of an option and behind it.
        let Some((option, text)) = line.trim_start().split_once("  ") else {
            continue;
        };
        let cell = format!("`{option}`");
        let row = readme.lines().find(|row| row.contains(&cell));
        let row = row.unwrap_or_else(|| panic!("README.md lacks {cell}"));
        if let Some((_, default)) = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once('('))
        {
            let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next();
            let said = last.is_some_and(|last| last.contains(&format!("`{default}`")));
            assert!(said, "README.md: {row}: not {default}");
        }
        count += 1;
    }
    assert_eq!(count, options().len(), "{ended}");
}

#[test]
fn readme_has_every_key_but_the_limits() {
    let text = document("README.md");
    let cells = rows(&text, "| keys |", "| `").filter_map(|row| row.split('|').nth(1));
    let said: Vec<&str> = cells.flat_map(quoted).collect();
    for word in &said {
        assert!(Key::find(word.as_bytes()).is_some(), "{word} is no key");
    }
    for name in (0..)
        .map_while(Key::nth_name)
        .filter(|name| !name.is_empty())
    {
        let limit = Key::find(name).is_some_and(|(key, ..)| key.resource().is_some());
        let name = std::str::from_utf8(name).expect("names are ASCII");
        assert!(limit || said.contains(&name), "README.md lacks {name}");
    }
}

/// README and the files in the directories of documents, where the name has one of these endings.
fn documents(endings: &[&str]) -> Vec<String> {
    let mut names = vec!["README.md".to_owned()];
    for directory in ["docs", "docs/demo", "tests/kernels/guest"] {
        let entries = std::fs::read_dir(path(directory)).expect("a directory of documents");
        for entry in entries {
            let name = entry.expect("an entry").file_name();
            names.push(format!("{directory}/{}", name.to_string_lossy()));
        }
    }
    names.retain(|name| endings.iter().any(|ending| name.ends_with(ending)));
    names
}

#[test]
fn files_that_documents_name_exist() {
    let makefile = document("Makefile");
    let mut count = 0;
    for name in documents(&[".md"]) {
        let text = document(&name);
        let directory = path(&name).with_file_name("");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if !target.contains("://") {
                assert!(directory.join(target).exists(), "{name}: {target}");
                count += 1;
            }
        }
        for word in text
            .lines()
            .flat_map(quoted)
            .flat_map(|code| code.split(' '))
        {
            let ours = ["src/", "tests/", "docs/", ".ci/"];
            if ours.iter().any(|ours| word.starts_with(ours)) {
                assert!(path(word).exists(), "{name}: {word}");
                count += 1;
            }
        }
        for code in text.lines().flat_map(quoted) {
            let targets = code.strip_prefix("make ").unwrap_or_default().split(' ');
            for target in targets.filter(|word| !word.is_empty() && !word.contains('=')) {
                assert!(
                    makefile.contains(&format!("\n{target}:")),
                    "{name}: make {target}"
                );
                count += 1;
            }
        }
    }
    assert!(count >= 60, "{count}");
}

/// What pidlet says of a plan, and with which code it ends.
fn check(plan: &str) -> Ended {
    let temp = Temp::new();
    let file = temp.write("pidlet.conf", plan, 0o644);
    let mut ended = Run::pidlet().args(["--dry-run", "-c", &file]).output();
    ended.stderr = ended.stderr.replace(&file, "/etc/pidlet.conf");
    ended
}

#[track_caller]
fn assert_is_a_plan(name: &str, plan: &str) {
    let ended = check(plan);
    let taken = (ended.exit, ended.stderr.as_str());
    assert_eq!(taken, (Exit::Code(0), ""), "{name}: {plan}{ended}");
    // What is printed is a plan as well.
    let again = check(&ended.stdout);
    assert_eq!(again.exit, Exit::Code(0), "{name}: {plan}{again}");
}

#[test]
fn every_plan_in_the_documents_is_valid() {
    let mut shown = Vec::new();
    for name in documents(&[".md", ".5", ".8", ".conf"]) {
        let text = document(&name);
        let found = match name.rsplit('.').next() {
            Some("conf") if text.contains("run =") => vec![text],
            Some("md") => plans(&text, "```ini", "```"),
            _ => plans(&text, ".Bd -literal -offset indent", ".Ed"),
        };
        shown.extend(found.into_iter().map(|plan| (name.clone(), plan)));
    }
    for (name, least) in [("README.md", 1), ("docs/migration.md", 1), (FILE, 4)] {
        let count = shown.iter().filter(|(shown, _)| shown == name).count();
        assert!(count >= least, "{name} shows too few plans");
    }
    for (name, mut text) in shown {
        if !text.contains("run =") {
            // Settings of the container alone.
            text += "[x]\nrun = true\n";
        }
        assert_is_a_plan(&name, &text);
    }
}

/// The rows of the table whose head begins with `head`, as long as they begin with `row`.
fn rows<'t>(text: &'t str, head: &str, row: &str) -> impl Iterator<Item = &'t str> {
    let rows = text.lines().skip_while(move |line| !line.starts_with(head));
    rows.skip(2).take_while(move |line| line.starts_with(row))
}

/// What is between backquotes in a cell of a table, piece by piece.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_settings_of_the_migration_guide_make_valid_plans() {
    let text = document("docs/migration.md");
    let mut count = 0;
    for row in rows(&text, "| program", "|") {
        let cells = cells(row);
        let mut plan = "[x]\n".to_owned();
        for (key, cell) in ["run", "ready", "stop"].iter().zip(&cells[1..]) {
            for (place, piece) in quoted(cell).iter().enumerate() {
                // Any further setting is a line of its own.
                plan += &match *piece {
                    _ if place == 0 => format!("{key} = {piece}\n"),
                    // Not every user is on every machine.
                    _ if piece.starts_with("user = ") => "user = 999\n".to_owned(),
                    _ if piece.contains(" = ") => format!("{piece}\n"),
                    // Something to be done beforehand.
                    _ => String::new(),
                };
            }
        }
        assert_is_a_plan("docs/migration.md", &plan);
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn the_commands_of_the_manual_page_are_accepted() {
    let page = document(PROGRAM);
    let commands = page
        .lines()
        .filter_map(|line| line.strip_prefix(".Dl $ pidlet "));
    let commands: Vec<&str> = commands.collect();
    assert!(commands.len() >= 4, "{commands:?}");
    let temp = Temp::new();
    let file = temp.write("pidlet.conf", "[x]\nrun = true\n", 0o644);
    for command in commands {
        let command = command.replace("/etc/pidlet.conf", &file);
        let script = format!("exec \"$0\" --dry-run {command}");
        let run = Run::new("/bin/sh").args([
            "-c",
            &script,
            pidlet().to_str().expect("the name is UTF-8"),
        ]);
        let ended = run.output();
        let taken = (ended.exit, ended.stderr.as_str());
        assert_eq!(taken, (Exit::Code(0), ""), "{command}: {ended}");
    }
}

#[test]
fn faults_look_as_the_documents_show_them() {
    let page = document(FILE);
    let shown =
        page.split("Errors in the file are reported like this:\n.Bd -literal -offset indent\n");
    let shown = shown.last().and_then(|rest| rest.split(".Ed").next());
    let circle = "[a]\nrun = a\nafter = b\n[b]\nrun = b\nafter = a\n";
    let head = "\n".repeat(10);
    let ended = check(&format!(
        "{head}[web]\nredy = x\nrun = x\nuser = app\n{circle}"
    ));
    assert_eq!(Some(ended.stderr.as_str()), shown, "{ended}");

    let readme = document("README.md");
    let plan = plans(&readme, "```ini", "```").remove(0);
    let ended = check(&plan.replace("restart =", "restrat ="));
    assert!(!ended.stderr.is_empty(), "{ended}");
    assert!(
        readme.contains(&format!("```text\n{}```", ended.stderr)),
        "{ended}"
    );
}

#[test]
fn the_manual_page_explains_every_message_of_the_default_verbosity() {
    // As it is displayed.
    let page = document(PROGRAM).replace("\\(dq", "\"");
    let source = document("src/voice.rs");
    let style = source
        .split("const PIDLET")
        .nth(1)
        .and_then(|rest| rest.split("\n\"\n").next());
    let lines = style.expect("our own style").lines();
    let mut count = 0;
    for line in lines.filter(|line| line.starts_with(['0', '1'])) {
        // The pieces between those that differ each time.
        let pieces = line[1..].replace("\\\"", "\"");
        let pieces = pieces.split('%').enumerate();
        let pieces = pieces.map(|(place, piece)| if place == 0 { piece } else { &piece[1..] });
        let longest = pieces.max_by_key(|piece| piece.len()).expect("a piece");
        let text = longest
            .trim_start_matches([':', ';', ')', ' '])
            .trim_end_matches([':', '"', ' ', '(']);
        assert!(page.contains(text), "{PROGRAM} lacks {text:?}");
        count += 1;
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn options_that_do_not_belong_in_a_file_are_refused_there() {
    let temp = Temp::new();
    let page = document(FILE);
    for option in options() {
        // An option that files do have is refused for its value only.
        let text = format!("[pidlet]\n{option} = '~'\n[x]\nrun = true\n");
        let file = temp.write("pidlet.conf", text, 0o644);
        let ended = Run::pidlet().args(["--dry-run", "-c", &file]).output();
        let refused = ended.stderr.contains("there is no such option for a file");
        assert_eq!(
            refused,
            NOT_IN_FILES.contains(&option.as_str()),
            "{option}: {ended}"
        );
        assert!(
            !refused || page.contains(&format!(".Ic {option}")),
            "{option}"
        );
    }
}

/// What the manual page says of a variable's value; what is taken, and what is refused.
const VARIABLES: [(&str, &[&str], &[&str]); 9] = [
    (
        "yes or no",
        &["yes", "no", "true", "off", "1", "0", ""],
        &["maybe", "y", "2"],
    ),
    (
        "exit codes separated by commas",
        &["0", "3,143", "255"],
        &["256", "3,x", ""],
    ),
    (
        "a duration",
        &["500ms", "2s", "2"],
        &["1.5s", "2d", "s", ""],
    ),
    (
        "a signal",
        &["TERM", "sigterm", "15", "RTMAX-1"],
        &["65", "NOPE", ""],
    ),
    ("a count, 0 to 9", &["0", "9", "yes"], &["10", "often"]),
    (
        "pairs of signals separated by commas",
        &["USR1:USR2", "HUP:0,INT:TERM"],
        &["HUP", "HUP:", "0:HUP", ""],
    ),
    ("a word", &["---", "+"], &[""]),
    (
        "Cm inherit , prefix No or Cm json",
        &["inherit", "prefix", "json"],
        &["lines", ""],
    ),
    (
        "Cm any , all No or Cm failure",
        &["any", "all", "failure"],
        &["none", ""],
    ),
];

#[test]
fn variables_take_what_the_manual_page_says() {
    let page = document(PROGRAM);
    let mut count = 0;
    for line in page.lines() {
        let Some(row) = line.strip_prefix(".It Ev PIDLET_") else {
            continue;
        };
        let (name, said) = row.split_once(" Ta ").expect("two columns");
        let known = match (said, name) {
            // Any path is taken; whether it can be written shows later.
            ("a path", "TERMINATION_LOG") => Some(&("", &["/x", ""][..], &[][..])),
            ("a path", _) => Some(&("", &[][..], &[""][..])),
            _ => VARIABLES.iter().find(|(known, ..)| *known == said),
        };
        let (_, taken, refused) = known.unwrap_or_else(|| panic!("{PROGRAM}: {line}"));
        for (values, code) in [(taken, 0), (refused, 1)] {
            for value in *values {
                let variable = format!("PIDLET_{name}");
                let run = Run::pidlet().args(["--dry-run", "true"]);
                let ended = run.env(&variable, value).output();
                assert_eq!(ended.exit, Exit::Code(code), "{variable}={value}: {ended}");
                count += 1;
            }
        }
    }
    assert!(count >= 60, "{count}");
}

/// README's rows of figures, and what the benchmark calls them.
const MEASURED: [(&str, &str); 8] = [
    (
        "file with its libraries, bytes",
        "with shared libraries, bytes",
    ),
    (
        "start to the command's first instruction, µs",
        "start to the child's first instruction, µs",
    ),
    (
        "resident, one idle command, KiB",
        "resident, 1 service, KiB",
    ),
    (
        "resident, 1000 idle commands, KiB",
        "resident, 1000 services, KiB",
    ),
    ("start of 1000 commands, ms", "start, 1000 services, ms"),
    ("stop of 1000 commands, ms", "stop, 1000 services, ms"),
    (
        "CPU per orphan, 10 000 die at once, µs",
        "10000 in a burst, µs",
    ),
    ("wake-ups in ten idle seconds", "wake-ups in 10 s"),
];

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// A row of the benchmark for these columns: its medians.
fn measured(report: &str, row: &str, columns: &[&str]) -> Vec<String> {
    let mut head = Vec::new();
    for line in report.lines() {
        if line.starts_with("| |") {
            head = cells(line);
        }
        let values = cells(line);
        if values[0] != row {
            continue;
        }
        let value = |column: &&str| {
            let place = head.iter().position(|name| name == column);
            let value = place.and_then(|place| values.get(place)).unwrap_or(&"");
            value.split(" (").next().unwrap_or_default().to_owned()
        };
        return columns.iter().map(value).collect();
    }
    panic!("the benchmark has no row {row:?}");
}

#[test]
fn the_figures_of_readme_are_those_of_the_benchmark() {
    let (readme, report) = (document("README.md"), document("docs/BENCHMARKS.md"));
    let head = readme.lines().find(|line| line.starts_with("| measured |"));
    let columns = cells(head.expect("README has a table of figures"));
    for (ours, theirs) in MEASURED {
        let expected = measured(&report, theirs, &columns[1..]).join(" | ");
        let expected = format!("| {ours} | {expected} |");
        assert!(readme.contains(&expected), "README lacks\n{expected}");
    }
}
