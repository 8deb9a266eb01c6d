"""What a user must be told before trusting a number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import detkit
from cli._run import DEMO, run
from detkit.cli import _console
from detkit.findings import Finding

TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The demo's truth without the class `star`, whose objects stay."""
    truth = json.loads(TRUTH.read_text())
    truth["categories"] = [c for c in truth["categories"] if c["name"] != "star"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(truth))
    return path


def test_a_gate_does_not_judge_by_a_truth_with_dangling_references(broken: Path) -> None:
    verdict = detkit.gate(detkit.evaluate(broken, PREDICTIONS), ["AP>=0.01"])
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 3)
    assert "19 rows name an image or a class" in verdict.problems[0]


def test_outlines_scored_as_boxes_are_said(tmp_path: Path) -> None:
    results = json.loads(PREDICTIONS.read_text())
    for row in results:
        x, y, w, h = row.pop("bbox")
        row["keypoints"] = [x, y, 2, x + w, y + h, 2]
    (tmp_path / "keypoints.json").write_text(json.dumps(results))
    found = detkit.evaluate(TRUTH, tmp_path / "keypoints.json").findings
    assert [(f.code, f.count) for f in found if f.code == "DK206"] == [("DK206", len(results))]
    assert "DK206" not in {f.code for f in detkit.evaluate(TRUTH, PREDICTIONS).findings}


def test_a_conversion_counts_what_it_wrote(tmp_path: Path) -> None:
    truth = json.loads(TRUTH.read_text())
    truth["annotations"][0]["iscrowd"] = 1
    (tmp_path / "crowd.json").write_text(json.dumps(truth))
    dropped = detkit.convert(tmp_path / "crowd.json", tmp_path / "a", "yolo")
    kept = detkit.convert(tmp_path / "crowd.json", tmp_path / "b", "yolo", write_options={"crowds": "keep"})
    count = len(truth["annotations"])
    assert (dropped.boxes, kept.boxes) == (count - 1, count)
    assert detkit.stats(tmp_path / "a").boxes == count - 1


def test_an_accumulation_table_does_not_hide_the_verdict() -> None:
    done = run(["eval", TRUTH, PREDICTIONS, "--accumulation", "star", "--require", "AP>=0.99"], DEMO)
    assert done.code == 1
    assert "verdict: FAILED (1 fail)" in done.stderr
    assert "AP50 = " in done.stdout


def test_one_kind_of_finding_does_not_crowd_out_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    many = [Finding("DK105", f"row {i}") for i in range(50)]
    _console.findings([*many, Finding("DK702", "a class")])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["error DK105"] * 3 + ["warning DK702"]
    assert "47 more findings: 47 DK105" in lines[4]
