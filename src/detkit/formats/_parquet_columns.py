"""Which column of a Parquet file holds what: those of our own files, or of other people's by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detkit.formats._csv_columns import columns_of as csv_columns_of
from detkit.formats._parquet_files import pyarrow

__all__ = ["Columns", "columns_of", "own_columns"]

#: Columns that hold the four numbers of a box as a list, and how they are taken.
_LISTS = {"bbox": "xywh", "bbox_xywh": "xywh", "bbox_xyxy": "xyxy", "bbox_cxcywh": "cxcywh", "box": "xywh"}
_EXPANDED = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
_OWN = ("image_id", "category_id", "x", "y", "width", "height", "score")
_OWN_EXTRAS = (
    *("area", "source_row", "keypoints", "extra"),
    *("segmentation_height", "segmentation_width", "segmentation_counts", "segmentation_run_lengths"),
    "segmentation_polygons",
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns in use.

    Parameters
    ----------
    image_id, image, category_id, category : str, optional
        Of ids, and of names (or class numbers).
    score : str
    layout : {"xywh", "xyxy", "cxcywh"}
    box : tuple of str
        Four columns, or one that holds lists of four.
    extras : tuple of str
        Further columns of our own files.
    unused : tuple of str
        Columns that nothing is read from.
    """

    image_id: str | None
    image: str | None
    category_id: str | None
    category: str | None
    score: str
    layout: str
    box: tuple[str, ...]
    extras: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def used(self) -> list[str]:
        """All that are read."""
        named = (self.image_id, self.image, self.category_id, self.category, self.score, *self.box, *self.extras)
        return [name for name in named if name is not None]


def own_columns(schema: Any) -> Columns | str:
    """The columns of a file that detkit wrote, or what it lacks."""
    lacking = [name for name in _OWN if name not in schema.names]
    if lacking:
        return f"columns {', '.join(f'`{n}`' for n in lacking)} are missing"
    extras = tuple(name for name in _OWN_EXTRAS if name in schema.names)
    unused = tuple(n for n in schema.names if n not in (*_OWN, *_OWN_EXTRAS, "file_name", "category_name"))
    columns = Columns("image_id", None, "category_id", None, "score", "xywh", _OWN[2:6], extras, unused)
    doubled = [name for name in columns.used if schema.names.count(name) > 1]
    return f"columns that stand twice: {', '.join(f'`{n}`' for n in doubled)}" if doubled else columns


def columns_of(schema: Any) -> Columns | str:
    """The columns of another program's file by their names, or what they lack.

    Parameters
    ----------
    schema : pyarrow.Schema

    Returns
    -------
    Columns, or str
        `found columns ..., expected ...`.
    """
    names = list(schema.names)
    lists = _list_column(schema)
    shown: list[str] = []
    origin: list[str] = []
    for name in names:
        parts: Sequence[str] = _EXPANDED if name == lists else (name,)
        shown += parts
        origin += [name] * len(parts)
    found = csv_columns_of(shown)
    if isinstance(found, str):
        told = found.replace(", ".join(f"`{n}`" for n in _EXPANDED), f"`{lists}`")
        return told.replace("a box (", "a box (`bbox` as a list of four, ")

    def at(place: int | None) -> str | None:
        return None if place is None else origin[place]

    box = tuple(dict.fromkeys(origin[i] for i in found.box))
    used = (at(found.image_id), at(found.image), at(found.category_id), at(found.category), origin[found.score], *box)
    return Columns(
        *(used[0], used[1], used[2], used[3]),
        origin[found.score],
        _LISTS[lists.strip().lower()] if lists is not None and box == (lists,) else found.layout,
        box,
        unused=tuple(name for name in names if name not in used),
    )


def _list_column(schema: Any) -> str | None:
    """The first column that is named as a box and holds lists."""
    types = pyarrow()[0].types
    for field in schema:
        listed = types.is_list(field.type) or types.is_large_list(field.type) or types.is_fixed_size_list(field.type)
        if listed and field.name.strip().lower() in _LISTS:
            return str(field.name)
    return None
