from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference

from detkit.kernels.rle import Strings, measure, overlaps

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)


def encoded(runs: list[int]) -> bytes:
    """COCO's compressed form of these runs, empty ones included."""
    out = bytearray()
    for i, run in enumerate(runs):
        left = run - (runs[i - 2] if i > 2 else 0)
        while True:
            digit, left = left & 31, left >> 5
            more = left != (-1 if digit & 16 else 0)
            out.append(48 + (digit | 32 if more else digit))
            if not more:
                break
    return bytes(out)


def strings(rles: list[dict]) -> Strings:
    texts = [rle["counts"] for rle in rles]
    lengths = np.array([len(text) for text in texts], np.int64)
    sizes = np.array([rle["size"] for rle in rles], np.int64).reshape(-1, 2)
    # Something in front: masks may lie anywhere.
    return Strings(sizes, 3 + np.cumsum(lengths) - lengths, lengths, np.frombuffer(b"~~~" + b"".join(texts), np.uint8))


@st.composite
def masks_of(draw: st.DrawFn, height: int, width: int) -> dict:
    total = height * width
    cuts = sorted(draw(st.lists(st.integers(0, total), max_size=9)))
    runs = np.diff([0, *cuts, total]).tolist()
    return {"size": [height, width], "counts": encoded(runs)}


@st.composite
def cells(draw: st.DrawFn) -> tuple[list[dict], list[dict]]:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    shapes = masks_of(height, width)
    if draw(st.booleans()):
        shapes = st.one_of(shapes, masks_of(width, height + 1))
    some = st.lists(shapes, min_size=1, max_size=4)
    return draw(some), draw(some)


@SETTINGS
@given(st.lists(cells(), min_size=1, max_size=4), st.integers(0, 2**16 - 1))
def test_every_number_is_that_of_the_reference(found: list[tuple[list[dict], list[dict]]], crowds: int) -> None:
    dts, gts = ([mask for cell in found for mask in cell[side]] for side in (0, 1))
    measured = measure(strings(dts))
    assert measured.valid.all()
    assert measured.area.tolist() == reference.area(dts).tolist()
    assert measured.xywh.tolist() == reference.toBbox(dts).tolist()
    crowd = np.array([bool(crowds >> n % 16 & 1) for n in range(len(gts))])
    ends = [np.concatenate([[0], np.cumsum([len(cell[side]) for cell in found])]) for side in (0, 1)]
    expected = [
        value
        for (dt, gt), first in zip(found, ends[1].tolist(), strict=False)
        for value in reference.iou(dt, gt, crowd[first : first + len(gt)].astype(np.uint8).tolist()).ravel().tolist()
    ]
    assert overlaps(strings(dts), strings(gts), crowd, *ends).tolist() == expected


@pytest.mark.parametrize(
    ("counts", "is_valid"),
    [
        (encoded([2, 3, 7]), True),
        (encoded([0, 12]), True),
        (encoded([2, 3, 8]), False),  # 13 pixels of 12
        (encoded([2, 3, 6]), False),
        (encoded([12, 5, -5]), False),  # a run backwards
        (encoded([2, 3, 7])[:-1] + b"W", False),  # ends with "more follows"
        (b"2 7", False),  # no such character
        (b"", False),
        (b"\\" + b"P" * 10 + b"0", True),  # 12 pixels, in twelve characters
        (b"\\" + b"P" * 11 + b"0", False),
    ],
)
def test_runs_are_sound_where_they_add_up(counts: bytes, is_valid: bool) -> None:
    good = {"size": [3, 4], "counts": encoded([12])}
    found = measure(strings([good, {"size": [3, 4], "counts": counts}, good]))
    assert found.valid.tolist() == [True, is_valid, True]
    if not is_valid:
        assert found.area[1] == 0
        assert found.xywh[1].tolist() == [0, 0, 0, 0]


def test_a_mask_that_is_not_sound_is_not_compared() -> None:
    bad = strings([{"size": [3, 4], "counts": b"0"}])
    with pytest.raises(ValueError, match="do not add up"):
        overlaps(bad, bad, np.zeros(1, np.bool_), np.array([0, 1]), np.array([0, 1]))


def test_nothing_overlaps_nothing() -> None:
    none = strings([])
    assert measure(none).valid.shape == (0,)
    assert overlaps(none, none, np.zeros(0, np.bool_), np.array([0, 0]), np.array([0, 0])).shape == (0,)
