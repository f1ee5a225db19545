//! A plan file with all that it may name: accounts, files of variables, directories of programs.
//!
//! The input is the file's text as it stands, and behind it what [`pidlet_fuzz::image`] says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pidlet::plan::environment::assemble;
use pidlet::plan::{Key, Place, Plan, Style};
use pidlet::words::list::List;
use pidlet_fuzz::image::{Answer, Image, PLAN, check_lines, part};
use pidlet_fuzz::life::Life;
use pidlet_fuzz::memory::{keep, round};

/// Plans with more services are not played.
const SERVICES_MAX: usize = 300;

fuzz_target!(|data: &[u8]| round(|| play(data)));

fn play(data: &[u8]) {
    let mut rest = data;
    let text = part(&mut rest);
    let image = Image::beside(text, &mut rest);
    let answer = image.ask(&[b"pidlet", b"--dry-run", b"-c", PLAN]);
    check_lines(&answer.err);
    if !answer.err.is_empty() {
        return is_refused(answer, &image);
    }
    assert_eq!(answer.code, Some(0), "it is refused without a message");
    let plan = &answer.plan;
    assert_eq!(plan.style, Style::Pidlet);
    for service in 0..plan.services.len().min(SERVICES_MAX) {
        ask_all(plan, service as Place);
    }
    if can_be_printed(plan) {
        let printed = text_of(&answer.out);
        let again = Image::bare(keep(&answer.out)).ask(&[b"pidlet", b"--dry-run", b"-c", PLAN]);
        assert_eq!(
            text_of(&again.err.concat()),
            "",
            "what is printed is refused:\n{printed}"
        );
        assert_eq!(text_of(&again.out), printed, "another plan is printed");
    }
    if plan.services.len() < SERVICES_MAX {
        Life::new(plan, true, true).is_quiet();
    }
}

fn is_refused(answer: &Answer, image: &Image) {
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.is_empty(), "it is refused, but printed");
    for line in &answer.err {
        let line = line.as_slice();
        let Some(behind) = line.strip_prefix(b"pidlet: f:") else {
            // Faults of the environment, and settings that contradict each other.
            let other =
                line.starts_with(b"pidlet: PIDLET_") || line.starts_with(b"pidlet: --lame-duck");
            assert!(other, "{}", line.escape_ascii());
            continue;
        };
        let digits = behind
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let number = behind[..digits]
            .iter()
            .fold(0, |number, digit| 10 * number + usize::from(digit - b'0'));
        let lines = 1 + image.plan.iter().filter(|byte| **byte == b'\n').count();
        assert!(number <= lines, "a line that does not exist");
        // A fault of the file as a whole has no line.
        let whole: [&[u8]; 3] = [b" there is no service", b" more than", b" these wait"];
        assert!(
            number > 0 || whole.iter().any(|text| behind.starts_with(text)),
            "{}",
            line.escape_ascii()
        );
    }
}

fn text_of(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\n", "\n")
}

/// Asks for everything that the program asks for.
fn ask_all(plan: &Plan<'static>, service: Place) {
    let spec = plan.spec(service);
    let words = spec.0.iter().map(|said| said.words.len()).sum::<usize>();
    let mut environment = List::with_capacity(c"", words + 2);
    environment.push(c"PATH=/bin");
    assemble(&mut environment, spec, &[c"NOTIFY_SOCKET=@x"]);
    for (place, one) in environment.iter().enumerate() {
        let name = |word: &std::ffi::CStr| {
            word.to_bytes()
                .split(|byte| *byte == b'=')
                .next()
                .map(<[u8]>::to_vec)
        };
        assert!(
            environment[..place]
                .iter()
                .all(|other| name(other) != name(one)),
            "a variable twice"
        );
    }
    _ = (
        spec.kind(),
        spec.restart(),
        spec.essential(),
        spec.backoff(),
        spec.tries(),
        spec.stop_timeout(),
    );
    for said in spec.0 {
        if said.key.resource().is_some() {
            let text = said.words[0].to_bytes();
            assert!(pidlet::plan::spec::limit(text).is_some());
        }
    }
    for key in [Key::Ready, Key::Health] {
        assert_eq!(spec.has(key), spec.probe(key).is_some());
    }
    for step in 0..spec.words(Key::Stop).len() {
        let last = step + 1 == spec.words(Key::Stop).len();
        assert!(spec.stop_signal(step as u8).is_some() || last && step > 0);
    }
    assert!(!plan.command(service).is_empty());
}

/// Whether the plan as it is printed is the same plan. It is not where one section makes several services,
/// and a line that does not begin with white space cannot be part of a word.
fn can_be_printed(plan: &Plan) -> bool {
    let services = &plan.services;
    let known = |name: &[u8]| services.iter().any(|service| service.name == name);
    services.iter().all(|service| {
        let names = service
            .spec
            .0
            .iter()
            .filter(|said| matches!(said.key, Key::After | Key::Before));
        let words = service
            .spec
            .0
            .iter()
            .flat_map(|said| said.words)
            .chain(service.run);
        service.copy == 1
            && service.name.len() < 900
            && names
                .flat_map(|said| said.words)
                .all(|name| known(name.to_bytes()))
            && words.map(|word| word.to_bytes()).all(can_be_read)
    })
}

fn can_be_read(word: &[u8]) -> bool {
    let newline = |(place, byte): (usize, &u8)| (*byte == b'\n').then_some(place);
    let mut newlines = word.iter().enumerate().filter_map(newline);
    newlines.all(|place| matches!(word.get(place + 1), Some(b' ' | b'\t')))
}
