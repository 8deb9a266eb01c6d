"""Groups of images to splits: at random, by hash, or so that every class has its share in each.

Stratification after Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data (ECML PKDD 2011):
the rarest class still to be dealt is dealt first. A group goes where the sum of squared deviations from what each
split should hold, over what it should hold, is smallest (chi-square, over the classes of the group and its images);
seeded moves and exchanges that lessen that sum follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelCounts", "by_hash", "count_labels", "fractions", "randomly", "stratified"]

_TRIES_A_GROUP = 60
_MOST_TRIES = 150_000
#: How much more than one class all boxes together and the images count: sizes are asked for, class shares follow.
_WEIGHTS = (5.0, 20.0)


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """How much of each label each group has; only what is not zero.

    Parameters
    ----------
    group, label : (M,) int64
        Each pair once, sorted.
    count : (M,) float64
    labels : int
        How many labels there are.
    """

    group: NDArray[np.int64]
    label: NDArray[np.int64]
    count: NDArray[np.float64]
    labels: int


def count_labels(
    group: NDArray[np.int64], label: NDArray[np.int64], labels: int, weight: NDArray[np.float64] | None = None
) -> LabelCounts:
    """Counts from one (group, label) pair for each thing that is counted.

    Parameters
    ----------
    group, label : (N,) int64
    labels : int
    weight : (N,) float64, optional

    Returns
    -------
    LabelCounts
    """
    pairs, inverse = np.unique(group * max(labels, 1) + label, return_inverse=True)
    count = np.bincount(inverse.reshape(-1), weights=weight, minlength=len(pairs)).astype(np.float64)
    return LabelCounts(pairs // max(labels, 1), pairs % max(labels, 1), count, labels)


def fractions(keys: Sequence[str], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each key: by its text and the seed alone, evenly spread."""
    salt = f"{seed}\0".encode()
    digests = (hashlib.blake2b(salt + key.encode("utf-8", "surrogatepass"), digest_size=7) for key in keys)
    return np.array([int.from_bytes(d.digest(), "big") / 2.0**56 for d in digests], np.float64)


def by_hash(keys: Sequence[str], shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """The split of each group by its key alone: no other group has a say.

    Parameters
    ----------
    keys : sequence of str
    shares : sequence of float
        Of the splits; they sum to 1.
    seed : int

    Returns
    -------
    (G,) int64
    """
    limits = np.cumsum(shares)[:-1]
    return np.searchsorted(limits, fractions(keys, seed), side="right").astype(np.int64)


def randomly(
    sizes: NDArray[np.int64], shares: Sequence[float], fixed: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """The split of each group by lot; splits hold their share of the images as nearly as groups allow.

    Parameters
    ----------
    sizes : (G,) int64
        Images of each group.
    shares : sequence of float
    fixed : (G,) int64
        The split of groups that stay where they are, -1 elsewhere.
    seed : int

    Returns
    -------
    (G,) int64
    """
    found = fixed.copy()
    free = np.flatnonzero(fixed < 0)
    held = np.bincount(fixed[fixed >= 0], weights=sizes[fixed >= 0], minlength=len(shares))
    wanted = np.maximum(np.asarray(shares) * sizes.sum() - held, 0)
    order = np.random.default_rng(seed).permutation(free)
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    limits = np.cumsum(wanted)[:-1]
    found[order] = np.searchsorted(limits, middles, side="right")
    return found


def stratified(
    counts: LabelCounts, sizes: NDArray[np.int64], shares: Sequence[float], fixed: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """The split of each group, classes in equal shares.

    Parameters
    ----------
    counts : LabelCounts
    sizes, shares, fixed, seed
        See `randomly`.

    Returns
    -------
    (G,) int64
    """
    rng = np.random.default_rng(seed)
    state = _State(_with_images(counts, sizes, min(shares)), len(sizes), shares)
    found = fixed.tolist()
    for group, split in enumerate(found):
        if split >= 0:
            state.add(group, split)
    _deal(state, found, rng)
    _exchange(state, found, np.flatnonzero(fixed < 0), rng)
    return np.array(found, np.int64)


def _with_images(counts: LabelCounts, sizes: NDArray[np.int64], least: float) -> LabelCounts:
    """The counts with all classes too rare to be shared out made one label; then all classes, and images, as labels."""
    totals = np.bincount(counts.label, weights=counts.count, minlength=counts.labels)
    rare = totals * least < 1
    label = np.where(rare[counts.label], counts.labels, counts.label)
    every = np.arange(len(sizes), dtype=np.int64)
    return count_labels(
        np.concatenate([counts.group, counts.group, every]),
        np.concatenate([label, np.full(len(label), counts.labels + 1), np.full(len(sizes), counts.labels + 2)]),
        counts.labels + 3,
        np.concatenate([counts.count, counts.count, sizes]),
    )


class _State:
    """How far each split is from what it should hold; plain lists, as single items are read and written."""

    def __init__(self, counts: LabelCounts, groups: int, shares: Sequence[float]) -> None:
        self.counts = counts
        self.totals = np.bincount(counts.label, weights=counts.count, minlength=counts.labels)
        targets = np.asarray(shares)[:, None] * self.totals
        with np.errstate(divide="ignore"):
            scale = np.where(targets > 0, 1 / targets, 0)
        scale[:, -2:] *= _WEIGHTS
        self.off: list[list[float]] = (-targets).tolist()
        self.scale: list[list[float]] = scale.tolist()
        starts = np.searchsorted(counts.group, np.arange(groups + 1)).tolist()
        label, count = counts.label.tolist(), counts.count.tolist()
        self.rows = [list(zip(label[a:b], count[a:b], strict=True)) for a, b in pairwise(starts)]

    def add(self, group: int, split: int, sign: float = 1.0) -> None:
        off = self.off[split]
        for label, count in self.rows[group]:
            off[label] += sign * count

    def gain(self, split: int, row: list[tuple[int, float]]) -> float:
        """What the sum rises by when a split receives a row."""
        off, scale = self.off[split], self.scale[split]
        return sum(count * (count + 2 * off[label]) * scale[label] for label, count in row)

    def best(self, group: int) -> int:
        row = self.rows[group]
        return min(range(len(self.off)), key=lambda split: self.gain(split, row))


def _deal(state: _State, found: list[int], rng: np.random.Generator) -> None:
    """Deal out the groups, those of the rarest remaining label first, the largest first."""
    counts = state.counts
    lot = rng.random(len(found))
    order = np.lexsort((lot[counts.group], -counts.count, counts.label))
    starts = np.searchsorted(counts.label[order], np.arange(counts.labels + 1))
    members = counts.group[order]
    left = state.totals.copy()
    taken = np.array(found, np.int64) >= 0
    left -= np.bincount(counts.label, weights=counts.count * taken[counts.group], minlength=counts.labels)
    while (left > 0).any():
        label = int(np.argmin(np.where(left > 0, left, np.inf)))
        for group in members[starts[label] : starts[label + 1]].tolist():
            if found[group] < 0:
                found[group] = state.best(group)
                state.add(group, found[group])
                for other, count in state.rows[group]:
                    left[other] -= count
        left[label] = 0


def _exchange(state: _State, found: list[int], free: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Move single groups and exchange pairs of them as long as the sum falls, in a seeded order."""
    if len(free) < 2:
        return
    tries = min(_TRIES_A_GROUP * len(free), _MOST_TRIES)
    for a, b in free[rng.integers(0, len(free), (tries, 2))].tolist():
        here, there = found[a], found[b]
        if here == there:
            continue
        given = state.rows[a]
        back = [(label, -count) for label, count in given]
        move = state.gain(here, back) + state.gain(there, given)
        change = dict(given)
        for label, count in state.rows[b]:
            change[label] = change.get(label, 0.0) - count
        net = list(change.items())
        swap = state.gain(here, [(label, -count) for label, count in net]) + state.gain(there, net)
        if min(move, swap) >= -1e-9:
            continue
        state.add(a, here, -1.0)
        state.add(a, there)
        found[a] = there
        if swap < move:
            state.add(b, there, -1.0)
            state.add(b, here)
            found[b] = here
