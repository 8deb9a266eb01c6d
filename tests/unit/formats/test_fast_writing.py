"""What is written in bulk is, byte for byte, what the plain way a row would write."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detkit import files
from detkit.formats import WriteOptions, _coco_write, _voc_document
from detkit.formats._images import SUFFIXES, is_inside
from detkit.formats._numbers import _exact_texts, corner_texts
from detkit.formats._stems import is_plain_name, stem_of
from detkit.formats._yolo_lines import number_lines
from detkit.kernels.voc_text import object_texts
from detkit.tables import Categories, Dataset, Images

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(_FLOATS, st.floats(0, 1)), max_size=6))
def test_numbers_are_written_as_repr_writes_them(rows: list[tuple[float, float]]) -> None:
    values = np.array(rows, np.float64).reshape(-1, 2)
    assert number_lines(values) == [f"{a!r} {b!r}" for a, b in rows]


def test_numbers_around_the_limits_of_the_fast_way() -> None:
    values = np.array([[1e-4, np.nextafter(1e-4, 0), 0.0, -0.0], [1e16, np.nextafter(1e16, 0), 1.0, -0.5]])
    for part in (values, values[:, 2:], values[:, :1], values[1:, 1:2]):
        assert number_lines(part) == [" ".join(map(repr, row)) for row in part.tolist()]


@pytest.mark.parametrize("voc_offset", [0, 1])
def test_corners_are_those_of_decimal_arithmetic(voc_offset: int) -> None:
    random_ = random.Random(voc_offset)
    rows = []
    for _ in range(4000):
        digits = random_.choice((0, 1, 2, 6, 8, 9, 10, 14))
        scale = random_.choice((1e-6, 1e-3, 1.0, 640.0, 1e5, 2e6))
        rows.append([round(random_.uniform(-0.2, 1) * scale, digits) for _ in range(4)])
        if random_.random() < 0.2:
            rows[-1][0] = random_.randint(0, 9) + random_.choice((1e-9, -1e-9, 2e-9, 1e-10))
    xywh = np.array(rows)
    texts = corner_texts(xywh, voc_offset)
    wrong = [i for i, row in enumerate(rows) if texts[i] != _exact_texts(row, voc_offset)]
    # The one difference there always was: an edge that floats bring within 1e-9 of a whole number is that number.
    for i in wrong:
        for text, exact in zip(texts[i], _exact_texts(rows[i], voc_offset), strict=True):
            assert text == exact or ("." not in text and abs(Decimal(text) - Decimal(exact)) < Decimal("2e-9"))
    assert len(wrong) < 40


def _dataset(random_: random.Random, **columns: object) -> Dataset:
    count = 60
    images = Images(np.arange(1, 8), tuple(f"{i}.jpg" for i in range(7)), np.full((7, 2), 64.0))
    xywh = [[random_.choice((1.0, 2.5, 0.1)) for _ in range(4)] for _ in range(count)]
    return Dataset.build(
        images,
        Categories.from_names(["a", "b"]),
        image_index=[random_.randrange(7) for _ in range(count)],
        category_index=[random_.randrange(2) for _ in range(count)],
        xywh=xywh,
        is_crowd=[random_.random() < 0.2 for _ in range(count)],
        is_ignored=[random_.random() < 0.2 for _ in range(count)],
        **columns,
    )


@pytest.mark.parametrize("case", range(5))
def test_plain_coco_rows_are_the_bytes_of_ordinary_ones(
    case: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(case)
    texts = np.empty(60, object)
    texts[:] = [random_.choice(("Left", "", None)) for _ in range(60)]
    columns: list[dict[str, object]] = [
        {},
        {"attributes": {"truncated": np.array([random_.choice((0.0, -0.0, 1.0, np.nan)) for _ in range(60)])}},
        {"attributes": {"pose": texts, "n": np.arange(60), "b": np.arange(60) % 2 == 0, "u": np.array(["é"] * 60)}},
        {"extra": {3: {"note": "x"}}, "area": np.where(np.arange(60) % 7 == 0, np.nan, 4.25)},
        {"attributes": {"f": np.arange(60, dtype=np.float32)}, "ids": np.array([f"id {i}" for i in range(60)], object)},
    ]
    dataset = _dataset(random_, **columns[case])
    monkeypatch.setattr(_coco_write, "_CHUNK", 8)
    written = []
    for name in ("fast", "slow"):
        target = tmp_path / name
        _coco_write.write_object(dataset, np.arange(7), [1, 2], "keep", target)
        written.append(target.read_bytes())
        monkeypatch.setattr(_coco_write, "_plain_rows", lambda table, with_shapes: np.zeros(len(table), np.bool_))
    assert written[0] == written[1]


def test_half_a_surrogate_pair_in_an_id_is_kept_in_plain_rows(tmp_path: Path) -> None:
    dataset = _dataset(random.Random(0), ids=np.array([f"{i}\ud800" for i in range(60)], object))
    _coco_write.write_object(dataset, np.arange(7), [1, 2], "keep", tmp_path / "a.json")
    assert rb'{"id":"0\ud800","image_id":' in (tmp_path / "a.json").read_bytes()


def test_small_files_are_read_and_written_whole(tmp_path: Path) -> None:
    for size in (0, 1, 2**16 - 1, 2**16, 2**16 + 1, 5 * 2**20):
        data = random.Random(size).randbytes(size)
        files.write_small(str(tmp_path / "a"), data)
        assert files.read_small(str(tmp_path / "a")) == data


@pytest.mark.parametrize("slow", [False, True])
def test_each_file_keeps_the_order_on_slow_storage_too(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detkit.files._reading._SLOW", -1.0 if slow else 1e9)
    paths = [str(i) for i in range(700)]
    assert files.each_file(int, paths, 3) == list(range(700))


def _voc_dataset(case: int, digits: int | None) -> Dataset:
    random_ = random.Random(case)
    count, images = 300, 40
    texts, numbers = np.empty(count, object), np.empty(count, object)
    texts[:] = [random_.choice(("Left & up", "", None, "Unspecified")) for _ in range(count)]
    numbers[:] = [random_.choice((0, 1, True, "yes", None, 0.5)) for _ in range(count)]
    stated = np.array([random_.choice((0.0, -0.0, 1.0, 0.25, np.nan, np.inf)) for _ in range(count)])
    attributes: list[dict[str, NDArray[Any]]] = [
        {},
        {"truncated": stated, "pose": texts},
        {"truncated": numbers, "occluded": stated},
        {"pose": stated},
    ]
    scale = random_.choice((60.0, 5e5))
    xywh = np.array([[random_.uniform(-0.1, 1) * scale for _ in range(4)] for _ in range(count)])
    sizes = np.array([[random_.choice((64.0, 33.5)) for _ in range(2)] for _ in range(images)])
    return Dataset.build(
        Images(
            np.arange(images),
            tuple(f"{i} & é.jpg" for i in range(images)),
            sizes,
            extra={3: {"depth": "1", "note": "a < b", "n": 2}, 5: {"owner": {"name": "x"}}},
        ),
        Categories.from_names(["a", "b & c", "é"]),
        # The last images have no object.
        image_index=[random_.randrange(images - 3) for _ in range(count)],
        category_index=[random_.randrange(3) for _ in range(count)],
        xywh=xywh if digits is None else xywh.round(digits),
        is_crowd=[random_.random() < 0.2 for _ in range(count)],
        is_ignored=[random_.random() < 0.2 for _ in range(count)],
        attributes=attributes[case % 4],
        extra={i: {"note": "x", "part": {"name": "head"}} for i in range(0, count, 7)} if case >= 4 else {},
    )


@pytest.mark.parametrize("digits", [0, 2, 9, None])
@pytest.mark.parametrize("case", range(8))
def test_plain_voc_objects_are_the_bytes_of_ordinary_ones(
    case: int, digits: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _voc_dataset(case, digits)
    names = list(dataset.images.file_names)
    options = WriteOptions(voc_offset=case % 2, crowds=("keep", "difficult", "drop")[case % 3])
    monkeypatch.setattr(_voc_document, "_MANY", 10**9)
    slow = list(_voc_document.documents(dataset, names, options))
    monkeypatch.setattr(_voc_document, "_MANY", 0)
    for rows in (1, 16, 10**6):
        monkeypatch.setattr(_voc_document, "_ROWS", rows)
        assert list(_voc_document.documents(dataset, names, options)) == slow


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.one_of(
            st.integers(-(2**53) + 1, 2**53 - 1).map(float),
            st.integers(-(10**15) + 1, 10**15 - 1).map(lambda n: n / 10**9),
            st.sampled_from([0.0, -0.0, 999999.999999999, -999999.999999999, 0.001, 1e-9, 123456.1]),
        ),
        min_size=4,
        max_size=4,
    )
)
def test_corners_in_voc_objects_are_those_of_python(corners: list[float]) -> None:
    one = np.zeros(1, np.int64)
    text, ends = object_texts(np.array([corners]), one, np.zeros((1, 2), np.bool_), one - 1, [b"a"], [])
    assert re.findall(r">([-.0-9]+)</[xy]m", text.tobytes().decode()) == [
        f"{Decimal(repr(v)):f}" if v != int(v) else str(int(v)) for v in corners
    ]
    assert ends.tolist() == [0, len(text)]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([*"ab.. /\\:\n-é\x07", "jpg", ".jpg", ".PNG", ".."]), max_size=9).map("".join))
@example("..")
@example("a/../b.jpg")
@example(".jpg")
@example("a.jpg/")
def test_plain_names_are_those_that_path_objects_leave_alone(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if is_plain_name(name):
        assert str(path) == name
        assert is_inside(name)
    assert stem_of(name) == (str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else str(path))
