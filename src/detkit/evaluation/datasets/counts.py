"""Counts of what two versions of a dataset do not have alike: of boxes, of classes, from which class to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.datasets.agreement import Agreement, f1_of, mean_of
from detkit.evaluation.datasets.changes import CHANGES, Changes
from detkit.evaluation.datasets.pairs import Pairs, Renamed
from detkit.evaluation.datasets.versions import Versions
from detkit.evaluation.images import number_or_text
from detkit.tables import Categories

__all__ = ["box_counts", "class_changes_of", "per_class", "reclassified"]


def box_counts(versions: Versions, pairs: Pairs, changes: Changes) -> dict[str, int]:
    """Boxes of both versions: `a = matched + removed`, `b = matched + added`, `matched = unchanged + changed`.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs
    changes : Changes

    Returns
    -------
    dict of str to int
        Also each of `CHANGES`, which may count a box several times, and how many boxes went or came with their image.
    """
    sizes = [len(table.annotations) for table in (versions.a, versions.b)]
    lonely = [int(np.count_nonzero(place < 0)) for place in versions.places]
    changed = int(np.count_nonzero(changes.any))
    return {
        "a": sizes[0],
        "b": sizes[1],
        "matched": len(pairs.a),
        "unchanged": len(pairs.a) - changed,
        "changed": changed,
        "removed": sizes[0] - len(pairs.a),
        "added": sizes[1] - len(pairs.b),
        "removed_with_images": lonely[0],
        "added_with_images": lonely[1],
        **{name: int(np.count_nonzero(changes.marks[name])) for name in CHANGES},
    }


def class_changes_of(versions: Versions, renamed: Sequence[Renamed]) -> dict[str, list[Any]]:
    """Classes that only one version has, that have another name, or another number.

    Parameters
    ----------
    versions : Versions
        Before renamed classes were joined.
    renamed : sequence of Renamed

    Returns
    -------
    dict of str to list
        `added`, `removed`: names. `renamed`: `from`, `to`, `boxes`. `renumbered`: `name`, `a`, `b`; only where both
        versions state ids of their own, or both number their classes by place.
    """
    names = versions.classes
    before, after = {row.before for row in renamed}, {row.after for row in renamed}
    in_a, in_b = set(versions.class_of_a.tolist()), set(versions.class_of_b.tolist())
    return {
        "added": [names[k] for k in sorted(in_b - in_a - after)],
        "removed": [names[k] for k in sorted(in_a - in_b - before)],
        "renamed": [{"from": names[row.before], "to": names[row.after], "boxes": row.boxes} for row in renamed],
        "renumbered": _renumbered(versions.a.categories, versions.b.categories),
    }


def _renumbered(a: Categories, b: Categories) -> list[dict[str, Any]]:
    if a.has_own_ids != b.has_own_ids or a.has_names != b.has_names:
        return []
    number_of = dict(zip(b.names, b.ids.tolist(), strict=True))
    numbers = (
        (name, number, number_of.get(name, number)) for name, number in zip(a.names, a.ids.tolist(), strict=True)
    )
    return [
        {"name": name, "a": one, "b": other}
        for name, one, other in numbers
        if number_or_text(one) != number_or_text(other)
    ]


def reclassified(versions: Versions, pairs: Pairs) -> tuple[dict[str, Any], ...]:
    """From which class to which, and how many boxes; most first, then in the order of the classes.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs

    Returns
    -------
    tuple of dict
        `from`, `to`, `boxes`.
    """
    count = len(versions.classes)
    label_a, label_b = versions.labels
    before, after = label_a[pairs.a], label_b[pairs.b]
    codes, boxes = np.unique((before * count + after)[before != after], return_counts=True)
    order = np.argsort(-boxes, kind="stable")
    return tuple(
        {"from": versions.classes[code // count], "to": versions.classes[code % count], "boxes": number}
        for code, number in zip(codes[order].tolist(), boxes[order].tolist(), strict=True)
    )


def per_class(versions: Versions, pairs: Pairs, changes: Changes, agreement: Agreement) -> tuple[dict[str, Any], ...]:
    """Counts and agreement of each class that has a box; a renamed class has its name in A.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs
    changes : Changes
    agreement : Agreement

    Returns
    -------
    tuple of dict
        `name`, `a`, `b`; `matched` pairs of this class, `unchanged` and `moved` of them; `removed`, `added`;
        `reclassified_from` it and `reclassified_to` it; `f1`, `iou`, `AP` on the shared images.
    """
    count = len(versions.classes)
    labels = versions.labels
    before, after = labels[0][pairs.a], labels[1][pairs.b]
    same = before == after

    def tally(labels: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None) -> list[int]:
        found: list[int] = np.bincount(labels if chosen is None else labels[chosen], minlength=count).tolist()
        return found

    totals = [tally(label) for label in labels]
    shared = [tally(label, place >= 0) for label, place in zip(labels, versions.places, strict=True)]
    partnered = tally(before), tally(after)
    matched, kept = tally(before, same), tally(before, same & ~changes.any)
    moved = tally(before, same & changes.marks["moved"])
    overlap = _by_class(pairs.iou[same], before[same], count)
    return tuple(
        {
            "name": versions.classes[k],
            "a": totals[0][k],
            "b": totals[1][k],
            "matched": matched[k],
            "unchanged": kept[k],
            "moved": moved[k],
            "removed": totals[0][k] - partnered[0][k],
            "added": totals[1][k] - partnered[1][k],
            "reclassified_from": partnered[0][k] - matched[k],
            "reclassified_to": partnered[1][k] - matched[k],
            "f1": f1_of(matched[k], shared[0][k], shared[1][k]),
            "iou": mean_of(overlap[k]),
            "AP": agreement.per_class.get(k),
        }
        for k in range(count)
        if totals[0][k] or totals[1][k]
    )


def _by_class(values: NDArray[np.float64], label: NDArray[np.int64], count: int) -> list[NDArray[np.float64]]:
    """The values of each class, in their order."""
    order = np.argsort(label, kind="stable")
    return np.split(values[order], np.searchsorted(label[order], np.arange(1, count)))
