"""Suspicious images as CVAT for images 1.1 (docs.cvat.ai, XML annotation format).

The labels with their attributes stand in `meta/task/labels`: CVAT keeps an attribute only where the task's label has
one of that name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from detkit.api._relabel_images import RelabelBox, RelabelImage, Sheet
from detkit.errors import UsageError

__all__ = ["write"]

#: What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Attribute -> input type and values that CVAT offers.
_ATTRIBUTES = {
    "suspect": ("select", ("no", "overlooked", "swapped", "badly located")),
    "score": ("text", ("",)),
    "suggested": ("checkbox", ("false",)),
    "action": ("select", ("none", "add", "relabel", "move")),
    "truth_id": ("text", ("",)),
}


def write(sheet: Sheet, target: Path) -> None:
    """Write one XML file.

    Parameters
    ----------
    sheet : Sheet
    target : Path

    Raises
    ------
    UsageError
        The size of an image is unknown.
    """
    root = ET.Element("annotations")
    _text(root, "version", "1.1")
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    _text(task, "name", sheet.title)
    _text(task, "size", str(len(sheet.images)))
    _text(task, "mode", "annotation")
    _text(task, "overlap", "0")
    labels = ET.SubElement(task, "labels")
    for name in dict.fromkeys(name for _, name in sheet.categories):
        _label(labels, name)
    for number, image in enumerate(sheet.images):
        _image(root, number, image)
    ET.indent(root)
    ET.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


def _label(labels: ET.Element, name: str) -> None:
    label = ET.SubElement(labels, "label")
    _text(label, "name", name)
    _text(label, "type", "any")
    attributes = ET.SubElement(label, "attributes")
    for own, (kind, values) in _ATTRIBUTES.items():
        attribute = ET.SubElement(attributes, "attribute")
        _text(attribute, "name", own)
        _text(attribute, "mutable", "False")
        _text(attribute, "input_type", kind)
        _text(attribute, "default_value", values[0])
        _text(attribute, "values", "\n".join(values))


def _image(root: ET.Element, number: int, image: RelabelImage) -> None:
    if image.size is None:
        raise UsageError(
            f"image `{image.file_name}` has no size, which CVAT needs", hint="--images DIR or --image-sizes"
        )
    width, height = image.size
    of = {"id": str(number), "name": _clean(image.file_name), "width": str(width), "height": str(height)}
    element = ET.SubElement(root, "image", of)
    for box in image.boxes:
        _box(element, box)


def _box(image: ET.Element, box: RelabelBox) -> None:
    edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{v:.2f}" for v in box.corners), strict=True))
    source = "auto" if box.suggested else "manual"
    # A suggestion lies over what is there.
    order = "1" if box.suggested else "0"
    element = ET.SubElement(
        image, "box", {"label": _clean(box.category), "source": source, "occluded": "0", **edges, "z_order": order}
    )
    for name, value in box.attributes.items():
        attribute = ET.SubElement(element, "attribute", {"name": name})
        attribute.text = _clean(_value(value))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
