from __future__ import annotations

import json

import numpy as np
import pytest

from detkit.anchors import cluster as module
from detkit.anchors.assess import assess
from detkit.anchors.cluster import cluster, evolve, fitness, knee, order
from detkit.errors import InputError
from detkit.kernels.kmeans import nearest


def draw(seed, many=400):
    return np.random.default_rng(seed).lognormal(3.5, 0.9, (many, 2))


def naive_rounds(wh, anchors):
    """Lloyd's rounds with medians and IoU distance, from given anchors, to the end."""
    best = 0.0
    for _ in range(100):
        inner = np.minimum(wh[:, None], anchors[None]).prod(2)
        iou = inner / (wh.prod(1)[:, None] + anchors.prod(1)[None] - inner)
        best = max(best, iou.max(1).mean())
        label = iou.argmax(1)
        anchors = np.array([np.median(wh[label == j], axis=0) for j in range(len(anchors))])
    return best


@pytest.mark.parametrize("metric", ["iou", "ratio"])
def test_separate_groups_are_found(metric):
    groups = np.array([[10.0, 10.0], [40.0, 20.0], [100.0, 300.0]])
    around = np.array([[0, 0], [1, 1], [-1, -1]])
    wh = np.concatenate([group + around for group in groups])
    assert cluster(wh, 3, metric=metric).tolist() == groups.tolist()


def test_rounds_are_those_of_lloyd():
    wh = draw(3)
    start = wh[:5]
    _, score = module._rounds(wh, start, "iou")
    # It stops when one box in a thousand still moves: here, when none does.
    assert score == pytest.approx(naive_rounds(wh, start), rel=1e-12)


def test_the_best_round_is_kept():
    """Medians are not the best anchors of their groups, so a later round can be worse than an earlier one."""
    for seed in range(40):
        wh = draw(seed, 60)
        anchors, score = module._rounds(wh, wh[:4], "iou")
        assert nearest(wh, anchors)[1].mean() == score == pytest.approx(naive_rounds(wh, wh[:4]), rel=1e-12)


def test_same_seed_same_bytes_and_another_seed_may_differ():
    wh = draw(1)
    assert cluster(wh, 9, seed=5).tobytes() == cluster(wh, 9, seed=5).tobytes()
    assert len({cluster(wh, 9, seed=s, restarts=1).tobytes() for s in range(5)}) > 1


def test_more_restarts_are_never_worse():
    wh = draw(2)
    scores = [nearest(wh, cluster(wh, 7, restarts=n))[1].mean() for n in (1, 3, 10)]
    assert scores == sorted(scores)


def test_anchors_come_by_area():
    assert order(np.array([[10.0, 10], [5, 5], [20, 5], [2, 2]])).tolist() == [[2, 2], [5, 5], [10, 10], [20, 5]]
    found = cluster(draw(4), 6)
    assert (np.diff(found.prod(axis=1)) >= 0).all()


def test_an_empty_group_starts_again():
    wh = np.array([[10.0, 10], [10, 11], [200, 200], [210, 200]])
    # Nothing is nearer to the third anchor than to the others.
    found, score = module._rounds(wh, np.array([[10.0, 10], [200, 200], [3000, 1]]), "iou")
    assert np.isfinite(found).all()
    assert score > nearest(wh, [[10.0, 10.5], [205, 200]])[1].mean()
    assert len(np.unique(nearest(wh, found)[0])) == 3


def test_as_many_anchors_as_sizes():
    wh = np.repeat([[10.0, 20], [30, 30], [5, 5]], [5, 1, 2], axis=0)
    assert cluster(wh, 3).tolist() == [[5, 5], [10, 20], [30, 30]]
    with pytest.raises(InputError, match="the boxes have 3 distinct sizes, 4 anchors were asked for"):
        cluster(wh, 4)


def test_large_sets_are_seen_in_part_and_finished_on_all(monkeypatch):
    wh = draw(6, 3000)
    whole = nearest(wh, cluster(wh, 5))[1].mean()
    monkeypatch.setattr(module, "MOST", 300)
    part = nearest(wh, cluster(wh, 5))[1].mean()
    assert part == pytest.approx(whole, abs=0.005)
    assert cluster(wh, 5).tobytes() == cluster(wh, 5).tobytes()
    # Sizes that a sample misses are still there when they are needed.
    rare = np.concatenate([np.full((3000, 2), 10.0), [[20.0, 20], [40, 40]]])
    assert cluster(rare, 3).tolist() == [[10, 10], [20, 20], [40, 40]]


def test_fitness_is_the_mean_best_ratio_of_covered_boxes():
    wh = np.array([[10.0, 10], [20, 10], [100, 10]])
    assert fitness(wh, np.array([[10.0, 10]])) == pytest.approx((1 + 0.5 + 0) / 3)


def test_evolution_makes_fitter_and_keeps_what_it_cannot_better():
    wh = draw(7)
    start = cluster(wh, 9)
    found = evolve(wh, start, 300, seed=1)
    assert found.before == fitness(wh, start)
    assert found.after == fitness(wh, found.anchors) > found.before
    assert evolve(wh, start, 300, seed=1).anchors.tobytes() == found.anchors.tobytes()
    perfect = np.array([[10.0, 20], [40, 40]])
    kept = evolve(perfect, perfect, 50)
    assert kept.anchors.tolist() == perfect.tolist()
    assert kept.before == kept.after == 1


def test_evolution_on_a_sample_never_harms_the_whole(monkeypatch):
    monkeypatch.setattr(module, "MOST", 4)
    kept = 0
    for seed in range(12):
        wh = draw(seed, 200)
        start = cluster(wh, 4, restarts=1)
        found = evolve(wh, start, 30, seed=seed)
        assert found.after == pytest.approx(fitness(wh, found.anchors), rel=1e-12)
        assert found.after >= found.before
        kept += found.anchors.tolist() == start.tolist()
    assert kept > 0


def test_knee():
    assert knee([3, 4, 5, 6], [0.0, 0.8, 0.9, 1.0]) == 4
    assert knee([1, 2, 3], [0.1, 0.2, 0.3]) == 1  # a straight line bends nowhere
    assert knee([3, 6], [0.1, 0.2]) is None
    assert knee([3, 4, 5], [0.5, 0.4, 0.5]) is None


# --- against YOLOv5's autoanchor (tools/make_anchor_cases.py)


def _cases(root):
    return json.loads((root / "fixtures" / "anchors" / "cases.json").read_text())["cases"]


def _wh(case):
    shapes = np.array(case["shapes"])
    scale = case["image_size"] / shapes.max(axis=1)
    sides = [np.array(s) * shape * by for s, shape, by in zip(case["sides"], shapes, scale, strict=True)]
    return np.concatenate(sides)


@pytest.mark.parametrize("which", ["given", "found"])
def test_recall_and_anchors_above_threshold_are_those_of_yolov5(root, which):
    for case in _cases(root):
        stated = case[which]
        found = assess(_wh(case), np.array(stated["anchors"]), ratio_threshold=case["ratio_threshold"])
        digits = 0.5e-3 if which == "given" else 0.5e-4
        assert found.bpr == pytest.approx(stated["bpr"], abs=digits + 1e-6)
        assert found.aat == pytest.approx(stated["aat"], abs=0.5e-2 + 1e-6)
        if which == "found":
            assert found.mean_best_ratio == pytest.approx(stated["mean_best_ratio"], abs=0.5e-3 + 1e-6)


def test_anchors_are_better_than_those_of_yolov5(root):
    """In the measure each is for: mean best IoU by k-means alone, fitness with as many generations."""
    for case in _cases(root):
        wh, theirs, threshold = _wh(case), np.array(case["found"]["anchors"]), case["ratio_threshold"]
        mine = cluster(wh, len(theirs))
        assert nearest(wh, mine)[1].mean() > nearest(wh, theirs)[1].mean()
        mine = cluster(wh, len(theirs), metric="ratio")
        evolved = evolve(wh, mine, case["found"]["generations"], ratio_threshold=threshold).anchors
        assert fitness(wh, evolved, threshold) > fitness(wh, theirs, threshold)
