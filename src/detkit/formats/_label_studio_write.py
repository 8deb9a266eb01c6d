"""A table as Label Studio's tasks, with the labelling configuration that a project needs for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._image_names import image_names
from detkit.formats._images import place
from detkit.formats._json_file import write_json
from detkit.formats._label_studio_points import HIDDEN, NAMES, WrittenPoints
from detkit.formats._label_studio_read import ORIENTED
from detkit.formats._manifest import write_manifest
from detkit.formats._turned import turned_boxes
from detkit.formats._writing import (
    Outlines,
    image_targets,
    plain,
    require_pixels,
    require_sizes,
    stated_attributes,
)
from detkit.tables import Dataset, Detections, Shapes

__all__ = ["write_label_studio"]

_CONTROLS = {
    "label": ("RectangleLabels", 'canRotate="false"'),
    ORIENTED: ("RectangleLabels", 'canRotate="true"'),
    "polygon": ("PolygonLabels", ""),
}
_POINT = "keypoint"


def write_label_studio(table: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `tasks.json`, `label_config.xml` and `detkit.json`.

    Parameters
    ----------
    table : Dataset or Detections
    target : Path
        An empty folder.
    options : WriteOptions

    Returns
    -------
    list of Loss
        Beyond what the capabilities say.

    Raises
    ------
    InputError
        Image sizes unknown: coordinates are percents.
    """
    require_pixels(table, "Label Studio")
    require_sizes(table.images, "Label Studio")
    names, losses = image_names(table.images)
    writer = _Writer(table, options)
    write_json([writer.task(position, name) for position, name in enumerate(names)], target / "tasks.json")
    text = writer.configuration()
    (target / "label_config.xml").write_text(text, encoding="utf-8", newline="\n")
    kind = "dataset" if isinstance(table, Dataset) else "detections"
    names_of = {NAMES: writer.points.names} if writer.points.names else {}
    write_manifest(target, "label_studio", kind, table.categories, **names_of)
    place(table.images, image_targets(table.images, names, target / "images"), options.place_images or "leave")
    return losses + writer.losses()


class _Writer:
    """Builds one task after another."""

    def __init__(self, table: Dataset | Detections, options: WriteOptions) -> None:
        rows = table.annotations if isinstance(table, Dataset) else table
        self.table = table
        self.offsets = table.offsets.tolist()
        self.xywh, self.category = rows.xywh.tolist(), rows.category_index.tolist()
        self.outlines, self.points = Outlines(table, options), WrittenPoints(table)
        self.attributes = stated_attributes(table)
        self.score = table.score.tolist() if isinstance(table, Detections) else None
        self.flags: list[tuple[str, list[bool]]] = []
        if isinstance(table, Dataset):
            data = table.annotations
            columns = (("difficult", data.is_ignored), ("is_crowd", data.is_crowd))
            self.flags = [(name, values.tolist()) for name, values in columns if values.any()]
        self.used: dict[str, None] = {"label": None}
        self.about: dict[str, str] = {}
        self.masks = self.skewed = self.coerced = 0

    def task(self, position: int, name: str) -> dict[str, Any]:
        """The task of the image at a position."""
        width, height = self.table.images.sizes[position].tolist()
        data = {"image": f"/data/local-files/?d={quote(name)}", "width": plain(width), "height": plain(height)}
        rows = range(*self.offsets[position : position + 2])
        results = [result for row in rows for result in self._results(row, width, height)]
        if self.score is None:
            return {"id": position + 1, "data": data, "annotations": [{"result": results}]}
        scores = [self.score[row] for row in rows]
        entry = {"model_version": "detkit", "result": results}
        if scores:
            entry["score"] = sum(scores) / len(scores)
        return {"id": position + 1, "data": data, "predictions": [entry]}

    def _results(self, row: int, width: float, height: float) -> list[dict[str, Any]]:
        label = self.table.categories.names[self.category[row]]
        values = self._values(row, np.array([width, height]))
        found = []
        for part, (control, value) in enumerate(values):
            self.used[control] = None
            kind = _CONTROLS[control][0].lower()
            name = f"r{row}" if part == 0 else f"r{row}_{part}"
            found.append(self._region(row, name, control, kind, {**value, kind: [label]}, (width, height)))
        for number, label, value, hidden in self.points.of(row, np.array([width, height])):
            name, kind = f"r{row}_k{number + 1}", "keypointlabels"
            found.append(self._region(row, name, _POINT, kind, {**value, kind: [label]}, (width, height)))
            if hidden:
                self.about.setdefault(HIDDEN, "choices")
                found.append(_said(name, HIDDEN, "choices", ["true"]))
        return found + self._described(row)

    def _region(
        self, row: int, name: str, control: str, kind: str, value: dict[str, Any], size: tuple[float, float]
    ) -> dict[str, Any]:
        region = {
            "id": name,
            "type": kind,
            "from_name": control,
            "to_name": "image",
            "original_width": plain(size[0]),
            "original_height": plain(size[1]),
            "image_rotation": 0,
            "value": value,
        }
        if name != f"r{row}":
            region["parentID"] = f"r{row}"
        if self.score is not None:
            region["score"] = self.score[row]
        return region

    def _values(self, row: int, size: NDArray[np.float64]) -> list[tuple[str, dict[str, Any]]]:
        """Control and coordinates of a row's regions, in percent."""
        rings = self.outlines.rings(row)
        shapes = self.outlines.shapes
        self.masks += shapes is not None and shapes.kind[row] == Shapes.RLE
        if rings and self.outlines.is_oriented(row):
            boxes, is_rectangle = turned_boxes(rings[0][None])
            if is_rectangle[0]:
                x, y, w, h, degrees = boxes[0].tolist()
                return [(ORIENTED, _percents((x, y, w, h), size) | {"rotation": plain(degrees % 360)})]
            self.skewed += 1
        if rings:
            points = [(ring / size * 100).tolist() for ring in rings]
            return [("polygon", {"points": p, "closed": True}) for p in points]
        return [("label", _percents(self.xywh[row], size) | {"rotation": 0})]

    def _described(self, row: int) -> list[dict[str, Any]]:
        """Flags and attributes of a region, as results with its id."""
        stated: dict[str, Any] = {name: values[row] for name, values in self.flags if values[row]}
        found = []
        for name, value in (stated | self.attributes(row)).items():
            kind, content = self._content(value)
            self.about.setdefault(name, kind)
            found.append(_said(f"r{row}", name, kind, content))
        return found

    def _content(self, value: Any) -> tuple[str, Any]:
        if isinstance(value, bool):
            return "choices", ["true" if value else "false"]
        if isinstance(value, (int, float)):
            return "number", value
        self.coerced += not isinstance(value, str)
        return "textarea", [str(value)]

    def configuration(self) -> str:
        """The labelling configuration: paste it into the project before the tasks are imported."""
        lines = ["<View>", '  <Image name="image" value="$image"/>']
        for control in self.used:
            tag, more = _CONTROLS[control]
            lines.append(f'  <{tag} name="{control}" toName="image"{f" {more}" if more else ""}>')
            lines += [f"    <Label value={quoteattr(name)}/>" for name in self.table.categories.names]
            lines.append(f"  </{tag}>")
        if self.points.names:
            lines.append(f'  <KeyPointLabels name="{_POINT}" toName="image">')
            known = dict.fromkeys(name for own in self.points.names.values() for name in own)
            lines += [*(f"    <Label value={quoteattr(name)}/>" for name in known), "  </KeyPointLabels>"]
        for name, kind in self.about.items():
            tag = {"choices": "Choices", "number": "Number", "textarea": "TextArea"}[kind]
            head = f'  <{tag} name={quoteattr(name)} toName="image" perRegion="true"'
            if kind == "choices":
                lines += [f"{head}>", '    <Choice value="true"/>', '    <Choice value="false"/>', f"  </{tag}>"]
            else:
                lines.append(f"{head}/>")
        return "\n".join([*lines, "</View>", ""])

    def losses(self) -> list[Loss]:
        """What writing changed."""
        found = [
            Loss("run-length masks", "turned into boxes", self.masks),
            Loss("oriented boxes that are no rectangles", "written as polygons", self.skewed),
            Loss("attribute values that are no text, number or flag", "written as text", self.coerced),
        ]
        return [*self.outlines.losses(), *self.points.losses(), *(loss for loss in found if loss.count)]


def _said(region: str, control: str, kind: str, content: Any) -> dict[str, Any]:
    """A result that says something of another region."""
    value = {"text" if kind == "textarea" else kind: content}
    return {"id": region, "type": kind, "from_name": control, "to_name": "image", "value": value}


def _percents(box: Any, size: NDArray[np.float64]) -> dict[str, Any]:
    values = np.asarray(box, np.float64) / np.tile(size, 2) * 100
    return dict(zip(("x", "y", "width", "height"), values.tolist(), strict=True))
