"""Images and categories of a COCO object as columns, with the fields that have none kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Finding
from detkit.formats._coco_ids import duplicates, first_seen, id_column
from detkit.formats._coco_rows import Rows

__all__ = ["CategoryColumns", "ImageColumns", "category_columns", "image_columns", "stated_fields"]

_IMAGE_FIELDS = ("id", "file_name", "width", "height")
_CATEGORY_FIELDS = ("id", "name", "supercategory")
#: Fields of an image and a class that scoring partly labelled truth reads, whatever else is left out.
_LABEL_FIELDS = ("neg_category_ids", "pos_category_ids", "not_exhaustive_category_ids")
_GROUP_FIELDS = ("frequency", "freebase_id")


@dataclass
class ImageColumns:
    """Images of one file."""

    ids: NDArray[Any]
    file_names: list[str]
    sizes: NDArray[np.float64]
    extra: dict[int, dict[str, Any]]


@dataclass
class CategoryColumns:
    """Categories of one file."""

    ids: NDArray[Any]
    names: list[str]
    supercategories: list[str | None]
    extra: dict[int, dict[str, Any]]
    has_names: bool = True


def image_columns(items: Sequence[Any], path: str, with_extra: bool, findings: list[Finding]) -> ImageColumns:
    """Images as columns; of a repeated id the first place and the last content stay, as in pycocotools."""
    rows = Rows(items, "images", path)
    ids, _ = rows.ids("id")
    names = _texts(rows, "file_name")
    sizes = np.column_stack([_sizes(rows, "width"), _sizes(rows, "height")])
    usable = np.flatnonzero(rows.keep())
    count, example = duplicates(ids[usable])
    rows.note("DK103", f"image id {example!r} is there more than once; the last one counts", count)
    distinct, last = _last_of_each(ids, usable)
    unknown = int(np.count_nonzero(~np.isfinite(sizes[last]).all(axis=1)))
    rows.note("DK403", "images without a usable `width` and `height`", unknown)
    findings += rows.findings()
    extra: dict[int, dict[str, Any]] = {} if with_extra else stated_fields(rows, last, _LABEL_FIELDS)
    if with_extra:
        for position, row in enumerate(last.tolist()):
            own = {k: v for k, v in rows.items[row].items() if k not in _IMAGE_FIELDS}
            # A field that is there but says nothing usable is kept as it is, so that it comes back when written.
            if not names[row] and "file_name" in rows.items[row]:
                own["file_name"] = rows.items[row]["file_name"]
            for at, name in enumerate(("width", "height")):
                if name in rows.items[row] and np.isnan(sizes[row, at]):
                    own[name] = rows.items[row][name]
            if own:
                extra[position] = own
    return ImageColumns(distinct, [names[i] for i in last.tolist()], sizes[last], extra)


def category_columns(items: Sequence[Any], path: str, with_extra: bool, findings: list[Finding]) -> CategoryColumns:
    """Categories as columns in file order; of a repeated id the first place and the last content stay."""
    rows = Rows(items, "categories", path)
    ids, _ = rows.ids("id")
    names = _texts(rows, "name")
    usable = np.flatnonzero(rows.keep())
    count, example = duplicates(ids[usable])
    rows.note("DK103", f"category id {example!r} is there more than once; the last one counts", count)
    distinct, last = _last_of_each(ids, usable)
    unnamed = [i for i in last.tolist() if not names[i]]
    for i in unnamed:
        names[i] = str(ids[i])
    rows.note("DK303", "categories without a name; their ids serve as names", len(unnamed))
    kept = [names[i] for i in last.tolist()]
    twins = sorted({n for n in kept if kept.count(n) > 1}) if len(set(kept)) < len(kept) else []
    rows.note("DK103", f"category names with several ids: {', '.join(f'`{t}`' for t in twins)}", len(twins))
    findings += rows.findings()
    above = rows.values("supercategory")
    supers = [above[i] if isinstance(above[i], str) else None for i in last.tolist()]
    extra = {} if with_extra else stated_fields(rows, last, _GROUP_FIELDS)
    for position, row in enumerate(last.tolist() if with_extra else ()):
        own = {k: v for k, v in rows.items[row].items() if k not in _CATEGORY_FIELDS}
        if supers[position] is None and "supercategory" in rows.items[row]:
            own["supercategory"] = above[row]
        if own:
            extra[position] = own
    return CategoryColumns(distinct, kept, supers, extra, has_names=len(unnamed) < len(kept) or not kept)


def stated_fields(rows: Rows, kept: NDArray[np.int64], names: Sequence[str]) -> dict[int, dict[str, Any]]:
    """These fields of the kept records, by position, where they say something."""
    extra: dict[int, dict[str, Any]] = {}
    for name in names:
        if not rows.holds(name):
            continue
        values = rows.values(name)
        for position, row in enumerate(kept.tolist()):
            if values[row] is not None:
                extra.setdefault(position, {})[name] = values[row]
    return extra


def _last_of_each(ids: NDArray[Any], usable: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    distinct, index = first_seen(ids[usable])
    if distinct.dtype == object:
        distinct = id_column(distinct.tolist())
    last = np.zeros(len(distinct), np.int64)
    last[index] = usable
    return distinct, last


def _texts(rows: Rows, name: str) -> list[str]:
    values = rows.values(name)
    if not set(map(type, values)) <= {str}:
        odd = [i for i, v in enumerate(values) if v is not None and not isinstance(v, str)]
        if odd:
            rows.note("DK106", f"{rows.place(odd[0], name)}: found {values[odd[0]]!r}, read as text", len(odd))
        values = [v if isinstance(v, str) else "" if v is None else str(v) for v in values]
    return values


def _sizes(rows: Rows, name: str) -> NDArray[np.float64]:
    """A stated length that is no positive number is as good as none."""
    values = rows.values(name)
    if set(map(type, values)) <= {int} and values and min(values) > 0 and max(values) < 2**53:
        return np.array(values, dtype=np.float64)
    usable = [v if type(v) in (int, float) and 0 < v < 2**53 else np.nan for v in values]
    return np.array(usable, dtype=np.float64)
