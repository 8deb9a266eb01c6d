"""The part of a dataset that conditions on boxes, images and classes leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, freeze
from detkit.transforms._change import Change, loss_of_images, loss_of_rows
from detkit.transforms._class_lists import renumbered
from detkit.transforms._expression import condition
from detkit.transforms._names import find_names
from detkit.wording import plural

__all__ = ["filter_dataset"]


def filter_dataset(
    dataset: Dataset,
    *,
    where: str | None = None,
    images_where: str | None = None,
    classes: Sequence[str] | None = None,
    drop_empty: bool = False,
) -> Change:
    """The dataset with only what the conditions leave, in this order: classes, boxes, images, images without boxes.

    Parameters
    ----------
    dataset : Dataset
    where : str, optional
        Condition on boxes, see `docs/how-to/merge-and-filter.md`.
    images_where : str, optional
        Condition on images, asked after boxes were left out.
    classes : sequence of str, optional
        Names of classes to keep, in any order; the others leave the list of classes, too.
    drop_empty : bool
        Leave out images without boxes, also those that had none before.

    Returns
    -------
    Change

    Raises
    ------
    UsageError
        A condition that cannot be read, an unknown name or class, or nothing asked for.
    """
    if where is None and images_where is None and classes is None and not drop_empty:
        raise UsageError("nothing to filter by", hint="give --where, --images-where, --classes or --drop-empty")
    before = dataset
    losses: list[Loss] = []
    findings: list[Finding] = []
    if classes is not None:
        dataset, more = _keep_classes(dataset, classes)
        losses += more
    if where is not None:
        found = condition(dataset, where, "boxes", "--where")
        findings += _unknown(found.missing, "box", "boxes")
        losses += loss_of_rows(dataset, np.flatnonzero(~found.mask), "boxes", "dropped by --where")
        dataset = dataset.take_rows(np.flatnonzero(found.mask))
    if images_where is not None:
        found = condition(dataset, images_where, "images", "--images-where")
        findings += _unknown(found.missing, "image or box", "images or boxes")
        dataset, more = _keep_images(dataset, found.mask, "images", "dropped by --images-where")
        losses += more
    if drop_empty:
        empty = np.diff(dataset.offsets) == 0
        dataset, more = _keep_images(dataset, ~empty, "images without boxes", "dropped")
        losses += more
    return Change(dataset, tuple(losses), tuple(findings), _details(before, dataset))


def _keep_classes(dataset: Dataset, wanted: Sequence[str]) -> tuple[Dataset, list[Loss]]:
    kept = np.sort(find_names(wanted, dataset.categories, "--classes"))
    old = dataset.categories
    to = np.full(len(old), -1, np.int64)
    to[kept] = np.arange(len(kept))
    gone = [name for k, name in enumerate(old.names) if to[k] < 0]
    rows = to[dataset.annotations.category_index]
    losses = [Loss("classes", "dropped", len(gone), tuple(gone[:3]))] if gone else []
    losses += loss_of_rows(dataset, np.flatnonzero(rows < 0), "boxes of dropped classes", "dropped")
    dataset = dataset.take_rows(np.flatnonzero(rows >= 0))
    categories = old.take(kept, renumber=True)
    new_ids = dict(zip(old.ids[kept].tolist(), categories.ids.tolist(), strict=True))
    images = replace(dataset.images, extra=renumbered(dataset.images, new_ids))
    annotations = replace(dataset.annotations, category_index=freeze(to[dataset.annotations.category_index]))
    return replace(dataset, images=images, categories=categories, annotations=annotations), losses


def _keep_images(dataset: Dataset, mask: NDArray[np.bool_], what: str, action: str) -> tuple[Dataset, list[Loss]]:
    gone = np.flatnonzero(~mask)
    losses = loss_of_images(dataset.images, gone, what, action)
    losses += loss_of_rows(
        dataset, np.flatnonzero(~mask[dataset.annotations.image_index]), "boxes of dropped images", "dropped"
    )
    return dataset.take_images(np.flatnonzero(mask)) if len(gone) else dataset, losses


def _unknown(missing: Mapping[str, int], one: str, many: str) -> list[Finding]:
    return [
        Finding("DK403" if name in _OF_SIZE else "DK110",
                f"`{name}` is not stated for {plural(count, one, many)}: comparisons with it do not hold", count=count)
        for name, count in missing.items()
    ]  # fmt: skip


_OF_SIZE = frozenset(("width", "height", "area_share", "image.width", "image.height"))


def _details(before: Dataset, after: Dataset) -> dict[str, Any]:
    def per_class(dataset: Dataset) -> dict[str, int]:
        counts = np.bincount(dataset.annotations.category_index, minlength=len(dataset.categories)).tolist()
        return dict(zip(dataset.categories.names, counts, strict=True))

    left = per_class(after)
    return {
        "before": {"images": len(before.images), "boxes": len(before.annotations)},
        "after": {"images": len(after.images), "boxes": len(after.annotations)},
        "classes": [
            {"name": name, "before": count, "after": left.get(name, 0)} for name, count in per_class(before).items()
        ],
    }
