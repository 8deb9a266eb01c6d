"""BDD100K's frames to a `Dataset` or `Detections`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files, masks
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._bdd100k_frames import FrameFile, json_files, probe_file, read_file, size_of, split_of
from detkit.formats._beside import build_images, load_beside, suspects
from detkit.formats._images import SUFFIXES
from detkit.formats._json_file import as_number, as_numbers
from detkit.formats._numbers import FARTHEST, difference
from detkit.formats._object_columns import object_column
from detkit.formats._sidecar import Sidecar
from detkit.tables import Categories, Dataset, Detections, Shapes, Source, freeze, id_array
from detkit.wording import examples

__all__ = ["FRAME_FIELDS", "LABEL_FIELDS", "read_dataset", "read_detections"]

FRAME_FIELDS = frozenset(("name", "labels", "size"))
LABEL_FIELDS = frozenset(("id", "category", "box2d", "poly2d", "rle", "attributes", "score"))
_CORNERS = ("x1", "y1", "x2", "y2")


@dataclass
class _Rows:
    """Labels of all frames as columns."""

    names: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    frame_extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, dict[int, None]] = field(default_factory=dict)
    image_index: list[int] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    corners: list[list[float]] = field(default_factory=list)
    outlines: list[Any] = field(default_factory=list)
    from_outline: list[int] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    attributes: list[Mapping[str, Any]] = field(default_factory=list)
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    lines: int = 0
    curves: int = 0
    no_place: int = 0
    findings: list[Finding] = field(default_factory=list)


def read_dataset(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of one file, or of a folder with a file a split or a file an image.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `voc_offset` 0 is for corners that are edges, so that a width is x2 - x1.

    Returns
    -------
    Dataset
        `crowd` and `ignored` of a label's attributes become the columns of that name; the others are attributes.

    Raises
    ------
    InputError
        No file with frames.
    UsageError
        No such split.
    """
    root = path if path.is_dir() else path.parent
    found = _files(path, "dataset")
    sidecar = load_beside([root, root.parent], "bdd100k")
    named = _written_split if sidecar.rows else split_of
    parts = [read_file(file, named(file) if path.is_dir() or options.split else "") for file in found]
    if options.split is not None:
        parts = _of_split(parts, options.split, path)
    rows = _Rows()
    if path.is_dir() and options.split is None and sidecar.root == root:
        for row in sidecar.rows.values():
            _add_frame(rows, row.file, None)
    for part in parts:
        _collect(part, rows, options)
    images, notes = _images(rows, path, root, sidecar, options)
    categories, position = _categories(parts, rows, sidecar)
    attributes, crowd, ignored = _attributes(rows)
    splits = {name: freeze(np.array(sorted(m), np.int64)) for name, m in rows.members.items() if name != "unassigned"}
    shapes = Shapes.from_rows(rows.outlines) if any(o is not None for o in rows.outlines) else None
    xywh = _boxes(rows, options)
    notes += suspects(path, xywh)
    return Dataset.build(
        images,
        categories,
        image_index=rows.image_index,
        category_index=[position[name] for name in rows.categories],
        xywh=xywh,
        is_crowd=crowd,
        is_ignored=ignored,
        ids=_ids(rows),
        shapes=shapes if options.with_shapes else None,
        attributes=attributes,
        extra=rows.extra,
        splits=splits,
        info=_info(parts),
        source=Source(str(path), "bdd100k", files.sha256_of([part.path for part in parts], root=root)),
        findings=(*(f for part in parts for f in part.findings), *_said(rows, path), *notes),
    )


def _written_split(file: Path) -> str:
    """Split by the name that detkit gave the file, whatever the split is called."""
    return file.stem.removeprefix("det_") if file.stem != "det" else ""


def _files(path: Path, kind: str) -> list[Path]:
    found = json_files(path)
    chosen = [file for file in found if len(found) == 1 or probe_file(file)[0] == kind]
    if not chosen:
        raise InputError("no JSON file with frames (`name`, `labels`)", path=path)
    return chosen


def _of_split(parts: list[FrameFile], split: str, path: Path) -> list[FrameFile]:
    chosen = [part for part in parts if part.split == split]
    if not chosen:
        known = examples(sorted({part.split for part in parts if part.split}), 9) or "no splits"
        raise UsageError(f"unknown split `{split}`; {path} has {known}")
    return chosen


def _name_of(frame: Mapping[str, Any]) -> str:
    """File name of a frame: in the folder of its video; names of the first release have no suffix."""
    name = str(frame["name"]).replace("\\", "/")
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        name += ".jpg"
    video = frame.get("videoName")
    return f"{video}/{name}" if isinstance(video, str) and video and not name.startswith(f"{video}/") else name


def _add_frame(rows: _Rows, name: str, size: tuple[float, float] | None) -> int:
    position = rows.names.setdefault(name, len(rows.names))
    if position == len(rows.sizes):
        rows.sizes.append((np.nan, np.nan))
    if size is not None:
        rows.sizes[position] = size
    return position


def _collect(part: FrameFile, rows: _Rows, options: ReadOptions) -> None:
    for index, frame in zip(part.rows, part.frames, strict=True):
        position = _add_frame(rows, _name_of(frame), size_of(frame.get("size")) or part.size)
        if part.split:
            rows.members.setdefault(part.split, {})[position] = None
        own = {k: v for k, v in frame.items() if k not in FRAME_FIELDS}
        if own and options.with_extra:
            rows.frame_extra[position] = own
        for number, label in enumerate(frame.get("labels") or []):
            _add_label(label, position, f"frames[{index}].labels[{number}]", part, rows, options)


def _add_label(label: Any, image: int, place: str, part: FrameFile, rows: _Rows, options: ReadOptions) -> None:
    if not isinstance(label, Mapping) or not isinstance(label.get("category"), str) or not label["category"]:
        _reject(rows, part, place, "expected an object with a `category`")
        return
    problem, box = _mask_problem(label.get("rle")), label.get("box2d")
    if problem is not None and box is None:
        _reject(rows, part, f"{place}.rle", problem)
        return
    if problem is not None:
        message = f"{place}.rle: {problem}; the box is kept without it"
        rows.findings.append(Finding("DK215", message, file=str(part.path)))
        label = {name: value for name, value in label.items() if name != "rle"}
    outline = _outline(label, rows)
    if box is not None:
        corners = _numbers(box)
        if corners is None:
            _reject(rows, part, f"{place}.box2d", f"found {str(box)[:60]}, expected finite x1, y1, x2, y2")
            return
    elif (bounds := _bounds(outline)) is not None:
        corners = bounds
        rows.from_outline.append(len(rows.image_index))
    else:
        rows.no_place += not label.get("poly2d")
        return
    score = as_number(label.get("score", 1.0))
    if score is None:
        _reject(rows, part, f"{place}.score", f"found {str(label['score'])[:60]}, expected a finite number")
        return
    row = len(rows.image_index)
    own = {k: v for k, v in label.items() if k not in LABEL_FIELDS}
    if own and options.with_extra:
        rows.extra[row] = own
    rows.image_index.append(image)
    rows.categories.append(label["category"])
    rows.corners.append(corners)
    rows.outlines.append(outline)
    rows.ids.append(label.get("id"))
    rows.scores.append(score)
    stated = label.get("attributes")
    rows.attributes.append(stated if isinstance(stated, Mapping) else {})


def _reject(rows: _Rows, part: FrameFile, place: str, message: str) -> None:
    rows.findings.append(Finding("DK102", f"{place}: {message}", file=str(part.path)))


def _numbers(box: Any) -> list[float] | None:
    if not isinstance(box, Mapping):
        return None
    corners = as_numbers([box.get(name) for name in _CORNERS])
    # Corners may be finite and further apart than a number can say.
    if corners is None or not all(map(math.isfinite, (corners[2] - corners[0], corners[3] - corners[1]))):
        return None
    return corners


def _mask_problem(rle: Any) -> str | None:
    """What keeps a stated mask from being one, None without one."""
    if rle is None:
        return None
    problem = masks.problem_of(rle) if isinstance(rle, Mapping) else "not an object"
    if problem is None and isinstance(rle["counts"], (str, bytes)) and not masks.valid_rles([rle])[0]:
        problem = "run lengths that do not add up to height times width"
    return problem


def _outline(label: Mapping[str, Any], rows: _Rows) -> Any:
    """Rings or a mask of a label; lines that are not closed, and curves, are counted and left out."""
    rle = label.get("rle")
    if isinstance(rle, Mapping):
        return dict(rle)
    polygons = label.get("poly2d")
    if not isinstance(polygons, list) or not polygons:
        return None
    rings = []
    lines = curves = 0
    for polygon in polygons:
        vertices = polygon.get("vertices") if isinstance(polygon, Mapping) else None
        if not isinstance(vertices, list) or len(vertices) < 3 or not polygon.get("closed", True):
            lines += 1
            continue
        if "C" in str(polygon.get("types") or ""):
            curves += 1
            continue
        try:
            ring = np.array(vertices, np.float64).reshape(len(vertices), -1)[:, :2]
        except (TypeError, ValueError):
            lines += 1
            continue
        if ring.shape[1] == 2 and (np.abs(ring) <= FARTHEST).all():
            rings.append(ring.reshape(-1).tolist())
    rows.lines += bool(lines)
    rows.curves += bool(curves)
    return rings or None


def _bounds(outline: Any) -> list[float] | None:
    """Inclusive corners of an outline, as `box2d` would state them; None without one."""
    if outline is None:
        return None
    if isinstance(outline, dict):
        x, y, w, h = masks.boxes([masks.to_rle(outline, 0, 0)])[0]
        return [float(x), float(y), float(x + w), float(y + h)]
    points = np.concatenate([np.array(ring).reshape(-1, 2) for ring in outline])
    return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]


def _boxes(rows: _Rows, options: ReadOptions) -> NDArray[np.float64]:
    """x2 and y2 are the last pixels of a box, not its edge, unless the options say so; an outline has edges."""
    corners = np.array(rows.corners, np.float64).reshape(-1, 4)
    extent = difference(corners[:, 2:], corners[:, :2])
    if options.voc_offset:
        wider = extent + 1
        short = (np.round(corners, 9) == corners).all(axis=1)
        wider[short] = np.round(wider[short], 9)
        wider[rows.from_outline] = extent[rows.from_outline]
        extent = wider
    return np.hstack([corners[:, :2], extent])


def _images(rows: _Rows, path: Path, root: Path, sidecar: Sidecar, options: ReadOptions) -> Any:
    home = root.parent if root.name == "labels" else root
    places = [home / "images" / split for split in rows.members] + [home / "images" / "100k", home / "images", home]
    images, notes = build_images(
        list(rows.names), places, options, sidecar=sidecar, stated=rows.sizes, extra=rows.frame_extra
    )
    unknown = int(np.isnan(images.sizes).any(axis=1).sum())
    if unknown:
        message = "images without a size: frames and `config` state none, and no image file was found"
        notes.append(Finding("DK403", message, file=str(path), count=unknown))
    return images, notes


def _categories(parts: Sequence[FrameFile], rows: _Rows, sidecar: Sidecar) -> tuple[Categories, dict[str, int]]:
    stated: dict[str, dict[str, Any]] = {}
    for part in parts:
        for name, fields in part.categories.items():
            stated.setdefault(name, fields)
    names = [*stated, *sorted(set(rows.categories) - set(stated))]
    known = sidecar.categories(names)
    base = Categories.from_names(names) if known is None else known
    extra = {i: stated[name] for i, name in enumerate(names) if stated.get(name)}
    categories = Categories(base.ids, base.names, base.supercategories, base.has_own_ids, base.has_names, extra)
    return categories, {name: i for i, name in enumerate(names)}


def _attributes(rows: _Rows) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_], NDArray[np.bool_]]:
    flags = {
        name: np.fromiter((bool(a.get(name)) for a in rows.attributes), np.bool_, len(rows.attributes))
        for name in ("crowd", "ignored")
    }
    names = dict.fromkeys(name for stated in rows.attributes for name in stated if name not in flags)
    columns = {name: object_column([stated.get(name) for stated in rows.attributes]) for name in names}
    return columns, flags["crowd"], flags["ignored"]


def _ids(rows: _Rows) -> NDArray[Any]:
    """The labels' own ids, numbers or text; numbered in file order where one has none."""
    if rows.ids and all(type(own) in (int, str) for own in rows.ids):
        return id_array(rows.ids)
    return np.arange(1, len(rows.ids) + 1)


def _info(parts: Sequence[FrameFile]) -> dict[str, Any]:
    info: dict[str, Any] = {}
    for part in parts:
        for name, value in part.info.items():
            info.setdefault(name, value)
    return info


def _said(rows: _Rows, path: Path) -> list[Finding]:
    counted = (
        ("DK109", "labels with lines that are not closed (lanes) or have no area; left out", rows.lines),
        ("DK109", "labels with curves in their outline; left out, a `box2d` is kept", rows.curves),
        ("DK109", "labels without a place in the image that is a box or an outline; left out", rows.no_place),
        ("DK206", "labels without `box2d`; the bounds of their outline are taken", len(rows.from_outline)),
    )
    return rows.findings + [Finding(code, text, file=str(path), count=n) for code, text, n in counted if n]


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions: frames whose labels have a `score`.

    Parameters
    ----------
    path : Path
        A file, or a folder with exactly one such file.
    options : ReadOptions

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        No such file, or several.
    """
    found = _files(path, "detections")
    if len(found) > 1:
        raise InputError(f"{len(found)} JSON files of predictions, expected one", path=path)
    part = read_file(found[0], "")
    rows = _Rows()
    _collect(part, rows, options)
    images, notes = build_images(list(rows.names), [], options, sidecar=Sidecar(found[0].parent), stated=rows.sizes)
    categories, position = _categories([part], rows, Sidecar(found[0].parent))
    shapes = Shapes.from_rows(rows.outlines) if any(o is not None for o in rows.outlines) else None
    score = np.array(rows.scores, np.float64)
    xywh = _boxes(rows, options)
    notes += suspects(path, xywh, score)
    return Detections.build(
        images,
        categories,
        image_index=rows.image_index,
        category_index=[position[name] for name in rows.categories],
        xywh=xywh,
        score=score,
        shapes=shapes if options.with_shapes else None,
        source=Source(str(path), "bdd100k", files.sha256_of(found)),
        findings=(*part.findings, *_said(rows, path), *notes),
    )
