"""Tables longer than a block: what is found does not hang on where a block ends, nor on how many are looked at once."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import detkit
from detkit import checks
from detkit.checks import _blocks, _pairs
from detkit.checks._blocks import in_blocks
from detkit.ragged import Ragged, Shapes
from detkit.tables import Categories, Dataset, Images, Source
from naive import iou

QUIET = detkit.CheckSettings(cache=False, jobs=1)


def random_set(seed: int, boxes: int = 200, images: int = 3) -> Dataset:
    """Small boxes, of which many repeat, lie on another, leave their image, are empty, outlined or keyed."""
    chance = np.random.default_rng(seed)
    xywh = chance.integers(0, 30, (boxes, 4)).astype(np.float64) + chance.choice([0, 0.25], (boxes, 4))
    xywh[:, 2:] *= chance.choice([0, 1, 1, 1, 1], (boxes, 1))
    again = chance.integers(0, boxes, boxes // 3)
    xywh[chance.integers(0, boxes, boxes // 3)] = xywh[again]
    xywh[chance.integers(0, boxes, boxes // 6)] = xywh[again[: boxes // 6]] + [0, 0, 0.5, 0.25]
    xywh[chance.integers(0, boxes, boxes // 6)] = xywh[again[: boxes // 6]] + [0.75, 0, 0, 0]
    shapes = None
    if seed % 2:
        ring = [[[x, y, x + w + seed, y, x + w, y + h]] if n % 3 else None for n, (x, y, w, h) in enumerate(xywh)]
        shapes = Shapes.from_rows(ring)
    points = [np.arange(9) + 30 * (n % 8 == 1) if n % 4 else None for n in range(boxes)] if seed % 3 else None
    sizes = np.where(chance.random((images, 1)) < 0.2, np.nan, chance.integers(25, 50, (images, 2)))
    return Dataset.build(
        Images(np.arange(images), tuple(f"{n}.png" for n in range(images)), sizes),
        Categories.from_names(["cat", "dog"]),
        image_index=chance.integers(0, images, boxes),
        category_index=chance.integers(0, 2, boxes),
        xywh=xywh,
        area=xywh[:, 2] * xywh[:, 3] * chance.choice([1, 1, 3], boxes),
        is_crowd=chance.random(boxes) < 0.05,
        ids=chance.integers(0, 10 * boxes, boxes),
        shapes=shapes,
        keypoints=None if points is None else Ragged.from_rows(points, (3,)),
        num_keypoints=chance.integers(-1, 4, boxes),
        source=Source("a.json", "coco", ""),
    )


@pytest.mark.parametrize("seed", range(6))
def test_blocks_of_any_length_find_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = random_set(seed)
    whole = checks.run(dataset, checks.Context(dataset))
    mended = checks.mend(dataset, checks.Context(dataset), unsafe=True)
    assert len({finding.code for finding in whole}) > 8
    for rows in (1, 7):
        monkeypatch.setattr(_blocks, "ROWS", rows)
        monkeypatch.setattr(_pairs, "ROWS", rows)
        assert checks.run(dataset, checks.Context(dataset)) == whole
        again = checks.mend(dataset, checks.Context(dataset), unsafe=True)
        assert again.changes == mended.changes
        assert np.array_equal(again.dataset.annotations.xywh, mended.dataset.annotations.xywh)


@pytest.mark.parametrize("seed", range(6))
def test_repeated_and_close_boxes_as_a_naive_reading_has_them(seed: int) -> None:
    """All pairs of all rows, in plain Python."""
    dataset = random_set(seed)
    rows = dataset.annotations
    same, near, other = set(), set(), set()
    for j in range(len(rows)):
        mates = [i for i in range(j) if rows.image_index[i] == rows.image_index[j]]
        if any(_is_copy(dataset, i, j) for i in mates):
            same.add(j)
            continue
        for i in mates:
            if i in same or rows.is_crowd[i] or rows.is_crowd[j] or min(*rows.xywh[i, 2:], *rows.xywh[j, 2:]) <= 0:
                continue
            alike = rows.category_index[i] == rows.category_index[j]
            overlap = iou(rows.xywh[i].tolist(), rows.xywh[j].tolist(), False)
            if overlap > (0.9 if alike else 0.95):
                (near if alike else other).add(j)
    found = checks.run(dataset, checks.Context(dataset), ("DK501", "DK503", "DK504"))
    position = {(f.code, f.annotation) for f in found}
    wanted = (("DK501", same), ("DK503", near), ("DK504", other - near))
    assert position == {(code, int(rows.ids[j])) for code, js in wanted for j in js}
    assert same
    assert near | other


def _is_copy(dataset: Dataset, i: int, j: int) -> bool:
    rows = dataset.annotations
    columns = (rows.xywh, rows.category_index, rows.is_crowd, rows.is_ignored)
    ragged = [part for part in (rows.keypoints, rows.shapes and rows.shapes.points) if part is not None]
    return all(np.array_equal(column[i], column[j]) for column in columns) and all(
        np.array_equal(part[i], part[j]) for part in ragged
    )


def test_no_rows_give_no_rows() -> None:
    (empty,) = in_blocks(0, lambda part: (np.ones(part.stop - part.start, np.bool_),))
    assert (empty.shape, empty.dtype) == ((0,), np.bool_)


def test_memory_beyond_the_table_is_small() -> None:
    """200,000 boxes are 15 MB of columns; looking at them takes less than the table itself."""
    chance = np.random.default_rng(0)
    count, images = 200_000, 10_000
    xywh = np.hstack([chance.random((count, 2)) * 400, 5 + chance.random((count, 2)) * 90])
    dataset = Dataset.build(
        Images(np.arange(images), ("",) * images, np.full((images, 2), 500.0)),
        Categories.from_names(["cat", "dog"]),
        image_index=np.sort(chance.integers(0, images, count)),
        category_index=chance.integers(0, 2, count),
        xywh=xywh,
        source=Source("a.json", "coco", ""),
    )
    context = checks.Context(dataset, limit=10)
    checks.run(random_set(0), checks.Context(random_set(0)))  # what is loaded once is no part of it
    tracemalloc.start()
    try:
        checks.run(dataset, context)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15e6, peak


def test_rows_that_all_repeat_are_found_without_comparing_all_pairs(tmp_path: Path) -> None:
    """Two exports of one set joined, and one box ten thousand times: far too many pairs to look at each."""
    rows = [{"id": n, "image_id": 1, "category_id": 1, "bbox": [5, 5, 9, 9], "area": 81} for n in range(10_000)]
    image = {"id": 1, "file_name": "a.png", "width": 48, "height": 36}
    content = {"images": [image], "categories": [{"id": 1, "name": "cat"}], "annotations": rows}
    (tmp_path / "a.json").write_text(json.dumps(content))
    settings = dataclasses.replace(QUIET, select=("DK5",), limit=3)
    assert detkit.check(tmp_path / "a.json", settings).counts() == {"DK501": 9_999}
