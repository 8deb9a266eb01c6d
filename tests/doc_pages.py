"""The blocks of a documentation page, and a page run as one session at a terminal.

A fenced block may have an HTML comment right before it:

- `not run: REASON`: shown only;
- `exit: N`: the last command of a console block exits with N;
- `runnable`: a python block that runs by itself;
- `file: NAME`: what the block holds is a file of this name.

A page that holds `<!-- one session -->` is run from top to bottom in one copy of the demo dataset: its files are
written, its commands run, and what the page shows below a command is what the command printed. A line `...` stands for
lines that are left out, `...` inside a line for the rest of it. With `<!-- one session, numbers near -->` numbers may
differ by 2 %: what a neural network answers depends on the processor in its last digits. `<!-- picture: NAME -->`
before an image of the page says which file of the session it is a copy of.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from cli._run import _inside, environment

__all__ = [
    *("FENCE", "ROOT", "Block", "Shown", "blocks", "fits", "is_near", "is_session", "perform", "pictures", "refilled"),
]

ROOT = Path(__file__).resolve().parents[1]
SESSION = re.compile(r"^<!-- one session(, numbers near)? -->$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"<!-- picture: (\S+) -->\s*!\[[^\]]+\]\(([^)\s]+)\)")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])")
_COMMENT = re.compile(r"<!--((?:(?!-->).)*)-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page with the comment that stands right before it."""

    page: str
    line: int
    language: str
    text: str
    note: str


@dataclass(frozen=True)
class Shown:
    """A command of a console block and the output that the page shows below it."""

    command: str
    output: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    for found in FENCE.finditer(text):
        note = _COMMENT.search(text[: found.start()])
        line = text.count("\n", 0, found.start()) + 1
        yield Block(name, line, found[1], found[2], note[1].strip() if note else "")


def is_session(page: Path) -> bool:
    """Whether the page runs from top to bottom."""
    return SESSION.search(page.read_text(encoding="utf-8")) is not None


def is_near(page: Path) -> bool:
    """Whether numbers that the page shows may differ a little."""
    found = SESSION.search(page.read_text(encoding="utf-8"))
    return found is not None and found[1] is not None


def shown(block: Block) -> list[Shown]:
    """The commands of a console block, each with what is shown below it."""
    found: list[Shown] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*", part)
        assert command is not None
        found.append(Shown(command[0], part[command.end() :].removeprefix("\n")))
    return found


def perform(page: Path, folder: Path) -> Iterator[tuple[Block, Shown, str]]:
    """Each command of a session page with what it prints in `folder`, once it has run."""
    code = 0
    for block in blocks(page):
        if block.note.startswith("not run:"):
            continue
        if block.note.startswith("file: "):
            (folder / block.note.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and block.note == "runnable":
            _run_python(block, folder)
        elif block.language == "console":
            for one in shown(block):
                words = shlex.split(one.command.replace("\\\n", " "))
                if words == ["echo", "$?"]:
                    yield block, one, f"{code}\n"
                    code = 0
                    continue
                where = f"{block.page}:{block.line}: {one.command}"
                assert code == 0, f"{where}: the command before it exited {code}; show it with `echo $?`"
                code, text = _run_line(words, folder, where)
                yield block, one, text
            expected = int(block.note.removeprefix("exit:")) if block.note.startswith("exit:") else 0
            assert code == expected, f"{block.page}:{block.line}: exit {code}, expected {expected}\n{text}"
            code = 0


def _run_line(words: list[str], folder: Path, where: str) -> tuple[int, str]:
    if words[0] == "cat":
        return 0, "".join((folder / name).read_text(encoding="utf-8") for name in words[1:])
    assert words[0] == "detkit", f"{where}: a session runs detkit, cat and `echo $?`"
    return _terminal(words, folder)


def _terminal(words: list[str], folder: Path) -> tuple[int, str]:
    """Exit code of a command in this process, and stdout and stderr together, as a terminal shows them."""
    from detkit.cli import _console, _errors, main

    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)
    code: object = "no exit"
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(sys, "stdout", stream),
        mock.patch.object(sys, "stderr", stream),
        mock.patch.object(_errors, "_debug", False),
        mock.patch.object(_console, "_quiet", False),
        mock.patch.dict(os.environ, environment(), clear=True),
        _inside(folder),
    ):
        try:
            main()
        except SystemExit as leaving:
            code = 0 if leaving.code is None else leaving.code
    assert isinstance(code, int), code
    text = stream.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
    return code, text.replace(f"{folder}/", "").replace(str(folder), ".")


def _run_python(block: Block, folder: Path) -> None:
    with _inside(folder), mock.patch.object(sys, "stdout", io.StringIO()):
        exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {"__name__": "shown"})


def pictures(page: Path) -> list[tuple[str, Path]]:
    """Name in the session and place in the documentation of each picture that the session makes."""
    found = _PICTURE.findall(page.read_text(encoding="utf-8"))
    return [(name, (page.parent / place).resolve()) for name, place in found]


def fits(pattern: str, text: str, near: bool = False) -> bool:
    """Whether the text is the pattern, in which `...` leaves out lines, or the rest of a line.

    With `near` numbers may differ by 2 % or 0.02, and blanks and rules of tables may be longer.
    """
    lines = _plain(pattern).splitlines(keepends=True)
    numbers: list[str] = []
    if near:
        for line in lines:
            numbers += _NUMBER.findall("" if line == "...\n" else line)
    regex = "".join(r"(?:.*\n)*?" if line == "...\n" else _line_regex(line, near) for line in lines)
    found = re.fullmatch(regex, _plain(text))
    return found is not None and all(
        abs(float(a) - float(b)) <= 0.02 + 0.02 * abs(float(a)) for a, b in zip(numbers, found.groups(), strict=near)
    )


def _line_regex(line: str, near: bool) -> str:
    if not near:
        return re.escape(line).replace(r"\.\.\.", ".*")
    parts = _NUMBER.split(line)
    loose = [re.sub(r"(?:\\ )+", " +", re.sub(r"(?:\\-){3,}", "-+", re.escape(part))) for part in parts]
    return r"([-+]?\d+(?:\.\d+)?)".join(loose).replace(r"\.\.\.", ".*")


def _plain(text: str) -> str:
    """Without blanks at the ends of lines and blank lines at the ends."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n" if text.strip() else ""


def refilled(page: Path, folder: Path, say: Callable[[str], None]) -> str:
    """The text of a session page with the output of every command that does not fit written anew."""
    text = page.read_text(encoding="utf-8")
    at, near = 0, is_near(page)
    for _, one, printed in perform(page, folder):
        at = text.index(f"$ {one.command}\n{one.output}", at)
        after = at + len(f"$ {one.command}\n")
        if not fits(one.output, printed, near):
            say(f"{page.name}: {one.command}")
            text = text[:after] + _plain(printed) + text[after + len(one.output) :]
        at = after
    return text
