"""A table as CVAT for images 1.1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._image_names import image_names
from detkit.formats._images import place
from detkit.formats._manifest import write_manifest
from detkit.formats._mask_windows import runs_of_rows
from detkit.formats._numbers import corner_texts, number_text
from detkit.formats._turned import turned_boxes
from detkit.formats._writing import (
    Outlines,
    groups_of,
    image_targets,
    new_group,
    require_pixels,
    require_sizes,
    stated_attributes,
)
from detkit.tables import Dataset, Detections

__all__ = ["write_cvat"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Attributes that CVAT states on the shape itself.
_ON_SHAPE = ("occluded", "z_order", "group_id", "source")


def write_cvat(table: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one XML file, or a folder with `annotations.xml` and, where wished, `images`.

    Parameters
    ----------
    table : Dataset or Detections
    target : Path
        An empty folder, or a file yet to be made.
    options : WriteOptions

    Returns
    -------
    list of Loss
        Beyond what the capabilities say.

    Raises
    ------
    InputError
        Image sizes unknown, or names that XML cannot hold.
    """
    require_pixels(table, "CVAT")
    require_sizes(table.images, "CVAT")
    names, losses = image_names(table.images)
    _check_texts(table, names)
    one_file = not target.is_dir()
    writer = _Writer(table, names, options, with_subsets=not one_file)
    file = target if one_file else target / "annotations.xml"
    with file.open("w", encoding="utf-8", newline="\n") as out:
        writer.write(out)
    if not one_file:
        kind = "dataset" if isinstance(table, Dataset) else "detections"
        write_manifest(target, "cvat", kind, table.categories)
        place(table.images, image_targets(table.images, names, target / "images"), options.place_images or "leave")
    return losses + writer.losses()


def _check_texts(table: Dataset | Detections, names: list[str]) -> None:
    for kind, texts in (("class name", table.categories.names), ("image name", names)):
        for text in texts:
            if _NOT_XML.search(text) or "\n" in text or "\r" in text or text != text.strip() or not text:
                raise InputError(f"{kind} {text!r} cannot be written: it is blank or has control characters")


class _Writer:
    """Writes the document piece by piece."""

    def __init__(
        self, table: Dataset | Detections, names: list[str], options: WriteOptions, *, with_subsets: bool
    ) -> None:
        rows = table.annotations if isinstance(table, Dataset) else table
        self.table, self.names = table, names
        self.offsets = table.offsets.tolist()
        self.corners = corner_texts(rows.xywh, 0)
        self.category = rows.category_index.tolist()
        self.outlines = Outlines(table, options)
        self.attributes = stated_attributes(table)
        self.score = table.score.tolist() if isinstance(table, Detections) else None
        self.flags: list[tuple[str, list[bool]]] = []
        if isinstance(table, Dataset):
            columns = (("difficult", rows.is_ignored), ("is_crowd", rows.is_crowd))  # type: ignore[union-attr]
            self.flags = [(name, values.tolist()) for name, values in columns if values.any()]
        self.subset, self.doubled = _subsets(table) if with_subsets else ({}, 0)
        self.skewed = self.coerced = 0

    def write(self, out: TextIO) -> None:
        """The whole document."""
        out.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        out.writelines(self._meta())
        sizes = self.table.images.sizes.tolist()
        for position, name in enumerate(self.names):
            width, height = (number_text(v) for v in sizes[position])
            subset = f" subset={quoteattr(self.subset[position])}" if position in self.subset else ""
            head = f'  <image id="{position}" name={quoteattr(name)}{subset} width="{width}" height="{height}">\n'
            out.write(head)
            rows = range(*self.offsets[position : position + 2])
            used = groups_of(self.attributes(row).get("group_id") for row in rows)
            for row in rows:
                out.writelines(self._object(row, used))
            out.write("  </image>\n")
        out.write("</annotations>\n")

    def _meta(self) -> Iterable[str]:
        """Labels with their attributes: CVAT keeps an attribute only where the label has one of that name."""
        yield f"  <meta>\n    <task>\n      <size>{len(self.names)}</size>\n      <mode>annotation</mode>\n"
        yield "      <overlap>0</overlap>\n      <labels>\n"
        specs = "".join(_spec(name, kind, values) for name, kind, values in self._attribute_specs())
        for name in self.table.categories.names:
            yield f"        <label>\n          <name>{escape(name)}</name>\n          <type>any</type>\n"
            yield f"          <attributes>\n{specs}          </attributes>\n        </label>\n"
        yield "      </labels>\n    </task>\n  </meta>\n"

    def _attribute_specs(self) -> list[tuple[str, str, str]]:
        """Name, input type and values of each attribute that is written."""
        specs = [(name, "checkbox", "false") for name, _ in self.flags]
        if self.score is not None:
            specs.append(("score", "text", ""))
        columns = self.table.annotations.attributes if isinstance(self.table, Dataset) else {}
        for name, values in columns.items():
            if name not in _ON_SHAPE:
                stated = [v for v in values.tolist() if v is not None and v != "" and v == v]
                specs.append((_clean(name), *_type_of(stated)))
        return specs

    def _object(self, row: int, used: set[Any]) -> Iterable[str]:
        label = quoteattr(self.table.categories.names[self.category[row]])
        stated = self.attributes(row)
        group = stated.get("group_id")
        geometries = self._geometries(row)
        if len(geometries) > 1 and group is None:
            group = new_group(used)
        source = "auto" if self.score is not None else _clean(str(stated.get("source", "manual")))
        head = f'label={label} source={quoteattr(source)} occluded="{_flag(stated.get("occluded"))}"'
        tail = f' z_order="{_whole(stated.get("z_order"))}"' + (f' group_id="{_whole(group)}"' if group else "")
        texts = [(name, "true" if values[row] else "false") for name, values in self.flags]
        if self.score is not None:
            texts.append(("score", repr(self.score[row])))
        texts += [(name, self._text(value)) for name, value in stated.items() if name not in _ON_SHAPE]
        for tag, geometry in geometries:
            yield f"    <{tag} {head} {geometry}{tail}>\n"
            for name, text in texts:
                yield f"      <attribute name={quoteattr(_clean(name))}>{escape(_clean(text))}</attribute>\n"
            yield f"    </{tag}>\n"

    def _geometries(self, row: int) -> list[tuple[str, str]]:
        """Tag and coordinates of a row's shapes: several for an outline of several parts."""
        window = self.outlines.window(row)
        if window is not None:
            left, top, pixels = window
            runs = ", ".join(map(str, runs_of_rows(pixels)))
            height, width = pixels.shape
            return [("mask", f'rle="{runs}" left="{left}" top="{top}" width="{width}" height="{height}"')]
        rings = self.outlines.rings(row)
        if rings and self.outlines.is_oriented(row):
            turned = _turned(rings[0])
            if turned is not None:
                return [("box", turned)]
            self.skewed += 1
        if rings:
            return [("polygon", f'points="{_points(ring)}"') for ring in rings]
        return [("box", _edges(self.corners[row]))]

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return number_text(float(value))
        self.coerced += not isinstance(value, str)
        return str(value)

    def losses(self) -> list[Loss]:
        """What writing changed."""
        found = [
            Loss("oriented boxes that are no rectangles", "written as polygons", self.skewed),
            Loss("attribute values that are no text, number or flag", "written as text", self.coerced),
            Loss("images in several splits", "written with the first one only", self.doubled),
            Loss("attribute `occluded`", "not stated or a degree, written as 0 or 1", self._coerced_flags()),
        ]
        return [*self.outlines.losses(), *(loss for loss in found if loss.count)]

    def _coerced_flags(self) -> int:
        """Values of `occluded` other than a plain flag, in a column that states any: CVAT has it on every shape."""
        columns = self.table.annotations.attributes if isinstance(self.table, Dataset) else {}
        values = columns["occluded"].tolist() if "occluded" in columns else []
        states_any = any(value is not None and value != "" and value == value for value in values)
        return sum(value not in (0, 1) for value in values) if states_any else 0


def _subsets(table: Dataset | Detections) -> tuple[dict[int, str], int]:
    subset: dict[int, str] = {}
    doubled = 0
    for name, members in table.splits.items() if isinstance(table, Dataset) else ():
        for position in members.tolist():
            doubled += position in subset
            subset.setdefault(position, name)
    return subset, doubled


def _turned(ring: NDArray[np.float64]) -> str | None:
    """Edges of the box before it was turned around its centre, and the angle; None for what is no rectangle."""
    boxes, is_rectangle = turned_boxes(ring[None])
    if not is_rectangle[0]:
        return None
    _, _, width, height, degrees = boxes[0].tolist()
    cx, cy = (ring[0] + ring[2]) / 2
    box = np.array([[cx - width / 2, cy - height / 2, width, height]], np.float64)
    return f'{_edges(corner_texts(box, 0)[0])} rotation="{number_text(degrees % 360)}"'


def _edges(texts: Iterable[str]) -> str:
    return " ".join(f'{name}="{text}"' for name, text in zip(("xtl", "ytl", "xbr", "ybr"), texts, strict=True))


def _points(ring: NDArray[np.float64]) -> str:
    return ";".join(f"{number_text(x)},{number_text(y)}" for x, y in ring.tolist())


def _type_of(values: list[Any]) -> tuple[str, str]:
    """Input type and values of an attribute, as CVAT writes them."""
    if values and all(isinstance(v, bool) for v in values):
        return "checkbox", "false"
    if values and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        step = 1 if all(float(v).is_integer() for v in values) else 0.001
        return "number", f"{number_text(float(min(values)))}\n{number_text(float(max(values)))}\n{step}"
    return "text", ""


def _spec(name: str, kind: str, values: str) -> str:
    default = values.partition("\n")[0]
    return (
        f"            <attribute>\n              <name>{escape(name)}</name>\n"
        "              <mutable>False</mutable>\n"
        f"              <input_type>{kind}</input_type>\n"
        f"              <default_value>{escape(default)}</default_value>\n"
        f"              <values>{escape(values)}</values>\n            </attribute>\n"
    )


def _flag(value: Any) -> int:
    try:
        return int(float(value) > 0)
    except (TypeError, ValueError):
        return 0


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
