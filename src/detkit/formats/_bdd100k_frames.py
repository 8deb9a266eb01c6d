"""BDD100K's JSON: which files are it, and their frames in one shape whatever the release."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Finding
from detkit.formats._coco_json import decode, not_finite_finding, read_document
from detkit.formats._json_file import as_number

__all__ = ["FrameFile", "json_files", "probe_file", "read_file", "split_of"]

_HEAD = 1 << 16
_SAMPLE = 20
_SPLIT = re.compile(r"(?:^|[-_.])(train|val|test)(?=[-_.\d]|$)", re.IGNORECASE)
#: What a label may hold that says it is Scalabel's.
PLACES = ("box2d", "box3d", "poly2d", "rle", "graph")


@dataclass
class FrameFile:
    """One JSON file.

    Parameters
    ----------
    path : Path
    split : str
    frames : list of mapping
        With `name` and `labels`.
    rows : list of int
        Index of each frame in the file.
    size : (width, height), optional
        Of all images, as `config` states it.
    categories : dict of str to dict
        As `config` states them: name -> further fields.
    info : dict
        Top-level fields without a column.
    findings : list of Finding
    """

    path: Path
    split: str
    frames: list[Mapping[str, Any]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    size: tuple[float, float] | None = None
    categories: dict[str, dict[str, Any]] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def split_of(path: Path) -> str:
    """Split by the file's name, else by its folder's: `det_train.json`, `bdd100k_labels_images_val.json`."""
    for text in (path.stem, path.parent.name):
        found = _SPLIT.search(text)
        if found:
            return found[1].lower()
    return ""


def json_files(path: Path) -> list[Path]:
    """JSON files at a path: itself, or those in the folder, its `labels` and split folders, sorted."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    places = [path]
    for place in (path, path / "labels"):
        if place.is_dir():
            places += sorted(p for p in place.iterdir() if p.is_dir() and p.name in ("labels", "train", "val", "test"))
    found = {p: None for place in places for p in sorted(place.glob("*.json")) if p.name != FOLDER_MARK and p.is_file()}
    return list(found)


def probe_file(path: Path) -> tuple[str, str]:
    """Whether a file holds frames, and why or why not.

    Returns
    -------
    kind : {"dataset", "detections", ""}
        Predictions are frames whose labels have a `score`.
    why : str
    """
    with os.fdopen(files.open_regular(path), "rb") as handle:
        head = handle.read(_HEAD)
    text = head.decode("utf-8-sig", "replace").lstrip()
    if not text[:1] or text[0] not in "[{":
        return "", "not a JSON list or object"
    frames = _first_frames(text)
    if not frames:
        return "", "no frames: objects with a `name` and `labels` (or `frames` with `objects`)"
    for frame in frames:
        if not _is_frame(frame):
            return "", "no frames: objects with a `name` and `labels` that have `category` and `box2d` or `poly2d`"
    labels = [label for frame in frames for label in _labels(frame)]
    placed = [label for label in labels if any(label.get(place) is not None for place in PLACES)]
    if labels and not placed:
        return "", "frames whose labels have neither `box2d` nor `poly2d`"
    if not labels and not all("labels" in frame or "frames" in frame for frame in frames):
        return "", "objects with a `name` and without `labels`"
    if any("score" in label for label in labels):
        return "detections", "frames with `labels` that have `score`"
    return "dataset", "frames with `name` and `labels`"


def _first_frames(text: str) -> list[Any]:
    """The first complete frames of a text that may be cut off."""
    decoder = json.JSONDecoder()
    if text[0] == "{":
        try:
            whole = decoder.raw_decode(text)[0]
            if "frames" in whole and "name" not in whole:
                return whole["frames"][:_SAMPLE] if isinstance(whole["frames"], list) else []
            return [whole]
        except (ValueError, RecursionError):
            found = re.search(r'^\{(?:[^{}\[\]]|\{[^{}]*\})*?"frames"\s*:\s*\[', text)
            at = found.end() if found else len(text)
    else:
        at = 1
    frames: list[Any] = []
    while at < len(text) and len(frames) < _SAMPLE:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            frame, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        frames.append(frame)
    return frames


def _is_frame(frame: Any) -> bool:
    if not isinstance(frame, Mapping) or not isinstance(frame.get("name"), str):
        return False
    if "labels" in frame and not isinstance(frame["labels"], (list, type(None))):
        return False
    inner = frame.get("frames")
    if inner is not None and not (isinstance(inner, list) and all(isinstance(f, Mapping) for f in inner)):
        return False
    return all(isinstance(label, Mapping) and "category" in label for label in _labels(frame, every=True))


def _labels(frame: Mapping[str, Any], *, every: bool = False) -> list[Any]:
    labels = list(frame.get("labels") or [])
    for inner in frame.get("frames") or []:
        labels += _objects_of(inner)
    return labels if every else [label for label in labels if isinstance(label, Mapping)]


def read_file(path: Path, split: str) -> FrameFile:
    """The frames of a file.

    Parameters
    ----------
    path : Path
    split : str

    Returns
    -------
    FrameFile

    Raises
    ------
    InputError
        Not JSON, or neither a list of frames, nor Scalabel's object with `frames`, nor one frame.
    """
    content, not_finite = decode(read_document(path))
    file = FrameFile(path, split)
    file.findings += not_finite_finding(not_finite, path)
    if isinstance(content, dict) and isinstance(content.get("frames"), list) and "name" not in content:
        frames = content["frames"]
        _read_config(content.get("config"), file)
        file.info = {k: v for k, v in content.items() if k not in ("frames", "config")}
    elif isinstance(content, dict) and "name" in content:
        frames = [content]
    elif isinstance(content, list):
        frames = content
    else:
        raise InputError("expected a list of frames, or an object with `frames`", path=path)
    for row, frame in enumerate(frames):
        if not _is_named(frame):
            message = f"frames[{row}]: expected an object with a `name` and a list `labels`"
            file.findings.append(Finding("DK102", message, file=str(path), annotation=row))
            continue
        file.frames.append(_flat(frame))
        file.rows.append(row)
    return file


def _is_named(frame: Any) -> bool:
    return (
        isinstance(frame, Mapping)
        and isinstance(frame.get("name"), str)
        and bool(frame["name"])
        and isinstance(frame.get("labels"), (list, type(None)))
    )


def _objects_of(inner: Mapping[str, Any]) -> list[Any]:
    objects = inner.get("objects")
    return objects if isinstance(objects, list) else []


def size_of(stated: Any) -> tuple[float, float] | None:
    """Width and height of an object that states both as numbers above zero."""
    if not isinstance(stated, Mapping):
        return None
    width, height = as_number(stated.get("width")), as_number(stated.get("height"))
    return (width, height) if width and height and width > 0 and height > 0 else None


def _flat(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """A frame with `labels`: the first release has them as `frames[].objects`."""
    inner = frame.get("frames")
    if not isinstance(inner, list):
        return frame
    objects = [label for f in inner if isinstance(f, Mapping) for label in _objects_of(f)]
    stamps = [f["timestamp"] for f in inner if isinstance(f, Mapping) and "timestamp" in f]
    rest = {k: v for k, v in frame.items() if k != "frames"}
    return {**rest, **({"timestamp": stamps[0]} if stamps else {}), "labels": [*(frame.get("labels") or []), *objects]}


def _read_config(config: Any, file: FrameFile) -> None:
    if not isinstance(config, Mapping):
        return
    file.size = size_of(config.get("imageSize"))
    file.categories = dict(_leaves(config.get("categories")))
    rest = {k: v for k, v in config.items() if k not in ("imageSize", "categories")}
    if rest:
        file.info["config"] = rest


def _leaves(categories: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Classes without subclasses, in order, as Scalabel numbers them: name and further fields."""
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, Mapping) and isinstance(category.get("name"), str):
            below = category.get("subcategories")
            if below:
                yield from _leaves(below)
            else:
                yield category["name"], {k: v for k, v in category.items() if k not in ("name", "subcategories")}
