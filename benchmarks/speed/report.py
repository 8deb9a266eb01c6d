"""The report: Markdown for people, JSON for programs, both from the same records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from speed.cell import Cell, same_bits
from speed.measure import LONG_SECONDS, Measured, Run

#: Above this share of the processors in other hands, the report says that its times are not to be relied on.
BUSY = 0.05

_READING = f"""\
How to read it: every run is a fresh process, from its start to the last of its results. One round runs every tool once,
in an order that moves on by one place from round to round; a warm-up round before them is not counted, and a tool that
takes more than {LONG_SECONDS} s in it, or is known to be slow, runs in one counted round only (marked ¹). *CPU* is user
plus system time and
*peak* the largest resident memory, both with all child processes, median over the rounds. *Ratio* is the tool's time
over that of the first row in the same round, median over the rounds: 2.00 is half as fast. Where a table has a column
*inside ms*, the work is so short that start-up would hide it: it holds the milliseconds of the fastest of some calls
within the process after one that is not counted, and the ratio is of these. The last column compares what the tools
found, to the last bit. `detkit CLI` and `hotcoco CLI` are the programs' commands with JSON output; `API` and the other
tools are scripts of a few lines in `benchmarks/runners/`.
"""


@dataclass
class Section:
    """One table of the report. `skipped` says why there are no rows."""

    cell: Cell
    origin: str = ""
    measured: list[Measured] = field(default_factory=list)
    skipped: str | None = None

    def find(self, name: str | None) -> Measured | None:
        """The measurement of that name, None where it is absent or failed."""
        return next((m for m in self.measured if m.name == name and m.failure is None), None)

    @property
    def baseline(self) -> Measured | None:
        """What ratios are relative to."""
        return self.find(self.cell.tools[0].name)

    @property
    def reference(self) -> Measured | None:
        """Whose result the others are compared with."""
        return self.find(self.cell.reference)


@dataclass
class Report:
    """Everything that was measured, and on what."""

    machine: dict[str, str]
    versions: dict[str, str]
    command: str
    rounds: int
    notes: list[str]
    sections: list[Section] = field(default_factory=list)
    others_share: float | None = None
    #: Peak MiB of the measuring process, under which no peak can be seen.
    floor: float = 0.0


def ratio(tool: Sequence[Run], baseline: Sequence[Run]) -> float:
    """Median over the rounds in which both ran of the tool's time over the baseline's."""
    seconds = {run.round: run.judged for run in baseline}
    return median(run.judged / seconds[run.round] for run in tool if run.round in seconds)


def digest(values: Sequence[float]) -> str:
    """Twelve hex digits that are the same when all values are the same to the last bit."""
    return hashlib.sha256(" ".join(float(value).hex() for value in values).encode()).hexdigest()[:12]


def markdown(report: Report) -> str:
    """The whole page."""
    parts = ["# Benchmarks\n", "Written by `make bench`; do not edit by hand.\n", _header(report), _READING]
    return "\n".join([*parts, *(_section(section, report.floor) for section in report.sections)])


def _header(report: Report) -> str:
    lines = [f"- {name}: {value}" for name, value in report.machine.items()]
    lines.append("- versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    lines.append(f"- command: `{report.command}` ({report.rounds} {'round' if report.rounds == 1 else 'rounds'})")
    if report.others_share is not None:
        verdict = ": **not a quiet machine, times are not to be relied on**" if report.others_share > BUSY else ""
        lines.append(f"- other processes used {report.others_share:.0%} of the processors meanwhile{verdict}")
    return "\n".join([*lines, *(f"- {note}" for note in report.notes)]) + "\n"


def _section(section: Section, floor: float) -> str:
    cell = section.cell
    lines = [f"## {cell.name}: {cell.title}\n"]
    if section.skipped is not None:
        return "\n".join([*lines, f"Not measured: {section.skipped}.\n"])
    if section.origin:
        lines.append(f"Data: {section.origin}.\n")
    has_inside = any(run.inside is not None for measured in section.measured for run in measured.runs)
    heads = ["tool", "seconds", "min", "max", *(["inside ms"] if has_inside else []), "CPU s", "peak MiB", "ratio"]
    found = any(measured.values is not None for measured in section.measured)
    column = f"{cell.result} against {cell.reference}" if cell.reference else cell.result
    last = [column] if found else []
    lines += [_row([*heads, *last]), "|---|" + "--:|" * (len(heads) - 1) + "---|" * len(last)]
    for measured in section.measured:
        lines.append(_row(_cells(measured, section, floor, has_inside=has_inside, has_result=found)))
    return "\n".join(lines) + "\n"


def _cells(measured: Measured, section: Section, floor: float, *, has_inside: bool, has_result: bool) -> list[str]:
    if measured.failure is not None:
        text = measured.failure.replace("|", "/")
        blanks = [""] * (5 + has_inside)
        return [measured.name, "failed", *blanks, text] if has_result else [measured.name, f"failed: {text}", *blanks]
    name = f"{measured.name} ¹" if measured.is_long else measured.name
    walls = [run.wall for run in measured.runs]
    seconds = [_seconds(median(walls)), _seconds(min(walls)), _seconds(max(walls))]
    if has_inside:
        seconds.append(_milliseconds([run.inside for run in measured.runs if run.inside is not None]))
    peak = median(run.peak for run in measured.runs)
    # A child cannot be seen below its parent: then the parent's size is an upper bound, not a measurement.
    shown = f"{peak:.0f}" if peak > floor else f"≤ {floor:.0f}"
    baseline = section.baseline
    relative = f"{ratio(measured.runs, baseline.runs):.2f}" if baseline else ""
    cells = [name, *seconds, _seconds(median(run.cpu for run in measured.runs)), shown, relative]
    return [*cells, _verdict(measured, section)] if has_result else cells


def _verdict(measured: Measured, section: Section) -> str:
    reference = section.reference
    if measured.values is None:
        return ""
    if measured is reference:
        own = section.cell.verdict(measured.values, None)
        return "reference" if own == "not compared" else f"reference ({own})"
    return section.cell.verdict(measured.values, reference.values if reference else None)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * median(values):.2f}" if values else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def document(report: Report) -> dict[str, Any]:
    """Plain values with every run, schema `detkit.benchmark/2`."""
    return {
        "schema": "detkit.benchmark/2",
        **{key: getattr(report, key) for key in ("machine", "versions", "command", "rounds", "notes", "others_share")},
        "cells": [_plain(section) for section in report.sections],
    }


def _plain(section: Section) -> dict[str, Any]:
    reference, baseline = section.reference, section.baseline
    rows = [
        {
            **asdict(m),
            "digest": digest(m.values) if m.values else None,
            "is_equal": same_bits(m.values, reference.values) if m.values and reference and reference.values else None,
            "ratio": ratio(m.runs, baseline.runs) if m.runs and baseline else None,
        }
        for m in section.measured
    ]
    cell = section.cell
    return {
        "name": cell.name,
        "title": cell.title,
        "data": section.origin,
        "reference": cell.reference,
        "measured": rows,
        "skipped": section.skipped,
    }
