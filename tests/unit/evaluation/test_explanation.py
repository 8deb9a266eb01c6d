"""What moved a metric: shares that add up, images counted as the evaluation counts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detkit
from detkit.errors import CannotJudgeError, InputError
from detkit.evaluation.explanation import best_score, explain, image_counts, statistics_of
from detkit.evaluation.matches import compact, match_table
from detkit.evaluation.result import Evaluation
from detkit.reports.explanation import text

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo"


def scored(name: str) -> Evaluation:
    return detkit.evaluate(DEMO / "coco" / "instances_val.json", DEMO / "predictions" / name, with_partners=True)


@pytest.fixture(scope="module")
def good() -> Evaluation:
    return scored("coco.json")


@pytest.fixture(scope="module")
def worse() -> Evaluation:
    return scored("coco_worse.json")


def made_up(**values: float | None) -> dict[str, Any]:
    """A result with these AP values of its classes."""
    defined = [v for v in values.values() if v is not None]
    rows = [
        {"category_id": n, "name": name, "AP": value, "ground_truths": 5 if value is not None else 0}
        for n, (name, value) in enumerate(values.items())
    ]
    return {"metrics": {"AP": sum(defined) / len(defined)}, "per_class": rows}


def test_shares_of_classes_add_up_to_the_change() -> None:
    found = explain(made_up(cat=0.5, dog=0.25, kite=None, owl=0.75), made_up(cat=0.75, dog=0.125, kite=None, owl=0.75))
    assert (found.before, found.after) == ((0.75 + 0.125 + 0.75) / 3, (0.5 + 0.25 + 0.75) / 3)
    assert [(row.name, row.delta, row.share) for row in found.classes] == [
        ("cat", 0.5 - 0.75, (0.5 - 0.75) / 3),
        ("dog", 0.25 - 0.125, (0.25 - 0.125) / 3),
    ]
    assert found.unmoved == 2
    assert found.delta is not None
    assert sum(row.share or 0 for row in found.classes) == pytest.approx(found.delta, abs=1e-15)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_shares_add_up_on_any_values(pairs: list[tuple[float, float]]) -> None:
    before, after = ({f"c{n}": pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    found = explain(made_up(**after), made_up(**before))
    assert found.delta is not None
    assert sum(row.share or 0 for row in found.classes) == pytest.approx(found.delta, abs=1e-12)
    assert [row.delta for row in found.classes] == sorted(a - b for b, a in pairs if a != b)


def test_no_share_where_the_means_go_over_different_classes() -> None:
    found = explain(made_up(cat=0.5, dog=0.5), made_up(cat=0.75, dog=None))
    assert [(row.name, row.share) for row in found.classes] == [("cat", None)]
    other = explain(made_up(cat=0.5, owl=0.5), made_up(cat=0.75, dog=0.5))
    assert other.notes == ("2 classes are in one of the two results only",)


def test_the_demo_is_explained_as_a_whole(good: Evaluation, worse: Evaluation) -> None:
    found = explain(worse.to_dict(), good.to_dict(), matches=compact(worse), baseline_matches=compact(good))
    assert found.delta == worse.metrics["AP"] - good.metrics["AP"]  # type: ignore[operator]
    assert sum(row.share or 0 for row in found.classes) == pytest.approx(found.delta, abs=1e-12)
    assert [row.name for row in found.classes] == ["star", "triangle", "circle", "square"]
    assert found.worse + found.better + found.same == 20
    assert [image.errors for image in found.images] == sorted((i.errors for i in found.images), reverse=True)
    assert all(image.errors > 0 for image in found.images)
    assert len(found.images) == min(10, found.worse)
    json.dumps(found.to_dict(), allow_nan=False)


def without_names(result: Evaluation) -> dict[str, Any]:
    """Matches as an earlier version saved them."""
    arrays = compact(result)
    meta = json.loads(bytes(arrays["meta"]))
    assert meta.pop("file_names") == list(result.truth.images.file_names)
    return {**arrays, "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}


def test_images_have_the_names_that_the_truth_gives_them(good: Evaluation, worse: Evaluation) -> None:
    names = dict(zip(good.truth.images.ids.tolist(), good.truth.images.file_names, strict=True))
    sides = (compact, compact), (compact, without_names), (without_names, compact)
    for now, before in sides:
        found = explain(worse.to_dict(), good.to_dict(), matches=now(worse), baseline_matches=before(good))
        assert [image.file_name for image in found.images] == [names[image.image_id] for image in found.images]
        assert all(image.file_name for image in found.images)
    old = explain(worse.to_dict(), good.to_dict(), matches=without_names(worse), baseline_matches=without_names(good))
    assert {image.file_name for image in old.images} == {None}
    shown = {
        name: text({"metrics": [], "images": one.to_dict()["images"], "notes": []}).splitlines()[3].split()
        for name, one in (("new", found), ("old", old))
    }
    assert (shown["new"][:3], shown["old"][:2]) == (["image", "id", "TP"], ["image", "TP"])


def test_nothing_moved_against_itself(good: Evaluation) -> None:
    same = explain(good.to_dict(), good.to_dict(), matches=compact(good), baseline_matches=compact(good))
    assert (same.delta, same.classes, same.images) == (0.0, (), ())
    assert (same.worse, same.better, same.same, same.unmoved) == (0, 0, 20, 4)


@pytest.mark.parametrize("score", [0.0, 0.3, 0.7, 2.0])
def test_images_are_counted_as_the_match_table_counts_them(worse: Evaluation, score: float) -> None:
    """An independent count, box by box; a truth whose partner falls below the score is missed too."""
    table = match_table(worse)
    expected = {image: [0, 0, 0] for image in worse.truth.images.ids.tolist()}
    for image, outcome, own in zip(table["image_id"], table["outcome"], table["score"], strict=True):
        if outcome == "FN":
            expected[image][2] += 1
        elif outcome in ("TP", "FP"):
            if own >= score:
                expected[image][0 if outcome == "TP" else 1] += 1
            elif outcome == "TP":
                expected[image][2] += 1
    ids, counts, iou = image_counts(compact(worse), score)
    assert iou == 0.5
    assert dict(zip(ids, counts.tolist(), strict=True)) == expected
    points = worse.operating_points
    if score in points.score:
        at = int(np.flatnonzero(points.score == score)[0])
        assert counts.sum(axis=0).tolist() == [points.tp[at], points.fp[at], points.truths - points.tp[at]]


def test_the_score_is_that_of_the_best_f1(good: Evaluation) -> None:
    points = good.operating_points
    f1 = [2 * t / (2 * t + f + points.truths - t) for t, f in zip(points.tp.tolist(), points.fp.tolist(), strict=True)]
    assert best_score(good.to_dict()) == points.score[f1.index(max(f1))]
    assert best_score({"operating_points": None}) == 0.0
    assert best_score({"operating_points": {"score": [0.0], "tp": [0], "fp": [0], "fn": [0]}}) == 0.0


def test_matches_of_other_images_are_not_compared(good: Evaluation) -> None:
    other = detkit.evaluate(
        DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json", images=[str(good.truth.images.ids[3])]
    )
    found = explain(good.to_dict(), good.to_dict(), matches=compact(other), baseline_matches=compact(good))
    assert found.iou is None
    assert "other images" in found.notes[0]


@pytest.mark.parametrize(
    "arrays", [{}, {"meta": np.frombuffer(b"[]", np.uint8)}, {"meta": np.frombuffer(b"{", np.uint8)}]
)
def test_what_is_no_matches_is_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not saved matches"):
        image_counts(arrays, 0.5)


def test_no_classes_is_nothing_to_explain_by() -> None:
    with pytest.raises(CannotJudgeError, match="no values per class"):
        explain({"metrics": {"AP": 0.5}, "per_class": []}, made_up(cat=0.5))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([("AP50", "fail"), ("AP75", "pass")], ("AP50",)),
        ([("AP50", "pass"), ("AP75", "pass")], ("AP50", "AP75")),
        ([("class.star.AP75", "fail")], ("AP75",)),
        ([("worst_class.AP50", "warn")], ("AP50",)),
        ([("size.small.AP", "fail")], ("APsmall",)),
        ([("mAP50-95", "fail")], ("AP",)),
        ([("latency.p95_ms", "fail")], ("AP",)),
        ([("recall@score=0.4", "fail"), ("AR100", "fail")], ("AR100",)),
    ],
)
def test_which_statistics_explain_a_verdict(
    good: Evaluation, rules: list[tuple[str, str]], expected: tuple[str, ...]
) -> None:
    rows = [{"metric": metric, "verdict": verdict} for metric, verdict in rules]
    assert statistics_of(rows, good.to_dict()) == expected
