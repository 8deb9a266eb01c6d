from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_cases import random_result, rescored, scored
from detkit.errors import UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.analyses import Settings, analyse
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.protocols import AreaRange
from detkit.kernels.match import FALSE, TRUE
from detkit.reports._tables import as_text
from detkit.reports.analyses import tables
from detkit.tables import freeze
from strategies import detections_of, truth_of

SETTINGS = settings(derandomize=True, deadline=None, max_examples=40)
PROTOCOLS = ("coco", "voc2007", "voc2012")
SEEDS = st.integers(0, 10_000)


def rows_of(found):
    return {(row.kind, row.name): row for row in (*found.rows, *found.crossed)}


def looked_at(result, **changes):
    again = evaluate(align(result.truth, result.detections), result.protocol, with_partners=True)
    return rows_of(analyse("slices", again, Settings(**changes)))


def headline(result):
    name = next(iter(result.metrics))
    return result.metrics[name]


@SETTINGS
@given(SEEDS, st.sampled_from(PROTOCOLS), st.data())
def test_ap_of_some_images_is_that_of_scoring_them_alone(seed, protocol, data):
    result = random_result(seed, protocol=protocol)
    ids = result.truth.images.ids.tolist()
    chosen = data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1))
    row = looked_at(result, slices={"some": chosen})["slice", "some"]
    places = [ids.index(i) for i in chosen]
    kept = result.detections.take(np.isin(result.detections.image_index, places))
    part = result.truth.take_rows(np.flatnonzero(np.isin(result.truth.annotations.image_index, places)))
    alone = evaluate(replace(align(result.truth, result.detections), truth=part, detections=kept), result.protocol)
    assert row.ap == headline(alone)
    if "AP50" in alone.metrics:
        assert row.ap50 == alone.metrics["AP50"]


@SETTINGS
@given(SEEDS, st.sampled_from(["coco", "voc2012"]))
def test_ap_of_a_shape_is_that_of_an_area_range_whose_area_is_the_shape(seed, protocol):
    result = random_result(seed, protocol=protocol)
    found = looked_at(result)

    def shape(xywh):
        return np.where(xywh[:, 3] > 2 * xywh[:, 2], 0.0, np.where(xywh[:, 2] > 2 * xywh[:, 3], 2.0, 1.0))

    rows = result.truth.annotations
    truth = replace(result.truth, annotations=replace(rows, area=freeze(shape(rows.xywh))))
    detections = replace(result.detections, area=freeze(shape(result.detections.xywh)))
    for n, name in enumerate(("tall", "square", "wide")):
        if ("aspect", name) not in found:
            continue
        only = replace(result.protocol, area_ranges=(AreaRange("all", n, n),))
        assert found["aspect", name].ap == headline(evaluate(align(truth, detections), only)), name


@SETTINGS
@given(SEEDS)
def test_sizes_are_the_protocols_own(seed):
    result = random_result(seed)
    found = looked_at(result)
    for size in ("small", "medium", "large"):
        if ("size", size) in found:
            assert found["size", size].ap == result.metrics[f"AP{size}"]


@SETTINGS
@given(SEEDS)
def test_kinds_that_share_out_all_objects_add_up(seed):
    result = random_result(seed)
    again = evaluate(align(result.truth, result.detections), result.protocol, with_partners=True)
    found = analyse("slices", again, Settings())
    low = operating_point(result, Settings())
    outcome = np.concatenate([m.outcome[0, 0] for m in rescored(result, low).scored.matched])
    assert found.overall.tp == np.count_nonzero(outcome == TRUE)
    assert found.overall.fp == np.count_nonzero(outcome == FALSE)
    assert found.overall.truths == int(result.scored.truths[:, 0].sum())
    for kind in ("relative size", "aspect", "truncation", "overlap", "objects per image"):
        rows = [row for row in found.rows if row.kind == kind]
        assert sum(row.truths for row in rows) == found.overall.truths, kind
        assert sum(row.tp for row in rows) == found.overall.tp, kind
        if kind == "objects per image":
            assert sum(row.fp for row in rows) == found.overall.fp
        if kind == "overlap":
            assert all(row.fp is row.ap is row.precision is None for row in rows)
    assert sum(row["missed"] for row in found.by_count) == found.overall.fn


def boxes_case(truths, found, *, size=(200, 100), images=None, protocol="coco", **rest):
    """Truths (image, box) and detections (image, box, score) of one class, images from 0."""
    count = images or 1 + max(i for i, _ in truths)
    table = truth_of([(i, 0, b) for i, b in truths], image_ids=list(range(count)), size=size, **rest)
    units = {"units": rest["units"]} if "units" in rest else {}
    seen = detections_of([(i, 1, b, s) for i, b, s in found], image_ids=list(range(count)), **units)
    return evaluate(align(table, seen), protocols.get(protocol), with_partners=True)


def test_bins_by_hand():
    tall, wide = [50, 20, 10, 21], [80, 20, 41, 20]
    exact, edge = [130, 20, 10, 20], [0.5, 60, 30, 30]
    result = boxes_case([(0, tall), (0, wide), (0, exact), (0, edge)], [(0, tall, 0.9), (0, [150, 60, 50, 20], 0.8)])
    found = rows_of(analyse("slices", result, Settings(score_threshold=0.5)))
    counts = {key: (row.truths, row.tp, row.fp) for key, row in found.items()}
    # A side of twice the other is not yet long; the second detection is wide and ends at the right border.
    assert counts["aspect", "tall"] == (1, 1, 0)
    assert counts["aspect", "square"] == (2, 0, 0)
    assert counts["aspect", "wide"] == (1, 0, 1)
    assert counts["truncation", "at the border"] == (1, 0, 1)
    assert counts["truncation", "inside"] == (3, 1, 0)
    # 210 and 200 square pixels of 20,000 are 1.05 % and 1 %.
    assert counts["relative size", "1 to 10 %"] == (4, 1, 1)
    assert counts["objects per image", "2 to 4"] == (4, 1, 1)
    assert found["aspect", "tall"].ap == pytest.approx(1.0)
    assert found["aspect", "tall"].recall == 1.0
    assert found["aspect", "square"].f == 0.0


def test_crowded_objects_are_told_by_recall_alone():
    a, b, far = [0, 0, 20, 20], [0, 0, 20, 40], [100, 50, 20, 20]
    found = rows_of(analyse("slices", boxes_case([(0, a), (0, b), (0, far)], [(0, a, 0.9)]), Settings()))
    row = found["overlap", "overlapping"]
    assert (row.truths, row.tp, row.recall, row.fp, row.ap) == (2, 1, 0.5, None, None)
    assert found["overlap", "apart"].truths == 1


def test_values_that_read_alike_are_one_slice():
    boxes = [(n, 0, [0, 0, 20, 20]) for n in range(5)]
    lit = dict(enumerate([1, 1.0, "1", True, 2]))
    truth = truth_of(boxes, extra={n: {"lit": value} for n, value in lit.items()})
    found = detections_of([(n + 1, 1, box, 0.9) for n, _, box in boxes])
    result = evaluate(align(truth, found), protocols.get("coco"), with_partners=True)
    rows = {row.name: row.truths for row in analyse("slices", result, Settings()).rows if row.kind == "object lit"}
    assert rows == {"1": 3, "yes": 1, "2": 1}


def test_attributes_of_images_and_objects_are_slices():
    truths = [(n, [0, 0, 20, 20]) for n in range(4)]
    result = boxes_case(
        truths,
        [(0, [0, 0, 20, 20], 0.9), (1, [0, 0, 20, 20], 0.8)],
        attributes={
            "occluded": np.array([True, False, True, False]),
            "pose": np.array(["left", None, "", "right"], dtype=object),
            "truncated": np.array([0.0, 1.0, np.nan, 0.0]),
        },
        extra={0: {"group": "a", "attributes": {"lit": True}}, 2: {"group": "b", "attributes": {"lit": False}}},
    )
    fields = [{"time": "day", "licence": 3, "url": f"a{n}"} for n in range(3)]
    extra = {n: {**own, "tags": [1]} for n, own in enumerate(fields)}
    extra[1] = {**extra[1], "time": "night"}
    result = replace(result, truth=replace(result.truth, images=replace(result.truth.images, extra=extra)))
    found = rows_of(analyse("slices", result, Settings()))
    assert found["image time", "day"].images == 2
    assert (found["image time", "night"].truths, found["image time", "night"].tp) == (1, 1)
    assert not any(kind == "image licence" for kind, _ in found)
    assert found["object occluded", "yes"].truths == found["object occluded", "no"].truths == 2
    assert {name for kind, name in found if kind == "object pose"} == {"left", "right"}
    assert {name: found["object truncated", name].truths for name in "01"} == {"0": 2, "1": 1}
    assert found["object group", "a"].tp == found["object lit", "yes"].tp == 1
    assert found["object group", "b"].tp == found["object lit", "no"].tp == 0
    many = {n: {"url": f"a{n}"} for n in range(4)}
    many |= {n: {"url": f"a{n}"} for n in range(4, 13)}
    wide = boxes_case([(n, [0, 0, 20, 20]) for n in range(13)], [(0, [0, 0, 20, 20], 0.9)])
    wide = replace(wide, truth=replace(wide.truth, images=replace(wide.truth.images, extra=many)))
    assert analyse("slices", wide, Settings()).left_out == {"image url": "more than 12 values"}


def test_splits_are_slices():
    result = boxes_case([(n, [0, 0, 20, 20]) for n in range(3)], [(0, [0, 0, 20, 20], 0.9)])
    splits = {"val": np.array([0, 1]), "test": np.array([2])}
    result = replace(result, truth=replace(result.truth, splits=splits))
    found = rows_of(analyse("slices", result, Settings()))
    assert (found["split", "val"].truths, found["split", "test"].truths) == (2, 1)


def test_user_slices_take_ids_and_names_and_refuse_others():
    result = scored([(0, 0), (1, 0)], [(0, 0, 1.0, 0.9)])
    result = evaluate(align(result.truth, result.detections), result.protocol, with_partners=True)
    found = rows_of(analyse("slices", result, Settings(slices={"one": [1], "two": ["img_2.jpg"], "none": []})))
    assert [found["slice", name].tp for name in ("one", "two", "none")] == [1, 0, 0]
    assert found["slice", "none"].ap is None
    with pytest.raises(UsageError, match=r"slice `bad`: 1 of the images asked for are not in the truth: `99`"):
        analyse("slices", result, Settings(slices={"bad": [99]}))


def test_crossed_slices_need_twenty_truths():
    truths = [(n // 10, [25 * (n % 10), 0, 20, 20]) for n in range(25)]
    result = boxes_case(truths, [(0, [0, 0, 20, 20], 0.9)], size=(400, 400))
    found = analyse("slices", result, Settings(slices={"all": [0, 1, 2], "last": [2]}))
    assert {(row.kind, row.name): row.truths for row in found.crossed} == {
        ("size x objects per image", "small, 10 to 19"): 20,
        ("size x slice", "small, all"): 25,
    }
    assert found.too_small == 2


def test_without_image_sizes_and_in_shares():
    result = boxes_case([(0, [0, 0, 20, 20])], [(0, [0, 0, 20, 20], 0.9)], size=(np.nan, np.nan))
    found = analyse("slices", result, Settings())
    assert set(found.left_out) == {"relative size", "truncation"}
    assert found.to_dict()["failure_modes"][0]["mode"] == "small"
    # Without the protocol's sizes the least shares of the image are small, a tenth of it is not.
    for side, mode in ((20, "small"), (100, None)):
        voc = boxes_case([(0, [0, 50, side, side])], [(0, [9, 9, 5, 5], 0.9)], size=(300, 200), protocol="voc2012")
        modes = analyse("slices", voc, Settings(score_threshold=0.5)).failure_modes()
        assert [row["mode"] for row in modes if row["kind"] == "relative size"] == ([mode] if mode else [])
    shares = boxes_case([(0, [0, 0.2, 0.2, 0.2])], [(0, [0, 0.2, 0.2, 0.2], 0.9)], units="normalised")
    rows = rows_of(analyse("slices", shares, Settings()))
    assert rows["truncation", "at the border"].truths == 1
    assert rows["relative size", "1 to 10 %"].truths == 1
    assert not any(kind == "size" for kind, _ in rows)


def test_failure_modes_name_small_truncated_crowded_first():
    small, big, touching = [50, 50, 10, 10], [80, 20, 60, 60], [0, 0, 10, 10]
    result = boxes_case(
        [(0, small), (0, big), (0, touching), (1, big)], [(0, big, 0.9), (1, big, 0.8), (0, [150, 0, 9, 9], 0.1)]
    )
    modes = analyse("slices", result, Settings(score_threshold=0.5)).failure_modes()
    assert [row["mode"] for row in modes[:2]] == ["small", "truncated"]
    # 2 of 4 truths are missed: of the 2 small ones 1 would be at that rate.
    assert modes[0]["share_of_missed"] == 1.0
    assert modes[0]["excess_missed"] == 2 - 2 * 2 / 4
    assert modes[0]["against_overall"] == 0 - 2 / 4
    assert all(row["excess_missed"] > 0 for row in modes[2:])
    assert len(analyse("slices", result, Settings(examples=1)).failure_modes()) <= 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_and_tables(protocol):
    result = random_result(3, protocol=protocol)
    again = evaluate(align(result.truth, result.detections), result.protocol, with_partners=True)
    found = analyse("slices", again, Settings(slices={"a": again.truth.images.ids.tolist()})).to_dict()
    json.dumps(found, allow_nan=False)
    lines = [line for shown in tables("slices", found) for line in as_text(shown)]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("slice: a") for line in lines)


def test_no_truth_and_no_detection():
    result = boxes_case([(0, [0, 0, 20, 20])], [(0, [0, 0, 20, 20], 0.9)], images=2)
    nothing = replace(align(result.truth, result.detections), detections=result.detections.take([]))
    found = analyse("slices", evaluate(nothing, result.protocol, with_partners=True), Settings())
    assert found.overall.recall == 0.0
    json.dumps(found.to_dict(), allow_nan=False)
    for shown in tables("slices", found.to_dict()):
        assert as_text(shown)
