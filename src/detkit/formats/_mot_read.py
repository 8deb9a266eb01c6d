"""MOTChallenge text files to a `Dataset` or `Detections`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._beside import build_images, load_beside, suspects
from detkit.formats._mot_text import OFFICIAL, Sequences, class_names, find, frames_of, load
from detkit.formats._numbers import difference
from detkit.formats._sidecar import Sidecar
from detkit.tables import Categories, Dataset, Detections, Images, Source, freeze
from detkit.wording import examples

__all__ = ["read_dataset", "read_detections"]


@dataclass
class _Rows:
    """Rows of all sequences, and the images they stand on."""

    names: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    splits: dict[str, dict[int, None]] = field(default_factory=dict)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    image_index: list[NDArray[np.int64]] = field(default_factory=list)
    places: list[tuple[Path, NDArray[np.int64]]] = field(default_factory=list)
    columns: int = 0
    findings: list[Finding] = field(default_factory=list)

    def table(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        empty = (np.empty((0, 10)), np.empty(0, np.int64))
        return (np.vstack(self.values), np.concatenate(self.image_index)) if self.values else empty


def read_dataset(path: Path, options: ReadOptions) -> Dataset:
    """Ground truth of one sequence, or of many.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `voc_offset` 0 is for files that count pixels from 0.

    Returns
    -------
    Dataset
        File names are `<sequence>/img1/000001.jpg`. Rows with the flag 0 are ignored; `track_id` and `visibility` are
        attributes.

    Raises
    ------
    InputError
        No sequence, or a file that cannot be read.
    UsageError
        No such split.
    """
    sequences = find(path, "gt")
    if not sequences:
        raise InputError("no `gt/gt.txt` in it, in its folders or in theirs", path=path)
    if options.split is not None:
        sequences = _of_split(sequences, options.split, path)
    rows, sidecar = _collect(path, sequences, options, all_frames=True)
    values, image_index = rows.table()
    names, lists = class_names(sequences)
    categories, category_index, keep = _classes(values, rows, names, sidecar)
    values, image_index = values[keep], image_index[keep]
    xywh = _boxes(values, options)
    images, notes = _images(rows, path, sequences, sidecar, options)
    notes += suspects(path, xywh)
    return Dataset.build(
        images,
        categories,
        image_index=image_index,
        category_index=category_index,
        xywh=xywh,
        is_ignored=values[:, 6] == 0,
        attributes=_attributes(values, rows.columns),
        splits={name: freeze(np.array(sorted(members), np.int64)) for name, members in rows.splits.items()},
        source=Source(str(path), "mot", files.sha256_of([s.file for s in sequences] + lists, root=_root(path))),
        findings=(*rows.findings, *notes),
    )


def _of_split(sequences: Sequence[Sequences], split: str, path: Path) -> list[Sequences]:
    chosen = [sequence for sequence in sequences if sequence.split == split]
    if not chosen:
        known = examples(sorted({s.split for s in sequences if s.split}), 9) or "no splits"
        raise UsageError(f"unknown split `{split}`; {path} has {known}")
    return chosen


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _collect(
    path: Path, sequences: Sequence[Sequences], options: ReadOptions, *, all_frames: bool
) -> tuple[_Rows, Sidecar]:
    root = _root(path)
    sidecar = load_beside([root, root.parent, root.parent.parent], "mot")
    named = {row.name: row.file for row in sidecar.rows.values() if row.name}
    rows = _Rows()
    place: dict[str, int] = {}
    whole = path.is_dir() and options.split is None and sidecar.root == root
    for file in named.values() if whole else ():
        _add(rows, place, file, None, "")
    for sequence in sequences:
        values, lines, columns, findings = load(sequence.file)
        frames = frames_of(sequence, values[:, 0], all_of_them=all_frames)
        keys = [key for key in named if key.rpartition("/")[0] == sequence.key]
        if keys:
            # Written by detkit: the table beside it knows the frames, and the names that the images had.
            frames = {int(key.rpartition("/")[2]): named[key] for key in keys} | {
                frame: name for frame, name in frames.items() if f"{sequence.key}/{frame:06d}" not in named
                and frame in values[:, 0]
            }  # fmt: skip
        at = {frame: _add(rows, place, name, sequence.size, sequence.split) for frame, name in frames.items()}
        for frame, position in at.items():
            suffix = Path(rows.names[position]).suffix
            rows.files[position] = f"{sequence.name}/{sequence.image_folder}/{frame:06d}{suffix}"
        rows.values.append(values)
        rows.image_index.append(np.array([at[int(frame)] for frame in values[:, 0].tolist()], np.int64))
        rows.places.append((sequence.file, lines))
        rows.columns = max(rows.columns, columns)
        rows.findings += findings
    return rows, sidecar


def _add(rows: _Rows, place: dict[str, int], name: str, size: tuple[float, float] | None, split: str) -> int:
    position = place.setdefault(name, len(place))
    if position == len(rows.names):
        rows.names.append(name)
        rows.files.append(name)
        rows.sizes.append(size or (np.nan, np.nan))
    elif size is not None:
        rows.sizes[position] = size
    if split:
        rows.splits.setdefault(split, {})[position] = None
    return position


def _images(
    rows: _Rows, path: Path, sequences: Sequence[Sequences], sidecar: Sidecar, options: ReadOptions
) -> tuple[Images, list[Finding]]:
    root = _root(path)
    folders = [s.folder.parent for s in sequences if s.folder is not None]
    images, notes = build_images(
        rows.names, list(dict.fromkeys([*folders, root])), options, sidecar=sidecar, stated=rows.sizes, files=rows.files
    )
    unknown = int(np.isnan(images.sizes).any(axis=1).sum())
    if unknown and sequences:
        message = "images without a size: no `imWidth` and `imHeight` in seqinfo.ini, and no image file"
        notes.append(Finding("DK403", message, file=str(path), count=unknown))
    return images, notes


def _boxes(values: NDArray[np.float64], options: ReadOptions) -> NDArray[np.float64]:
    corner = difference(values[:, 2:4], np.float64(options.voc_offset))
    return np.hstack([corner, values[:, 4:6]])


def _classes(
    values: NDArray[np.float64], rows: _Rows, names: list[str] | None, sidecar: Sidecar
) -> tuple[Categories, NDArray[np.int64], NDArray[np.int64]]:
    """Classes, each row's class, and the rows that have one of them."""
    has_class = names is not None or rows.columns == 9
    if not has_class:
        return Categories.from_names(OFFICIAL[:1]), np.zeros(len(values), np.int64), np.arange(len(values))
    number = np.nan_to_num(values[:, 7], nan=1)
    limit = len(names) if names is not None else len(OFFICIAL)
    usable = (number >= 1) & (number <= limit) & (number == np.floor(number))
    _report_classes(values, rows, usable, limit)
    if names is None:
        most = int(number[usable].max(initial=1))
        names = list(OFFICIAL if most > 12 else OFFICIAL[:12])
    stated = sidecar.categories(names)
    categories = Categories.from_names(names) if stated is None else replace(stated)
    return categories, number[usable].astype(np.int64) - 1, np.flatnonzero(usable)


def _report_classes(values: NDArray[np.float64], rows: _Rows, usable: NDArray[np.bool_], limit: int) -> None:
    start = 0
    for (file, lines), own in zip(rows.places, rows.values, strict=True):
        for row in np.flatnonzero(~usable[start : start + len(own)]).tolist():
            message = f"class {own[row, 7]:g}, expected 1 to {limit}"
            rows.findings.append(Finding("DK301", message, file=str(file), line=int(lines[row])))
        start += len(own)


def _attributes(values: NDArray[np.float64], columns: int) -> dict[str, NDArray[Any]]:
    attributes: dict[str, NDArray[Any]] = {}
    tracked = values[:, 1] >= 0
    if tracked.any():
        ids = np.empty(len(values), dtype=object)
        ids[:] = [int(v) if v >= 0 else None for v in values[:, 1].tolist()]
        attributes["track_id"] = ids
    if columns == 9:
        seen = np.where(values[:, 8] >= 0, values[:, 8], np.nan)
        if not np.isnan(seen).all():
            attributes["visibility"] = seen
    return attributes


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Detections of one sequence, or of many, or results of a tracker.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Detections
        Of the class Pedestrian, unless `labels.txt` beside the rows names classes. Track ids are not kept.

    Raises
    ------
    InputError
        No file of rows.
    """
    sequences = find(path, "det")
    if not sequences:
        raise InputError("no `det/det.txt` and no text file of a sequence", path=path)
    rows, sidecar = _collect(path, sequences, options, all_frames=False)
    values, image_index = rows.table()
    names, lists = class_names(sequences)
    if names is None:
        # The columns after the confidence are places in the world.
        rows.columns = 0
    categories, category_index, keep = _classes(values, rows, names, sidecar)
    values, image_index = values[keep], image_index[keep]
    xywh = _boxes(values, options)
    images, notes = build_images(rows.names, [], options, sidecar=sidecar, stated=rows.sizes)
    score = np.nan_to_num(values[:, 6], nan=1.0)
    notes += suspects(path, xywh, score)
    tracked = int(np.count_nonzero(values[:, 1] >= 0))
    if tracked:
        notes.append(Finding("DK109", "track ids are not kept", file=str(path), count=tracked))
    return Detections.build(
        images,
        categories,
        image_index=image_index,
        category_index=category_index,
        xywh=xywh,
        score=score,
        source=Source(str(path), "mot", files.sha256_of([s.file for s in sequences] + lists, root=_root(path))),
        findings=(*rows.findings, *notes),
    )
