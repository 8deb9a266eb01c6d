"""The answers of a chunk of images as arrays in a file, and back as the rows of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._rows import Rows
from detkit.findings import Finding
from detkit.ragged import Ragged, Shapes

__all__ = ["Answer", "Columns", "Head", "heads_of", "joined", "packed"]


@dataclass(frozen=True)
class Answer:
    """What the run has to say of one image.

    Parameters
    ----------
    size : (width, height), optional
        As displayed; None where the image could not be read.
    rows : Rows, optional
        None where the image could not be read.
    masks : list of N dict, optional
        Compressed masks.
    problem : str
        Why the image could not be read.
    """

    size: tuple[int, int] | None
    rows: Rows | None
    masks: list[dict[str, Any]] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Columns:
    """The rows of a run in image order.

    Parameters
    ----------
    counts : (I,) int64
        Rows of each image, -1 where it could not be read.
    sizes : (I, 2) float64
        Width and height as displayed, NaN where it could not be read.
    label : (N,) int64
    xywh : (N, 4) float64
    score : (N,) float64
    keypoints : Ragged, optional
    shapes : Shapes, optional
    findings : tuple of Finding
        `DK404` for each image that could not be read.
    """

    counts: NDArray[np.int64]
    sizes: NDArray[np.float64]
    label: NDArray[np.int64]
    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    keypoints: Ragged | None
    shapes: Shapes | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Head:
    """What is known of a run without its rows in memory.

    Parameters
    ----------
    counts : (I,) int64
        Rows of each image, -1 where it could not be read.
    sizes : (I, 2) float64
    labels : int
        Class positions found are below this.
    columns : frozenset of str
        Of `keypoints polygons rle`, those that some row has.
    findings : tuple of Finding
    """

    counts: NDArray[np.int64]
    sizes: NDArray[np.float64]
    labels: int
    columns: frozenset[str]
    findings: tuple[Finding, ...]


def packed(answers: Sequence[Answer]) -> dict[str, NDArray[Any]]:
    """The answers of a chunk as arrays by name."""
    found = [a.rows for a in answers if a.rows is not None]
    columns: dict[str, NDArray[Any]] = {
        "counts": np.array([-1 if a.rows is None else len(a.rows.score) for a in answers], np.int64),
        "sizes": np.array([a.size or (np.nan, np.nan) for a in answers], np.float64).reshape(-1, 2),
        "label": _stacked([r.label for r in found], (), np.int64),
        "xywh": _stacked([r.xywh for r in found], (4,), np.float64),
        "score": _stacked([r.score for r in found], (), np.float64),
    }
    points = [r.keypoints for r in found if r.keypoints is not None]
    if points:
        columns["keypoints"] = _stacked(points, points[0].shape[1:], np.float64)
    polygons = [r.polygons for r in found if r.polygons is not None]
    if polygons:
        columns["polygons"] = _stacked(polygons, (4, 2), np.float64)
    masks = [m for a in answers for m in a.masks or ()]
    if masks:
        texts = [m["counts"] if isinstance(m["counts"], bytes) else m["counts"].encode("ascii") for m in masks]
        columns["rle"] = np.frombuffer(b"".join(texts), np.uint8)
        columns["rle_length"] = np.array([len(t) for t in texts], np.int64)
        columns["rle_size"] = np.array([m["size"] for m in masks], np.int64)
    problems = {str(i): a.problem for i, a in enumerate(answers) if a.rows is None}
    if problems:
        columns["problems"] = np.frombuffer(json.dumps(problems).encode("utf-8"), np.uint8)
    return columns


def _stacked(arrays: Sequence[NDArray[Any]], shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return np.concatenate([a.astype(dtype, copy=False) for a in arrays]) if arrays else np.zeros((0, *shape), dtype)


def heads_of(
    paths: Sequence[Path], names: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[Finding]]:
    """Row counts and sizes of all images, and, where their names are given, findings about those that failed."""
    heads = list(_each(paths, "counts", "sizes", "problems"))
    findings = []
    first = 0
    for head in heads:
        if names is None:
            break
        problems = json.loads(head["problems"].tobytes().decode("utf-8")) if "problems" in head else {}
        findings += [Finding("DK404", problem, image=names[first + int(i)]) for i, problem in problems.items()]
        first += len(head["counts"])
    counts = _stacked([head["counts"] for head in heads], (), np.int64)
    return counts, _stacked([head["sizes"] for head in heads], (2,), np.float64), findings


def joined(paths: Sequence[Path], names: Sequence[str] | None, *, outlines: bool = True) -> Columns:
    """The rows of some chunks, one after the other; findings where the images' names are given."""
    counts, sizes, findings = heads_of(paths, names)
    rows = int(np.maximum(counts, 0).sum())
    out: dict[str, NDArray[Any]] = {"label": np.empty(rows, np.int64), "score": np.empty(rows, np.float64)}
    out["xywh"] = np.empty((rows, 4), np.float64)
    at = 0
    # Read into their places: never twice in memory.
    for chunk in _each(paths, *out):
        end = at + len(chunk["label"])
        for name, column in out.items():
            column[at:end] = chunk[name]
        at = end
    others = list(_each(paths, "keypoints", "polygons", "rle", "rle_length", "rle_size")) if outlines else []
    keypoints, shapes = _keypoints(others, rows), _shapes(others, rows)
    return Columns(counts, sizes, out["label"], out["xywh"], out["score"], keypoints, shapes, tuple(findings))


def _each(paths: Sequence[Path], *names: str) -> Iterator[dict[str, NDArray[Any]]]:
    """These columns of one chunk after the other, those that it has."""
    for path in paths:
        with np.load(path) as chunk:
            yield {name: chunk[name] for name in names if name in chunk}


def _keypoints(chunks: Sequence[Any], rows: int) -> Ragged | None:
    parts = [c["keypoints"] for c in chunks if "keypoints" in c]
    if not parts:
        return None
    points = max(part.shape[1] for part in parts)
    values = np.concatenate([part.reshape(-1, 3) for part in parts])
    return Ragged(np.arange(rows + 1, dtype=np.int64) * points, values)


def _shapes(chunks: Sequence[Any], rows: int) -> Shapes | None:
    if any("polygons" in c for c in chunks):
        corners = np.concatenate([c["polygons"] for c in chunks if "polygons" in c]).reshape(-1, 2)
        rings = Ragged(np.arange(rows + 1), np.full(rows, 4, np.int64))
        return Shapes(np.full(rows, Shapes.POLYGONS, np.uint8), rings, Ragged(np.arange(rows + 1) * 4, corners))
    if not any("rle" in c for c in chunks):
        return None
    rle: dict[int, Mapping[str, Any]] = {}
    for chunk in chunks:
        if "rle" not in chunk:
            continue
        text, sizes = chunk["rle"].tobytes(), chunk["rle_size"].tolist()
        ends = np.cumsum(chunk["rle_length"]).tolist()
        for start_at, end, size in zip([0, *ends[:-1]], ends, sizes, strict=True):
            rle[len(rle)] = {"size": size, "counts": text[start_at:end].decode("ascii")}
    empty = Ragged(np.zeros(rows + 1, np.int64), np.zeros(0, np.int64))
    points = Ragged(np.zeros(rows + 1, np.int64), np.zeros((0, 2)))
    return Shapes(np.full(rows, Shapes.RLE, np.uint8), empty, points, rle)
