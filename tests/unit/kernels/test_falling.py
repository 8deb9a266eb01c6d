"""Falling order of scores beside NumPy's stable sort."""

from __future__ import annotations

import numpy as np
import pytest

from detkit.kernels.falling import FEW, falling_order


@pytest.mark.parametrize("count", [0, 1, 100, FEW, 20_000])
@pytest.mark.parametrize("decimals", [1, 4, 17])
def test_the_order_is_that_of_a_stable_sort(count: int, decimals: int) -> None:
    score = np.round(np.random.default_rng(count + decimals).random(count) ** 3, decimals)
    assert falling_order(score).tolist() == np.argsort(-score, kind="stable").tolist()


def test_any_number_has_its_place() -> None:
    draws = np.random.default_rng(0)
    some = draws.standard_normal(4000) * 10.0 ** draws.integers(-320, 300, 4000)
    odd = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324]
    score = draws.permutation(np.concatenate([some, odd * 20]))
    assert falling_order(score).tolist() == np.argsort(-score, kind="stable").tolist()


def test_equal_scores_keep_their_order() -> None:
    assert falling_order(np.full(FEW, 0.5)).tolist() == list(range(FEW))
