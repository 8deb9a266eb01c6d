"""From a model's class numbers to categories: its own, or those of a truth, by name where both have names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.findings import Finding
from detkit.tables import Categories, Dataset
from detkit.wording import examples, plural

__all__ = ["Classes", "classes_of", "in_classes"]


@dataclass(frozen=True, eq=False)
class Classes:
    """Where a model's classes go.

    Parameters
    ----------
    categories : Categories, optional
        None where nothing is known before the run: the numbers found name themselves.
    to_category : (C,) int64
        Position in `categories` of each class of the model, -1 for none.
    findings : tuple of Finding
    """

    categories: Categories | None
    to_category: NDArray[np.int64]
    findings: tuple[Finding, ...] = ()

    def digest(self) -> str:
        """SHA-256 of ids, names and order."""
        known = self.categories
        content = [] if known is None else [known.ids.tolist(), known.names, self.to_category.tolist()]
        return hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()


def classes_of(
    names: Sequence[str] | None, count: int | None, truth: Dataset | None, label_base: str | None
) -> Classes:
    """Where a model's classes go.

    Parameters
    ----------
    names : sequence of str, optional
        Of the model's classes.
    count : int, optional
        How many classes it answers with.
    truth : Dataset, optional
    label_base : str, optional

    Returns
    -------
    Classes

    Raises
    ------
    UsageError
        No class of the model is one of the truth, or it cannot be told which.
    """
    if truth is None:
        return _own(names, count, label_base)
    if names is None:
        return _by_number(truth.categories, count, label_base)
    return _by_name(names, truth.categories)


def in_classes(classes: Classes, labels: int) -> tuple[Categories, NDArray[np.int64]]:
    """Categories, and the category of each label; numbers name themselves where nothing was known.

    Parameters
    ----------
    classes : Classes
    labels : int
        Labels found are below this.

    Returns
    -------
    categories : Categories
    to_category : (C,) int64
    """
    if classes.categories is None:
        numbers = [str(i) for i in range(labels)]
        return Categories.from_names(numbers, has_names=False), np.arange(labels)
    return classes.categories, classes.to_category


def _own(names: Sequence[str] | None, count: int | None, label_base: str | None) -> Classes:
    if names is not None:
        return Classes(Categories.from_names(names), np.arange(len(names)))
    if label_base == "coco91":
        ids = _coco91()
        return Classes(Categories(ids, tuple(map(str, ids.tolist())), has_names=False), np.arange(len(ids)))
    note = Finding(
        "DK303", "the model names no classes: they are numbered (names: `--names FILE`, or `--truth DATASET`)"
    )
    if count is None:
        return Classes(None, np.zeros(0, np.int64), (note,))
    numbers = [str(i) for i in range(count)]
    return Classes(Categories.from_names(numbers, has_names=False), np.arange(count), (note,))


def _by_name(names: Sequence[str], categories: Categories) -> Classes:
    known: dict[str, int] = {}
    for position, name in enumerate(categories.names):
        known.setdefault(_folded(name), position)
    found = np.array([known.get(_folded(name), -1) for name in names], np.int64)
    if (found < 0).all():
        ours, theirs = examples(list(names)), examples(list(categories.names))
        raise UsageError(
            f"no class of the model ({ours}) is a class of the truth ({theirs})",
            hint="give the model's class names in the truth's words: `--names FILE`",
        )
    lacking = [name for name, position in zip(names, found, strict=True) if position < 0]
    if not lacking:
        return Classes(categories, found)
    counted = plural(len(lacking), "class of the model is", "classes of the model are")
    message = f"{counted} not in the truth: {examples(lacking)}"
    return Classes(categories, found, (Finding("DK702", message, count=len(lacking)),))


def _by_number(categories: Categories, count: int | None, label_base: str | None) -> Classes:
    """A model without names answers in the order of the truth's ids."""
    total = len(categories)
    if label_base == "coco91":
        at = {key: position for position, key in enumerate(categories.ids.tolist())}
        found = np.array([at.get(key, -1) for key in _coco91().tolist()], np.int64)
        if (found >= 0).any():
            return Classes(categories, found)
        count = len(found)
    if count is not None and count != total:
        raise UsageError(
            f"the model answers with {plural(count, 'class', 'classes')} and names none, the truth has {total}: "
            "which is which?",
            hint="give the model's class names in order: `--names FILE`",
        )
    numeric = categories.ids.dtype != object and categories.has_own_ids
    order = np.argsort(categories.ids, kind="stable") if numeric else np.arange(total)
    message = f"the model names no classes: its {total} are taken as the truth's, in the order of their ids"
    return Classes(categories, order.astype(np.int64), (Finding("DK303", message),))


def _coco91() -> NDArray[np.int64]:
    from detkit import detectors

    return np.array(detectors.COCO91, np.int64)


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
