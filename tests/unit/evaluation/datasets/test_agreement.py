from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation.datasets.agreement import cohen_kappa, krippendorff_alpha

CASES = Path(__file__).resolve().parents[4] / "fixtures" / "agreement" / "cases.json"


@pytest.mark.parametrize("case", json.loads(CASES.read_text(encoding="utf-8")))
def test_figures_of_scikit_learn_and_krippendorff(case):
    first, second = np.array(case["first"]), np.array(case["second"])
    assert cohen_kappa(first, second) == pytest.approx(case["kappa"], abs=1e-12)
    assert krippendorff_alpha(first, second) == pytest.approx(case["alpha"], abs=1e-12)


def naive_kappa(pairs):
    n = len(pairs)
    mine, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    agreed = sum(a == b for a, b in pairs) / n
    chance = sum(mine[k] / n * theirs[k] / n for k in mine)
    return (agreed - chance) / (1 - chance)


def naive_alpha(pairs):
    """By the coincidence matrix: every object gives its pair of values in both orders."""
    together = Counter(p for a, b in pairs for p in ((a, b), (b, a)))
    values = Counter(v for pair in pairs for v in pair)
    n = sum(values.values())
    observed = sum(count for (a, b), count in together.items() if a != b) / n
    expected = sum(values[a] * values[b] for a in values for b in values if a != b) / (n * (n - 1))
    return 1 - observed / expected


LABELS = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=40)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(LABELS)
def test_figures_of_the_definitions(pairs):
    first, second = np.array(pairs).T
    if len(set(first.tolist()) | set(second.tolist())) == 1:
        assert cohen_kappa(first, second) is None
        assert krippendorff_alpha(first, second) is None
        return
    assert cohen_kappa(first, second) == pytest.approx(naive_kappa(pairs), abs=1e-12)
    assert cohen_kappa(second, first) == cohen_kappa(first, second)
    assert krippendorff_alpha(first, second) == pytest.approx(naive_alpha(pairs), abs=1e-12)


def test_nothing_has_no_agreement():
    none = np.empty(0, np.int64)
    assert cohen_kappa(none, none) is None
    assert krippendorff_alpha(none, none) is None
