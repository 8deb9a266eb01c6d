"""`detkit eval --shard`, `--shards` and `detkit merge-results`, as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
EVAL = ["eval", TRUTH, PREDICTIONS]


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    names = []
    for number in (1, 2, 3):
        names.append(f"part-{number}.npz")
        done = run([*EVAL, "--shard", f"{number}/3", "-o", names[-1]], tmp_path)
        assert (done.code, done.stdout) == (0, ""), done.stderr
        assert f"wrote {names[-1]}: part {number} of 3" in done.stderr
    return names


@pytest.mark.parametrize("format", ["json", "text", "markdown", "csv"])
def test_what_is_printed_is_what_one_process_prints(parts: list[str], tmp_path: Path, format: str) -> None:
    one = run([*EVAL, "--format", format], tmp_path)
    folded = run(["merge-results", *reversed(parts), "--format", format], tmp_path)
    assert (folded.code, folded.stdout) == (one.code, one.stdout) == (0, one.stdout)
    assert folded.stderr == one.stderr


def test_all_shards_in_one_command(tmp_path: Path) -> None:
    one = run([*EVAL, "--format", "json"], tmp_path)
    assert run([*EVAL, "--format", "json", "--shards", "4"], tmp_path).stdout == one.stdout


def test_rules_judge_the_folded_result(parts: list[str], tmp_path: Path) -> None:
    done = run(["merge-results", *parts, "--require", "AP>=0.999", "--format", "json", "-o", "r.json"], tmp_path)
    assert done.code == 1, done.stderr
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["schema"] == "detkit.evaluation/1"
    assert run(["merge-results", *parts, "--require", "AP>=0.001"], tmp_path).code == 0


def test_wrong_requests(parts: list[str], tmp_path: Path) -> None:
    foreign = [*EVAL, "--protocol", "voc2012", "--shard", "2/3", "-o", "foreign.npz"]
    assert run(foreign, tmp_path).code == 0
    for arguments, code, message in (
        (["merge-results", *parts[:2]], 2, "part 3 of 3 missing"),
        (["merge-results", *parts, parts[0]], 2, "part 1/3 is given twice"),
        (["merge-results", parts[0], "foreign.npz", parts[2]], 3, "parts of different evaluations"),
        (["merge-results", TRUTH], 2, "no part of an evaluation"),
        (["merge-results", *parts, "-o", parts[0]], 2, "is an input of this command"),
        ([*EVAL, "--shard", "4/3", "-o", "x.npz"], 2, "shard 4/3"),
        ([*EVAL, "--shard", "1/3"], 2, "none is named"),
        ([*EVAL, "--shard", "1/3", "-o", parts[0]], 2, "exists"),
        ([*EVAL, "--workers", "2"], 2, "add --shards N"),
        ([*EVAL, "--shards", "2", "--save-matches", "m.npz"], 2, "--save-matches needs all predictions at once"),
        ([*EVAL, "--shards", "2", "--matches", "m.csv"], 2, "--matches needs all predictions at once"),
    ):
        done = run(arguments, tmp_path)
        assert (done.code, done.stdout) == (code, ""), done.stderr
        assert message in done.stderr, arguments
