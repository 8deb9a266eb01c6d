from __future__ import annotations

import json

import numpy as np
import pytest

from analysis_cases import random_result, recount, scored
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.analyses._base import Settings
from detkit.evaluation.analyses.curves import analyse
from detkit.reports._tables import as_text
from detkit.reports.analyses.curves import tables
from strategies import detections_of, truth_of


def test_counts_at_every_score():
    rows = [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (1, 0, 1, 0.8), (-1, 0, 1, 0.6)]
    found = analyse(scored([(0, 0)] * 4, rows), Settings()).classes[0].counts
    assert found.score.tolist() == [0.9, 0.8, 0.6]
    assert found.tp.tolist() == [1, 2, 2]
    assert found.fp.tolist() == [0, 1, 2]
    assert found.precision.tolist() == [1 / 1, 2 / 3, 2 / 4]
    assert found.recall.tolist() == [1 / 4, 2 / 4, 2 / 4]
    assert found.f(1.0).tolist() == [2 / (1 + 4), 4 / (3 + 4), 4 / (4 + 4)]
    assert found.f(2.0).tolist() == [5 / (1 + 4 * 4), 10 / (3 + 4 * 4), 10 / (4 + 4 * 4)]


def test_ignored_detections_count_as_neither():
    result = scored([(0, 0), (0, 0)], [(0, 0, 1, 0.9), (1, 0, 1, 0.8)], crowds=[True, False])
    found = analyse(result, Settings()).classes[0].counts
    assert (found.tp.tolist(), found.fp.tolist(), found.truths) == ([0, 1], [0, 0], 1)
    assert np.isnan(found.precision[0])
    assert found.precision[1] == 1.0


@pytest.mark.parametrize("seed", range(25))
def test_counts_are_those_of_the_detections_above_the_score(seed):
    result = random_result(seed, protocol="voc2007" if seed % 4 == 0 else "coco")
    t = seed % len(result.protocol.iou_thresholds)
    found = analyse(result, Settings(iou_threshold=result.protocol.iou_thresholds[t]))
    for k, curve in enumerate(found.classes):
        counts = curve.counts
        assert ((counts.tp >= 0) & (counts.tp <= counts.truths)).all()
        assert (np.diff(counts.tp + counts.fp) >= 0).all()
        assert (np.diff(counts.score) < 0).all()
        for s, tp, fp in zip(counts.score.tolist(), counts.tp.tolist(), counts.fp.tolist(), strict=True):
            assert (tp, fp) == recount(result, s, k, t)
        for n, at in enumerate(found.exact(k)):
            if len(at.score):
                assert (at.tp[-1], at.fp[-1]) == recount(result, -9.0, k, n)


@pytest.mark.parametrize("seed", range(25))
def test_the_operating_points_of_the_result_agree(seed):
    result = random_result(seed)
    found, points = analyse(result, Settings()).overall, result.operating_points
    assert found.truths == points.truths
    for s, tp, fp in zip(points.score, points.tp.tolist(), points.fp.tolist(), strict=True):
        row = found.row_of(s)
        assert ((int(found.tp[row]), int(found.fp[row])) if row >= 0 else (0, 0)) == (tp, fp)


@pytest.mark.parametrize("seed", range(20))
def test_all_classes_together_are_the_sum_at_every_score(seed):
    found = analyse(random_result(seed), Settings())
    for s, tp, fp in zip(found.overall.score, found.overall.tp, found.overall.fp, strict=True):
        rows = [(c.counts, c.counts.row_of(s)) for c in found.classes]
        assert sum(int(c.tp[row]) for c, row in rows if row >= 0) == tp
        assert sum(int(c.fp[row]) for c, row in rows if row >= 0) == fp


@pytest.mark.parametrize("seed", range(20))
def test_recall_against_overlap_is_the_results_recall(seed):
    result = random_result(seed)
    found = analyse(result, Settings())
    expected = np.where(result.recall[:, :, 0, -1] > -1, result.recall[:, :, 0, -1], np.nan)
    np.testing.assert_array_equal(np.array([c.recall for c in found.classes]).T, expected)
    defined = ~np.isnan(expected[0])
    if defined.any():
        np.testing.assert_allclose(found.recall_mean, expected[:, defined].mean(axis=1), rtol=0, atol=1e-15)
        truths = result.scored.truths[:, 0]
        hits = (expected[:, defined] * truths[defined]).sum(axis=1)
        np.testing.assert_allclose(found.recall_overall, hits / truths.sum(), rtol=0, atol=1e-15)
    else:
        assert np.isnan(found.recall_mean).all()


@pytest.mark.parametrize("seed", range(20))
def test_mean_precision_is_the_protocols_where_no_scores_tie(seed):
    result = random_result(seed, ties=False)
    expected = result.precision[:, :, :, 0, -1]
    judged = expected[0, 0] > -1
    found = analyse(result, Settings()).mean_precision
    if judged.any():
        np.testing.assert_allclose(found, expected[:, :, judged].mean(axis=2), rtol=0, atol=1e-12)
    else:
        assert np.isnan(found).all()


def test_scores_are_binned_by_what_became_of_them():
    rows = [(0, 0, 1, 1.0), (1, 0, 1, 0.98), (-1, 0, 1, 0.97), (-1, 0, 1, 0.0), (2, 0, 0.3, 0.02)]
    found = analyse(scored([(0, 0)] * 3, rows), Settings())
    assert len(found.edges) == 51
    tp, fp = found.classes[0].tp, found.classes[0].fp
    assert (tp.sum(), fp.sum()) == (2, 3)
    assert tp[49] == 2  # both edges of the last bin belong to it
    assert (fp[48], fp[0], fp[1]) == (1, 1, 1)  # 0.02 is the lower edge of its bin


def test_bins_reach_as_far_as_the_scores():
    found = analyse(scored([(0, 0)], [(0, 0, 1, 7.5), (-1, 0, 1, -2.0)]), Settings())
    assert (found.edges[0], found.edges[-1]) == (-2.0, 7.5)
    assert found.classes[0].tp[-1] == found.classes[0].fp[0] == 1


def many(count, classes=1, truths=300, seed=0, precise=True, listed=None):
    """A result of many detections with scores as a float32 model gives them."""
    rng = np.random.default_rng(seed)
    boxes = [(n % 40, n % classes, [30 * (n // 40 % 20), 30 * (n // 800), 20, 20]) for n in range(truths)]
    score = (rng.beta(0.5, 3, count).astype(np.float32) if precise else rng.integers(0, 4, count) / 4).astype(float)
    at = rng.integers(0, truths, count)
    good = rng.random(count) < 0.1 + 0.8 * score
    rows = [
        (boxes[n][0] + 1, boxes[n][1] + 1, boxes[n][2] if ok else [700, 700, 9, 9], float(s))
        for n, ok, s in zip(at, good, score, strict=True)
    ]
    truth = truth_of(boxes, class_ids=list(range(1, (listed or classes) + 1)))
    return evaluate(align(truth, detections_of(rows)), protocols.get("coco", "bbox", max_detections=(1000,)))


def test_thinned_curves_keep_the_points_that_matter_and_their_counts():
    result = many(6000)
    found = analyse(result, Settings())
    exact, drawn = found.classes[0].counts, found.to_dict()["classes"][0]
    assert len(exact.score) > 3000
    assert 150 < len(drawn["score"]) <= 200
    for s, tp, fp in zip(drawn["score"], drawn["tp"], drawn["fp"], strict=True):
        row = exact.row_of(s)
        assert (exact.tp[row], exact.fp[row]) == (tp, fp)
        assert s <= exact.score[row]
    assert sum(len(str(s)) <= 8 for s in drawn["score"]) > 0.9 * len(drawn["score"])
    assert drawn["score"] == sorted(drawn["score"], reverse=True)
    kept = set(zip(drawn["tp"], drawn["fp"], strict=True))
    for row in (0, len(exact.score) - 1):
        assert (exact.tp[row], exact.fp[row]) in kept
    for point in (drawn["best"], drawn["operating_point"]):
        assert (point["tp"], point["fp"]) in kept
        assert point["score_threshold"] in exact.score
    # Neither axis has a gap of more than a few steps.
    assert np.diff(-np.array(drawn["score"])).max() < 0.011 + np.diff(-exact.score).max()
    assert np.diff(drawn["tp"]).max() <= 2 + exact.tp[-1] / 90


def test_short_curves_are_whole():
    result = many(3000, precise=False)
    found = analyse(result, Settings())
    drawn = found.to_dict()["classes"][0]
    assert drawn["score"] == [0.75, 0.5, 0.25, 0.0]
    assert drawn["tp"] == found.classes[0].counts.tp.tolist()


def test_scores_that_differ_in_the_last_bit_stay_apart():
    s = 0.3
    rows = [(0, 0, 1, np.nextafter(s, 1)), (-1, 0, 1, s), (-1, 0, 1, 0.1 + 2**-40)]
    drawn = analyse(scored([(0, 0)], rows), Settings()).to_dict()["classes"][0]
    assert drawn["score"] == [float(np.nextafter(s, 1)), s, 0.1]


def test_precision_against_recall_at_each_overlap_is_drawn_at_even_recalls():
    result = many(6000)
    found = analyse(result, Settings())
    for exact, (tp, fp) in zip(found.exact(0), found.classes[0].pr, strict=True):
        assert 15 <= len(tp) <= 25
        assert (tp[0], tp[-1]) == (1, exact.tp[-1]) or exact.tp[0] > 1
        for hits, others in zip(tp.tolist(), fp.tolist(), strict=True):
            # The first row that finds as many: no row of that recall is more precise.
            assert others == exact.fp[exact.tp >= hits].min()


def test_a_large_result_stays_small():
    found = analyse(many(32_000, classes=80, truths=4000), Settings())
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert np.mean([len(c.counts.score) for c in found.classes]) > 200
    assert len(text) < 600_000


def test_more_classes_get_fewer_points():
    found = analyse(many(3000, classes=2, listed=320), Settings()).to_dict()
    assert 40 < len(found["classes"][0]["score"]) <= 16_000 // 320
    assert 5 <= len(found["classes"][0]["pr"][0]["tp"]) <= 2_000 // 320


def test_nothing_to_draw_is_none_or_empty():
    found = analyse(scored([(0, 1)], [], classes=3), Settings()).to_dict()
    json.dumps(found, allow_nan=False)
    assert found["classes"][0]["recall_by_iou"] is None
    assert found["classes"][1]["pr"] is found["classes"][1]["histogram"] is None
    assert found["classes"][1]["recall_by_iou"] == [0.0] * 10
    assert found["classes"][1]["score"] == found["overall"]["score"] == []
    assert found["mean_precision"]["curves"][0]["precision"] == [0.0] * 101
    assert found["score_threshold"] == 0.0


def test_without_any_truth_nothing_is_defined():
    result = scored([(0, 0)], [(0, 0, 1, 0.9)], crowds=[True])
    found = analyse(result, Settings()).to_dict()
    json.dumps(found, allow_nan=False)
    assert found["recall_by_iou"]["mean"] == found["recall_by_iou"]["overall"] == [None] * 10
    assert found["classes"][0]["best"]["score_threshold"] is None
    assert [curve["iou"] for curve in found["mean_precision"]["curves"]] == [0.5, 0.75, 0.9]
    assert found["mean_precision"]["curves"][0]["precision"] == [None] * 101
    assert [as_text(shown) for shown in tables(found)]


def test_classes_not_told_apart_are_one():
    found = analyse(scored([(0, 0), (0, 1)], [(0, 1, 1, 0.9), (1, 1, 1, 0.8)], class_wise=False), Settings())
    assert [(c.category_id, c.name) for c in found.classes] == [(None, "all classes")]
    assert found.overall.tp.tolist() == [1, 2]


def test_the_operating_point_is_the_settings():
    result = scored([(0, 0)] * 2, [(0, 0, 1, 0.9), (-1, 0, 1, 0.5), (1, 0, 1, 0.4)])
    found = analyse(result, Settings(score_threshold=0.45)).to_dict()
    assert found["score_threshold"] == found["overall"]["operating_point"]["score_threshold"] == 0.45
    assert found["overall"]["operating_point"]["fp"] == 1
    assert analyse(result, Settings(score_threshold=2.0)).operating_point.tp == 0


def test_tables_tell_what_the_curves_hold():
    rows = [(0, 0, 1, 0.95), (1, 0, 0.8, 0.9), (-1, 0, 1, 0.05)]
    shown = tables(analyse(scored([(0, 0)] * 2, rows), Settings()).to_dict())
    assert [table.title.split(",")[0].split(" (")[0] for table in shown] == [
        "scores of true and false positives",
        "recall against IoU",
        "best precision at a recall",
    ]
    assert shown[0].rows[0] == ["0 to 0.1", "0", "1", "0.0 %"]
    assert shown[0].rows[9] == ["0.9 to 1", "2", "0", "100.0 %"]
    assert "precision 1.0000, recall 1.0000, F1 1.0000; 2 TP, 0 FP, 0 FN" in shown[0].notes[0]
    assert shown[1].rows[0] == ["0.5", "1.0000", "1.0000"]
    assert shown[1].rows[7] == ["0.85", "0.5000", "0.5000"]
    assert shown[2].rows[-1] == ["0.9", "1.0000", "1.0000", "0.0000"]
    assert max(len(line) for table in shown for line in as_text(table)) <= 100


def test_a_protocol_of_one_overlap_has_its_own_curve():
    result = scored([(0, 0)], [(0, 0, 1, 0.9)], iou_thresholds=(0.42,))
    found = analyse(result, Settings())
    assert (found.iou, found.iou_threshold) == ((0.42,), 0.42)
    assert len(tables(found.to_dict())) == 2
