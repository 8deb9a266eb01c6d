"""Several predictions in common terms, with or without a truth: images and classes that are one become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError
from detkit.evaluation.align import align
from detkit.evaluation.classes import match_classes
from detkit.evaluation.images import image_label, match_images
from detkit.evaluation.pairs import as_dataset
from detkit.findings import Finding
from detkit.ragged import fresh_ids
from detkit.tables import Categories, Dataset, Detections, Images, freeze, id_array
from detkit.wording import examples, plural

__all__ = ["United", "unite"]


@dataclass(frozen=True, eq=False)
class United:
    """Predictions that share images and classes.

    Parameters
    ----------
    images, categories
        The common ones: the truth's (and classes it lacks), else the first file's and then what others add.
    tables : tuple of Detections
        In the order given, in common terms; rows on images that the truth does not have are left out.
    covered : (T, I) bool
        Which images each table speaks of, with boxes or without.
    findings : tuple of Finding
    """

    images: Images
    categories: Categories
    tables: tuple[Detections, ...]
    covered: NDArray[np.bool_]
    findings: tuple[Finding, ...]


def unite(tables: Sequence[Detections], truth: Dataset | None = None) -> United:
    """Predictions in common terms.

    Images meet as in `align`: by id where both sides have their own, else by file name; classes by name, else id,
    else number.

    Parameters
    ----------
    tables : sequence of Detections
        Not empty.
    truth : Dataset, optional
        Its images and classes are the common ones; predictions on other images are left out with a finding.

    Returns
    -------
    United

    Raises
    ------
    CannotJudgeError
        Two tables have no image in common, or none of one's images is the truth's.
    InputError
        Units differ, or a class number is out of range.
    """
    base = as_dataset(next((t for t in tables if len(t)), tables[0])) if truth is None else truth
    met: list[tuple[Detections, NDArray[np.bool_]]] = []
    findings: list[Finding] = []
    for table in tables:
        if table.units != base.units and len(table):
            raise InputError(
                f"these predictions are in {table.units} coordinates, others in {base.units}",
                path=None if table.source is None else table.source.path,
                hint="give the image sizes: --images DIR or --image-sizes CSV|WxH",
            )
        if truth is not None and len(table):
            found = align(base, table, unmapped="count")
            base, moved, covered, notes = found.truth, found.detections, found.predicted, list(found.findings)
        else:
            base, moved, covered, notes = _extended(base, table, may_add=truth is None)
        met.append((moved, covered))
        findings += notes
    shared = [replace(moved, images=base.images, categories=base.categories) for moved, _ in met]
    rows = np.zeros((len(met), len(base.images)), np.bool_)
    for row, (_, covered) in zip(rows, met, strict=True):
        row[: len(covered)] = covered
    return United(base.images, base.categories, tuple(shared), rows, tuple(dict.fromkeys(findings)))


def _extended(
    base: Dataset, table: Detections, *, may_add: bool
) -> tuple[Dataset, Detections, NDArray[np.bool_], list[Finding]]:
    """The base with the images and classes that the table adds, and the table in its terms."""
    image_of, findings = match_images(base.images, table.images)
    missing = np.flatnonzero(image_of < 0)
    if len(table) and len(missing) == len(table.images) and len(base.annotations):
        ours, theirs = (
            [image_label(images, i) for i in range(min(3, len(images)))] for images in (base.images, table.images)
        )
        where = "" if table.source is None else f"{table.source.path}: "
        raise CannotJudgeError(
            f"{where}no image is one of the others': {examples(theirs)} against {examples(ours)}",
            hint="give the dataset they were made on, whose ids and file names join them: --truth DATASET",
        )
    if len(missing) and may_add:
        image_of = image_of.copy()
        image_of[missing] = len(base.images) + np.arange(len(missing))
        base = replace(base, images=_joined(base.images, table.images, missing))
        if len(base.annotations):
            labels = [image_label(table.images, int(i)) for i in missing]
            message = f"{plural(len(missing), 'image')} of these predictions only ({examples(labels)})"
            path = None if table.source is None else table.source.path
            findings.append(Finding("DK705", message, file=path, count=len(missing)))
    if _both_numbered(base.categories, table.categories) and len(table.categories) > len(base.categories):
        base = replace(base, categories=table.categories)
    category_of, categories, _, notes = match_classes(base, table, None, "count")
    covered = np.zeros(len(base.images), np.bool_)
    covered[image_of[image_of >= 0]] = True
    base = replace(base, images=_with_sizes(base.images, table.images, image_of))
    moved_image = image_of[table.image_index]
    order = np.argsort(moved_image, kind="stable")
    moved = replace(
        table.take(order),
        image_index=freeze(moved_image[order], np.int64),
        category_index=freeze(category_of[table.category_index][order], np.int64),
    )
    return replace(base, categories=categories), moved, covered, findings + notes


def _both_numbered(ours: Categories, theirs: Categories) -> bool:
    """Whether both sides have class numbers only: each list is as long as the highest number its file holds."""
    return not (ours.has_names or theirs.has_names or ours.has_own_ids or theirs.has_own_ids)


def _with_sizes(ours: Images, theirs: Images, image_of: NDArray[np.int64]) -> Images:
    """The images with sizes that only the other table states."""
    known = np.flatnonzero((image_of >= 0) & ~np.isnan(theirs.sizes).any(axis=1))
    known = known[np.isnan(ours.sizes[image_of[known]]).any(axis=1)]
    if not len(known):
        return ours
    sizes = ours.sizes.copy()
    sizes[image_of[known]] = theirs.sizes[known]
    return replace(ours, sizes=sizes)


def _joined(ours: Images, theirs: Images, missing: NDArray[np.int64]) -> Images:
    """The images, and those of the other table that are missing among them; ids stay unique."""
    known = ours.ids.tolist()
    wanted = theirs.ids[missing].tolist() if theirs.has_own_ids else [None] * len(missing)
    added = theirs.take(missing)
    extra = {**ours.extra, **{len(ours) + i: fields for i, fields in added.extra.items()}}
    return Images(
        id_array([*known, *fresh_ids(wanted, known)]),
        (*ours.file_names, *added.file_names),
        np.concatenate([ours.sizes, added.sizes]),
        (*ours.paths, *added.paths),
        ours.has_own_ids,
        extra,
    )
