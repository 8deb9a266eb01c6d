"""Arithmetic on columns: quotients, rows that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.columns import alike, ratio, repeats, row_hashes

VALUES = st.sampled_from([0.0, -0.0, 1.5, 2.0, -3.0, 1e300])


def test_a_quotient_by_nothing_is_undefined() -> None:
    assert ratio([1, 0, 2], [2, 0, 0]).tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)
    assert ratio(np.ones((2, 1)), [1, 2, 4]).tolist() == [[1.0, 0.5, 0.25]] * 2


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), VALUES, VALUES), max_size=12))
def test_repeating_rows_are_those_seen_before(rows: list[tuple[int, float, float]]) -> None:
    table = np.array(rows, np.float64).reshape(-1, 3)
    seen = [row in rows[:n] for n, row in enumerate(rows)]
    assert repeats(table[:, 0].astype(np.int64), table[:, 1:]).tolist() == seen
    bits = (table + 0.0).view(np.uint64)  # minus zero is zero
    candidates = set(alike(row_hashes(bits.T)).tolist()) if rows else set()
    assert candidates == {n for n, row in enumerate(rows) if rows.count(row) > 1}


def test_nothing_repeats_in_nothing() -> None:
    assert repeats(np.zeros(0), np.zeros((0, 4))).tolist() == []
    assert alike(np.zeros(0, np.uint64)).tolist() == []
    assert alike(np.array([3, 1, 3, 2, 1], np.uint64)).tolist() == [0, 1, 2, 4]
