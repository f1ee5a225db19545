#!/usr/bin/env python3
"""Makes the dictionary that packs the program's texts, src/words/dictionary.rs, from the texts.

The texts are what stands in `text!(...)` in the source, tests apart, and the lines of the tables that
become such a text (TABLES). Pairs are chosen one by one, the most frequent first, each being a symbol of
its own from then on (byte pair encoding); of equally frequent ones the smallest comes first, so the same
texts always make the same dictionary. A dictionary that does not fit the texts packs them less well, and
that is all: run this when many have changed.
"""

import collections
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
DICTIONARY = "src/words/dictionary.rs"
TABLES = ("faults!", "kinds!")
# Bytes that are no character of a text, in the order of the dictionary's places; NUL and the newline
# have places, but are no symbols.
SYMBOLS = [*range(0x80, 0x100), *range(0x20)]
UNUSED = (0x00, 0x0A)
# How many symbols the reader can keep back, and the most characters that a symbol may stand for
# (src/words/packed.rs).
PENDING_MAX = 8
MEANING_BYTES_MAX = 31

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
    """What stands in each `text!(...)` of a file."""
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


def merged(line, pair, symbol):
    out = []
    for byte in line:
        if out and out[-1] == pair[0] and byte == pair[1]:
            out[-1] = symbol
        else:
            out.append(byte)
    return out


def dictionary(lines):
    pairs, pending = {}, collections.Counter()
    length = collections.defaultdict(lambda: 1)
    for symbol in SYMBOLS:
        if symbol in UNUSED:
            continue
        counts = collections.Counter()
        for line in lines:
            counts.update(zip(line, line[1:]))
        depth = {pair: max(1 + pending[pair[0]], pending[pair[1]]) for pair in counts}
        fit = [pair for pair in counts
               if depth[pair] <= PENDING_MAX and length[pair[0]] + length[pair[1]] <= MEANING_BYTES_MAX]
        if not fit:
            break
        best = min(fit, key=lambda pair: (-counts[pair], pair))
        pairs[symbol], pending[symbol] = best, depth[best]
        length[symbol] = length[best[0]] + length[best[1]]
        lines = [merged(line, best, symbol) for line in lines]
    return pairs, sum(map(len, lines))


def spelt(pair):
    def letter(byte):
        if byte in b'"\\':
            return "\\" + chr(byte)
        return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"

    return '*b"' + "".join(map(letter, pair)) + '",'


def main():
    texts = all_texts()
    for text in texts:
        if not all(byte == "\n" or " " <= byte <= "~" for byte in text):
            sys.exit(f"not printable ASCII: {text!r}")
    newlines = sum(text.count("\n") for text in texts)
    lines = [list(line.encode()) for text in texts for line in text.split("\n")]
    plain = sum(map(len, lines)) + newlines
    pairs, packed = dictionary(lines)
    rows = []
    for symbol in SYMBOLS:
        entry = spelt(pairs.get(symbol, (0, 0)))
        if not rows or len(rows[-1]) + 1 + len(entry) > 100:
            rows.append("   ")
        rows[-1] += " " + entry
    with open(os.path.join(TOP, DICTIONARY), "w", encoding="ascii") as file:
        file.write(
            "//! What the packed texts are packed with: made by `make dictionary`, not by hand.\n\n"
            "/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that\n"
            "/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.\n"
            "#[rustfmt::skip]\n"
            f"pub const PAIRS: &[[u8; 2]; {len(SYMBOLS)}] = &[\n" + "\n".join(rows) + "\n];\n"
        )
    print(f"{len(texts)} texts of {plain} bytes, packed {packed + newlines} at most, "
          f"with a dictionary of {2 * len(SYMBOLS)}")


main()
