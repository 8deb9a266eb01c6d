"""The only place that prints: data to stdout, everything else to stderr, colours only on a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from detkit.wording import printable

if TYPE_CHECKING:
    from pathlib import Path

    from detkit.findings import Finding, Loss

__all__ = [
    "OutputClosedError",
    "configure",
    "data",
    "error",
    "findings",
    "hint",
    "lines",
    "losses",
    "out",
    "progress",
    "size_of",
    "status",
    "working",
]

_FINDINGS_SHOWN = 12
_SHOWN_OF_A_CODE = 3
_COLOURS = {"red": "31", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
_quiet = False


class OutputClosedError(Exception):
    """Whoever read our output has gone."""


def configure(*, quiet: bool) -> None:
    """Set once, before a command runs."""
    global _quiet
    _quiet = quiet


def out(text: str) -> None:
    """Data: one text to stdout, as it is."""
    _write(sys.stdout, text if text.endswith("\n") else text + "\n")


def data(content: object) -> None:
    """Plain values to stdout as JSON: undefined is null."""
    import json

    out(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def status(text: str, mark: str = "", colour: str = "dim") -> None:
    """What happened: a line to stderr, with a word in colour before it; on a terminal broken between words."""
    if not _quiet:
        _write(sys.stderr, _said(text, mark, colour, _width(sys.stderr)) + "\n")


def lines(text: str) -> None:
    """Lines that are laid out already, to stderr as they are."""
    if not _quiet:
        _write(sys.stderr, "".join(f"{printable(line)}\n" for line in text.rstrip("\n").split("\n")))


def _said(text: str, mark: str, colour: str, width: int | None) -> str:
    """The mark in colour and the text, as lines of a width; a width of None leaves it one line, as programs read it."""
    text = f"{mark} {printable(text)}" if mark else printable(text)
    if width is not None:
        from textwrap import fill

        text = fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return _paint(mark, colour) + text[len(mark) :] if mark else text


def _width(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream, None where it is none."""
    try:
        return max(20, os.get_terminal_size(stream.fileno()).columns) if stream.isatty() else None
    except (OSError, ValueError):
        return None


def hint(text: str) -> None:
    """What to do next: one line to stderr whatever its length, for it may hold a command to copy."""
    if not _quiet:
        _write(sys.stderr, _said(text, "hint:", "cyan", None) + "\n")


def error(text: str) -> None:
    """What went wrong: to stderr, also when quiet."""
    first, _, rest = text.partition("\n")
    width = _width(sys.stderr)
    told = [_said(first, "error:", "red", width)]
    for line in rest.split("\n") if rest else ():
        if line.startswith("hint:"):
            told.append(_said(line[5:].lstrip(" "), "hint:", "cyan", None))
        else:
            told.append(_said(line, "", "", width))
    _write(sys.stderr, "\n".join(told) + "\n")


def findings(found: Iterable[Finding]) -> None:
    """What a reader noticed: errors and warnings first, a line each, at most three of a kind and a dozen in all."""
    rank = {"error": 0, "warning": 1, "info": 2}
    ordered = sorted(found, key=lambda f: rank[f.severity])
    seen: Counter[str] = Counter()
    shown: list[Finding] = []
    for finding in ordered:
        seen[finding.code] += 1
        if seen[finding.code] <= _SHOWN_OF_A_CODE and len(shown) < _FINDINGS_SHOWN:
            shown.append(finding)
    for finding in shown:
        colour = {"error": "red", "warning": "yellow", "info": "dim"}[finding.severity]
        where = f"{finding.where}: " if finding.where else ""
        status(f"{finding.code}: {where}{finding.message}", finding.severity, colour)
    if len(ordered) > len(shown):
        kinds = Counter(f.code for f in ordered) - Counter(f.code for f in shown)
        rest = ", ".join(f"{count} {code}" for code, count in kinds.items())
        from detkit.wording import plural

        more = plural(len(ordered) - len(shown), "more finding")
        status(f"and {more}: {rest} (all of them in the JSON output)")


def losses(lost: Iterable[Loss]) -> None:
    """What a conversion lost, a line each."""
    for loss in lost:
        status(str(loss), "lost", "yellow")


def size_of(path: Path) -> str:
    """Bytes of a file as people say them."""
    size = float(path.stat().st_size)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


@contextmanager
def working(text: str, *, compiles: bool = False) -> Iterator[None]:
    """A spinner on stderr while something takes long; nothing where stderr is no terminal.

    What compiles kernels says so where none are kept: the first run takes seconds longer than those after it.
    """
    if _quiet or not _is_terminal(sys.stderr):
        yield
        return
    from rich.console import Console

    from detkit import kernels

    if compiles and not kernels.are_kept():
        text += " (compiling kernels, in the first run only)"
    with Console(stderr=True).status(text):
        yield


@contextmanager
def progress(text: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the speed in units a second; the function to call with (done, all).

    Nothing is shown where stderr is no terminal.
    """
    if _quiet or not _is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn(text),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[speed]}"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, speed="")
        started: tuple[float, int] | None = None

        def show(done: int, total: int) -> None:
            nonlocal started
            now = time.monotonic()
            if started is None:
                started = (now, done)
            spent = now - started[0]
            speed = f"{(done - started[1]) / spent:.1f} {unit}/s" if spent > 0 else ""
            bar.update(task, completed=done, total=total, speed=speed)

        yield show


def _write(stream: TextIO, text: str) -> None:
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError as error:
        raise OutputClosedError from error
    except OSError as error:
        error.filename = error.filename or stream.name.strip("<>")
        raise


def _paint(text: str, colour: str) -> str:
    if not _is_terminal(sys.stderr):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
