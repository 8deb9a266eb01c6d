"""The bad-input table: every row has its exit code and its message, no traceback, and leaves nothing half done."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cli import _bad_files, _bad_formats, _bad_requests, _odd
from cli import _inputs as make
from cli._bad import Bad
from cli._run import run, tree

TABLE: list[Bad] = [
    *_bad_files.FILES,
    *_bad_files.RECORDS,
    *_bad_files.IDS,
    *_bad_formats.YOLO,
    *_bad_formats.VOC,
    *_bad_formats.AGAIN,
    *_bad_requests.RULES,
    *_bad_requests.OPTS,
    *_bad_requests.OUT,
    *_odd.ODD,
]


@pytest.mark.parametrize("bad", TABLE, ids=[bad.name for bad in TABLE])
def test_bad_input_has_its_code_and_message(tmp_path: Path, bad: Bad) -> None:
    make.lay(tmp_path, {"truth.json": make.truth(), "pred.json": make.predictions(), **bad.files})
    before = {name: _content(tmp_path / name) for name in tree(tmp_path)}
    outcome = run(shlex.split(bad.line), tmp_path)
    printed = outcome.stderr + outcome.stdout
    assert outcome.code == bad.code, printed
    for fragment in bad.says:
        assert fragment in printed
    assert "Traceback" not in printed
    assert "a bug in detkit" not in printed
    assert not [line for line in printed.splitlines() if line.startswith("error: ") and line.endswith(".")]
    assert "\x1b" not in (outcome.stderr if "--format csv" in bad.line else printed)
    if not bad.leaves:
        assert {name: _content(tmp_path / name) for name in tree(tmp_path)} == before
    assert not [name for name in tree(tmp_path) if name.endswith((".tmp", ".old"))]


def test_names_of_the_rows_differ() -> None:
    names = [bad.name for bad in TABLE]
    assert [name for name in names if names.count(name) > 1] == []
    assert len(names) >= 60


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
