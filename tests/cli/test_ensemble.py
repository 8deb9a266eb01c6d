from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cli._run import DEMO, run

RESULTS = [
    {"image_id": 7, "category_id": 3, "bbox": [0, 0, 10, 10], "score": 0.6},
    {"image_id": 7, "category_id": 3, "bbox": [0, 0, 10, 5], "score": 0.5},
    {"image_id": 9, "category_id": 5, "bbox": [4, 4, 8, 8], "score": 0.4},
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with two results files: the second model puts every box one pixel further and scores half."""
    moved = [{**r, "bbox": [r["bbox"][0] + 1, *r["bbox"][1:]], "score": r["score"] / 2} for r in RESULTS]
    (tmp_path / "a.json").write_text(json.dumps(RESULTS), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(moved), encoding="utf-8")
    return tmp_path


def _read(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_fuses_two_files_of_results(here: Path) -> None:
    done = run(["ensemble", "a.json", "b.json", "-o", "both.json", "--weights", "3,1"], here)
    assert done.code == 0, done.stderr
    assert "wrote both.json: 3 boxes from 3 + 3" in done.stderr
    assert "image sizes are unknown" in done.stderr
    first, second, third = _read(here / "both.json")
    assert first["bbox"][0] == pytest.approx((0.6 * 3 * 0 + 0.3 * 1) / (0.6 * 3 + 0.3), abs=1e-6)
    assert first["score"] == pytest.approx((0.6 * 3 + 0.3) / 2 * 2 / 4)
    assert second["score"] == pytest.approx((0.5 * 3 + 0.25) / 2 * 2 / 4)
    assert (third["image_id"], third["category_id"]) == (9, 5)


@pytest.mark.parametrize(("method", "boxes"), [("nms", 3), ("soft-nms", 6), ("soft-linear", 6)])
def test_suppresses_over_all_files(here: Path, method: str, boxes: int) -> None:
    done = run(["ensemble", "a.json", "b.json", "-o", "both.json", "--method", method], here)
    assert done.code == 0, done.stderr
    assert len(_read(here / "both.json")) == boxes
    assert max(r["score"] for r in _read(here / "both.json")) == 0.6


def test_the_demo_is_no_worse_for_a_second_opinion_of_its_own(tmp_path: Path) -> None:
    truth, mine = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"
    done = run(["ensemble", mine, mine, "-o", "twice.json", "--truth", truth], tmp_path)
    assert done.code == 0, done.stderr
    assert "DK403" not in done.stderr
    judged = run(["eval", truth, "twice.json", "--require", "AP50>=0.5"], tmp_path)
    assert judged.code == 0, judged.stdout


def test_files_that_do_not_meet_cannot_be_judged(here: Path) -> None:
    (here / "c.json").write_text(json.dumps([{**RESULTS[0], "image_id": 70}]), encoding="utf-8")
    done = run(["ensemble", "a.json", "c.json", "-o", "both.json"], here)
    assert done.code == 3
    assert "c.json: no image is one of the others'" in done.stderr
    assert not (here / "both.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "1"], "found 1 weight, expected 2"),
        (["--weights", "a,b"], "--weights: found `a,b`"),
        (["--weights", "1,-1"], "expected positive numbers"),
        (["--method", "soft-nms", "--sigma", "0"], "`sigma` is 0.0"),
    ],
)
def test_wrong_requests(here: Path, arguments: list[str], message: str) -> None:
    done = run(["ensemble", "a.json", "b.json", "-o", "both.json", *arguments], here)
    assert done.code == 2
    assert message in done.stderr


def test_an_unusable_row_is_refused_unless_left_out(here: Path) -> None:
    (here / "b.json").write_text(json.dumps([*RESULTS, {**RESULTS[0], "score": None}]), encoding="utf-8")
    assert run(["ensemble", "a.json", "b.json", "-o", "both.json"], here).code == 2
    assert run(["ensemble", "a.json", "b.json", "-o", "both.json", "--drop-invalid"], here).code == 0


def test_inputs_and_outputs_are_not_replaced(here: Path) -> None:
    assert run(["ensemble", "a.json", "b.json", "-o", "a.json", "--overwrite"], here).code == 2
    assert run(["ensemble", "a.json", "b.json", "-o", "both.json"], here).code == 0
    assert run(["ensemble", "a.json", "b.json", "-o", "both.json"], here).code == 2
    before = (here / "both.json").read_bytes()
    assert run(["ensemble", "a.json", "b.json", "-o", "both.json", "--overwrite", "--jobs", "1"], here).code == 0
    assert (here / "both.json").read_bytes() == before


@pytest.mark.parametrize(
    ("method", "score"),
    [
        ("greedy", None),
        ("diou", None),
        ("soft-linear", 0.5 * (1 - 0.5)),
        ("soft-gaussian", 0.5 * math.exp(-(0.5**2) / 0.25)),
        ("matrix", 0.5 * math.exp(-(0.5**2) / 0.25)),
    ],
)
def test_nms_methods(here: Path, method: str, score: float | None) -> None:
    done = run(
        ["nms", "a.json", "-o", "kept.json", "--method", method, "--iou-threshold", "0.4", "--sigma", "0.25"], here
    )
    assert done.code == 0, done.stderr
    found = {(r["image_id"], r["bbox"][3]): r["score"] for r in _read(here / "kept.json")}
    expected = {(7, 10): 0.6, (9, 8): 0.4} | ({} if score is None else {(7, 5): score})
    assert found == pytest.approx(expected)


def test_nms_refuses_to_lower_negative_scores(here: Path) -> None:
    (here / "a.json").write_text(json.dumps([{**RESULTS[0], "score": -1.5}]), encoding="utf-8")
    done = run(["nms", "a.json", "-o", "kept.json", "--method", "matrix"], here)
    assert done.code == 2
    assert "negative" in done.stderr
