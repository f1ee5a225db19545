//! What services write, in pieces as it is read, against a naive reading of what must come out.
//!
//! In the text the byte 0x1a and a number repeat what is in front of them, so that lines become long.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use pidlet::output::{Form, LINE_BYTES_MAX, PIECE_BYTES_MAX, Source, put_lines};
use pidlet::plan::{Plan, Service, Style};
use pidlet::words::list::List;
use pidlet_fuzz::memory::{keep, round};

/// The most that is kept of a stream, as in the program.
const INPUT_BYTES: usize = LINE_BYTES_MAX + 48 * 1024;
/// The most that is repeated.
const UNIT_BYTES_MAX: usize = 5;
const TEXT_BYTES_MAX: usize = 30_000;

fuzz_target!(|data: &[u8]| round(|| _ = play(Unstructured::new(keep(data)))));

fn play(mut input: Unstructured) -> Result<()> {
    let form = *input.choose(&[Form::Raw, Form::Prefix, Form::Colour, Form::Json])?;
    let [error, timestamps, second] = input.arbitrary()?;
    let (time, limit) = (input.arbitrary()?, input.int_in_range(0..=40_000)?);
    let name_len = input.int_in_range(1..=10)?;
    let name = keep(input.bytes(name_len)?);
    let chunk: usize = input.int_in_range(1..=9000)?;
    let text = text(input.take_rest());
    // Some hundred reads are enough.
    let chunk = chunk.max(text.len() / 256);

    let mut plan = Plan::new(Style::Pidlet);
    plan.timestamps = timestamps;
    plan.services = List::with_capacity(Service::NONE, 2);
    for copy in 1..=2 {
        let service = Service {
            name,
            copy,
            ..Service::NONE
        };
        plan.services.push(service);
    }
    let service = second.into();
    let source = Source {
        plan: &plan,
        service,
        error,
        form,
        time,
    };
    let output = written(&source, &text, chunk, limit);

    let mut rest = output.as_slice();
    let pieces = pieces(&text);
    for (piece, partial) in &pieces {
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line is missing");
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        match form {
            Form::Json => is_object(line, piece, *partial, &source),
            _ => is_line(line, piece, *partial, &source),
        }
    }
    assert!(rest.is_empty(), "there is more than was written");
    if std::str::from_utf8(&text).is_ok() {
        assert!(
            pieces
                .iter()
                .all(|(piece, _)| std::str::from_utf8(piece).is_ok()),
            "half a character"
        );
    }
    Ok(())
}

fn text(script: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = script;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match rest {
            [count, behind @ ..] if *byte == 0x1a => {
                rest = behind;
                let unit = text[text.len().saturating_sub(UNIT_BYTES_MAX)..].to_vec();
                for _ in 0..usize::from(*count) * 16 {
                    text.extend(&unit);
                }
            }
            _ => text.push(*byte),
        }
        text.truncate(TEXT_BYTES_MAX);
    }
    text
}

/// What is written for a text that is read in chunks, as the program does it.
fn written(source: &Source, text: &[u8], chunk: usize, limit: usize) -> Vec<u8> {
    let mut room = vec![0; limit + PIECE_BYTES_MAX + 1];
    let mut output = Vec::new();
    let mut kept = Vec::new();
    let mut rest = text;
    loop {
        let (read, behind) = rest.split_at(chunk.min(rest.len()).min(INPUT_BYTES - kept.len()));
        kept.extend(read);
        rest = behind;
        let end = read.is_empty();
        if end && kept.last().is_some_and(|last| *last != b'\n') {
            kept.push(b'\n');
        }
        let mut done = 0;
        loop {
            let (taken, size) = put_lines(&mut room, &kept[done..], source, limit);
            if taken == 0 {
                break;
            }
            done += taken;
            assert_eq!(room[0], b'\n');
            let lines = room[1..size].iter().filter(|byte| **byte == b'\n').count();
            assert!(
                lines == 1 || lines > 1 && size <= limit,
                "{lines} lines of {size} bytes"
            );
            assert_eq!(room[size - 1], b'\n');
            output.extend(&room[1..size]);
        }
        kept.drain(..done);
        assert!(kept.len() <= LINE_BYTES_MAX, "a piece is kept");
        if end {
            assert!(kept.is_empty() && rest.is_empty(), "the last line is lost");
            return output;
        }
    }
}

/// The pieces of a text without their newlines, and whether the line goes on.
fn pieces(text: &[u8]) -> Vec<(&[u8], bool)> {
    let mut pieces = Vec::new();
    let lines = text
        .strip_suffix(b"\n")
        .unwrap_or(text)
        .split(|byte| *byte == b'\n');
    for mut line in lines.filter(|_| !text.is_empty()) {
        while line.len() > LINE_BYTES_MAX {
            // Of four neighbouring bytes one is no continuation, if they are UTF-8.
            let ends = (LINE_BYTES_MAX - 3..=LINE_BYTES_MAX).rev();
            let mut ends = ends.filter(|end| line[*end] & 0xc0 != 0x80);
            let (piece, behind) = line.split_at(ends.next().unwrap_or(LINE_BYTES_MAX - 3));
            pieces.push((piece, true));
            line = behind;
        }
        pieces.push((line, false));
    }
    pieces
}

fn name(source: &Source) -> Vec<u8> {
    let mut name = Vec::new();
    for &byte in source.plan.services[usize::from(source.service)].name {
        match byte {
            0..b' ' | 0x7f => name.extend(format!("\\x{byte:02x}").bytes()),
            _ => name.push(byte),
        }
    }
    name.extend(if source.service > 0 { &b"-2"[..] } else { b"" });
    name
}

fn is_line(line: &[u8], piece: &[u8], partial: bool, source: &Source) {
    let mut rest = line;
    if source.plan.timestamps {
        let (time, behind) = line.split_at(28);
        is_time(&time[..27]);
        assert_eq!(time[27], b' ');
        rest = behind;
    }
    let name = name(source);
    let colour = format!("\x1b[3{}m", 1 + source.service % 6);
    let head = match source.form {
        Form::Raw => Vec::new(),
        Form::Colour => [colour.as_bytes(), &name, b"\x1b[m | "].concat(),
        _ => [&name[..], b" | "].concat(),
    };
    let tail: &[u8] = if partial { b"\\\n" } else { b"\n" };
    assert_eq!(
        rest.escape_ascii().to_string(),
        [&head, piece, tail].concat().escape_ascii().to_string()
    );
}

fn is_time(time: &[u8]) {
    let shape = time
        .iter()
        .map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte });
    assert!(
        shape.eq(*b"0000-00-00T00:00:00.000000Z"),
        "{}",
        time.escape_ascii()
    );
}

/// The text that stands for these bytes where they must be UTF-8.
fn characters(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text
}

fn is_object(line: &[u8], piece: &[u8], partial: bool, source: &Source) {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).expect("a JSON object");
    let get = |key: &str| object.get(key).and_then(|value| value.as_str());
    assert_eq!(get("message"), Some(&*characters(piece)));
    assert_eq!(get("service"), Some(&*characters(&name(source))));
    assert_eq!(
        get("stream"),
        Some(if source.error { "stderr" } else { "stdout" })
    );
    assert_eq!(get("time").is_some(), source.plan.timestamps);
    is_time(
        get("time")
            .unwrap_or("0000-00-00T00:00:00.000000Z")
            .as_bytes(),
    );
    assert_eq!(object.contains_key("partial"), partial);
    assert_eq!(
        object.len(),
        3 + usize::from(source.plan.timestamps) + usize::from(partial)
    );
}
