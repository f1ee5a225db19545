#!/usr/bin/python3
"""plot.py DIRECTORY: draws pictures beside BENCHMARKS.md, from its tables.

The same tables give the same bytes: no dates, no random names.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

# File, title, and which figure it shows: the table and how the row begins.
CHARTS = [
    (
        "benchmark-start.svg",
        "From start to the command's first instruction, µs",
        "Start, one command",
        "start to the child's first instruction",
    ),
    (
        "benchmark-memory.svg",
        "Resident memory, one idle command, helpers included, KiB",
        "Memory, idle, with helper processes",
        "resident, 1 service",
    ),
    (
        "benchmark-services.svg",
        "Starting 1000 services, ms",
        "Start and stop of services",
        "start, 1000 services",
    ),
    (
        "benchmark-log.svg",
        "CPU for a GiB of lines of four services, s",
        "Output of services, in lines of 100 bytes written 4 KiB at a time",
        "CPU per GiB into a pipe, 4 writers",
    ),
]

# A bar that is more than this many times as long as that of pidlet shows nothing; such contestants are left out.
TIMES_MAX = 500

COLOURS = {"pidlet": "#c2185b", "pidlet -c": "#d86a94", "limit": "#9e9e9e"}
OTHERS = "#5c7fa8"

STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "pidlet",
}


def tables(text):
    """All tables by their headings: the names of the columns, and the rows."""
    found = {}
    heading = None
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return found


def figures(rows, what):
    """Contestants with their medians, of the row that begins so."""
    names = rows[0]
    for row in rows[1:]:
        if row[0].startswith(what + ","):
            pairs = list(zip(names, row))[4:]
            return [(name, float(cell.split()[0])) for name, cell in pairs if cell]
    return []


def draw(path, title, values):
    """Horizontal bars, the first contestant on top."""
    own = dict(values).get("pidlet")
    values = [(name, value) for name, value in values if own is None or value <= own * TIMES_MAX]
    names = [name for name, _ in values][::-1]
    numbers = [value for _, value in values][::-1]
    figure, axes = plt.subplots(figsize=(6.4, 0.5 + 0.28 * len(values)), layout="constrained")
    bars = axes.barh(names, numbers, color=[COLOURS.get(name, OTHERS) for name in names], height=0.7)
    axes.bar_label(bars, labels=[f"{number:g}" for number in numbers], padding=4)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlim(0, max(numbers) * 1.15)
    axes.xaxis.set_visible(False)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main():
    directory = Path(sys.argv[1])
    plt.rcParams.update(STYLE)
    found = tables((directory / "BENCHMARKS.md").read_text(encoding="utf-8"))
    for name, title, table, what in CHARTS:
        values = figures(found.get(table, [[]]), what)
        if values:
            draw(directory / name, title, values)
            print(f"bench: drawn {name}")


if __name__ == "__main__":
    main()
