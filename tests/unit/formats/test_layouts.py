"""Column layouts of text predictions: which reading wins, and when none may."""

import numpy as np
import pytest

from detkit.errors import UsageError
from detkit.formats._layouts import LAYOUTS, YOLO, boxes_of, decide, layout_named, scores_of

SIZE = (500.0, 400.0)
#: xywh boxes in pixels that reach all parts of a 500 x 400 image, so that every wrong reading leaves it.
BOXES = np.array([[10, 200, 300, 190], [250, 200, 240, 190], [400, 300, 99, 99], [3, 5, 200, 30]], float)
SCORES = np.array([0.9, 0.5, 0.25, 0.125])


def rows(layout, boxes=BOXES, scores=SCORES, size=SIZE, offset=1):
    x, y, w, h = boxes.T
    if layout.relative:
        x, y, w, h = x / size[0], y / size[1], w / size[0], h / size[1]
        offset = 0
    four = {
        "xyxy": (x + offset, y + offset, x + w, y + h),
        "xywh": (x, y, w, h),
        "cxcywh": (x + w / 2, y + h / 2, w, h),
    }[layout.box]
    columns = (scores, *four) if layout.score == "second" else (*four, scores)
    return np.stack(columns, axis=1)


def sizes(count, size=SIZE):
    return np.tile(np.array(size, float), (count, 1))


def unknown(count):
    return np.full((count, 2), np.nan)


def test_names_are_public_and_stable():
    assert sorted(layout.name for layout in LAYOUTS) == [
        "class-conf-cxcywh",
        "class-conf-cxcywh-norm",
        "class-conf-xywh",
        "class-conf-xywh-norm",
        "class-conf-xyxy",
        "class-conf-xyxy-norm",
        "class-cxcywh-conf",
        "class-cxcywh-norm-conf",
        "class-xywh-conf",
        "class-xywh-norm-conf",
        "class-xyxy-conf",
        "class-xyxy-norm-conf",
    ]
    assert YOLO.name == "class-cxcywh-norm-conf"
    assert layout_named("class-conf-xyxy").box == "xyxy"
    with pytest.raises(UsageError, match="unknown layout `xyxy`; known: class-conf-cxcywh"):
        layout_named("xyxy")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_each_layout_is_found_with_sizes_and_gives_the_boxes_back(layout):
    values = rows(layout)
    decision = decide(values, sizes(4), 1)
    assert decision.layout == layout
    scale = np.array([*SIZE, *SIZE]) if layout.relative else 1
    np.testing.assert_allclose(boxes_of(values, layout, 1) * scale, BOXES, rtol=1e-12)
    assert scores_of(values, layout).tolist() == SCORES.tolist()


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x.relative], ids=lambda layout: layout.name)
def test_relative_layouts_need_no_sizes(layout):
    assert decide(rows(layout), unknown(4), 1).layout == layout


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if not x.relative], ids=lambda layout: layout.name)
def test_without_sizes_corners_are_taken_and_said(layout):
    decision = decide(rows(layout), unknown(4), 1)
    if layout.box == "cxcywh":
        # Read as xywh these boxes are as plausible: only the image's size could tell.
        assert decision.layout is None
        assert decision.basis == "ambiguous"
        assert {c.box for c in decision.candidates} == {"xywh", "cxcywh"}
    else:
        assert decision.layout == layout
        assert decision.assumed
        assert decision.basis == {"xyxy": "ordered corners", "xywh": "left and top"}[layout.box]


def test_inclusive_corners_and_stated_sizes():
    corners = np.array([[0.9, 11, 21, 40, 60]])
    assert boxes_of(corners, layout_named("class-conf-xyxy"), 1).tolist() == [[11 - 1, 21 - 1, 40 - 10, 60 - 20]]
    assert boxes_of(corners, layout_named("class-conf-xyxy"), 0).tolist() == [[11, 21, 40 - 11, 60 - 21]]
    assert boxes_of(corners, layout_named("class-conf-xywh"), 1).tolist() == [[11, 21, 40, 60]]
    assert boxes_of(corners, layout_named("class-conf-cxcywh"), 1).tolist() == [[11 - 40 / 2, 21 - 60 / 2, 40, 60]]


def test_one_impossible_row_strikes_a_reading_out():
    values = rows(layout_named("class-conf-xyxy"), np.tile(BOXES, (50, 1)), np.tile(SCORES, 50))
    values[123, 3] = values[123, 1] - 2
    decision = decide(values, unknown(200), 1)
    assert "class-conf-xyxy" not in [c.name for c in decision.candidates]
    assert decision.reasons["class-conf-xyxy"] == ("the width or height is not positive", 123)


def test_a_score_outside_zero_to_one_strikes_a_reading_out():
    values = rows(layout_named("class-conf-xyxy"))
    values[2, 0] = 1.01
    decision = decide(values, sizes(4), 1)
    assert decision.layout is None
    assert decision.basis == "none"
    assert decision.reasons["class-conf-xyxy"] == ("confidence 1.01 is outside [0, 1]", 2)


def test_least_overflow_must_be_ten_times_below_the_next():
    # In a 100 x 100 image, x = 60: read as xywh a box of width w sticks out by (60 + w - 100) / 100, read as cxcywh by
    # (60 + w / 2 - 100) / 100; both overflow, and the better one is not ten times better.
    values = np.array([[0.9, 60, 60, 84, 84]])
    decision = decide(
        values, sizes(1, (100, 100)), 1, [layout_named("class-conf-xywh"), layout_named("class-conf-cxcywh")]
    )
    assert decision.overflow["class-conf-xywh"] == pytest.approx(2 * (60 + 84 - 100) / 100)
    assert decision.overflow["class-conf-cxcywh"] == pytest.approx(2 * (60 + 42 - 100) / 100)
    assert decision.layout == layout_named("class-conf-cxcywh")
    values = np.array([[0.9, 60, 60, 100, 100]])
    decision = decide(
        values, sizes(1, (100, 100)), 1, [layout_named("class-conf-xywh"), layout_named("class-conf-cxcywh")]
    )
    # 2 * 0.6 against 2 * 0.1: six times.
    assert decision.basis == "ambiguous"
    assert [c.name for c in decision.candidates] == ["class-conf-cxcywh", "class-conf-xywh"]


def test_two_readings_that_fit_are_both_named():
    decision = decide(np.array([[0.9, 10, 10, 60, 60]]), sizes(1), 1)
    assert decision.basis == "ambiguous"
    assert {c.name for c in decision.candidates} == {"class-conf-xyxy", "class-conf-xywh"}


def test_a_pixel_beyond_the_edge_is_no_evidence():
    # A 0-based file read inclusively starts at -1: that must not throw its own reading out.
    values = np.array([[0.9, 0, 0, 60, 60]])
    decision = decide(values, sizes(1), 1, [layout_named("class-conf-xyxy"), layout_named("class-conf-xywh")])
    assert decision.overflow == {"class-conf-xyxy": 0, "class-conf-xywh": 0}
    assert decision.basis == "ambiguous"


def test_tie_between_box_layouts_with_the_confidence_last_is_yolo():
    decision = decide(np.array([[0.5, 0.5, 0.2, 0.2, 0.9]]), unknown(1), 1)
    assert decision.layout == YOLO
    assert decision.basis == "standard"
    # Where the confidence itself could be in two places nothing is guessed.
    decision = decide(np.array([[0.5, 0.5, 0.5, 0.1, 0.1]]), unknown(1), 1)
    assert decision.basis == "ambiguous"


def test_shares_may_stick_out_a_little_but_not_be_mixed_with_pixels():
    values = rows(YOLO)
    values[0, :4] = [0.5, 0.5, 1.02, 0.5]
    assert decide(values, unknown(4), 1).layout == YOLO
    values[1] = [250, 200, 100, 100, 0.5]
    decision = decide(values, unknown(4), 1)
    assert decision.basis == "none"
    assert decision.reasons[YOLO.name] == ("250 200 100 100 are not shares of an image", 1)
    assert "are shares of an image, not pixels" in decision.reasons["class-cxcywh-conf"][0]


def test_sizes_of_some_images_suffice():
    values = rows(layout_named("class-conf-cxcywh"))
    known = sizes(4)
    known[2:] = np.nan
    assert decide(values, known, 1).layout == layout_named("class-conf-cxcywh")
