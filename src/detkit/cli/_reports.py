"""`--report KIND=PATH`, and the summary of a GitHub step: what a run writes besides its answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detkit import files
from detkit.cli import _console
from detkit.cli._write import check_outputs
from detkit.errors import DetkitError, OutputError, UsageError

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["Report", "ReportOption", "conclude", "parse", "refusals", "summarise", "write"]

ReportOption = Annotated[
    list[str] | None,
    typer.Option("--report", help="KIND=PATH: write a report too, such as junit=gate.xml; may be repeated."),
]
#: Printed instead of written: workflow commands belong into the log.
_STDOUT = "-"
#: GitHub refuses a step summary above this many bytes and shows none of it.
SUMMARY_LIMIT = 1024 * 1024
#: Reports that say it when nothing could be judged: made for reading, or for a CI system's list of failures.
_SAY_WHY = ("junit", "github", "markdown", "text")


@dataclass(frozen=True)
class Report:
    """One report that was asked for; no path is stdout."""

    kind: str
    path: Path | None


def parse(
    given: Sequence[str] | None,
    *,
    known: Collection[str],
    inputs: Iterable[str | Path | None] = (),
    outputs: Iterable[Path | None] = (),
    overwrite: bool = False,
) -> tuple[Report, ...]:
    """The reports that `--report KIND=PATH` asks for, once they may all be written.

    Parameters
    ----------
    given : sequence of str, optional
    known : collection of str
        Kinds this command has.
    inputs : iterable of (path-like or None)
        Never replaced.
    outputs : iterable of (Path or None)
        What the command writes elsewhere.
    overwrite : bool

    Returns
    -------
    tuple of Report

    Raises
    ------
    UsageError
        No `KIND=PATH`, or an unknown kind.
    OutputError
        A path that exists, is a folder or an input, or is written twice.
    """
    reports = tuple(_parse(text, known) for text in given or ())
    for report in reports:
        if report.path is not None and report.path.is_dir():
            raise OutputError(f"{report.path}: is a folder, a file was expected")
    check_outputs(*(report.path for report in reports), inputs=inputs, taken=outputs, overwrite=overwrite)
    return reports


def write(reports: Iterable[Report], render: Callable[[str], str], *, overwrite: bool = False) -> None:
    """Write every report, each whole or not at all.

    Parameters
    ----------
    reports : iterable of Report
    render : callable
        Kind -> text.
    overwrite : bool
    """
    for report in reports:
        text = render(report.kind)
        if report.path is None:
            _console.out(text)
            continue
        with files.atomic_file(report.path, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8")
        _console.status(f"wrote {report.path}")


@contextmanager
def refusals(reports: Sequence[Report], *, overwrite: bool = False) -> Iterator[None]:
    """When the block is refused, say so in the reports that list failures, and in the step summary, before it ends.

    A CI system that finds no JUnit file shows nothing; one that finds an old file shows an old verdict.
    """
    try:
        yield
    except DetkitError as error:
        from detkit.api.gating import refusal
        from detkit.reports import render_gate

        verdict = refusal(error)
        told = [report for report in reports if report.kind in _SAY_WHY]
        write(told, lambda kind: render_gate(verdict, kind), overwrite=overwrite)
        summarise(lambda: render_gate(verdict, "markdown"))
        raise


def conclude(result: Evaluation, verdict: GateReport) -> None:
    """The verdict on a result in the last line, where a CI log is read first, and in the summary of the CI job."""
    from detkit import reports

    _console.status(f"verdict: {reports.verdict_line(verdict)}")
    summarise(lambda: reports.render("markdown", result, verdict))


def summarise(render: Callable[[], str]) -> None:
    """Append Markdown to the summary of the GitHub step that runs this, where one does.

    What stands there already is kept, and the whole stays below GitHub's limit. A summary that cannot be written
    changes no verdict.
    """
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    try:
        place = Path(target)
        present = place.stat().st_size if place.exists() else 0
        text = _cut(render(), SUMMARY_LIMIT - 1 - present)
        with place.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
    except OSError as error:
        _console.status(f"{target}: step summary not written: {error.strerror or error}", "warning", "yellow")


def _parse(text: str, known: Collection[str]) -> Report:
    kind, sign, path = text.partition("=")
    if not sign or not kind or not path:
        raise UsageError(f"--report: found `{text}`, expected KIND=PATH such as `junit=gate.xml`")
    if kind not in known:
        from difflib import get_close_matches

        close = get_close_matches(kind, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else None
        raise UsageError(f"--report: unknown kind `{kind}`; known: {', '.join(known)}", hint=hint)
    return Report(kind, None if path == _STDOUT else Path(path))


def _cut(text: str, room: int) -> str:
    """As many whole lines as fit, with a note where some are left out; an opened fold is closed."""
    raw = text.encode("utf-8")
    if len(raw) <= room:
        return text
    note = "\n\nThe rest is left out: a step summary holds 1 MiB.\n"
    closing = "\n\n</details>"
    space = room - len(note) - len(closing)
    if space <= 0:
        return ""
    kept = raw[:space].rpartition(b"\n")[0].decode("utf-8", "ignore")
    opened = kept.count("<details>") > kept.count("</details>")
    return kept + (closing if opened else "") + note
