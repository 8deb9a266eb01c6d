from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.tables import Categories, Dataset, Detections, Images, id_array
from detkit.transforms.ensemble import EnsembleSettings, ensemble

CASES = json.loads((Path(__file__).resolve().parents[3] / "fixtures" / "ensemble" / "cases.json").read_text())
WIDTH, HEIGHT = CASES["size"]
#: ensemble-boxes keeps running means of boxes and scores in float32; suppression computes nothing new.
TOLERANCE = {"wbf": 1e-6, "nms": 1e-15, "soft-nms": 1e-15, "soft-linear": 1e-15}


def table(rows, *, ids=(1,), names=(), sizes=None, classes=("cat", "dog", "cow"), own_ids=True, **rest):
    """Predictions from rows (image position, class position, box, score)."""
    names = names or ("",) * len(ids)
    sizes = np.full((len(ids), 2), np.nan) if sizes is None else sizes
    columns = list(zip(*rows, strict=True)) if rows else ([], [], [], [])
    return Detections.build(
        Images(id_array(ids), tuple(names), sizes, has_own_ids=own_ids),
        classes if isinstance(classes, Categories) else Categories.from_names(classes),
        image_index=columns[0],
        category_index=columns[1],
        xywh=np.reshape(columns[2], (-1, 4)),
        score=columns[3],
        **rest,
    )


def plain(found):
    rows = zip(found.image_index, found.category_index, found.xywh, found.score, strict=True)
    return [(int(i), int(c), b.tolist(), float(s)) for i, c, b, s in rows]


@pytest.mark.parametrize("method", TOLERANCE)
@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: str(case["seed"]))
def test_equals_ensemble_boxes(case, method):
    tables = [
        table(
            [(0, k, b, s) for k, b, s in zip(m["labels"], m["boxes"], m["scores"], strict=True)],
            sizes=[[WIDTH, HEIGHT]],
        )
        for m in case["models"]
    ]
    settings = EnsembleSettings(
        method=method,
        weights=case["weights"] and tuple(case["weights"]),
        iou_threshold=case["iou_threshold"],
        skip_box_threshold=case["skip_box_threshold"] if method == "wbf" else 0.0,
        confidence=case["confidence"],
        allows_overflow=case["allows_overflow"],
        score_threshold=0.3 if method == "soft-linear" else 0.001,
    )
    found = ensemble(tables, settings).detections
    corners = np.concatenate([found.xywh[:, :2], found.xywh[:, :2] + found.xywh[:, 2:]], axis=1)
    rows = np.column_stack([found.category_index, found.score, corners / [WIDTH, HEIGHT, WIDTH, HEIGHT]])
    expected = np.reshape(case["expected"][method], (-1, 6))
    assert rows.shape == expected.shape
    rows, expected = (r[np.lexsort((r[:, 2].round(4), r[:, 1].round(5), r[:, 0]))] for r in (rows, expected))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=TOLERANCE[method])


A = [(0, 0, [0, 0, 10, 10], 0.6), (0, 1, [50, 50, 10, 10], 0.5)]
B = [(0, 0, [2, 0, 10, 10], 0.3)]


def test_rows_of_an_image_fall_by_score():
    found = ensemble([table(A), table(B)]).detections
    assert [s for *_, s in plain(found)] == sorted([(0.6 + 0.3) / 2 * 2 / 2, 0.5 / 2], reverse=True)
    assert found.source_row.tolist() == [0, 1]


def test_images_meet_by_name_and_classes_by_name():
    a = table([(0, 0, [0, 0, 10, 10], 0.6), (1, 0, [5, 5, 9, 9], 0.4)], ids=(1, 2), names=("a.jpg", "b.jpg"))
    b = table([(0, 1, [0, 0, 10, 10], 0.2)], ids=(1,), names=("b.txt",), classes=("dog", "cat"), own_ids=False)
    b_moved = ensemble([a, b]).detections
    assert sorted((i, c) for i, c, *_ in plain(b_moved)) == [(0, 0), (1, 0), (1, 0)]
    assert b_moved.categories.names == ("cat", "dog", "cow")


def test_what_only_one_file_knows_stays():
    a = table([(0, 0, [0, 0, 10, 10], 0.6)], ids=(1,))
    b = table(
        [(0, 0, [0, 0, 10, 10], 0.6), (1, 0, [0, 0, 10, 10], 0.8), (1, 1, [9, 9, 3, 3], 0.4)],
        ids=(1, 7),
        classes=("cat", "newt"),
    )
    found = ensemble([a, b]).detections
    assert found.images.ids.tolist() == [1, 7]
    assert found.categories.names == ("cat", "dog", "cow", "newt")
    assert [(i, c) for i, c, *_ in plain(found)] == [(0, 0), (1, 0), (1, 3)]
    assert [f.message for f in found.findings if f.code == "DK705"] == ["1 image of these predictions only (`7`)"]


def test_class_numbers_without_names_may_run_further_in_the_second_file():
    numbers = [Categories.from_names([str(i) for i in range(n)], has_names=False) for n in (2, 5)]
    a = table([(0, 1, [0, 0, 10, 10], 0.6)], classes=numbers[0])
    b = table([(0, 4, [0, 0, 10, 10], 0.6)], classes=numbers[1])
    for pair in ([a, b], [b, a]):
        found = ensemble(pair).detections
        assert sorted(found.category_index.tolist()) == [1, 4]
        assert len(found.categories) == 5


def test_a_new_image_whose_id_is_taken_gets_a_free_one():
    a = table([(0, 0, [0, 0, 10, 10], 0.6)], ids=(1,), names=("a.jpg",))
    b = table(
        [(0, 0, [0, 0, 9, 9], 0.5), (1, 0, [0, 0, 9, 9], 0.5)], ids=(1, 2), names=("z.jpg", "a.jpg"), own_ids=False
    )
    found = ensemble([a, b]).detections
    assert found.images.ids.tolist() == [1, 2]
    assert found.images.file_names == ("a.jpg", "z.jpg")
    assert [i for i, *_ in plain(found)] == [0, 1]


def test_names_overrule_ids_that_point_elsewhere_and_ids_stay_unique():
    a = table([(0, 0, [0, 0, 10, 10], 0.6)], ids=(1, 2), names=("a.jpg", "b.jpg"))
    b = table([(0, 0, [0, 0, 9, 9], 0.5), (1, 0, [0, 0, 9, 9], 0.5)], ids=(1, 2), names=("b.jpg", "z.jpg"))
    found = ensemble([a, b]).detections
    assert found.images.ids.tolist() == [1, 2, 3]
    assert found.images.file_names == ("a.jpg", "b.jpg", "z.jpg")
    assert [i for i, *_ in plain(found)] == [0, 1, 2]


def test_a_file_without_boxes_is_a_model_that_saw_nothing():
    for pair in ([table(A), table([])], [table([]), table(A)]):
        found = ensemble(pair)
        assert sorted(s for *_, s in plain(found.detections)) == [0.5 / 2, 0.6 / 2]
        assert sum(found.boxes) == 2
    assert len(ensemble([table([]), table([])]).detections) == 0


def test_files_without_a_common_image_are_not_joined():
    with pytest.raises(CannotJudgeError, match="no image is one of the others'"):
        ensemble([table(A, ids=(1,)), table(B, ids=(2,))])


def test_a_truth_joins_ids_with_names():
    truth = Dataset.build(
        Images(id_array([31]), ("photo.jpg",), [[20, 20]]),
        Categories(id_array([4]), ("cat",)),
        image_index=[], category_index=[], xywh=[],
    )  # fmt: skip
    a = table([(0, 0, [0, 0, 10, 10], 0.6)], ids=(31,), classes=Categories(id_array([4]), ("4",), has_names=False))
    b = table([(0, 0, [15, 15, 10, 10], 0.5)], ids=(1,), names=("photo.txt",), classes=("cat",), own_ids=False)
    found = ensemble([a, b], truth=truth)
    assert plain(found.detections) == [(0, 0, [0, 0, 10, 10], 0.6 / 2), (0, 0, [15, 15, 5, 5], 0.5 / 2)]
    assert [str(loss) for loss in found.losses] == ["boxes: 1 clipped to the image"]
    assert found.detections.images.ids.tolist() == [31]
    assert ensemble([a, table([])], truth=truth).boxes == (1, 0)


def test_what_is_cut_turned_or_left_out_is_counted():
    rows = [
        (0, 0, [-5, 0, 10, 10], 0.9),
        (0, 0, [30, 30, -10, -5], 0.8),
        (0, 0, [200, 0, 10, 10], 0.7),
        (0, 0, [60, 60, 0, 5], 0.6),
        (0, 0, [70, 70, 5, 5], 0.1),
    ]
    found = ensemble([table(rows, sizes=[[100, 100]])], EnsembleSettings(skip_box_threshold=0.2))
    assert plain(found.detections) == [(0, 0, [0, 0, 5, 10], 0.9), (0, 0, [20, 25, 10, 5], 0.8)]
    assert [str(loss) for loss in found.losses] == [
        "boxes: 1 skipped: score below 0.2",
        "boxes of negative size: 1 turned",
        "boxes: 1 clipped to the image",
        "boxes without area in the image: 2 dropped",
    ]
    unknown = ensemble([table(rows[:1])])
    assert plain(unknown.detections) == [(0, 0, [0, 0, 5, 10], 0.9)]
    assert [f.code for f in unknown.detections.findings] == ["DK403"]


def test_soft_scores_are_kept_or_lowered():
    rows = [(0, 0, [0, 0, 10, 10], 0.9), (0, 0, [0, 0, 10, 5], 0.8)]
    kept = ensemble([table(rows)], EnsembleSettings(method="soft-linear", iou_threshold=0.3)).detections
    assert kept.score.tolist() == [0.9, 0.8]
    settings = EnsembleSettings(method="soft-linear", iou_threshold=0.3, decayed_scores=True)
    assert ensemble([table(rows)], settings).detections.score.tolist() == [0.9, 0.8 * (1 - 0.5)]


def test_a_lowered_score_equal_to_the_threshold_goes():
    settings = EnsembleSettings(method="soft-nms", score_threshold=0.5)
    assert ensemble([table(A)], settings).detections.score.tolist() == [0.6]


def test_the_cap_takes_the_highest_of_an_image():
    settings = EnsembleSettings(max_detections=1)
    assert plain(ensemble([table(A)], settings).detections) == [(0, 0, [0, 0, 10, 10], 0.6)]


def test_normalised_boxes_stay_shares():
    found = ensemble([table([(0, 0, [0.5, 0.5, 0.75, 0.5], 0.6)], units="normalised")]).detections
    assert found.units == "normalised"
    assert plain(found) == [(0, 0, [0.5, 0.5, 0.5, 0.5], 0.6)]
    with pytest.raises(InputError, match="normalised coordinates, others in pixels"):
        ensemble([table(A), table([(0, 0, [0.1, 0.1, 0.2, 0.2], 0.6)], units="normalised")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EnsembleSettings(weights=(1,)), "found 1 weight, expected 2"),
        (EnsembleSettings(weights=(1, 0)), "expected positive"),
        (EnsembleSettings(method="mean"), "unknown method `mean`"),
        (EnsembleSettings(confidence="mean"), "unknown confidence"),
        (EnsembleSettings(method="soft-nms", sigma=-1), "sigma"),
        (EnsembleSettings(iou_threshold=3), "iou_threshold"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(UsageError, match=message):
        ensemble([table(A), table(B)], settings)
    with pytest.raises(UsageError, match="nothing to join"):
        ensemble([])
