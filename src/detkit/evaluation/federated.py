"""Partly labelled truth: which classes an image was looked through for, and which boxes stand for groups.

The lists of class ids lie in `Images.extra`, under the names that the protocol's `ImageLabels` gives; the group of a
class in `Categories.extra`; `is_group_of` and `ignore` of a box in `Annotations.attributes` or `Annotations.extra`.
Readers fill these columns; nothing here knows a format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.evaluation.dropped import drop_truths
from detkit.evaluation.images import image_label
from detkit.evaluation.protocols import Protocol
from detkit.findings import Finding
from detkit.tables import Annotations, Categories, Dataset, freeze
from detkit.wording import plural

__all__ = ["GROUP_OF", "NEGATIVE", "PARTIAL", "POSITIVE", "as_read", "class_groups", "contains", "partial_cells",
           "unused_labels", "verified_cells"]  # fmt: skip

#: Attribute column of boxes around several objects.
GROUP_OF = "is_group_of"

#: Fields of an image: classes known not to be in it, classes known to be in it, classes without all their boxes.
NEGATIVE, POSITIVE, PARTIAL = "neg_category_ids", "pos_category_ids", "not_exhaustive_category_ids"
_LABEL_FIELDS = (NEGATIVE, POSITIVE, PARTIAL)

Index = NDArray[np.int64]


def as_read(truth: Dataset, protocol: Protocol) -> Dataset:
    """The truth with crowds, ignored boxes and group-of boxes as the protocol reads them.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    Dataset
        The same one where the protocol reads every box as the tables have it.

    Raises
    ------
    InputError
        The protocol needs the image's lists of class ids, and they are missing.
    """
    if protocol.image_labels is not None:
        _require_labels(truth, protocol)
    rows = truth.annotations
    if protocol.group_of is not None:
        group = _flags(rows, GROUP_OF) | rows.is_crowd
        nobody = freeze(np.zeros(len(rows), np.bool_))
        rows = replace(rows, is_crowd=nobody, attributes={**rows.attributes, GROUP_OF: freeze(group)})
    if protocol.crowds_are_objects:
        nobody = freeze(np.zeros(len(rows), np.bool_))
        rows = replace(rows, is_crowd=nobody, is_ignored=freeze(rows.is_ignored | _flags(rows, "ignore")))
    if rows is not truth.annotations:
        truth = replace(truth, annotations=rows)
    if "truths" in protocol.drop_empty and not (rows.area > 0).all():
        truth = truth.take_rows(np.flatnonzero(rows.area > 0))
    return drop_truths(truth, protocol)


def _flags(rows: Annotations, name: str) -> NDArray[np.bool_]:
    """A yes-or-no field of each row: its column, or the source's own field."""
    if name in rows.attributes:
        return np.fromiter((bool(v) for v in rows.attributes[name].tolist()), np.bool_, len(rows))
    out = np.zeros(len(rows), np.bool_)
    for row, fields in rows.extra.items():
        own = fields.get("attributes")
        value = fields.get(name, own.get(name) if isinstance(own, Mapping) else None)
        out[row] = bool(value) and value not in ("0", "false", "False")
    return out


def _require_labels(truth: Dataset, protocol: Protocol) -> None:
    labels = protocol.image_labels
    assert labels is not None
    extra, images = truth.images.extra, truth.images
    wanted = [name for name in labels.fields if name != labels.present] if labels.on_every_image else labels.fields
    named = " and ".join(f"`{name}`" for name in wanted)
    path = None if truth.source is None else truth.source.path
    hint = "truth in which every class is labelled in every image is scored with `--protocol coco` or `voc2012`"
    if not labels.on_every_image:
        if not any(name in fields for fields in extra.values() for name in wanted):
            raise InputError(
                f"no image has {named.replace(' and ', ' or ')}, which protocol `{protocol.name}` needs: "
                "the classes it was looked through for",
                path=path,
                hint=hint,
            )
        return
    missing = [i for i in range(len(images)) if not all(name in extra.get(i, {}) for name in wanted)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(images)} images lack {named}, which protocol `{protocol.name}` needs "
            f"(first: `{image_label(images, missing[0])}`)",
            path=path,
            hint=hint,
        )


def verified_cells(truth: Dataset, protocol: Protocol) -> Index | None:
    """Cells that are scored; None where all are.

    A cell is one image and one class: one with truth, and one that the image's labels name as absent or present.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    (N,) int64, optional
        Ascending: image position times the number of classes, plus class position.
    """
    labels = protocol.image_labels
    if labels is None:
        return None
    rows = truth.annotations
    own = rows.image_index * len(truth.categories) + rows.category_index
    stated = _listed(truth, [name for name in (labels.absent, labels.present) if name is not None])
    return np.unique(np.concatenate([own, stated]))


def partial_cells(truth: Dataset, protocol: Protocol) -> Index:
    """Cells in which not every object has a box.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    (N,) int64
        As `verified_cells`; empty where the protocol knows none.
    """
    labels = protocol.image_labels
    if labels is None or labels.partial is None:
        return np.empty(0, np.int64)
    return np.unique(_listed(truth, [labels.partial]))


def contains(cells: Index, wanted: Index) -> NDArray[np.bool_]:
    """Which of the wanted values stand in an ascending array.

    Parameters
    ----------
    cells : (N,) int64
    wanted : (M,) int64

    Returns
    -------
    (M,) bool
    """
    if not len(cells):
        return np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    return np.asarray(cells[place] == wanted)


def _listed(truth: Dataset, names: Sequence[str]) -> Index:
    """Cells that these fields of the images name; ids of classes the truth does not have are passed over."""
    count = len(truth.categories)
    place = {category: k for k, category in enumerate(truth.categories.ids.tolist())}
    cells = [
        image * count + place[category]
        for image, fields in truth.images.extra.items()
        for name in names
        for category in _ids(fields.get(name), name, truth, image)
        if category in place
    ]
    return np.array(cells, dtype=np.int64)


def _ids(value: Any, name: str, truth: Dataset, image: int) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple)) and all(isinstance(i, int | str) for i in value):
        return value
    shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:36]}..."
    raise InputError(
        f"`{name}` of image `{truth.images.ids[image]}`: found {shown}, expected a list of class ids",
        path=None if truth.source is None else truth.source.path,
    )


def class_groups(categories: Categories, classes: Index, protocol: Protocol) -> dict[str, tuple[int, ...]]:
    """Places in the class order of each group of classes, by the group's name.

    Parameters
    ----------
    categories : Categories
    classes : (K,) int64
        Category positions in class order; -1 when classes are not told apart.
    protocol : Protocol

    Returns
    -------
    dict of str to tuple of int
    """
    if protocol.class_groups is None or not protocol.class_wise:
        return {}
    groups: dict[str, list[int]] = {}
    for place, category in enumerate(classes.tolist()):
        name = categories.extra.get(category, {}).get(protocol.class_groups)
        if isinstance(name, str):
            groups.setdefault(name, []).append(place)
    return {name: tuple(places) for name, places in groups.items()}


def unused_labels(truth: Dataset, protocol: Protocol) -> list[Finding]:
    """A finding `DK709` for partly labelled truth under a protocol that takes every image as fully labelled.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    list of Finding
    """
    if protocol.image_labels is not None:
        return []
    labelled = [fields for fields in truth.images.extra.values() if any(name in fields for name in _LABEL_FIELDS)]
    if not labelled:
        return []
    found = next(name for name in _LABEL_FIELDS if any(name in fields for fields in labelled))
    message = (
        f"{plural(len(labelled), 'image is', 'images are')} labelled for some classes only (`{found}`), which "
        f"protocol `{protocol.name}` does not read: detections of classes nobody looked for count as false "
        "(--protocol lvis or openimages)"
    )
    return [Finding("DK709", message, count=len(labelled))]
