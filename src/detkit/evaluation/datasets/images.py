"""Which images of two versions of a dataset changed, and in what: boxes, size, splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.datasets.changes import CHANGES, Changes
from detkit.evaluation.datasets.pairs import Pairs, alone
from detkit.evaluation.datasets.versions import Versions
from detkit.evaluation.images import image_label
from detkit.tables import Dataset

__all__ = ["changed_images", "image_counts"]


def changed_images(versions: Versions, pairs: Pairs, changes: Changes) -> dict[str, list[Any]]:
    """Images that only one version has, and what changed of the others.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs
    changes : Changes

    Returns
    -------
    dict of str to list
        `added`, `removed`: file names. `changed`: `image`, `boxes` (how many changed), `removed`, `added` and each of
        `CHANGES`, `size` and `splits` (values of A and of B; None where they are alike or not both stated); most
        changed boxes first, then in A's order.
    """
    images = versions.a.images
    in_b = np.flatnonzero(versions.image_of >= 0)
    here = versions.image_of[in_b]
    is_shared = np.zeros(len(images), np.bool_)
    is_shared[here] = True
    counts = _counts(versions, pairs, changes)
    sizes = _sizes(versions, in_b, here)
    splits = _splits(versions, in_b, here)
    concerned = set(np.flatnonzero(counts["boxes"]).tolist()) | sizes.keys() | splits.keys()
    order = sorted(concerned, key=lambda i: (-int(counts["boxes"][i]), i))
    return {
        "added": [image_label(versions.b.images, i) for i in np.flatnonzero(versions.image_of < 0).tolist()],
        "removed": [image_label(images, i) for i in np.flatnonzero(~is_shared).tolist()],
        "changed": [
            {
                "image": image_label(images, i),
                **{name: int(values[i]) for name, values in counts.items()},
                "size": sizes.get(i),
                "splits": splits.get(i),
            }
            for i in order
        ],
    }


def image_counts(versions: Versions, found: Mapping[str, list[Any]]) -> dict[str, int]:
    """How many images: `a = shared + removed`, `b = shared + added`, `shared = unchanged + changed`.

    Parameters
    ----------
    versions : Versions
    found : mapping
        From `changed_images`.

    Returns
    -------
    dict of str to int
        Also `resized` and `resplit`, which are among `changed`.
    """
    shared = len(versions.a.images) - len(found["removed"])
    return {
        "a": len(versions.a.images),
        "b": len(versions.b.images),
        "shared": shared,
        "unchanged": shared - len(found["changed"]),
        "changed": len(found["changed"]),
        "removed": len(found["removed"]),
        "added": len(found["added"]),
        "resized": sum(row["size"] is not None for row in found["changed"]),
        "resplit": sum(row["splits"] is not None for row in found["changed"]),
    }


def _counts(versions: Versions, pairs: Pairs, changes: Changes) -> dict[str, NDArray[np.int64]]:
    """Of each image of A: boxes without partner, and pairs that changed."""
    count = len(versions.a.images)

    def tally(places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(places[places >= 0], minlength=count)

    place_a, place_b = versions.places
    here = place_a[pairs.a]
    lost, new = (tally(place[alone(len(place), rows)]) for place, rows in ((place_a, pairs.a), (place_b, pairs.b)))
    of_pairs = {name: tally(here[changes.marks[name]]) for name in CHANGES}
    return {"boxes": lost + new + tally(here[changes.any]), "removed": lost, "added": new, **of_pairs}


def _sizes(versions: Versions, in_b: NDArray[np.int64], here: NDArray[np.int64]) -> dict[int, dict[str, list[float]]]:
    """Position in A -> width and height of both versions, where both state them and they differ."""
    before, after = versions.a.images.sizes[here], versions.b.images.sizes[in_b]
    differ = (before != after).any(axis=1) & ~np.isnan(before).any(axis=1) & ~np.isnan(after).any(axis=1)
    return {int(here[n]): {"a": before[n].tolist(), "b": after[n].tolist()} for n in np.flatnonzero(differ).tolist()}


def _splits(versions: Versions, in_b: NDArray[np.int64], here: NDArray[np.int64]) -> dict[int, dict[str, list[str]]]:
    """Position in A -> splits of both versions, where both have splits and they differ."""
    if not versions.a.splits or not versions.b.splits:
        return {}
    before, after = _membership(versions.a), _membership(versions.b)
    pairs = zip(here.tolist(), in_b.tolist(), strict=True)
    return {i: {"a": before[i], "b": after[n]} for i, n in pairs if before[i] != after[n]}


def _membership(dataset: Dataset) -> list[list[str]]:
    """Names of the splits that each image is in, sorted."""
    found: list[list[str]] = [[] for _ in range(len(dataset.images))]
    for name in sorted(dataset.splits):
        for i in np.unique(dataset.splits[name]).tolist():
            found[i].append(name)
    return found
