"""Polygons as masks: byte for byte those of pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as reference

from detkit.kernels.rings import FARTHEST, draw_rings


def drawn(rows, sizes, *, chosen=None, jobs=1):
    rings = [np.asarray(ring, dtype=np.float64).reshape(-1, 2) for row in rows for ring in row]
    lengths = np.array([len(ring) for ring in rings])
    starts = np.cumsum([0, *map(len, rows)])
    points_before = np.concatenate([[0], np.cumsum(lengths)])[starts[:-1]]
    chosen = np.arange(len(rows)) if chosen is None else np.array(chosen)
    sizes = np.array(sizes)[chosen]
    found = draw_rings(np.concatenate(rings), points_before, lengths, starts, chosen, sizes, jobs=jobs)
    assert np.array_equal(found.sizes, sizes)
    return [found.counts[a : a + n].tobytes() for a, n in zip(found.starts, found.lengths, strict=True)]


def expected(rings, size):
    parts = [reference._mask.frPoly([np.asarray(ring, dtype=np.float64).ravel().tolist()], *size)[0] for ring in rings]
    return reference.merge(parts)["counts"]


def random_ring(rng, size):
    """A ring of any kind: round, zigzag, on whole pixels or fifths of them, with repeated points, out of the image."""
    count = rng.choice([1, 2, 3, 4, 5, 8, 20, 60])
    reach = max(size) * rng.choice([0.07, 0.3, 0.5, 1.3])
    middle = rng.uniform(-0.3, 1.2, 2) * size[::-1]
    ring = middle + rng.normal(size=(count, 2)) * reach
    kind = rng.integers(0, 7)
    if kind in (0, 1, 2):
        ring = np.round(ring * (1, 2, 10)[kind]) / (1, 2, 10)[kind]
    elif kind == 3:
        angle = np.sort(rng.uniform(0, 2 * np.pi, count))
        ring = middle + reach * np.column_stack([np.cos(angle), np.sin(angle)])
    elif kind == 4:
        ring = np.repeat(ring, 2, axis=0)
    elif kind == 5:
        ring = np.round(ring * 5) / 5 + rng.choice([0, 1e-9, -1e-9], ring.shape)
    return ring


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_reference_byte_for_byte(seed):
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.choice([1, 2, 7, 20, 480])), int(rng.choice([1, 2, 5, 21, 640]))) for _ in range(1000)]
    rows = [[random_ring(rng, size) for _ in range(rng.choice([1, 1, 2, 4]))] for size in sizes]
    assert drawn(rows, sizes, jobs=1 + seed % 3) == [expected(*pair) for pair in zip(rows, sizes, strict=True)]


def test_a_square_fills_its_pixels():
    assert drawn([[[0, 0, 2, 0, 2, 1, 0, 1]]], [(2, 3)]) == [b"01102"]


def test_rows_are_chosen_and_come_in_the_order_asked_for():
    rows = [[[0, 0, 4, 0, 4, 4]], [[1, 1, 3, 1, 3, 3, 1, 3], [0, 0, 1, 0, 1, 1]], [[2, 0, 4, 0, 4, 9]]]
    everything = drawn(rows, [(5, 5)] * 3)
    assert drawn(rows, [(5, 5)] * 3, chosen=[2, 1], jobs=2) == [everything[2], everything[1]]
    assert drawn(rows, [(5, 5)] * 3, chosen=np.zeros(0, np.int64)) == []


def test_a_ring_as_far_away_as_is_allowed_ends_where_the_image_does():
    ring = [-FARTHEST, -FARTHEST, FARTHEST, -FARTHEST, FARTHEST, FARTHEST, -FARTHEST, FARTHEST]
    assert drawn([[ring]], [(3, 4)]) == [b"0<"]
