from __future__ import annotations

import numpy as np
import pytest

from detkit.ragged import Ragged, RleColumns, Shapes

OTHER = {"size": [2, 3], "counts": [1, 5]}
DICTS = {1: {"size": [3, 4], "counts": "237"}, 3: {"size": [1, 2], "counts": "2"}, 4: OTHER}


def columns() -> RleColumns:
    counts = np.frombuffer(b"--2372", np.uint8)
    return RleColumns(
        np.array([1, 3]), np.array([[3, 4], [1, 2]]), np.array([2, 5]), np.array([3, 1]), counts, {4: OTHER}
    )


def test_it_reads_like_the_dictionaries_it_stands_for() -> None:
    found = columns()
    assert found == DICTS
    assert len(found) == 3
    assert dict(found) == DICTS
    assert 2 not in found
    assert found.get(0) is None
    with pytest.raises(KeyError):
        found[2]


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4], [4, 3, 1], [1, 1, 0], [2], []])
def test_rows_are_taken_as_from_dictionaries(index: list[int]) -> None:
    kind = np.array([0, 2, 1, 2, 2], np.uint8)
    rings, points = Ragged.from_rows([[]] * 5, dtype=np.int64), Ragged.from_rows([[]] * 5, (2,))
    order = np.array(index, np.int64)
    taken = Shapes(kind, rings, points, columns()).take(order)
    plain = Shapes(kind, rings, points, DICTS).take(order)
    assert dict(taken.rle) == dict(plain.rle)
    assert taken.kind.tolist() == plain.kind.tolist()


def test_taking_all_rows_in_their_order_copies_nothing() -> None:
    rows = Ragged.from_rows([[1, 2], [], [3]])
    assert rows.take(np.arange(3)) is rows
    assert rows.take(np.array([0, 2, 1])).values.tolist() == [1, 2, 3]
