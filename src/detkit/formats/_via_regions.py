"""VGG Image Annotator's regions: which files are it, and the boxes and outlines of its shapes."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detkit import files
from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Finding
from detkit.formats._coco_json import decode, not_finite_finding, read_document
from detkit.formats._json_file import as_number, as_numbers
from detkit.formats._numbers import difference
from detkit.wording import plural

__all__ = ["Project", "box_of", "probe_file", "read_file", "via_files"]

_HEAD = 1 << 16
_STEPS = 32
_CSV = ("filename", "region_shape_attributes", "region_attributes")
_SAMPLE = 20


@dataclass
class Project:
    """Images of one file, each with its regions, and what the project says of its attributes.

    Parameters
    ----------
    images : list of (name, size in bytes or None, file attributes, list of (place, shape, attributes))
    attributes : dict
        `_via_attributes["region"]`: attribute -> description with `options`.
    findings : list of Finding
    """

    path: Path
    images: list[tuple[str, Any, Mapping[str, Any], list[tuple[str, Any, Any]]]] = field(default_factory=list)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def via_files(path: Path) -> list[Path]:
    """The files at a path that are VIA's: itself, or those in the folder and in the folders in it."""
    if path.is_file():
        return [path] if probe_file(path)[0] else []
    places = [path, *sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))]
    found: list[Path] = []
    for place in places:
        for file in sorted(place.iterdir())[:500]:
            if file.suffix.lower() in (".json", ".csv") and file.name != FOLDER_MARK and file.is_file():
                found += [file] if probe_file(file)[0] else []
                if len(found) > _SAMPLE:
                    return found
    return found


def probe_file(path: Path) -> tuple[bool, str]:
    """Whether a file is a VIA project, its JSON of annotations or its CSV, and why or why not."""
    with os.fdopen(files.open_regular(path), "rb") as handle:
        head = handle.read(_HEAD)
    if b"\0" in head:
        return False, "not a text file"
    text = head.decode("utf-8-sig", "replace").lstrip()
    if not text.startswith("{"):
        line = text.partition("\n")[0].lstrip("#").strip()
        try:
            names = {cell.strip() for cell in next(csv.reader([line]), [])}
        except csv.Error as error:
            return False, f"no CSV header: {error}"
        fits = names >= set(_CSV)
        return fits, "a CSV header with `region_shape_attributes`" if fits else "neither a JSON object nor VIA's CSV"
    if '"_via_img_metadata"' in text:
        return True, "a VIA project with `_via_img_metadata`"
    found = _first_value(text)
    if isinstance(found, Mapping) and "filename" in found and "regions" in found:
        return True, "an object of images with `filename` and `regions`"
    return False, "a JSON object without `_via_img_metadata`, whose values are no images with `regions`"


def _first_value(text: str) -> Any:
    """The first value of a JSON object that may be cut off."""
    decoder = json.JSONDecoder()
    try:
        at = text.index('"')
        _, at = decoder.raw_decode(text, at)
        at = text.index(":", at) + 1
        return decoder.raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))[0]
    except (ValueError, RecursionError):
        return None


def read_file(path: Path) -> Project:
    """The images and regions of a file.

    Raises
    ------
    InputError
        Neither of the three.
    """
    project = Project(path)
    document = read_document(path)
    if not document.data.lstrip().startswith(b"{"):
        _read_csv(document.data.decode("utf-8"), project)
        return project
    content, not_finite = decode(document)
    project.findings += not_finite_finding(not_finite, path)
    described = content.get("_via_attributes")
    if isinstance(described, Mapping) and isinstance(described.get("region"), Mapping):
        project.attributes = described["region"]
    records = content.get("_via_img_metadata", content)
    if not isinstance(records, Mapping):
        raise InputError("`_via_img_metadata` is no object, expected one of images", path=path)
    order = content.get("_via_image_id_list")
    keys = [k for k in order if isinstance(k, str) and k in records] if isinstance(order, list) else []
    for key in dict.fromkeys([*keys, *records]):
        record = records[key]
        if not isinstance(record, Mapping) or not isinstance(record.get("filename"), str) or not record["filename"]:
            message = f"`{str(key)[:60]}`: expected an object with a `filename` and `regions`"
            project.findings.append(Finding("DK102", message, file=str(path)))
            continue
        regions = record.get("regions") or []
        if not isinstance(regions, (Mapping, list)):
            message = f"`{record['filename'][:60]}`: `regions` is neither a list nor an object"
            project.findings.append(Finding("DK102", message, file=str(path)))
            regions = []
        # Version 1 numbers them in an object.
        pairs = regions.items() if isinstance(regions, Mapping) else enumerate(regions)
        rows = [(f"`{record['filename']}` regions[{n}]", *_parts(region)) for n, region in pairs]
        stated = record.get("file_attributes")
        own = stated if isinstance(stated, Mapping) else {}
        project.images.append((record["filename"], record.get("size"), own, rows))
    return project


def _parts(region: Any) -> tuple[Any, Any]:
    if not isinstance(region, Mapping):
        return None, None
    return region.get("shape_attributes"), region.get("region_attributes")


def _read_csv(text: str, project: Project) -> None:
    reader = csv.reader(io.StringIO(text, newline=""))
    place: dict[str, int] = {}
    try:
        header = [cell.strip().lstrip("#") for cell in next(reader)]
        if not set(header) >= set(_CSV):
            raise InputError("no CSV header with `filename` and `region_shape_attributes`", path=project.path)
        for cells in reader:
            if not any(cells):
                continue
            line = reader.line_num
            row = dict(zip(header, cells, strict=False))
            shape, attributes = _json(row.get("region_shape_attributes")), _json(row.get("region_attributes"))
            own = _json(row.get("file_attributes"))
            if len(cells) != len(header) or not row.get("filename") or shape is None or attributes is None:
                message = "expected a file name and JSON in `region_shape_attributes` and `region_attributes`"
                project.findings.append(Finding("DK102", message, file=str(project.path), line=line))
                continue
            name = row["filename"]
            if name not in place:
                place[name] = len(project.images)
                project.images.append((name, row.get("file_size"), own or {}, []))
            if shape:
                project.images[place[name]][3].append((f"line {line}", shape, attributes))
    except (csv.Error, StopIteration) as error:
        raise InputError(f"not a CSV table: {error}", path=project.path, place=f"line {reader.line_num}") from error


def _json(text: Any) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def box_of(shape: Any) -> tuple[list[float], list[list[float]] | None, str] | str:
    """Box, rings and kind of a region, or what is wrong with it.

    A circle and an ellipse are polygons of 32 points; a point and an open line have no area and are refused.
    """
    if not isinstance(shape, Mapping):
        return "no `shape_attributes`"
    kind = shape.get("name")
    if kind == "rect":
        box = _numbers(shape, "x", "y", "width", "height")
        return (box, None, "rect") if box is not None else f"rect with {str(dict(shape))[:80]}, expected four numbers"
    if kind in ("polygon", "polyline"):
        return _polygon(shape, str(kind))
    if kind in ("circle", "ellipse"):
        names = ("cx", "cy", "r", "r") if kind == "circle" else ("cx", "cy", "rx", "ry")
        values = _numbers(shape, *names)
        if values is None or min(values[2:]) < 0:
            return f"{kind} with {str(dict(shape))[:80]}, expected a centre and radii"
        return _ellipse(*values, theta=as_number(shape.get("theta")) or 0.0, kind=str(kind))
    return f"a `{kind}` has no box" if isinstance(kind, str) else "no name of a shape"


def _numbers(shape: Mapping[str, Any], *names: str) -> list[float] | None:
    return as_numbers([shape.get(name) for name in names])


def _polygon(shape: Mapping[str, Any], kind: str) -> tuple[list[float], list[list[float]] | None, str] | str:
    try:
        ring = np.column_stack([shape["all_points_x"], shape["all_points_y"]]).astype(np.float64)
    except (KeyError, TypeError, ValueError):
        return f"{kind} without usable `all_points_x` and `all_points_y`"
    if len(ring) < 3 or not np.isfinite(ring).all():
        return f"{kind} of {plural(len(ring), 'point')}, expected at least three finite ones"
    if kind == "polyline" and not np.array_equal(ring[0], ring[-1]):
        return "a `polyline` that is not closed has no box"
    low, high = ring.min(axis=0), ring.max(axis=0)
    return [*low.tolist(), *difference(high, low).tolist()], [ring.reshape(-1).tolist()], kind


def _ellipse(
    cx: float, cy: float, rx: float, ry: float, *, theta: float, kind: str
) -> tuple[list[float], list[list[float]] | None, str]:
    """The exact bounds of a turned ellipse, and a polygon on it."""
    half_w = float(np.hypot(rx * np.cos(theta), ry * np.sin(theta)))
    half_h = float(np.hypot(rx * np.sin(theta), ry * np.cos(theta)))
    if theta == 0:
        half_w, half_h = rx, ry
    angle = np.arange(_STEPS) * (2 * np.pi / _STEPS)
    x, y = rx * np.cos(angle), ry * np.sin(angle)
    ring = np.column_stack([cx + x * np.cos(theta) - y * np.sin(theta), cy + x * np.sin(theta) + y * np.cos(theta)])
    return [cx - half_w, cy - half_h, 2 * half_w, 2 * half_h], [ring.reshape(-1).tolist()], kind
