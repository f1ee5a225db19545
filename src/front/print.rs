//! What `--dry-run` prints: the checked plan as a plan file (pidlet.conf(5)), with the services in the
//! order of their start.

use crate::plan::{Command, Key, Log, Place, Plan};
use crate::words::line::Line;
use crate::words::signal::Signal;
use crate::words::text::take;
use crate::words::time::Span;

/// What prints text.
pub type Put<'p> = &'p dyn Fn(&[u8]);

/// Prints a plan.
pub fn plan(plan: &Plan, put: Put) {
    let mut line = Line::new();
    container(plan, &mut line, put);
    for &service in plan.sequence().unwrap_or_default() {
        self::service(plan, service, &mut line, put);
    }
    put(b"\n");
}

/// Prints the settings of the container.
#[inline(never)]
fn container(plan: &Plan, line: &mut Line, put: Put) {
    line.put(text!("[pidlet]\nuntil = "))
        .put(text!("any\nall\nfailure").line(plan.until as usize));
    if plan.bounded() {
        line.put(text!("\ngrace = ")).put_setting(plan.budget());
    }
    if plan.lame_duck > Span::ZERO {
        line.put(text!("\nlame-duck = "))
            .put_setting(plan.lame_duck);
    }
    if plan.group {
        line.put(text!("\ngroup = yes"));
    }
    if plan.hold {
        line.put(text!("\nhold = yes"));
    }
    if let Some(signal) = plan.parent_death {
        line.put(text!("\nparent-death = ")).put_signal(signal);
    }
    if plan.log != Log::Inherit {
        line.put(text!("\nlog = "))
            .put(text!("inherit\nprefix\njson").line(plan.log as usize));
    }
    if plan.timestamps {
        line.put(text!("\ntimestamps = yes"));
    }
    for number in 1..65 {
        let Some(from) = Signal::new(number) else {
            continue;
        };
        let to = plan.routes.get(from);
        if to != Some(from) {
            line.put(text!("\nrewrite = ")).put_signal(from).push(b':');
            match to {
                Some(to) => flush(line.put_signal(to), put),
                None => flush(line.put(text!("0")), put),
            }
        }
    }
    for code in 0..256_u32 {
        if plan.expect.has(code as u8) {
            flush(line.put(text!("\nexpect = ")).put_number(code.into()), put);
        }
    }
}

/// Prints a service's section.
fn service(plan: &Plan, service: Place, line: &mut Line, put: Put) {
    line.put(text!("\n\n["))
        .put_service(plan, service)
        .push(b']');
    flush(line, put);
    print_words(b"run", plan.command(service), put);
    // Not just what `after` says: a name may mean several services, and run-parts run one after the other.
    if let Some(service) = plan.services.get(usize::from(service)) {
        // The reader stores them backwards; in reverse, a plan that was printed is printed unchanged.
        for (at, place) in service.after.iter().enumerate().rev() {
            // A service that writes to another is after it anyway, and may have said so as well.
            if service.after.iter().rposition(|other| other == place) == Some(at) {
                flush(line.put(text!("\nafter = ")).put_service(plan, *place), put);
            }
        }
    }
    let spec = plan.spec(service);
    // The account's variables come first, so that whatever else sets one of them overrides it.
    print_words(b"env", spec.words(Key::Account), put);
    for pair in spec.0 {
        let name = match pair.key {
            Key::RunParts | Key::Instances | Key::Account | Key::After | Key::Before => continue,
            // The user's own group is part of `user`.
            Key::Member if pair.words.len() < 2 || spec.has(Key::Groups) => continue,
            Key::Member => Key::Groups.name(),
            Key::User => {
                let gid = pair.number & u64::from(u32::MAX);
                line.put(text!("\nuser = "))
                    .put_number(pair.number >> 32)
                    .push(b':');
                flush(line.put_number(gid), put);
                continue;
            }
            key => key.name(),
        };
        print_words(name, pair.words, put);
    }
}

/// Prints what is in the line and empties it, since it cannot hold everything.
#[inline(never)]
fn flush(line: &mut Line, put: Put) {
    put(line.text());
    line.clear();
}

/// Prints a key with its words; nothing without a word.
fn print_words(name: &[u8], words: Command, put: Put) {
    if words.is_empty() {
        return;
    }
    put(b"\n");
    put(name);
    put(b" =");
    for word in words {
        put(b" ");
        print_word(word.to_bytes(), put);
    }
}

/// Prints a word so that a shell and the plan file read it back.
fn print_word(mut word: &[u8], put: Put) {
    let plain = |byte: &u8| {
        // `+` to `:` includes the digits. `%` must be quoted: `%i` is the number of an instance.
        matches!(byte, b'+'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z')
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

#[cfg(test)]
mod tests {
    use crate::front::sound;
    use std::cell::RefCell;
    use std::string::String;
    use std::vec::Vec;

    fn printed(text: &str) -> String {
        let printed = RefCell::new(Vec::new());
        super::plan(&sound(text), &|text| printed.borrow_mut().extend(text));
        String::from_utf8(printed.take()).unwrap()
    }

    #[test]
    fn a_printed_plan_is_the_same_plan() {
        let text = "[a]\nrun = a %%i 50%% %i ''\nenv = X_Y=1\n\
            env-file = /env\nenv-file = /d/b\nenv-dir = /d\nenv = Y\n";
        let expected = "[pidlet]\nuntil = any\n\n[a]\nrun = a '%i' '50%' 1 ''\nenv = X_Y=1\n\
            env = A=1 'B='\\''x y'\\'' $HOME' 'NAME=a value' C=3\nenv = 'a=1\n 2' b\nenv = Y\n";
        assert_eq!(printed(text), expected);
        assert_eq!(printed(expected), expected);
        // What an image without /etc/passwd needs instead of a name.
        let text = "[a]\nrun = a\nenv = HOME=/h\nuser = app\n[b]\nrun = b\nuser = app\ngroups = web\n\
            [c]\nrun = c\nuser = app:web\n[d]\nrun = d\nuser = 7:8\n";
        let account = "env = HOME=/home/app USER=app LOGNAME=app SHELL=/bin/sh";
        let expected = std::format!(
            "[pidlet]\nuntil = any\ngrace = 8s\n\n\
            [a]\nrun = a\n{account}\nenv = HOME=/h\ngroups = 1001 33\nuser = 1000:1001\n\n\
            [b]\nrun = b\n{account}\nuser = 1000:1001\ngroups = 33\n\n\
            [c]\nrun = c\n{account}\nuser = 1000:33\n\n\
            [d]\nrun = d\nuser = 7:8\n"
        );
        assert_eq!(printed(text), expected);
        assert_eq!(printed(&expected), expected);
        // Dependencies, also where one section is several services.
        let text = "[w]\nrun = w\ninstances = 2\nbefore = z\n[i]\ntype = oneshot\nrun-parts = /d\n\
            [z]\nrun = z\nafter = i\n";
        let expected = "[pidlet]\nuntil = any\ngrace = 8s\n\n[w]\nrun = w\n\n[w-2]\nrun = w\n\n\
            [i]\nrun = /d/a\ntype = oneshot\n\n[i-2]\nrun = /d/b\nafter = i\ntype = oneshot\n\n\
            [z]\nrun = z\nafter = w\nafter = w-2\nafter = i-2\nafter = i\n";
        for text in [text, expected] {
            assert_eq!(printed(text), expected);
        }
        // A service that writes to another is after it anyway.
        let text =
            "[w]\nrun = w\nafter = l\nstdout = service:l\nstderr = service:l\n[l]\nrun = l\n";
        let expected = "[pidlet]\nuntil = any\ngrace = 8s\n\n[l]\nrun = l\n\n\
            [w]\nrun = w\nafter = l\nstdout = service:l\nstderr = service:l\n";
        for text in [text, expected] {
            assert_eq!(printed(text), expected);
        }
    }
}
