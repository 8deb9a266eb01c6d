"""Some of a dataset's images: by hash of their names, so that a larger sample holds a smaller one, or by class."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.images import image_label
from detkit.findings import Finding
from detkit.tables import Dataset
from detkit.transforms._assign import count_labels, fractions, randomly, stratified
from detkit.transforms._balance import balance_of
from detkit.transforms._change import Change, loss_of_images, loss_of_rows
from detkit.wording import examples, plural

__all__ = ["sample"]


def sample(
    dataset: Dataset,
    count: int | None = None,
    *,
    share: float | None = None,
    per_class: int | None = None,
    stratify: Literal["boxes", "images", "none"] = "none",
    seed: int = 0,
) -> Change:
    """The dataset with some of its images, in their order; splits are cut accordingly.

    Without `stratify` images are taken in the order of a hash of seed and name: adding images to the dataset changes
    little, and a sample of more images holds every sample of fewer.

    Parameters
    ----------
    dataset : Dataset
    count : int, optional
        How many images.
    share : float, optional
        Instead: this share of them, rounded.
    per_class : int, optional
        Instead: so many that each class is on at least this many images, or on all that it is on.
    stratify : {"boxes", "images", "none"}
        Choose so that boxes of each class (or images with each class, and of each split) have the same share.
    seed : int

    Returns
    -------
    Change

    Raises
    ------
    UsageError
        Not exactly one size, or one that the dataset does not have.
    """
    if sum(size is not None for size in (count, share, per_class)) != 1:
        raise UsageError("give exactly one of: a number of images, --share, --per-class")
    order = _order(dataset, seed)
    if per_class is not None:
        if stratify != "none":
            raise UsageError("--per-class and --stratify exclude each other")
        chosen = _per_class(dataset, per_class, order)
    else:
        total = _number(len(dataset.images), count, share)
        chosen = order[:total] if stratify == "none" else _stratified(dataset, total, stratify, order, seed)
    kept = np.zeros(len(dataset.images), np.bool_)
    kept[chosen] = True
    rows = dataset.annotations
    losses = loss_of_images(dataset.images, np.flatnonzero(~kept), "images", "not in the sample")
    losses += loss_of_rows(dataset, np.flatnonzero(~kept[rows.image_index]), "boxes", "not in the sample")
    details = _details(dataset, kept, stratify, seed)
    findings = []
    absent = [c["name"] for c in details["classes"] if c["before"] and not c["after"]]
    if absent:
        findings.append(
            Finding("DK108", f"{plural(len(absent), 'class is', 'classes are')} not in the sample: {examples(absent)}")
        )
    return Change(dataset.take_images(np.flatnonzero(kept)), tuple(losses), tuple(findings), details)


def _order(dataset: Dataset, seed: int) -> NDArray[np.int64]:
    names = [image_label(dataset.images, i) for i in range(len(dataset.images))]
    return np.argsort(fractions(names, seed), kind="stable")


def _number(images: int, count: int | None, share: float | None) -> int:
    if share is not None:
        if not 0 < share <= 1:
            raise UsageError(f"share: found {share:g}, expected above 0 and up to 1")
        return max(1, round(share * images)) if images else 0
    if count is None or not 0 < count <= images:
        raise UsageError(f"asked for {count} of the images, expected 1 to {images}")
    return count


def _per_class(dataset: Dataset, least: int, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Images in order for the rarest class until it has enough, then for the next."""
    if least < 1:
        raise UsageError(f"per class: found {least}, expected 1 or more")
    classes = max(len(dataset.categories), 1)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    pairs = np.unique(dataset.annotations.image_index * classes + dataset.annotations.category_index)
    image, label = pairs // classes, pairs % classes
    classes_of = [label[a:b] for a, b in _slices(image, len(order))]
    sorted_rows = np.lexsort((rank[image], label))
    members = image[sorted_rows]
    slices = _slices(label[sorted_rows], classes)
    has = np.zeros(classes, np.int64)
    chosen: dict[int, None] = {}
    for k in sorted(range(classes), key=lambda k: slices[k][1] - slices[k][0]):
        for position in members[slices[k][0] : slices[k][1]].tolist():
            if has[k] >= least:
                break
            if position not in chosen:
                chosen[position] = None
                has[classes_of[position]] += 1
    return np.array(list(chosen), np.int64)


def _slices(values: NDArray[np.int64], count: int) -> list[tuple[int, int]]:
    """Where each value stands in a sorted array."""
    ends = np.searchsorted(values, np.arange(count + 1)).tolist()
    return list(pairwise(ends))


def _stratified(dataset: Dataset, total: int, stratify: str, order: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Exactly that many images, classes and splits in their shares as nearly as can be."""
    images, classes = len(dataset.images), len(dataset.categories)
    if total == images:
        return order
    rows = dataset.annotations
    labels = classes + 1 + len(dataset.splits)
    empty = np.flatnonzero(np.diff(dataset.offsets) == 0)
    members = [m * labels + classes + 1 + n for n, m in enumerate(dataset.splits.values())]
    pairs = np.concatenate(
        [rows.image_index * labels + rows.category_index, empty * labels + classes, *members], dtype=np.int64
    )
    if stratify == "images":
        pairs = np.unique(pairs)
    counts = count_labels(pairs // labels, pairs % labels, labels)
    shares = (total / images, 1 - total / images)
    ones = np.ones(images, np.int64)
    found = stratified(counts, ones, shares, np.full(images, -1, np.int64), seed)
    inside, outside = order[found[order] == 0], order[found[order] == 1]
    return np.concatenate([inside[:total], outside[: max(0, total - len(inside))]])


def _details(dataset: Dataset, kept: NDArray[np.bool_], stratify: str, seed: int) -> dict[str, Any]:
    images, rows = len(dataset.images), dataset.annotations
    share = float(kept.mean()) if images else 0.0
    ones, free = np.ones(images, np.int64), np.full(images, -1, np.int64)
    shares = (share, 1 - share)
    balance = balance_of(
        dataset, np.where(kept, 0, 1), shares, lambda number: randomly(ones, shares, free, seed + 1 + number)
    )
    first = balance.to_dict(("sample", "rest"), dataset.categories.names, balance.images)["splits"][0]
    classes = len(dataset.categories)
    before = np.bincount(rows.category_index, minlength=classes).tolist()
    after = np.bincount(rows.category_index[kept[rows.image_index]], minlength=classes).tolist()
    return {
        "method": {"stratify": stratify, "seed": seed},
        "before": {"images": images, "boxes": len(rows)},
        "after": {"images": int(kept.sum()), "boxes": int(sum(after))},
        "distance": first["distance"],
        "random_distance": first["random_distance"],
        "classes": [
            {"name": name, "before": before[k], "after": after[k]} for k, name in enumerate(dataset.categories.names)
        ],
    }
