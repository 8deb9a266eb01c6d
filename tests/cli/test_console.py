"""What reaches the terminal: widths, names that try to write to it, encodings, closed pipes, --quiet."""

from __future__ import annotations

import contextlib
import json
import subprocess
import unicodedata
from pathlib import Path

import pytest

from cli import _inputs as make
from cli._bad import named
from cli._run import DEMO, command, environment, run

ORDINARY = ("cat", "traffic light", "a class whose name goes on and on until no terminal could hold it in one line")
AWKWARD = {
    "wide": ("猫" * 40, "狗", "馬" * 8),
    "escape": ("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J"),
    "controls": ("a\nb", "c\td", "e\rf"),
    "right to left": ("\u202egnp.exe", "قط", "כלב" * 20),
    "combining": ("e\u0301" * 30, "n\u0303", "o"),
    "invisible": ("\u200bzero", "\ufeffbom", "\u2028line"),
    "markdown": ("a|b", "*c*", "<script>"),
}
COMMANDS = ("eval truth.json pred.json", "stats truth.json", "eval truth.json pred.json --require class.*.AP>=0.1")


def _cells(line: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def _lay(place: Path, names: tuple[str, ...]) -> None:
    make.lay(place, {"truth.json": named(*names), "pred.json": make.predictions()})


@pytest.mark.parametrize("line", COMMANDS[:2])
@pytest.mark.parametrize("names", [ORDINARY, *AWKWARD.values()], ids=["ordinary", *AWKWARD])
def test_tables_fit_eighty_cells(tmp_path: Path, names: tuple[str, ...], line: str) -> None:
    _lay(tmp_path, names)
    outcome = run(line.split(), tmp_path)
    assert outcome.code == 0
    assert [row for row in outcome.stdout.splitlines() if _cells(row) > 80] == []


@pytest.mark.parametrize("line", [*COMMANDS, "eval truth.json pred.json --format markdown"])
@pytest.mark.parametrize("kind", AWKWARD)
def test_no_name_writes_to_the_terminal(tmp_path: Path, kind: str, line: str) -> None:
    _lay(tmp_path, AWKWARD[kind])
    outcome = run(line.split(), tmp_path)
    assert outcome.code == 0
    hidden = ("Cc", "Cf", "Zl", "Zp")
    printed = outcome.stdout + outcome.stderr
    assert [c for c in printed if c != "\n" and unicodedata.category(c) in hidden] == []


@pytest.mark.parametrize("kind", AWKWARD)
def test_the_accumulation_table_shows_such_names_too(tmp_path: Path, kind: str) -> None:
    _lay(tmp_path, AWKWARD[kind])
    for rendering in ("text", "markdown"):
        outcome = run(
            ["eval", "truth.json", "pred.json", "--accumulation", AWKWARD[kind][0], "--format", rendering], tmp_path
        )
        assert outcome.code == 0
        assert [c for c in outcome.stdout if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")] == []


def test_escapes_in_file_names_are_spelt_out(tmp_path: Path) -> None:
    outcome = run(["stats", "a\x1b[31m\x07.json"], tmp_path)
    assert outcome.code == 2
    assert "a\\x1b[31m\\x07.json: no such file or folder" in outcome.stderr


def test_names_stay_as_they_are_in_json(tmp_path: Path) -> None:
    _lay(tmp_path, AWKWARD["escape"])
    rows = json.loads(run(["eval", "truth.json", "pred.json", "--format", "json"], tmp_path).stdout)["per_class"]
    assert [row["name"] for row in rows] == list(AWKWARD["escape"])


def test_markdown_cells_cannot_break_the_table(tmp_path: Path) -> None:
    _lay(tmp_path, AWKWARD["markdown"])
    text = run(["eval", "truth.json", "pred.json", "--format", "markdown"], tmp_path).stdout
    assert "| a\\|b |" in text
    assert "| \\*c\\* |" in text
    assert "<script>" not in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding_spells_characters_out(tmp_path: Path, encoding: str) -> None:
    _lay(tmp_path, ("猫", "dog", "horse"))
    outcome = run(["eval", "truth.json", "pred.json"], tmp_path, encoding=encoding)
    assert outcome.code == 0
    assert "\\u732b" in outcome.stdout


def test_json_on_a_narrow_encoding_is_still_json(tmp_path: Path) -> None:
    _lay(tmp_path, ("猫", "dog", "horse"))
    outcome = run(["eval", "truth.json", "pred.json", "--format", "json"], tmp_path, encoding="ascii")
    assert json.loads(outcome.stdout)["per_class"][0]["name"] == "猫"


def test_an_ascii_terminal_in_a_process_of_its_own(tmp_path: Path) -> None:
    _lay(tmp_path, ("猫", "dog", "horse"))
    done = subprocess.run(
        command(["stats", "truth.json"]),
        cwd=tmp_path,
        env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C"),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert b"\\u732b" in done.stdout
    assert done.stderr == b""


def test_quiet_leaves_errors_and_data(tmp_path: Path) -> None:
    _lay(tmp_path, ORDINARY)
    loud = run(["eval", "truth.json", "pred.json", "--unmapped", "count"], tmp_path)
    quiet = run(["-q", "eval", "truth.json", "pred.json", "--unmapped", "count"], tmp_path)
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, loud.stdout, "")
    assert run(["-q", "stats", "nope"], tmp_path).stderr == "error: nope: no such file or folder\n"


def test_findings_are_cut_and_counted(tmp_path: Path) -> None:
    records = [{**record, "score": "high"} for record in make.predictions() * 4]
    make.lay(tmp_path, {"truth.json": make.truth(), "pred.json": records})
    outcome = run(["eval", "truth.json", "pred.json"], tmp_path)
    assert outcome.code == 2
    assert "24 unusable rows" in outcome.stderr
    assert "and 19 more" in outcome.stderr


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    _lay(tmp_path, ORDINARY)
    line = f"{' '.join(command(['eval', 'truth.json', 'pred.json', '--format', 'json']))} | head -1"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_a_full_disk_is_an_error_of_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(["stats", str(DEMO / "data.yaml")]),
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr == "error: stdout: No space left on device\n"


def test_a_reader_who_leaves_is_no_failed_verdict() -> None:
    """`detkit ... | head` must not look like exit 1, which means judged and failed."""
    truth, found = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
    line = command(["eval", str(truth), str(found), "--format", "json", "--analyses", "all"])
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
        process.wait(timeout=120)
    assert process.returncode == 141
    assert b"error" not in said
    assert b"Traceback" not in said


def _at_a_terminal(arguments: list[str], cwd: Path, columns: int) -> tuple[int, str]:
    """Exit code, and what a terminal of so many columns shows of stderr; stdout is a pipe."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import os
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        command(arguments), cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave
    ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            shown += part
        process.communicate(timeout=60)
    os.close(master)
    return process.returncode, shown.decode("utf-8").replace("\r\n", "\n")


def test_lines_are_broken_between_words_on_a_terminal_only(tmp_path: Path) -> None:
    make.lay(tmp_path, {"truth.json": named(*ORDINARY), "pred.json": make.predictions()})
    line = ["eval", "truth.json", "pred.json", "--names", "a file whose name is long enough to need a second line.txt"]
    piped = run(line, tmp_path)
    code, shown = _at_a_terminal(line, tmp_path, 40)
    assert (piped.code, code) == (2, 2)
    assert len(piped.stderr.splitlines()) == 2
    assert len(shown.splitlines()) > 2
    assert max(map(len, shown.splitlines())) <= 40
    assert shown.split() == piped.stderr.split()


def test_a_hint_stays_on_one_line(tmp_path: Path) -> None:
    """It may hold a command, which must survive being copied."""
    _lay(tmp_path, ORDINARY)
    line = ["eval", "truth.json", "pred.json", "--require", "AP"]
    code, shown = _at_a_terminal(line, tmp_path, 30)
    assert code == 2
    assert "hint: quote it: --require 'AP>=0.40'" in shown.splitlines()
    lay = ["eval", "truth.json", "pred.json", "--format", "json", "-o", "result.json"]
    assert run(lay, tmp_path).code == 0
    code, shown = _at_a_terminal(["ci", "init", "result.json"], tmp_path, 30)
    assert code == 0
    (line_of_hint,) = [line for line in shown.splitlines() if line.startswith("hint: commit them: git add ")]
    assert line_of_hint.endswith("&& git commit -m 'Gate detection metrics'")


def test_a_verdict_beside_the_accumulation_table_keeps_its_lines(tmp_path: Path) -> None:
    _lay(tmp_path, ORDINARY)
    line = ["eval", "truth.json", "pred.json", "--accumulation", "cat", "--require", "AP>=0.01"]
    outcome = run(line, tmp_path)
    assert "\\n" not in outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("verdict: ")


def test_details_leave_no_class_out(tmp_path: Path) -> None:
    boxes = [{"image_id": 1, "category_id": n, "bbox": [0, 0, n, n]} for n in range(1, 26)]
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}],
        "categories": [{"id": n, "name": f"class{n}"} for n in range(1, 26)],
        "annotations": [{"id": n, "area": n * n, "iscrowd": 0, **box} for n, box in enumerate(boxes, 1)],
    }
    make.lay(tmp_path, {"truth.json": truth, "pred.json": [{**box, "score": 0.5} for box in boxes]})
    line = ["eval", "truth.json", "pred.json", "--require", "class.*.AP>=0.5"]
    short, full = (run([*line, *more], tmp_path).stdout for more in ([], ["--details"]))
    assert "... 5 more classes (all of them: --details)" in short
    assert "class.*.AP: 25 of 25 pass" in short
    assert "class.class25.AP " not in short
    assert [len([row for row in full.splitlines() if row.startswith(f"class{n} ")]) for n in range(1, 26)] == [1] * 25
    assert [len([row for row in full.splitlines() if f".class{n}.AP " in row]) for n in range(1, 26)] == [1] * 25


@pytest.mark.parametrize("kept", [True, False])
def test_the_first_run_says_that_it_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: bool) -> None:
    from rich.console import Console

    from detkit.cli import _console
    from detkit.kernels import _store

    said: list[str] = []
    monkeypatch.setattr(_console, "_is_terminal", lambda stream: True)
    monkeypatch.setattr(Console, "status", lambda self, text: said.append(text) or contextlib.nullcontext())
    monkeypatch.setattr(_store, "folder", lambda: tmp_path if kept else tmp_path / "none yet")
    for compiles in (True, False):
        with _console.working("scoring", compiles=compiles):
            pass
    note = "" if kept else " (compiling kernels, in the first run only)"
    assert said == [f"scoring{note}", "scoring"]
