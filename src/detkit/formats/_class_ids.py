"""The ids that classes are written with where the user may choose: as they are, without gaps, or COCO's."""

from __future__ import annotations

from typing import Any

from detkit.errors import UsageError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._coco_names import COCO91_IDS, COCO_NAMES
from detkit.tables import Categories

__all__ = ["class_ids"]


def class_ids(categories: Categories, options: WriteOptions) -> tuple[list[Any], list[Loss]]:
    """The id each class is written with under `options.category_ids`, and what that changes.

    Parameters
    ----------
    categories : Categories
    options : WriteOptions

    Returns
    -------
    list of K
    list of Loss

    Raises
    ------
    UsageError
        `coco91`, and a class that is none of COCO's, or one that is there twice.
    """
    own: list[Any] = categories.ids.tolist()
    if options.category_ids == "keep":
        return own, []
    if options.category_ids == "dense":
        new = list(range(1, len(own) + 1))
    else:
        known = dict(zip(COCO_NAMES, COCO91_IDS, strict=True))
        strange = [name for name in categories.names if name not in known]
        if strange or len(set(categories.names)) < len(own):
            found = f"`{strange[0]}` is none of COCO's 80 class names" if strange else "a class name is there twice"
            raise UsageError(f"category ids coco91: {found}", hint="use `keep` or `dense`, or rename the classes first")
        new = [known[name] for name in categories.names]
    changed = [f"{old} -> {now}" for old, now in zip(own, new, strict=True) if old != now]
    return new, [Loss("category ids", "renumbered", len(changed), tuple(changed[:3]))] if changed else []
