from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli._run import DEMO, run

FILES = DEMO / "predictions"
TRUTH = DEMO / "coco" / "instances_val.json"


def test_the_same_predictions_in_two_formats_differ_by_rounding_only(tmp_path: Path) -> None:
    rules = ["--require", "unmatched<=0", "--require", "score_shift.max<=1e-6", "--require", "corner_shift.max<=0.01"]
    done = run(["diff", FILES / "coco.json", FILES / "yolo", "--truth", TRUTH, *rules], tmp_path)
    assert done.code == 0, done.stdout + done.stderr
    assert "verdict: passed" in done.stdout


def test_a_worse_model_differs(tmp_path: Path) -> None:
    done = run(["diff", FILES / "coco.json", FILES / "coco_worse.json", "--require", "unmatched<=0"], tmp_path)
    assert done.code == 1
    assert "verdict: FAILED" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 100


def test_json_has_schema_numbers_and_verdict(tmp_path: Path) -> None:
    done = run(
        ["diff", FILES / "coco.json", FILES / "coco_worse.json", "--format", "json", "-o", "diff.json",
         "--require", "unmatched<=0"],
        tmp_path,
    )  # fmt: skip
    assert done.code == 1
    found = json.loads((tmp_path / "diff.json").read_text(encoding="utf-8"))
    assert found["schema"] == "detkit.diff/1"
    assert found["gate"]["outcome"] == "fail"
    numbers = found["metrics"]
    assert numbers["unmatched"] == numbers["unmatched_a"] + numbers["unmatched_b"] == found["gate"]["rules"][0]["value"]
    assert sum(row["matched"] for row in found["per_class"]) == numbers["matched"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--require", "unmatched"], 2, "no operator"),
        (["--require", "AP>=0.5"], 2, "unknown metric `AP`"),
        (["--iou-threshold", "0"], 2, "iou threshold is 0"),
        (["--format", "csv"], 2, "--format: found `csv`"),
        (["--score-threshold", "1.5"], 3, "nothing to compare"),
    ],
)
def test_wrong_requests(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = run(["diff", FILES / "coco.json", FILES / "coco_worse.json", *arguments], tmp_path)
    assert done.code == code
    assert message in done.stderr


def test_undefined_is_not_passed(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]", encoding="utf-8")
    done = run(["diff", FILES / "coco.json", "none.json", "--require", "iou.min>=0.5"], tmp_path)
    assert done.code == 3
    assert "CANNOT BE JUDGED" in done.stdout
