"""`detkit frames`: requests; what it writes is tested in test_framing."""

from __future__ import annotations

import sys

import pytest

from cli._run import run, tree


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "exactly one of every, at and fps"),
        (["--every", "2", "--fps", "1"], "exactly one of every, at and fps"),
        (["--at", "x"], "--at: found `x`"),
        (["--fps", "0"], "fps: found 0"),
    ],
)
def test_bad_requests(tmp_path, arguments, message):
    (tmp_path / "a.mp4").touch()
    done = run(["frames", "a.mp4", "-o", "out", *arguments], tmp_path)
    assert done.code == 2, done.stderr
    assert message in done.stderr
    assert tree(tmp_path) == {"a.mp4"}


def test_without_av_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").touch()
    done = run(["frames", "a.mp4", "-o", "out", "--every", "2"], tmp_path)
    assert done.code == 2
    assert done.stderr.splitlines() == [
        "error: this needs `av`, which is not installed",
        'hint: pip install "detkit[video]"',
    ]
