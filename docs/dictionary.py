#!/usr/bin/env python3
"""Makes src/words/dictionary.rs, the dictionary that packs the program's texts, from those texts.

The texts are the contents of each `text!(...)` in the source, except in tests, and the lines of the tables
that become such a text (TABLES). As in byte pair encoding, the most frequent pair is joined again and again,
and each result is a candidate phrase; the phrases that save least are dropped until there is a symbol for
each. Ties go to the smallest, so the same texts always give the same dictionary. A dictionary that does not
fit the texts only packs them less well, so run this when many texts have changed.
"""

import collections
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
DICTIONARY = "src/words/dictionary.rs"
TABLES = ("faults!", "kinds!")
# Bytes that are not characters of a text, in the order of the dictionary's places; NUL and newline have places,
# but are not symbols.
PLACES = [*range(0x80, 0x100), *range(0x20)]
SYMBOLS = [byte for byte in PLACES if byte not in (0x00, 0x0A)]
# How many symbols the reader can hold pending, and how many characters a symbol may stand for (both as in
# src/words/packed.rs); how many symbols a phrase may have.
PENDING_MAX = 16
MEANING_BYTES_MAX = 31
PHRASE_MAX = 8

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?\'(?:\\[^\n]{1,6}?|[^\\\'\n])\'|(?P<raw>r(?P<hash>#*)"(?P<bare>.*?)"(?P=hash))'
    r'|b?"(?P<text>(?:\\.|[^"\\])*)"|(?P<name>[A-Za-z_]\w*!?)|[^\s]', re.S)
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(\n\s*)|(.))", re.S)


def unescaped(literal):
    def meaning(match):
        code, skipped, letter = match.groups()
        if code:
            return chr(int(code, 16))
        return "" if skipped else {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(letter, letter)

    return ESCAPE.sub(meaning, literal)


def texts_of(path):
    """The content of each `text!(...)` of a file."""
    with open(path, encoding="utf-8") as file:
        source = file.read().split("#[cfg(test)]\nmod tests {")[0]
    tokens = list(TOKEN.finditer(source))
    at = 0
    while at < len(tokens):
        at += 1
        name = tokens[at - 1]["name"]
        if name != "text!" and name not in TABLES:
            continue
        depth, text, macro, end = 0, "", None, "\n" if name in TABLES else ""
        while at < len(tokens):
            token = tokens[at]
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(token[0], 0)
            literal = token["bare"] if token["raw"] else token["text"]
            if depth == 0:
                break
            if token["name"]:
                macro = token["name"]
            elif literal is not None and macro == "include_str!":
                with open(os.path.join(os.path.dirname(path), literal), encoding="ascii") as file:
                    text += file.read()
            elif literal is not None and macro != "env!":
                text += (literal if token["raw"] else unescaped(literal)) + end
            elif token[0] == ")":
                macro = None
            at += 1
        yield text


def all_texts():
    texts = set()
    for directory, _, files in os.walk(os.path.join(TOP, "src")):
        for name in files:
            if name.endswith(".rs") and name not in ("tests.rs", "packed.rs"):
                texts.update(texts_of(os.path.join(directory, name)))
    return sorted(texts)


def candidates(lines):
    """Everything that could become a phrase."""
    lines, words = [list(line) for line in lines], set()
    while True:
        counts = collections.Counter(pair for line in lines for pair in zip(line, line[1:]))
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[pair] == 1:
            return {word for word in words if len(word) <= MEANING_BYTES_MAX}
        words.add("".join(pair))
        for line in lines:
            at = 1
            while at < len(line):
                if (line[at - 1], line[at]) == pair:
                    line[at - 1:at + 1] = ["".join(pair)]
                at += 1


def parsed(text, words):
    """A text in as few words and characters as possible."""
    best = [(0, 0)]
    for end in range(1, len(text) + 1):
        best.append(min((best[begin][0] + 1, begin) for begin in range(max(0, end - MEANING_BYTES_MAX), end)
                        if begin == end - 1 or text[begin:end] in words))
    parts, end = [], len(text)
    while end > 0:
        begin = best[end][1]
        parts.insert(0, text[begin:end])
        end = begin
    return parts


def dictionary(lines):
    """The phrases, each with its parts, and how many symbols the packed lines have."""
    words = candidates(lines)
    while True:
        phrases = {word: parsed(word, words - {word}) for word in words}
        pending = collections.Counter()
        for word in sorted(words, key=len):
            parts = phrases[word]
            pending[word] = max(len(parts) - place + pending[part] for place, part in enumerate(parts, 1))
        unfit = [word for word in words if len(phrases[word]) > PHRASE_MAX or pending[word] > PENDING_MAX]
        if unfit:
            words.remove(min(unfit, key=lambda word: (len(word), word)))
            continue
        packed = [parsed(line, words) for line in lines]
        too_many = len(words) - len(SYMBOLS)
        if too_many <= 0:
            return phrases, sum(map(len, packed))
        uses = collections.Counter(part for parts in [*packed, *phrases.values()] for part in parts)
        # Without one of these another phrase would be too long.
        needed = {part for parts in phrases.values() for part in parts
                  if len(parts) - 1 + len(phrases.get(part, "")) > PHRASE_MAX}

        def saves(word):
            return uses[word] * (len(phrases[word]) - 1) - len(phrases[word])

        worst = sorted(words - needed, key=lambda word: (saves(word), word))
        words.difference_update(worst[:too_many // 30 + 1])


def spelt(symbols):
    """The inside of a byte string literal."""
    return "".join("\\" + chr(byte) if byte in b'"\\' else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
                   for byte in symbols)


def main():
    texts = all_texts()
    for text in texts:
        if not all(byte == "\n" or " " <= byte <= "~" for byte in text):
            sys.exit(f"not printable ASCII: {text!r}")
    lines = [line for text in texts for line in text.split("\n")]
    phrases, packed = dictionary(lines)
    # The longest come first.
    order = sorted(phrases, key=lambda word: (-len(phrases[word]), word))
    symbol = dict(zip(order, SYMBOLS))
    meaning = {byte: word for word, byte in symbol.items()}
    counts, rows = collections.Counter(), [""]
    for place in PLACES:
        parts = phrases[meaning[place]] if place in meaning else "\0\0"
        counts[len(parts)] += 1
        # Last part first, which is the order that the reader needs.
        entry = spelt(symbol.get(part, ord(part[0])) for part in reversed(parts))
        if len(rows[-1]) + len(entry) > 90:
            rows.append("")
        # White space at the start of a line is not part of the literal.
        rows[-1] += "\\x20" + entry[1:] if not rows[-1] and entry[0] == " " else entry
    size = sum(length * count for length, count in counts.items())
    with open(os.path.join(TOP, DICTIONARY), "w", encoding="ascii") as file:
        file.write(
            "//! The dictionary of the packed texts: made by `make dictionary`, not by hand.\n\n"
            f"/// How many phrases there are of each length, from {PHRASE_MAX} symbols down to 2.\n"
            f"pub const COUNTS: &[u8; {PHRASE_MAX - 1}] = "
            f"&{[counts[length] for length in range(PHRASE_MAX, 1, -1)]};\n\n"
            "/// The phrases that the bytes 0x80 to 0xff and 0x00 to 0x1f stand for, in that order: characters or\n"
            "/// other such bytes, the last of them first. NULs where a byte is not a phrase.\n"
            "#[rustfmt::skip]\n"
            f"pub const PHRASES: &[u8; {size}] = b\"\\\n    " + "\\\n    ".join(rows) + "\";\n"
        )
    newlines = sum(text.count("\n") for text in texts)
    print(f"{len(texts)} texts of {sum(map(len, texts))} bytes, packed {packed + newlines} at most, "
          f"with a dictionary of {size + len(counts)}")


main()
