from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.protocols import AreaRange
from detkit.tables import Ragged
from strategies import detections_of, grid_boxes, truth_of

BOX = [0, 0, 10, 10]
SETTINGS = settings(derandomize=True, deadline=None, max_examples=40)
PROTOCOLS = ("coco", "voc2007", "voc2012")

truths = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), grid_boxes.map(list)), min_size=1, max_size=8)
detections = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 2), grid_boxes.map(list), st.floats(0.01, 1)), min_size=1, max_size=12
)


def run(truth, found, protocol="coco", *, images=(1, 2, 3), scale=1.0, **rest):
    changes = rest.pop("settings", {})
    table = truth_of(
        [(images.index(i), k - 1, [scale * v for v in box]) for i, k, box in truth],
        image_ids=list(images), file_names=[f"{i}.png" for i in images], class_ids=[1, 2], **rest,
    )  # fmt: skip
    rows = [(i, k, [scale * v for v in box], s) for i, k, box, s in found]
    return evaluate(align(table, detections_of(rows, class_ids=[1, 2])), protocols.get(protocol, **changes))


@SETTINGS
@given(truths, detections, st.sampled_from(PROTOCOLS), st.randoms(use_true_random=False))
def test_the_order_of_images_in_the_files_does_not_matter(truth, found, protocol, rng):
    expected = run(truth, found, protocol).metrics
    images = [1, 2, 3]
    rng.shuffle(images)
    # Rows of one image keep their order; images come in any order.
    truth = sorted(truth, key=lambda row: images.index(row[0]))
    found = sorted(found, key=lambda row: images.index(row[0]))
    assert run(truth, found, protocol, images=tuple(images)).metrics == expected


@SETTINGS
@given(truths, detections, st.sampled_from([0.25, 2.0, 64.0]))
def test_boxes_and_area_ranges_scaled_together_change_nothing(truth, found, factor):
    areas = (("all", 0.0, 1e10), ("small", 0.0, 9.0), ("medium", 9.0, 25.0), ("large", 25.0, 1e10))
    expected = run(truth, found, settings={"area_ranges": tuple(AreaRange(*row) for row in areas)}).metrics
    scaled = tuple(AreaRange(name, low * factor**2, high * factor**2) for name, low, high in areas)
    assert run(truth, found, scale=factor, settings={"area_ranges": scaled}).metrics == expected


@SETTINGS
@given(truths, detections, st.sampled_from(PROTOCOLS), st.integers(1, 3), st.integers(1, 2))
def test_a_false_positive_below_all_others_never_raises_a_metric(truth, found, protocol, image, k):
    before = run(truth, found, protocol).metrics
    after = run(truth, [*found, (image, k, [500, 400, 7, 7], 0.001)], protocol).metrics
    for name, value in after.items():
        if value is not None:
            assert value <= before[name]


@SETTINGS
@given(truths, detections, st.sampled_from(PROTOCOLS))
def test_a_class_without_detections_has_ap_0(truth, found, protocol):
    found = [row for row in found if row[1] == 1] or [(1, 1, BOX, 0.5)]
    row = run(truth, found, protocol).per_class[1]
    assert row.detections == 0
    assert row.metrics["AP"] == (0.0 if row.ground_truths else None)


@SETTINGS
@given(truths, st.sampled_from(PROTOCOLS))
def test_the_truth_itself_scores_one(truth, protocol):
    truth = [(i, k, [20 * n, 0, 5, 5]) for n, (i, k, _) in enumerate(truth)]
    result = run(truth, [(*row, 0.5) for row in truth], protocol)
    assert next(iter(result.metrics.values())) == pytest.approx(1, abs=1e-15)


@SETTINGS
@given(truths, detections, st.floats(0, 1))
def test_detections_below_the_score_threshold_are_as_good_as_absent(truth, found, threshold):
    kept = [row for row in found if row[3] >= threshold]
    result = run(truth, found, settings={"score_threshold": threshold})
    assert result.counts["below_score_threshold"] == len(found) - len(kept)
    if kept:
        assert result.metrics == run(truth, kept).metrics


@SETTINGS
@given(truths, detections)
def test_scores_matter_by_their_order_only(truth, found):
    ranks = {s: n for n, s in enumerate(sorted({s for *_, s in found}))}
    moved = [(*row[:3], ranks[row[3]] * 0.5 - 3) for row in found]
    assert run(truth, found).metrics == run(truth, moved).metrics


def test_findings_of_all_three_sources_are_kept_and_coverage_is_told():
    truth = truth_of([(0, 0, BOX), (1, 0, BOX)], is_ignored=[False, True])
    result = evaluate(align(truth, detections_of([(1, 1, BOX, 0.5), (9, 1, BOX, 0.5)])), protocols.get("coco"))
    assert [f.code for f in result.findings] == ["DK701", "DK707", "DK705"]
    assert (result.coverage.images, result.coverage.predicted, result.coverage.ratio) == (2, 1, 1 / 2)
    assert result.counts == {"outside_truth": 1, "unmapped": 0, "beyond_max_detections": 0}


@pytest.mark.parametrize(("predicted", "code"), [(4, None), (3, "DK705"), (2, "DK705"), (1, "DK713")])
def test_a_warning_where_more_than_half_of_the_images_have_no_predictions(predicted, code):
    truth = [(image, 1, BOX) for image in (1, 2, 3, 4)]
    result = run(truth, [(image, 1, BOX, 0.5) for image in range(1, predicted + 1)], images=(1, 2, 3, 4))
    found = [f for f in result.findings if f.code in ("DK705", "DK713")]
    assert [f.code for f in found] == ([code] if code else [])
    assert [f.count for f in found] == ([4 - predicted] if code else [])
    assert all(f.message.startswith(f"{4 - predicted} of 4 truth images have no predictions") for f in found)
    assert all(f.severity == ("warning" if code == "DK713" else "info") for f in found)


def test_no_image_is_no_verdict():
    truth = truth_of([(0, 0, BOX)])
    aligned = align(truth, detections_of([(1, 1, BOX, 0.5)]))
    with pytest.raises(CannotJudgeError, match="no images"):
        evaluate(replace(aligned, truth=truth.take_images([])), protocols.get("coco"))


def test_normalised_coordinates_have_no_sizes():
    truth = truth_of([(0, 0, [0.1, 0.1, 0.2, 0.2])], units="normalised")
    found = detections_of([(1, 1, [0.1, 0.1, 0.2, 0.2], 0.9)], units="normalised")
    metrics = evaluate(align(truth, found), protocols.get("coco")).metrics
    assert metrics["AP50"] == pytest.approx(1, abs=1e-15)
    assert [metrics[f"AP{s}"] for s in ("small", "medium", "large")] == [None] * 3


def test_areas_at_an_image_size_need_sizes():
    truth = truth_of([(0, 0, BOX)], size=(np.nan, np.nan))
    with pytest.raises(UsageError, match="size of every image"):
        evaluate(align(truth, detections_of([(1, 1, BOX, 0.5)])), protocols.get("coco", at_image_size=640))


@pytest.mark.parametrize(("stated", "counted"), [([0], 0), ([-1], 1), (None, 1), ([3], 1)])
def test_num_keypoints_is_counted_where_it_is_not_stated(stated, counted):
    points = [[n, n, 2] for n in range(17)]
    truth = truth_of([(0, 0, BOX)], keypoints=Ragged.from_rows([points], (3,)), num_keypoints=stated)
    found = detections_of([(1, 1, BOX, 0.9)], keypoints=Ragged.from_rows([points], (3,)))
    result = evaluate(align(truth, found), protocols.get("coco", "keypoints"))
    assert result.scored.truths[0, 0] == counted


def test_inputs_are_not_changed():
    rng = random.Random(0)
    rows = [(1, 1, [rng.randrange(9), 0, 9, 9], rng.random()) for _ in range(20)]
    truth, found = truth_of([(0, 0, BOX)] * 5), detections_of(rows)
    before = [a.copy() for a in (truth.annotations.xywh, found.xywh, found.score, found.source_row)]
    evaluate(align(truth, found), protocols.get("coco", strict_parity=True))
    for a, b in zip(before, (truth.annotations.xywh, found.xywh, found.score, found.source_row), strict=True):
        assert np.array_equal(a, b)
