"""Comparisons of models: what is read off the replicates, ranking, rules, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit.api.comparing import group_images
from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation import comparison
from detkit.evaluation.comparison_rules import judge_comparison
from detkit.evaluation.uncertainty import Resampling
from detkit.reports import render_comparison
from detkit.tables import freeze

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
TRUTH, A, B = (
    DEMO / "coco" / "instances_val.json",
    *(DEMO / "predictions" / n for n in ("coco.json", "coco_worse.json")),
)
COCO = {"truth_format": "coco", "predictions_format": "coco"}


@pytest.fixture(scope="module")
def results() -> Any:
    return [("a", detkit.evaluate(TRUTH, A, **COCO)), ("b", detkit.evaluate(TRUTH, B, **COCO))]


@pytest.fixture(scope="module")
def found(results: Any) -> comparison.Comparison:
    few = np.arange(6)
    return comparison.compare(
        results, Resampling(200, 0, permutations=200), slices={"few": few, "rest": np.arange(6, 20)}
    )


def test_delta_is_b_minus_a_and_its_interval_holds_it(results: Any, found: comparison.Comparison) -> None:
    (pair,) = found.pairs
    for name, row in pair.metrics.items():
        assert (row.a, row.b) == (results[0][1].metrics[name], results[1][1].metrics[name])
        assert row.delta == results[1][1].metrics[name] - results[0][1].metrics[name]
        assert row.ci is not None
        assert row.ci[0] <= row.delta <= row.ci[1]
        assert row.p_value is not None
        assert 1 / 201 <= row.p_value <= 1
    assert [name for _, name, _ in pair.per_class] == [row.name for row in results[0][1].per_class]


def test_a_model_does_not_differ_from_itself(results: Any) -> None:
    (pair,) = comparison.compare([results[0], ("again", results[0][1])], Resampling(50, permutations=50)).pairs
    for row in pair.metrics.values():
        assert (row.delta, row.ci, row.p_value, row.direction) == (0.0, (0.0, 0.0), 1.0, 0)


def test_exchanging_the_models_turns_every_sign(results: Any, found: comparison.Comparison) -> None:
    (pair,) = comparison.compare(results[::-1], Resampling(200, 0, permutations=200)).pairs
    for name, row in found.pairs[0].metrics.items():
        other = pair.metrics[name]
        assert other.delta == -row.delta  # type: ignore[operator]
        assert other.ci == pytest.approx((-row.ci[1], -row.ci[0]), abs=1e-12)  # type: ignore[index]
        assert other.p_value == row.p_value


def test_a_slice_is_an_evaluation_of_its_images(found: comparison.Comparison) -> None:
    names = [image.removesuffix(".jpg") for image in detkit.read(TRUTH, format="coco").images.file_names[:6]]
    alone = detkit.evaluate(TRUTH, A, images=names, **COCO)
    assert found.pairs[0].slices["few"]["AP"].a == pytest.approx(alone.metrics["AP"], abs=1e-12)
    assert set(found.pairs[0].slices) == {"few", "rest"}


def test_three_models_are_ranked(results: Any) -> None:
    several = comparison.compare([*results, ("same", results[0][1])], Resampling(100, permutations=0))
    assert [(s.label, s.rank) for s in several.ranking] == [("a", 1), ("same", 1), ("b", 3)]
    assert sum(s.first for s in several.ranking if s.first is not None) == pytest.approx(1)
    assert several.ranking[0].first == several.ranking[1].first
    assert [(p.a, p.b) for p in several.pairs] == [("a", "b"), ("a", "same")]
    plain = several.to_dict()
    assert len(plain["pairs"]) == 2
    assert plain["metrics"] == plain["pairs"][0]["metrics"]
    assert plain["metrics"]["AP"]["p_value"] is None


def test_json_holds_the_contract(found: comparison.Comparison) -> None:
    plain = json.loads(render_comparison(found.to_dict(), None, "json"))
    assert plain["schema"] == "detkit.comparison/1"
    assert set(plain["metrics"]["AP"]) == {"a", "b", "delta", "ci", "p_value", "undefined"}
    assert plain["settings"]["replicates"] == 200
    assert "pairs" not in plain


def test_text_says_the_difference_first_and_fits_the_terminal(found: comparison.Comparison) -> None:
    text = render_comparison(found.to_dict())
    row = found.pairs[0].metrics["AP"]
    assert text.startswith(f"no difference shown: AP {row.a:.4f} -> {row.b:.4f}, {row.delta:+.4f} [")
    assert max(map(len, text.splitlines())) <= 80
    markdown = render_comparison(found.to_dict(), None, "markdown")
    assert markdown.startswith("**no difference shown")


@pytest.mark.parametrize(
    ("ci", "words"),
    [((0.01, 0.02), "B is better"), ((-0.02, -0.01), "B is worse"), ((0.0, 0.02), "no difference shown")],
)
def test_better_is_said_only_of_a_whole_interval(found: comparison.Comparison, ci: Any, words: str) -> None:
    plain = found.to_dict()
    plain["metrics"]["AP"] = {**plain["metrics"]["AP"], "ci": list(ci)}
    assert render_comparison(plain).startswith(words)
    row = replace(found.pairs[0].metrics["AP"], ci=ci)
    assert row.direction == {"B is better": 1, "B is worse": -1}.get(words, 0)


def test_rules(found: comparison.Comparison) -> None:
    row = found.pairs[0].metrics["AP"]
    assert row.ci is not None
    verdicts = {
        f"AP.ci_high>={row.ci[1]!r}": "pass",
        f"AP.ci_high>{row.ci[1]!r}": "fail",
        "AP.delta>=0": "fail",
        "AP.p_value<=1": "pass",
        "class.star.AP50.delta<=1": "pass",
        "slice.few.AP.ci_low>=-1": "pass",
    }
    report = judge_comparison(found, list(verdicts))
    assert [r.verdict for r in report.rows] == list(verdicts.values())
    for wrong in ("AP>=0.1", "XP.delta>=0", "class.nobody.AP.delta>=0"):
        with pytest.raises(UsageError):
            judge_comparison(found, [wrong])


def test_what_does_not_belong_together_is_refused(results: Any) -> None:
    with pytest.raises(UsageError, match="expected two or more"):
        comparison.compare(results[:1])
    other = detkit.evaluate(TRUTH, B, protocol="voc2012", **COCO)
    with pytest.raises(CannotJudgeError, match="different protocol settings"):
        comparison.compare([results[0], ("other", other)])
    truth = results[0][1].truth
    moved = replace(
        truth, annotations=replace(truth.annotations, category_index=freeze(truth.annotations.category_index[::-1]))
    )
    with pytest.raises(CannotJudgeError, match="different truths: their objects differ"):
        comparison.compare([results[0], ("moved", detkit.evaluate(moved, results[1][1].detections))])
    fewer = detkit.evaluate(truth.take_images(np.arange(10)), results[1][1].detections)
    with pytest.raises(CannotJudgeError, match="different truths: their images differ"):
        comparison.compare([results[0], ("fewer", fewer)])


def test_groups_from_mapping_file_and_expression(results: Any, tmp_path: Path) -> None:
    result = results[0][1]
    names = result.truth.images.file_names
    expected = [name[-5] for name in names]
    by_name = dict(zip(names, expected, strict=True))
    (tmp_path / "g.json").write_text(json.dumps(by_name), encoding="utf-8")
    (tmp_path / "g.csv").write_text(
        "image,group\n" + "\n".join(f"{k},{v}" for k, v in by_name.items()), encoding="utf-8"
    )
    by_id = dict(zip(result.truth.images.ids.tolist(), expected, strict=True))
    for groups in (by_name, by_id, tmp_path / "g.json", str(tmp_path / "g.csv"), r"(\d)\.jpg$"):
        assert group_images(result, groups) == expected
    grouped = comparison.compare(results, Resampling(30, permutations=0), groups=expected)
    assert (grouped.settings["unit"], grouped.settings["units"]) == ("group", len(set(expected)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": "b"}, "20 of 20 images have no group"),
        ("[", "neither a file"),
        (r"\d+", "expected one"),
        ("^(x)", "does not fit"),
    ],
)
def test_wrong_groups(results: Any, groups: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        group_images(results[0][1], groups)


def test_a_csv_of_three_columns_is_no_grouping(results: Any, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("a,b,c\n", encoding="utf-8")
    with pytest.raises(InputError, match="has 3 columns"):
        group_images(results[0][1], tmp_path / "g.csv")


def test_a_rule_on_a_name_that_several_classes_have_is_refused(found: comparison.Comparison) -> None:
    (pair,) = found.pairs
    (identifier, name, rows), *others = pair.per_class
    twins = replace(pair, per_class=((identifier, name, rows), (99, name, rows), *others))
    with pytest.raises(UsageError, match=rf"several classes are named `{name}` \(ids {identifier}, 99\)"):
        judge_comparison(replace(found, pairs=(twins,)), [f"class.{name}.AP.delta>=0"])


def test_a_class_may_be_quoted_in_a_rule(found: comparison.Comparison) -> None:
    (row,) = judge_comparison(found, ['class["star"].AP50.delta<=1']).rows
    assert row.verdict == "pass"
