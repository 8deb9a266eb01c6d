"""Numbers and points of JSON: the quick way agrees with the slow one on whatever stands there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.formats._json_file import as_number, as_points
from detkit.formats._numbers import FARTHEST

number = st.integers(-9, 9) | st.floats(-1e3, 1e3) | st.sampled_from([FARTHEST, -1.7e308, math.inf, math.nan, 10**25])
odd = st.none() | st.booleans() | st.sampled_from(["7", "1_0", "x", "nan", 10**400]) | st.lists(number, max_size=2)
pair = st.lists(number, min_size=2, max_size=2) | st.lists(number | odd, max_size=3) | st.tuples(number, number) | odd


def naive_number(value: Any) -> float | None:
    if type(value) not in (int, float, str) or "_" in str(value):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -1e100 <= found <= 1e100 else None


def naive_points(values: Any) -> list[list[float]] | None:
    found = []
    for one in values:
        if not isinstance(one, (list, tuple)) or len(one) != 2 or None in map(naive_number, one):
            return None
        found.append([naive_number(v) for v in one])
    return found


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(pair, max_size=4))
def test_points_are_what_their_numbers_are(values: list[Any]) -> None:
    points, expected = as_points(values), naive_points(values)
    assert (points is None) == (expected is None)
    assert points is None or (points.shape == (len(values), 2) and points.tolist() == expected)
    for value in (v for one in values if isinstance(one, list) for v in one):
        assert as_number(value) == naive_number(value)


@pytest.mark.parametrize("value", [None, 5, "12", {"a": 1}, np.zeros((2, 2))], ids=str)
def test_what_is_no_list_is_no_points(value: Any) -> None:
    assert as_points(value) is None
