"""Bootstrap replicates against a slow twin on repeated images, intervals, p-values, and what does not change them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation import protocols
from detkit.evaluation.matches import compact
from detkit.evaluation.outcomes import Outcomes, outcomes_of, require_same_truth, saved_outcomes
from detkit.evaluation.replicates import Resampler, bootstrap_draw, permutation_draw
from detkit.evaluation.result import metric_rows
from detkit.evaluation.uncertainty import (
    Resampling,
    bootstrap,
    class_rows,
    intervals,
    p_values,
    percentile_interval,
    permuted_differences,
    require_metrics,
)
from detkit.kernels.match import FALSE, IGNORED, TRUE

quick = settings(derandomize=True, deadline=None, max_examples=40)
SMALL = protocols.get(
    "coco",
    iou_thresholds=(0.5, 0.75),
    area_ranges=(protocols.AreaRange("all", 0.0, 1e10), protocols.AreaRange("small", 0.0, 1024.0)),
    max_detections=(1, 3),
)
VOC = protocols.get("voc2012")
ELEVEN = protocols.get("voc2007")


def made(seed: int, protocol: Any = SMALL, images: int = 6, classes: int = 2) -> Outcomes:
    """Random outcomes with many tied scores, ignored detections and truths; true positives never exceed the truths."""
    rng = np.random.default_rng(seed)
    areas, thresholds = len(protocol.area_ranges), len(protocol.iou_thresholds)
    columns: dict[str, list[Any]] = {name: [] for name in ("image", "class", "score", "rank", "gt_image", "gt_class")}
    outcome, ignored = [], []
    for k in range(classes):
        for i in range(images):
            truths = int(rng.integers(0, 4))
            gone = rng.random((areas, truths)) < 0.2
            columns["gt_image"] += [i] * truths
            columns["gt_class"] += [k] * truths
            ignored.append(gone)
            scores = sorted(rng.integers(1, 5, int(rng.integers(0, 5))) / 4, reverse=True)
            left = np.repeat((~gone).sum(axis=1)[:, None], thresholds, axis=1)
            for rank, score in enumerate(scores):
                kind = rng.choice([FALSE, TRUE, IGNORED], (areas, thresholds), p=[0.4, 0.5, 0.1])
                kind = np.where((kind == TRUE) & (left == 0), FALSE, kind)
                left -= kind == TRUE
                outcome.append(kind)
                for name, value in zip(("image", "class", "score", "rank"), (i, k, score, rank), strict=True):
                    columns[name].append(value)
    shape = (areas, thresholds, len(outcome))
    return Outcomes(
        protocol,
        tuple(range(images)),
        tuple((k + 1, f"c{k}") for k in range(classes)),
        np.array(columns["image"], np.int32),
        np.array(columns["class"], np.int32),
        np.array(columns["score"], np.float64),
        np.array(columns["rank"], np.int32),
        (np.moveaxis(np.array(outcome), 0, -1) if outcome else np.empty(shape)).astype(np.uint8),
        np.array(columns["gt_image"], np.int32),
        np.array(columns["gt_class"], np.int32),
        np.concatenate(ignored, axis=1),
    )


def naive(outcomes: Outcomes, weights: list[int], area: int, t: int, cap: int, k: int) -> tuple[float, float]:
    """Average and recall of a class on physically repeated images: plain lists, one copy after the other."""
    truths = sum(
        weights[i]
        for i, c, gone in zip(outcomes.gt_image, outcomes.gt_class, outcomes.gt_ignored[area], strict=True)
        if c == k and not gone
    )
    if not truths:
        return -1.0, -1.0
    rows = []
    for n, (i, c) in enumerate(zip(outcomes.dt_image, outcomes.dt_class, strict=True)):
        if c == k and outcomes.dt_rank[n] < cap:
            for copy in range(weights[i]):
                rows.append((-outcomes.dt_score[n], i, copy, outcomes.dt_rank[n], outcomes.outcome[area, t, n]))
    tp = fp = 0
    points = []
    for *_, kind in sorted(rows):
        tp, fp = tp + (kind == TRUE), fp + (kind == FALSE)
        if kind == TRUE:
            points.append((tp / truths, tp / (tp + fp)))
    recalls = {SMALL: SMALL.recall_thresholds, ELEVEN: [n / 10 for n in range(11)]}.get(outcomes.protocol)
    if recalls is None:
        steps = [r - p for (r, _), p in zip(points, [0.0, *(r for r, _ in points)], strict=False)]
        return sum(s * max(p for _, p in points[n:]) for n, s in enumerate(steps)), tp / truths
    best = [max((p for r, p in points if r >= wanted - 1e-12), default=0.0) for wanted in recalls]
    return sum(best) / len(best), tp / truths


@quick
@given(st.integers(0, 10**6), st.sampled_from([SMALL, VOC, ELEVEN]), st.booleans())
def test_a_replicate_is_accumulation_over_repeated_images(seed: int, protocol: Any, heavy: bool) -> None:
    outcomes = made(seed, protocol)
    weights = np.random.default_rng(seed).integers(0, 5 if heavy else 2, len(outcomes.images))
    overall, per_class = Resampler(outcomes, metric_rows(protocol), class_rows(protocol)).metrics(
        weights[None].astype(np.int32), weights[None].astype(np.int32)
    )
    areas = [a.name for a in protocol.area_ranges]
    for rows, found in ((metric_rows(protocol), overall[0]), (class_rows(protocol), per_class[0])):
        for n, row in enumerate(rows):
            if row.area not in areas or (row.iou is not None and row.iou not in protocol.iou_thresholds):
                assert np.isnan(found[n]).all()
                continue
            ts = range(len(protocol.iou_thresholds)) if row.iou is None else [protocol.iou_thresholds.index(row.iou)]
            cap = protocol.max_detections[row.cap]
            values = np.array([
                [naive(outcomes, weights.tolist(), areas.index(row.area), t, cap, k)[row.statistic == "AR"]
                 for k in range(len(outcomes.classes))] for t in ts
            ])  # fmt: skip
            if found[n].ndim:
                expected = np.where(values[0] < 0, np.nan, values.mean(axis=0))
            else:
                expected = values[values > -1].mean() if (values > -1).any() else np.nan
            np.testing.assert_allclose(found[n], expected, rtol=0, atol=1e-12)


def test_one_image_drawn_twice_by_hand() -> None:
    """Image 0 holds a hit at .9, image 1 a miss at .8 and its truth: AP is 1 of the recalls up to w0 / (w0 + w1)."""
    protocol = protocols.get("voc2012")
    outcomes = Outcomes(
        protocol, (1, 2), ((1, "a"),), np.array([0, 1], np.int32), np.zeros(2, np.int32), np.array([0.9, 0.8]),
        np.zeros(2, np.int32), np.array([[[TRUE, FALSE]]], np.uint8), np.array([0, 1], np.int32), np.zeros(2, np.int32),
        np.zeros((1, 2), np.bool_),
    )  # fmt: skip
    model = Resampler(outcomes, protocol.metrics)
    for first, second in ((1, 1), (2, 1), (1, 3)):
        weights = np.array([[first, second]], np.int32)
        assert model.metrics(weights, weights)[0][0, 0] == pytest.approx(first / (first + second), abs=1e-15)
    nothing = np.array([[0, 0]], np.int32)
    assert np.isnan(model.metrics(nothing, nothing)[0]).all()


def test_weights_of_one_are_the_evaluation_itself(demo_result: Any) -> None:
    outcomes = outcomes_of(demo_result)
    once = np.ones((1, len(outcomes.images)), np.int32)
    rows = metric_rows(demo_result.protocol)
    overall, per_class = Resampler(outcomes, rows, class_rows(demo_result.protocol)).metrics(once, once)
    assert overall[0].tolist() == pytest.approx(list(demo_result.metrics.values()), abs=1e-14)
    for k, row in enumerate(demo_result.per_class):
        assert per_class[0, 0, k] == pytest.approx(row.metrics["AP"], abs=1e-14)


@pytest.mark.parametrize("changes", [{"strict_parity": True}, {"max_detections": (5, 20)}, {"class_wise": False}])
def test_weights_of_one_under_other_settings(demo_files: Any, changes: dict[str, Any]) -> None:
    import detkit

    settings = {"class_agnostic": True} if "class_wise" in changes else changes
    result = detkit.evaluate(*demo_files, **settings)
    outcomes = outcomes_of(result)
    once = np.ones((1, len(outcomes.images)), np.int32)
    overall, _ = Resampler(outcomes, metric_rows(result.protocol)).metrics(once, once)
    expected = [np.nan if v is None else v for v in result.metrics.values()]
    assert overall[0].tolist() == pytest.approx(expected, abs=1e-14, nan_ok=True)


def test_draws_are_multinomial_and_hang_on_the_seed_alone() -> None:
    draw = bootstrap_draw(7, 50, None)
    weights = np.stack([draw(r) for r in range(400)])
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=5 / np.sqrt(400))
    # Each count is binomial(50, 1/50): about 36 % of the images are left out.
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)
    assert np.array_equal(bootstrap_draw(7, 50, None)(399), weights[399])
    assert not np.array_equal(bootstrap_draw(8, 50, None)(399), weights[399])
    assert not np.array_equal(permutation_draw(7, 50, None)(0), weights[0])


def test_groups_are_drawn_whole() -> None:
    groups = np.array([0, 0, 1, 1, 1, 2])
    for r in range(20):
        weights = bootstrap_draw(0, 6, groups)(r)
        assert weights[0] == weights[1]
        assert weights[2] == weights[3] == weights[4]
        assert weights[0] + weights[2] + weights[5] == 3
        coins = permutation_draw(0, 6, groups)(r)
        assert set(coins) <= {0, 1}
        assert coins[2] == coins[3] == coins[4]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_numbers_do_not_hang_on_threads_or_chunks(demo_result: Any, jobs: int) -> None:
    expected = intervals(demo_result, Resampling(40, 3, jobs=1)).to_dict()
    assert intervals(demo_result, Resampling(40, 3, jobs=jobs)).to_dict() == expected
    outcomes = outcomes_of(demo_result)
    model = Resampler(outcomes, metric_rows(demo_result.protocol)[:1])
    few, many = (bootstrap([model], len(outcomes.images), Resampling(n, 3, jobs=jobs))[0][0] for n in (17, 40))
    assert np.array_equal(few, many[:17])


@quick
@given(st.lists(st.one_of(st.floats(-1, 1), st.just(float("nan"))), min_size=1, max_size=30), st.floats(0.5, 0.99))
def test_percentile_interval_is_numpys_quantile_of_what_is_defined(values: list[float], level: float) -> None:
    column = np.array(values)
    low, high = percentile_interval(column[:, None], level)[:, 0]
    defined = column[~np.isnan(column)]
    if not len(defined):
        assert np.isnan([low, high]).all()
        return
    expected = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    assert [low, high] == pytest.approx(expected.tolist(), abs=1e-12)


def test_p_value_counts_what_is_at_least_as_far() -> None:
    permuted = np.array([[0.1], [-0.3], [0.3 + 1e-15], [np.nan], [0.0]])
    assert p_values(np.array([0.3]), permuted)[0] == (1 + 2) / (1 + 4)
    assert p_values(np.array([0.0]), permuted)[0] == 1.0
    assert np.isnan(p_values(np.array([np.nan]), permuted)[0])


@quick
@given(st.integers(0, 10**6))
def test_a_permutation_swaps_the_models_image_by_image(seed: int) -> None:
    a = made(seed)
    rng = np.random.default_rng(seed)
    lost = (a.outcome == TRUE) & (rng.random(a.outcome.shape) < 0.3)
    b = replace(a, outcome=np.where(lost, FALSE, a.outcome).astype(np.uint8), dt_score=a.dt_score * 0.9)
    rows = metric_rows(SMALL)
    coins = permutation_draw(seed, 6, None)(0).astype(bool)
    first, second = ((~coins, coins), (coins, ~coins))

    def mixed(of_a: Any, of_b: Any) -> np.ndarray:
        """One model made of both: each image's detections from one of them, sorted anew."""
        x, y = a.of_images(of_a), b.of_images(of_b)
        joined = {
            name: np.concatenate([getattr(x, name), getattr(y, name)], axis=-1)
            for name in ("dt_image", "dt_class", "dt_score", "dt_rank", "outcome")
        }
        order = np.lexsort((joined["dt_rank"], joined["dt_image"], joined["dt_class"]))
        whole = replace(a, **{name: column[..., order] for name, column in joined.items()})
        once = np.ones((1, 6), np.int32)
        return Resampler(whole, rows).metrics(once, once)[0][0]

    found = permuted_differences([Resampler(a.beside(b), rows)], 6, Resampling(seed=seed, permutations=1))[0][0][0]
    np.testing.assert_allclose(found, mixed(*second) - mixed(*first), rtol=0, atol=1e-12)


def test_a_class_in_one_image_is_left_out_where_it_is_not_drawn(demo_result: Any) -> None:
    images = 5
    protocol = protocols.get("voc2012")
    outcomes = Outcomes(
        protocol, tuple(range(images)), ((1, "a"),), np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([0.5]),
        np.zeros(1, np.int32), np.array([[[TRUE]]], np.uint8), np.zeros(1, np.int32), np.zeros(1, np.int32),
        np.zeros((1, 1), np.bool_),
    )  # fmt: skip
    ((overall, _),) = bootstrap([Resampler(outcomes, protocol.metrics)], images, Resampling(300, 0))
    assert np.isnan(overall).mean() == pytest.approx((1 - 1 / images) ** images, abs=0.08)
    assert percentile_interval(overall, 0.95)[:, 0].tolist() == pytest.approx([1.0, 1.0], abs=1e-15)


def test_intervals_as_json(demo_result: Any) -> None:
    found = intervals(demo_result, Resampling(60, 1, 0.9)).to_dict()
    assert set(demo_result.metrics) <= set(found)
    low, high = found["AP"]
    assert low < demo_result.metrics["AP"] < high
    assert found["settings"] == {
        "replicates": 60, "seed": 1, "level": 0.9, "unit": "image", "units": 20, "method": "percentile",
        "generator": "PCG64",
    }  # fmt: skip
    assert [row["name"] for row in found["per_class"]] == [row.name for row in demo_result.per_class]
    assert set(found["per_class"][0]) == {"category_id", "name", "AP", "AP50"}


def test_saved_matches_say_the_same(demo_result: Any) -> None:
    outcomes, read = outcomes_of(demo_result), saved_outcomes(compact(demo_result), demo_result.protocol.to_dict())
    require_same_truth([("a", outcomes), ("b", read)])
    rows = metric_rows(demo_result.protocol)
    once = np.ones((1, len(outcomes.images)), np.int32)
    assert np.array_equal(
        Resampler(read, rows).metrics(once, once)[0], Resampler(outcomes, rows).metrics(once, once)[0]
    )


def test_wrong_requests(demo_result: Any) -> None:
    for wrong in ({"replicates": 0}, {"level": 1.0}, {"level": 0.0}, {"seed": -1}, {"permutations": -1}):
        with pytest.raises(UsageError):
            Resampling(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 groups for 20 images"):
        intervals(demo_result, groups=["a", "b", "c"])
    other = replace(demo_result.protocol, accumulate=lambda *_: None)
    with pytest.raises(UsageError, match="no intervals"):
        Resampler(replace(outcomes_of(demo_result), protocol=other), other.metrics)


def test_matches_of_another_kind_are_refused(demo_result: Any) -> None:
    arrays, stated = compact(demo_result), demo_result.protocol.to_dict()
    with pytest.raises(CannotJudgeError, match="no `outcome`"):
        saved_outcomes({name: a for name, a in arrays.items() if name != "outcome"}, stated)
    text = arrays["meta"].tobytes().replace(b'"accumulation": "accumulate"', b'"accumulation": "another"')
    assert text != arrays["meta"].tobytes()
    changed = {**arrays, "meta": np.frombuffer(text, np.uint8)}
    with pytest.raises(CannotJudgeError, match="other protocol settings"):
        saved_outcomes(changed, stated)
    with pytest.raises(CannotJudgeError, match="does not know"):
        saved_outcomes(changed, {**stated, "accumulation": "another"})
    text = arrays["meta"].tobytes().replace(b"detkit.matches/1", b"detkit.matches/9")
    with pytest.raises(CannotJudgeError, match="schema"):
        saved_outcomes({**arrays, "meta": np.frombuffer(text, np.uint8)}, stated)


def test_matches_that_do_not_lead_to_the_result_are_refused(demo_result: Any) -> None:
    stated = demo_result.protocol.to_dict()
    require_metrics(saved_outcomes(compact(demo_result), stated), demo_result.metrics)
    swapped = {**stated, "area_ranges": dict(sorted(stated["area_ranges"].items()))}
    with pytest.raises(CannotJudgeError, match="they lead to APsmall"):
        require_metrics(saved_outcomes(compact(demo_result), swapped), demo_result.metrics)


def test_scipy_draws_the_same_interval() -> None:
    """`scipy.stats.bootstrap` (percentile) on a statistic of ours: both ends within sampling noise of 4,000 draws."""
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    outcomes = made(11, VOC, images=40)
    model = Resampler(outcomes, VOC.metrics)

    def statistic(index: Any) -> float:
        weights = np.bincount(np.asarray(index, np.int64), minlength=40).astype(np.int32)[None]
        return float(model.metrics(weights, weights)[0][0, 0])

    theirs = stats.bootstrap(
        (np.arange(40),),
        statistic,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    ((drawn, _),) = bootstrap([model], 40, Resampling(4000, 0))
    assert percentile_interval(drawn, 0.95)[:, 0].tolist() == pytest.approx([theirs.low, theirs.high], abs=0.012)


@pytest.fixture(scope="module")
def demo_files() -> Any:
    from pathlib import Path

    demo = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
    return demo / "coco" / "instances_val.json", demo / "predictions" / "coco.json"


@pytest.fixture(scope="module")
def demo_result(demo_files: Any) -> Any:
    import detkit

    return detkit.evaluate(*demo_files, truth_format="coco", predictions_format="coco")
