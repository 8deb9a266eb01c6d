"""What a conversion loses by the formats' nature: the table's content against what the target can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from detkit import registry
from detkit.findings import Loss
from detkit.formats._base import Capabilities, WriteOptions
from detkit.formats._writing import kept_rows
from detkit.tables import Dataset, Detections, Shapes

__all__ = ["absent_files", "generic_losses"]

_FILES = "image files"


def generic_losses(
    table: Dataset | Detections, holds: Capabilities, options: WriteOptions, *, one_file: bool
) -> list[Loss]:
    """Everything in the table that the target format has no place for.

    Parameters
    ----------
    table : Dataset or Detections
    holds : Capabilities
        Of the target format.
    options : WriteOptions
        Says what becomes of crowds and outlines.
    one_file : bool
        A single file holds no splits.

    Returns
    -------
    list of Loss
        Only entries with a count above zero.
    """
    rules = _DATASET_RULES if isinstance(table, Dataset) else _DETECTIONS_RULES
    losses = [rule(table, holds, options, one_file) for rule in rules]
    return [loss for group in losses for loss in group if loss.count]


def absent_files(table: Dataset | Detections, said: Sequence[Loss]) -> list[Loss]:
    """Images that a layout with images lists and nobody found the file of, unless its writer says so.

    A dataset that never had its images loses none.

    Parameters
    ----------
    table : Dataset or Detections
    said : sequence of Loss
        What is reported already.

    Returns
    -------
    list of Loss
    """
    if not isinstance(table, Dataset) or any(loss.what == _FILES for loss in said):
        return []
    absent = [i for i, path in enumerate(table.images.paths) if path is None]
    if not absent or len(absent) == len(table.images):
        return []
    shown = tuple(table.images.file_names[i] or str(table.images.ids[i]) for i in absent[:3])
    return [Loss(_FILES, "not found, only listed", len(absent), shown)]


Rule = Callable[[Any, Capabilities, WriteOptions, bool], list[Loss]]


def _crowds(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    if "crowds" in holds.holds:
        return []
    action = "dropped" if options.crowds == "drop" else "written as ordinary objects"
    if options.crowds == "difficult" and "ignored" in holds.holds:
        action = "flagged difficult"
    rows = np.flatnonzero(data.annotations.is_crowd)
    return [Loss("crowd annotations", action, len(rows), _files(data, rows))]


def _ignored(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    if "ignored" in holds.holds:
        return []
    rows = np.flatnonzero(data.annotations.is_ignored)
    action = "written as ordinary objects" if options.ignored == "keep" else "dropped"
    return [Loss("difficult (ignored) flags", action, len(rows), _files(data, rows))]


def _shapes(data: Dataset | Detections, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    table = data.annotations if isinstance(data, Dataset) else data
    if table.shapes is None:
        return []
    losses = []
    for kind, feature, what in ((Shapes.POLYGONS, "polygons", "polygons"), (Shapes.RLE, "rle", "run-length masks")):
        rows = np.flatnonzero(table.shapes.kind == kind)
        if kind == Shapes.POLYGONS:
            rows = rows[table.shapes.rings.lengths()[rows] > 0]
        if options.shapes == "drop":
            losses.append(Loss(f"objects with {what}", "dropped", len(rows), _files(data, rows)))
        elif options.shapes == "box" or not {feature, "polygons"} & holds.holds:
            losses.append(Loss(what, "turned into boxes", len(rows), _files(data, rows)))
    return losses


def _columns(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    rows = data.annotations
    losses = []
    if rows.keypoints is not None and "keypoints" not in holds.holds:
        losses.append(Loss("keypoints", "dropped", int(np.count_nonzero(rows.keypoints.lengths()))))
    if rows.is_oriented is not None and "oriented" not in holds.holds:
        losses.append(Loss("oriented boxes", "turned into boxes", int(rows.is_oriented.sum())))
    for name, values in rows.attributes.items():
        if "attributes" in holds.holds or name in holds.attributes:
            continue
        losses.append(Loss(f"attribute `{name}`", "dropped", int(sum(map(_is_stated, values)))))
    if "area" not in holds.holds:
        stated = int(np.count_nonzero(~np.isclose(rows.area, rows.xywh[:, 2] * rows.xywh[:, 3], rtol=1e-6)))
        losses.append(Loss("stated areas", "dropped (width times height when read back)", stated))
    return losses


def _sizes(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    known = np.flatnonzero(~np.isnan(data.images.sizes).any(axis=1))
    if "image_sizes" in holds.holds:
        return []
    shown = tuple(data.images.file_names[i] or str(data.images.ids[i]) for i in known[:3].tolist())
    return [Loss("image sizes", "dropped", len(known), shown)]


def _ids(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    losses = []
    if "category_ids" not in holds.holds and data.categories.has_own_ids:
        ids, dense = data.categories.ids, np.arange(1, len(data.categories) + 1)
        changed = int(np.count_nonzero(ids != dense)) if ids.dtype != object else len(ids)
        losses.append(Loss("category ids", "renumbered", changed))
    if "image_ids" not in holds.holds and data.images.has_own_ids:
        losses.append(Loss("image ids", "dropped", len(data.images)))
    if "annotation_ids" not in holds.holds and _states_row_ids(data):
        # Where images stay in order, rows count from 1 in that order when they are read back.
        ids = data.annotations.ids[kept_rows(data, holds, options)]
        keeps = "image_ids" in holds.holds and np.array_equal(ids, np.arange(1, len(ids) + 1))
        losses.append(Loss("annotation ids", "dropped", 0 if keeps else len(data.annotations)))
    if "supercategories" not in holds.holds:
        stated = sum(s is not None for s in data.categories.supercategories)
        losses.append(Loss("supercategories", "dropped", stated))
    return losses


def _rest(data: Dataset, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    losses = []
    if "extra" not in holds.holds:
        for what, extra in (
            ("image", data.images.extra),
            ("category", data.categories.extra),
            ("annotation", data.annotations.extra),
        ):
            names: dict[str, int] = {}
            held = {"image": holds.image_fields, "category": holds.category_fields}.get(what, frozenset())
            for fields in extra.values():
                for name in (n for n in fields if n not in held):
                    names[name] = names.get(name, 0) + 1
            losses += [Loss(f"{what} field `{name}`", "dropped", count) for name, count in names.items()]
    if "info" not in holds.holds:
        lost = [str(name) for name in data.info if name not in holds.info_fields]
        losses.append(Loss("top-level fields", "dropped", len(lost), tuple(lost[:3])))
    if data.splits and (one_file or "splits" not in holds.holds):
        losses.append(Loss("splits", "dropped (one file holds none)", len(data.splits), tuple(data.splits)[:3]))
    return losses


def _detections(data: Detections, holds: Capabilities, options: WriteOptions, one_file: bool) -> list[Loss]:
    losses = []
    if data.keypoints is not None and "keypoints" not in holds.holds:
        losses.append(Loss("keypoints", "dropped", int(np.count_nonzero(data.keypoints.lengths()))))
    if "extra" not in holds.holds and data.extra:
        losses.append(Loss("prediction fields without a column", "dropped", len(data.extra)))
    if "category_ids" not in holds.holds and data.categories.has_own_ids:
        losses.append(Loss("category ids", "renumbered", len(data.categories)))
    return losses


# Sizes of predictions' images are the truth's to hold, whatever their format is.
_DATASET_RULES: tuple[Rule, ...] = (_crowds, _ignored, _shapes, _columns, _sizes, _ids, _rest)
_DETECTIONS_RULES: tuple[Rule, ...] = (_shapes, _detections)


def _states_row_ids(data: Dataset) -> bool:
    """Whether ids of rows are the source's own: they are no mere numbers, or its format states ids."""
    rows = data.annotations
    if rows.ids.dtype == object or not np.array_equal(rows.ids, rows.source_row + 1):
        return True
    if data.source is None or data.source.format not in registry.names("detkit.formats"):
        return False
    return "annotation_ids" in registry.load("detkit.formats", data.source.format).CAPABILITIES.holds


def _is_stated(value: Any) -> bool:
    return value is not None and value != "" and value == value


def _files(data: Dataset | Detections, rows: Any, limit: int = 3) -> tuple[str, ...]:
    table = data.annotations if isinstance(data, Dataset) else data
    positions = dict.fromkeys(int(i) for i in table.image_index[rows[: limit * 4]])
    names = [data.images.file_names[i] or str(data.images.ids[i]) for i in positions]
    return tuple(names[:limit])
