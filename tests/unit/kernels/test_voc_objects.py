"""Objects of VOC XML files from bytes: columns, texts told apart, and files that are not plain."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detkit.kernels.voc_objects import read_objects

_BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def _objects(*files: str):
    contents = [file.encode() for file in files]
    return read_objects(b"".join(contents), np.cumsum([0, *map(len, contents)]))


def test_numbers_are_those_of_python() -> None:
    random_ = random.Random(0)
    rows = []
    for _ in range(3000):
        low = [f"{random_.randrange(10 ** random_.randint(1, 5))}" for _ in range(2)]
        high = [str(int(text) + random_.randint(1, 9)) for text in low]
        texts = [*low, *high]
        for i in range(4):
            if random_.random() < 0.6:
                # Nothing above 0.9: the order of the corners stays.
                texts[i] += "." + str(random_.randrange(9)) + "".join(random_.choices("0123456789", k=8))[: i * 3]
        rows.append([text if float(text) < 10**6 else "7" for text in texts])
    rows = [row for row in rows if float(row[0]) < float(row[2]) and float(row[1]) < float(row[3])]
    found = _objects("".join(f"<object><name>a</name>{_BOX.format(*row)}</object>" for row in rows))
    assert found.spans[0, 2] == len(rows) > 2900
    np.testing.assert_array_equal(found.corners, [[float(text) for text in row] for row in rows])


def test_texts_are_told_apart_however_many_there_are() -> None:
    random_ = random.Random(1)
    long = "".join(random_.choices("abcd", k=600))
    names = [f"class {random_.randrange(3000)}" for _ in range(4000)] + [long[:n] for n in range(600, 0, -1)]
    box = _BOX.format(1, 1, 2, 2)
    data = "".join(f"<object><name>{name}</name>{box}</object>" for name in names).encode()
    found = read_objects(data, np.array([0, len(data)]))
    texts = [data[start:stop].decode() for start, stop in found.texts.tolist()]
    assert sorted(texts) == sorted(set(names))
    assert [texts[row] for row in found.names.tolist()] == names
    assert (found.poses == -1).all()


def test_flags_and_places_of_objects() -> None:
    one = f"<object><name>a</name><truncated>1</truncated>{_BOX.format(1, 2, 3, 4.5)}<difficult>0</difficult></object>"
    files = ["<a>", f"<a>\n {one}\n{one} <b/>", ""]
    found = _objects(*files)
    assert found.spans.tolist() == [[3, 3, 0], [3 + 3, 3 + 5 + 2 * len(one) + 1, 2], [len("".join(files))] * 2 + [0]]
    np.testing.assert_array_equal(found.flags, [[0, 1, np.nan]] * 2)
    np.testing.assert_array_equal(found.corners, [[1, 2, 3, 4.5]] * 2)


@pytest.mark.parametrize(
    "inner",
    [
        "<name>a</name>",
        _BOX.format(1, 1, 2, 2),
        "<name>a</name>" + _BOX.format(2, 1, 2, 2),
        "<name>a</name>" + _BOX.format(1, 1, 2, 1),
        "<name>a</name>" + _BOX.format("1234567", 1, "2345678", 2),
        "<name>a</name>" + _BOX.format("1.", 1, 2, 2),
        "<name>a</name>" + _BOX.format("1.0123456789", 1, 2, 2),
        "<name>a</name>" + _BOX.format("", 1, 2, 2),
        "<name>a</name><name>b</name>" + _BOX.format(1, 1, 2, 2),
        "<name>a</name><difficult>2</difficult>" + _BOX.format(1, 1, 2, 2),
        "<name>a</name><difficult></difficult>" + _BOX.format(1, 1, 2, 2),
        "<name>a</pose>" + _BOX.format(1, 1, 2, 2),
        "<name>a&amp;b</name>" + _BOX.format(1, 1, 2, 2),
        "<name>a</name><part>b</part>" + _BOX.format(1, 1, 2, 2),
        "<name>a</name><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>",
        "<name>a</name>" + _BOX.format(1, 1, 2, 2)[: -len("</bndbox>")],
    ],
)
def test_what_is_not_plain_is_named_and_leaves_no_rows(inner: str) -> None:
    plain = f"<object><name>z</name>{_BOX.format(1, 1, 2, 2)}</object>"
    odd = f"<object>{inner}</object>"
    for end in range(len(odd) + 1) if len(inner) < 20 else (len(odd),):
        found = _objects(plain, plain + odd[:end] if end < len(odd) else plain + odd, plain)
        expected = 1 if end < len("<object>") else -1
        assert found.spans[:, 2].tolist() == [1, expected, 1]
        assert len(found.names) == 2 + max(expected, 0)


def test_a_text_that_ends_anywhere_is_never_read_past_its_end() -> None:
    one = f"<object><name>a</name><pose>b</pose><occluded>1</occluded>{_BOX.format(1, 1, 2.5, 2)}</object>"
    for end in range(len(one)):
        # What follows belongs to the next file, which would complete this one.
        found = _objects(one[:end], one[end:])
        assert found.spans[0, 2] == (0 if end < len("<object>") else -1)
        assert found.spans[1, 2] == (1 if end == 0 else 0)
