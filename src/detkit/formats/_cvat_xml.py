"""CVAT's XML as plain values: what it is, its meta data, and one shape after another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from detkit import files
from detkit.errors import InputError
from detkit.formats._base import Kind, Probe
from detkit.formats._collect import Item
from detkit.formats._mask_windows import rle_of_window, window_of_runs
from detkit.formats._numbers import exact_box, parse_exact
from detkit.formats._turned import bounds, corners_around_centre

__all__ = [
    "MOST_FRAMES",
    "NO_REGION",
    "SHAPES",
    "Meta",
    "Task",
    "elements",
    "meta_of",
    "probe",
    "shape_of",
    "xml_below",
]

#: Shapes that become rows, and those that have no box of their own.
SHAPES = frozenset(("box", "polygon", "ellipse", "mask", "cuboid"))
NO_REGION = frozenset(("polyline", "points", "tag", "skeleton"))
_TRUE = frozenset(("1", "true", "yes", "True"))
_CUBOID = tuple(f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy")
_SAMPLE = 200
#: More than nine hours at thirty a second: a number beyond it is a mistake, and would be as many images.
MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class Task:
    """What the meta data say of one task: its frames and their size; empty values where they say nothing."""

    id: str = ""
    name: str = ""
    subset: str = ""
    frames: range | None = None
    step: int = 1
    size: tuple[float, float] | None = None


@dataclass
class Meta:
    """Labels of a file with the input type of each of their attributes, and its tasks by id."""

    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def task(self, id: str | None) -> Task:
        """The task of an id, or the only one."""
        if id is not None and id in self.tasks:
            return self.tasks[id]
        return next(iter(self.tasks.values()), Task())


def xml_below(path: Path) -> list[Path]:
    """The file itself, or the XML files below a folder, sorted."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".xml" else []
    found = []
    for root, folders, names in os.walk(path):
        folders[:] = [f for f in folders if not f.startswith((".", "__MACOSX"))]
        found += [Path(root, n) for n in names if n.lower().endswith(".xml") and not n.startswith(".")]
    return sorted(found)


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is CVAT's XML, and why or why not."""
    files = xml_below(path)
    if not files:
        return Probe(False, "no .xml file" if path.is_dir() else "a .xml file or a folder with one was expected")
    problems = [_problem(file) for file in files[:3]]
    if None not in problems:
        return Probe(False, f"{files[0].name}: {problems[0]}")
    scored, plain = _scores(files[problems.index(None)])
    if kind == "detections":
        return Probe(scored > 0, "shapes with an attribute `score`" if scored else "no shape has an attribute `score`")
    if scored and not plain:
        return Probe(False, "every shape is automatic and has a `score`, which makes them predictions")
    return Probe(True, "<annotations> with images or tracks")


def _problem(file: Path) -> str | None:
    """None where a file is CVAT's XML, else what it is."""
    try:
        walk = _events(file)
        _, root = next(walk)
        if root.tag != "annotations":
            return f"its root is <{str(root.tag)[:60]}>, expected <annotations>"
        for event, element in islice(walk, 64):
            if event == "start" and element.tag in ("meta", "image", "track"):
                return None
    except InputError as error:
        return error.message.removeprefix(f"{file}: ")
    return "<annotations> without <meta>, <image> or <track>"


def _scores(file: Path) -> tuple[int, int]:
    """How many of the first shapes are automatic with a score, and how many are not."""
    scored = plain = 0
    try:
        for element in islice(_shapes(file), _SAMPLE):
            with_score = any(a.get("name") == "score" for a in element.findall("attribute"))
            if with_score and element.get("source", "auto") == "auto":
                scored += 1
            else:
                plain += 1
    except InputError:
        pass
    return scored, plain


def _shapes(file: Path) -> Iterator[Any]:
    return (element for event, element in _events(file) if event == "end" and element.tag in SHAPES)


def _events(file: Path) -> Iterator[tuple[str, Any]]:
    """Start and end of each element; nothing of entities or document types is read.

    Raises
    ------
    InputError
        Unreadable, not well-formed, or with a document type.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        with os.fdopen(files.open_regular(file), "rb") as handle:
            yield from iterparse(handle, events=("start", "end"), forbid_dtd=True)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=file) from error
    except ParseError as error:
        place = f"line {error.position[0]}"
        raise InputError(f"not well-formed XML: {error}", path=file, place=place) from error
    except DefusedXmlException as error:
        raise InputError("it declares a document type or entities, which are not read", path=file) from error
    except (ValueError, LookupError, RecursionError) as error:
        raise InputError(f"not readable as XML: {error}", path=file) from error


def elements(file: Path) -> Iterator[Any]:
    """`<meta>`, then each `<image>` and `<track>` of a file, whole; each is freed before the next one comes.

    Raises
    ------
    InputError
        As `_events`, or its root is another one.
    """
    walk = _events(file)
    _, root = next(walk)
    if root.tag != "annotations":
        raise InputError(f"its root is <{str(root.tag)[:60]}>, expected <annotations>", path=file)
    depth = 0
    for event, element in walk:
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 0 and element is not root:
            if element.tag in ("meta", "image", "track"):
                yield element
            root.clear()


def meta_of(element: Any) -> Meta:
    """Labels and tasks of a `<meta>` element: of a task, a job or a project."""
    meta = Meta()
    for label in element.iterfind("*/labels/label"):
        name = (label.findtext("name") or "").strip()
        # Points of a skeleton have labels of their own, with a parent: they are no classes.
        if name and not (label.findtext("parent") or "").strip():
            kinds = {
                (a.findtext("name") or "").strip(): (a.findtext("input_type") or "").strip()
                for a in label.iterfind("attributes/attribute")
            }
            meta.labels[name] = kinds
    for task in [*element.findall("task"), *element.findall("job"), *element.iterfind("project/tasks/task")]:
        found = _task(task, element)
        meta.tasks[found.id] = found
    return meta


def _task(task: Any, meta: Any) -> Task:
    def number(tag: str) -> int | None:
        value = parse_exact(task.findtext(tag) or "")
        return int(value) if value is not None and 0 <= value <= MOST_FRAMES else None

    match = re.search(r"step=(\d{1,6})", task.findtext("frame_filter") or "")
    step = max(1, int(match[1])) if match else 1
    start, stop, count = number("start_frame"), number("stop_frame"), number("size")
    frames = None
    if start is not None and stop is not None and stop >= start:
        frames = range(start, stop + 1, step)
    elif count:
        frames = range(0, count * step, step)
    place = task if task.find("original_size") is not None else meta
    size = [parse_exact(place.findtext(f"original_size/{tag}") or "") for tag in ("width", "height")]
    known = all(v is not None and v > 0 for v in size)
    text = {tag: (task.findtext(tag) or "").strip() for tag in ("id", "name", "subset")}
    stated = (float(size[0] or 0), float(size[1] or 0)) if known else None
    return Task(text["id"], text["name"], text["subset"], frames, step, stated)


def shape_of(element: Any, label: str, meta: Meta, size: tuple[float, float] | None) -> Item | str:
    """One shape as a row, or why it cannot be one.

    Parameters
    ----------
    element : Element
        `<box>`, `<polygon>`, `<ellipse>`, `<mask>` or `<cuboid>`.
    label : str
    meta : Meta
        Gives the types of attributes.
    size : (width, height), optional
        Of the image; masks need it.

    Returns
    -------
    Item or str
    """
    if not label:
        return "`label` is missing or empty"
    item = _GEOMETRY[element.tag](element, size)
    if isinstance(item, str):
        return item
    item.name = label
    kinds = meta.labels.get(label, {})
    found: dict[str, Any] = {}
    for attribute in element.findall("attribute"):
        name = attribute.get("name")
        if name and (attribute.text or "").strip():
            found[name] = _typed((attribute.text or "").strip(), kinds.get(name, ""))
    item.is_crowd = str(found.pop("is_crowd", "")).lower() in _TRUE
    item.is_ignored = str(found.pop("difficult", "")).lower() in _TRUE
    score = parse_exact(str(found.get("score", "")))
    if score is not None:
        item.score = found["score"] = float(score)
    truncated = parse_exact(str(found.get("truncated", "")))
    if truncated is not None:
        found["truncated"] = float(truncated)
    if element.get("occluded") == "1":
        found["occluded"] = 1.0
    for name in ("z_order", "group_id"):
        value = parse_exact(element.get(name, ""))
        if value:
            found[name] = int(value)
    if element.get("source", "manual") not in ("manual", ""):
        found["source"] = element.get("source")
    item.attributes = found
    return item


def _typed(text: str, kind: str) -> Any:
    if kind == "checkbox" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "number":
        value = parse_exact(text)
        return text if value is None else int(value) if value == int(value) else float(value)
    return text


def _numbers(element: Any, names: tuple[str, ...]) -> list[Any] | str:
    values = [parse_exact(element.get(name, "")) for name in names]
    for name, value in zip(names, values, strict=True):
        if value is None:
            stated = element.get(name)
            return f"`{name}` is missing" if stated is None else f"`{name}` is `{stated[:40]}`, no finite number"
    return values


def _box(element: Any, size: Any) -> Item | str:
    edges = _numbers(element, ("xtl", "ytl", "xbr", "ybr"))
    if isinstance(edges, str):
        return edges
    xywh = exact_box(edges[0], edges[1], edges[2], edges[3], 0)
    if xywh[2] < 0 or xywh[3] < 0:
        return f"corners are reversed: {' '.join(str(e) for e in edges)}, expected xtl <= xbr and ytl <= ybr"
    if element.get("rotation") is None:
        return Item("", xywh)
    degrees = parse_exact(element.get("rotation"))
    if degrees is None:
        return f"`rotation` is `{element.get('rotation')[:40]}`, no finite number"
    corners = corners_around_centre(*xywh, float(degrees))
    return Item("", bounds(np.array(corners)), [[v for point in corners for v in point]], is_oriented=True)


def _polygon(element: Any, size: Any) -> Item | str:
    points = [[parse_exact(v) for v in pair.split(",")] for pair in element.get("points", "").split(";")]
    if len(points) < 3 or any(len(p) != 2 or None in p for p in points):
        return "`points` is not a list of three or more finite `x,y`"
    ring = np.array([[float(v) for v in p if v is not None] for p in points])
    return Item("", bounds(ring), [ring.ravel().tolist()])


def _ellipse(element: Any, size: Any) -> Item | str:
    values = _numbers(element, ("cx", "cy", "rx", "ry"))
    if isinstance(values, str):
        return values
    cx, cy, rx, ry = (float(v) for v in values)
    angle = np.radians(float(parse_exact(element.get("rotation", "0")) or 0))
    # Half the extent of a turned ellipse along each axis.
    across = float(np.hypot(rx * np.cos(angle), ry * np.sin(angle)))
    down = float(np.hypot(rx * np.sin(angle), ry * np.cos(angle)))
    return Item("", (cx - across, cy - down, 2 * across, 2 * down))


def _mask(element: Any, size: tuple[float, float] | None) -> Item | str:
    values = _numbers(element, ("left", "top", "width", "height"))
    if isinstance(values, str):
        return values
    left, top, width, height = (int(v) for v in values)
    item = Item("", (float(left), float(top), float(width), float(height)))
    try:
        window = window_of_runs([int(v) for v in element.get("rle", "").split(",")], width, height)
    except ValueError:
        window = None
    if window is None:
        return f"`rle` does not fill {width} x {height} pixels"
    if size is not None:
        item.shape = rle_of_window(window, left, top, int(size[0]), int(size[1]))
    return item


def _cuboid(element: Any, size: Any) -> Item | str:
    values = _numbers(element, _CUBOID)
    return values if isinstance(values, str) else Item("", bounds(np.array(values, np.float64).reshape(-1, 2)))


_GEOMETRY = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask, "cuboid": _cuboid}
