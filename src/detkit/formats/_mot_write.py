"""Tables as MOTChallenge sequences: a folder a sequence, `gt/gt.txt` or `det/det.txt`, and `seqinfo.ini`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._beside import unique_names, write_beside
from detkit.formats._images import place_and_tell
from detkit.formats._json_file import as_count
from detkit.formats._numbers import number_text
from detkit.formats._text_folder import first_splits
from detkit.formats._writing import require_pixels
from detkit.tables import Categories, Dataset, Detections, Images

__all__ = ["write_dataset", "write_detections"]

_IMAGE_FOLDER = "img1"


@dataclass
class _Sequence:
    """A sequence to be written: its folder below the target, and the frame of each of its images."""

    folder: str
    frames: dict[int, int] = field(default_factory=dict)


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a dataset into an empty folder: the images of a folder are a sequence, in their order.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Shares of images of unknown size, two images or classes with one name.
    """
    require_pixels(dataset, "MOT")
    split, doubled = first_splits(dataset)
    losses = [Loss("images in several splits", "kept in the first one", doubled)] if doubled else []
    names = unique_names(dataset.images)
    sequences, keys = _sequences(names, [split.get(i, "") for i in range(len(names))])
    rows = dataset.annotations
    tracks, lost = _tracks(rows.attributes.get("track_id"), len(rows))
    seen = _numbers(rows.attributes.get("visibility"), len(rows))
    lines = [
        f"{track},{box},{int(not ignored)},{category + 1},{number_text(visibility)}"
        for track, box, ignored, category, visibility in zip(
            tracks, _boxes(rows.xywh, options.voc_offset), rows.is_ignored.tolist(), rows.category_index.tolist(),
            np.where(np.isnan(seen), -1, seen).tolist(), strict=True,
        )
    ]  # fmt: skip
    for sequence in sequences:
        _write_sequence(target, sequence, "gt", dataset.offsets, lines, dataset.images, dataset.categories)
    write_beside(target, "mot", "dataset", dataset.images, dataset.categories, keys)
    return [*losses, *lost, *_place(dataset.images, names, sequences, target, options)]


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions into an empty folder, `det/det.txt` a sequence; of several classes, their numbers too.

    Parameters
    ----------
    detections : Detections
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss
    """
    require_pixels(detections, "MOT")
    sequences, keys = _sequences(unique_names(detections.images), [""] * len(detections.images))
    lines = [
        f"-1,{box},{score!r},{category + 1},-1,-1"
        for box, score, category in zip(
            _boxes(detections.xywh, options.voc_offset), detections.score.tolist(),
            detections.category_index.tolist(), strict=True,
        )
    ]  # fmt: skip
    for sequence in sequences:
        _write_sequence(target, sequence, "det", detections.offsets, lines, detections.images, detections.categories)
    write_beside(target, "mot", "detections", detections.images, detections.categories, keys)
    return []


def _sequences(names: Sequence[str], split_of: Sequence[str]) -> tuple[list[_Sequence], list[str]]:
    """Sequences, and each image's key in the table beside them: the sequence's folder and the frame."""
    by_folder: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, (name, split) in enumerate(zip(names, split_of, strict=True)):
        by_folder[split, _folder_of(name)].append(i)
    taken: set[str] = set()
    sequences: list[_Sequence] = []
    keys = [""] * len(names)
    for (split, folder), members in by_folder.items():
        plain = folder.replace("/", "_") or "sequence"
        name = next(
            n for n in (plain, *(f"{plain}-{k}" for k in range(2, len(names) + 2))) if f"{split}/{n}" not in taken
        )
        taken.add(f"{split}/{name}")
        sequence = _Sequence(f"{split}/{name}" if split else name, _frames(names, members))
        sequences.append(sequence)
        for i, frame in sequence.frames.items():
            keys[i] = f"{sequence.folder}/{frame:06d}"
    return sequences, keys


def _folder_of(name: str) -> str:
    parts = PurePosixPath(name).parts[:-1]
    if parts and parts[-1] == _IMAGE_FOLDER:
        parts = parts[:-1]
    return "/".join(part for part in parts if part not in ("/", "..", "."))


def _frames(names: Sequence[str], members: Sequence[int]) -> dict[int, int]:
    """Frame of each image: the number that its name is, where all are numbers that differ, else its place."""
    stems = [PurePosixPath(names[i]).stem for i in members]
    numbers = [n for n in map(as_count, stems) if n is not None and 0 < n < 10**9]
    if len(set(numbers)) == len(stems):
        return dict(zip(members, numbers, strict=True))
    return {i: frame for frame, i in enumerate(members, 1)}


def _boxes(xywh: NDArray[np.float64], offset: int) -> list[str]:
    corners = np.round(xywh[:, :2] + offset, 9) if offset else xywh[:, :2]
    return [",".join(map(number_text, box)) for box in np.hstack([corners, xywh[:, 2:]]).tolist()]


def _tracks(values: NDArray[Any] | None, count: int) -> tuple[list[int], list[Loss]]:
    """Track ids as integers; -1 for an object without one, and counted for one that is no number."""
    numbers = _numbers(values, count)
    usable = np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))
    given = 0 if values is None else sum(v is not None and v != "" and v == v for v in values.tolist())
    odd = given - int(np.count_nonzero(usable))
    losses = [Loss("attribute `track_id`", "dropped (expected whole numbers)", odd)] if odd else []
    return np.where(usable, numbers, -1).astype(np.int64).tolist(), losses


def _numbers(values: NDArray[Any] | None, count: int) -> NDArray[np.float64]:
    out = np.full(count, np.nan)
    for i, value in enumerate(() if values is None else values.tolist()):
        try:
            out[i] = float(value)
        except (TypeError, ValueError):
            continue
    return np.where(np.isfinite(out), out, np.nan)


def _write_sequence(
    target: Path, sequence: _Sequence, what: str, offsets: NDArray[np.int64], lines: Sequence[str], images: Images,
    categories: Categories,
) -> None:  # fmt: skip
    folder = target / sequence.folder / what
    folder.mkdir(parents=True)
    starts = offsets.tolist()
    ordered = sorted(sequence.frames.items(), key=lambda pair: pair[1])
    text = [f"{frame},{line}\n" for i, frame in ordered for line in lines[starts[i] : starts[i + 1]]]
    _write(folder / f"{what}.txt", "".join(text))
    for name in categories.names:
        if not name.strip() or name != name.strip() or len(name.splitlines()) != 1:
            raise InputError(f"class name {name!r} cannot stand in a list of names", hint="rename the class first")
    _write(folder / "labels.txt", "".join(f"{name}\n" for name in categories.names))
    _write(target / sequence.folder / "seqinfo.ini", _seqinfo(sequence, images))


def _seqinfo(sequence: _Sequence, images: Images) -> str:
    members = list(sequence.frames)
    fields = {"name": sequence.folder.rpartition("/")[2], "imDir": _IMAGE_FOLDER}
    fields["seqLength"] = str(max(sequence.frames.values()))
    sizes = {tuple(size) for size in images.sizes[members].tolist()}
    if len(sizes) == 1 and not np.isnan(images.sizes[members]).any():
        width, height = sizes.pop()
        fields |= {"imWidth": number_text(width), "imHeight": number_text(height)}
    suffixes = {PurePosixPath(images.file_names[i]).suffix for i in members}
    fields["imExt"] = suffixes.pop() or ".jpg" if len(suffixes) == 1 else ".jpg"
    return "[Sequence]\n" + "".join(f"{name}={value}\n" for name, value in fields.items())


def _place(
    images: Images, names: Sequence[str], sequences: Sequence[_Sequence], target: Path, options: WriteOptions
) -> list[Loss]:
    pairs = [
        (i, target / s.folder / _IMAGE_FOLDER / f"{frame:06d}{PurePosixPath(names[i]).suffix}")
        for s in sequences
        for i, frame in s.frames.items()
    ]
    return place_and_tell(images, pairs, options.place_images or "leave", "not found, only listed")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
