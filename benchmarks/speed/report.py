"""The report: Markdown for people, JSON for programs, both from the same records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from speed.measure import Measured, Run, same_bits
from speed.tables import BASELINE, REFERENCE

#: Above this share of the processors in other hands, the report says that its times are not to be relied on.
BUSY = 0.05

_READING = f"""\
How to read it: every run is a fresh process, from its start to the last of the metrics. One round runs every tool once,
in an order that moves on by one place from round to round; a warm-up round before them is not counted. *CPU* is user
plus system time and *peak* the largest resident memory, both with all child processes, median over the rounds. *Ratio*
is the tool's time over that of `{BASELINE}` in the same round, median over the rounds: 2.00 is half as fast. The last
column compares all metrics (twelve, ten for keypoints) with those of {REFERENCE}, to the last bit. `{BASELINE}` and
`hotcoco CLI` are the programs' `eval` commands with JSON output; the others are scripts of a few lines in
`benchmarks/runners/`.
"""


@dataclass
class Section:
    """One table of the report. `skipped` says why there are no rows."""

    name: str
    title: str
    origin: str = ""
    measured: list[Measured] = field(default_factory=list)
    skipped: str | None = None


@dataclass
class Report:
    """Everything that was measured, and on what."""

    machine: dict[str, str]
    versions: dict[str, str]
    command: str
    rounds: int
    notes: list[str]
    cells: list[Section] = field(default_factory=list)
    startup: Section | None = None
    others_share: float | None = None
    #: Peak MiB of the measuring process, under which no peak can be seen.
    floor: float = 0.0


def ratio(tool: Sequence[Run], baseline: Sequence[Run]) -> float:
    """Median over the rounds of the tool's wall time over the baseline's in the same round."""
    return median(a.wall / b.wall for a, b in zip(tool, baseline, strict=True))


def agreement(metrics: Sequence[float] | None, reference: Sequence[float] | None) -> str:
    """Whether the metrics are the reference's, or by how much they differ."""
    if metrics is None or reference is None:
        return "not compared"
    if same_bits(metrics, reference):
        return "equal"
    return f"differ by up to {max(abs(a - b) for a, b in zip(metrics, reference, strict=True)):.1e}"


def digest(metrics: Sequence[float]) -> str:
    """Twelve hex digits that are the same when all metrics are the same to the last bit."""
    return hashlib.sha256(" ".join(value.hex() for value in metrics).encode()).hexdigest()[:12]


def find(measured: Sequence[Measured], name: str) -> Measured | None:
    """The measurement of that name, None where it is absent or failed."""
    return next((m for m in measured if m.name == name and m.failure is None), None)


def markdown(report: Report) -> str:
    """The whole page."""
    parts = ["# Benchmarks\n", "Written by `make bench`; do not edit by hand.\n", _header(report), _READING]
    parts += [_cell_section(section, report.floor) for section in report.cells]
    if report.startup is not None:
        parts.append(_startup_section(report.startup, report.floor))
    return "\n".join(parts)


def _header(report: Report) -> str:
    lines = [f"- {name}: {value}" for name, value in report.machine.items()]
    lines.append("- versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    lines.append(f"- command: `{report.command}` ({report.rounds} {'round' if report.rounds == 1 else 'rounds'})")
    if report.others_share is not None:
        verdict = ": **not a quiet machine, times are not to be relied on**" if report.others_share > BUSY else ""
        lines.append(f"- other processes used {report.others_share:.0%} of the processors meanwhile{verdict}")
    return "\n".join([*lines, *(f"- {note}" for note in report.notes)]) + "\n"


def _cell_section(section: Section, floor: float) -> str:
    lines = [f"## {section.name}: {section.title}\n"]
    if section.skipped is not None:
        return "\n".join([*lines, f"Not measured: {section.skipped}.\n"])
    baseline, reference = find(section.measured, BASELINE), find(section.measured, REFERENCE)
    lines += [f"Data: {section.origin}.\n"]
    lines += ["| tool | seconds | min | max | CPU s | peak MiB | ratio | metrics against pycocotools |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|---|"]
    for measured in section.measured:
        if measured.failure is not None:
            lines.append(f"| {measured.name} | failed | | | | | | {_cell_text(measured.failure)} |")
            continue
        relative = f"{ratio(measured.runs, baseline.runs):.2f}" if baseline else ""
        expected = reference.metrics if reference else None
        agrees = "reference" if measured is reference else agreement(measured.metrics, expected)
        lines.append(f"| {measured.name} | {_figures(measured.runs, floor)} | {relative} | {agrees} |")
    return "\n".join(lines) + "\n"


def _startup_section(section: Section, floor: float) -> str:
    lines = [f"## {section.name}: {section.title}\n", "| command | seconds | min | max | CPU s | peak MiB |"]
    lines += ["|---|--:|--:|--:|--:|--:|"]
    for measured in section.measured:
        problem = measured.skipped and f"not measured: {measured.skipped}"
        problem = problem or (measured.failure and f"failed: {measured.failure}")
        figures = f"{_cell_text(problem)} | | | |" if problem else _figures(measured.runs, floor)
        lines.append(f"| {measured.name} | {figures} |")
    return "\n".join(lines) + "\n"


def _cell_text(text: str) -> str:
    return text.replace("|", "/")


def _figures(runs: Sequence[Run], floor: float) -> str:
    walls = [run.wall for run in runs]
    peak = median(run.peak for run in runs)
    # A child cannot be seen below its parent: then the parent's size is an upper bound, not a measurement.
    shown = f"{peak:.0f}" if peak > floor else f"≤ {floor:.0f}"
    seconds = (median(walls), min(walls), max(walls), median(run.cpu for run in runs))
    return " | ".join([*(f"{value:.3f}" if value < 10 else f"{value:.1f}" for value in seconds), shown])


def document(report: Report) -> dict[str, Any]:
    """Plain values with every run, schema `detkit.benchmark/1`."""
    startup = [report.startup] if report.startup is not None else []
    return {
        "schema": "detkit.benchmark/1",
        **{key: getattr(report, key) for key in ("machine", "versions", "command", "rounds", "notes", "others_share")},
        "cells": [_plain(section) for section in report.cells],
        "startup": [_plain(section) for section in startup],
    }


def _plain(section: Section) -> dict[str, Any]:
    rows = [{**asdict(m), "digest": digest(m.metrics) if m.metrics else None} for m in section.measured]
    return {**asdict(section), "measured": rows}
