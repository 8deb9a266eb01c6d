"""What a run has found so far, on disk: chunks of images that are whole or absent, and the settings they depend on.

A run writes to `.NAME.part/` beside its target: `state.json` says which model, images and settings the answers
belong to, `chunk-000000.npz` holds the rows of so many images. A chunk is moved into place when it is complete, so a
killed run leaves whole chunks and nothing else that counts; the batches of a chunk are the same in every run, so the
answers are.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._rows import Rows
from detkit.errors import OutputError, UsageError
from detkit.findings import Finding
from detkit.ragged import Ragged, Shapes

__all__ = ["Answer", "Columns", "Parts", "locked", "part_folder", "remove_parts", "start_parts"]

_SCHEMA = "detkit.prediction-parts/1"
_CHUNK = re.compile(r"chunk-(\d{6,})\.npz")


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


def part_folder(target: str | Path) -> Path:
    """Where a run to this target keeps what it has found so far."""
    target = Path(target)
    return target.with_name(f".{target.name}.part")


class Parts:
    """The part folder of a run.

    Parameters
    ----------
    folder : Path
    images : int
        Of the run.
    chunk : int
        Images a chunk.
    """

    def __init__(self, folder: Path, images: int, chunk: int) -> None:
        self.folder = folder
        self.images = images
        self.chunk = chunk

    def __len__(self) -> int:
        return -(-self.images // self.chunk)

    def members(self, number: int) -> range:
        """Positions of a chunk's images."""
        return range(number * self.chunk, min((number + 1) * self.chunk, self.images))

    def done(self) -> list[int]:
        """Numbers of the chunks that are there and whole; damaged ones are removed."""
        found = []
        for path in sorted(self.folder.iterdir()):
            match = _CHUNK.fullmatch(path.name)
            if match is None:
                continue
            number = int(match[1])
            if number < len(self) and _is_whole(path, len(self.members(number))):
                found.append(number)
            else:
                path.unlink()
        return found

    def write(self, number: int, answers: Sequence[Answer]) -> None:
        """Put a complete chunk into place."""
        path = self.folder / f"chunk-{number:06d}.npz"
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as handle:
                np.savez(handle, **_packed(answers))  # type: ignore[arg-type]
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error

    def columns(self, names: Sequence[str]) -> Columns:
        """All rows, once every chunk is there.

        Parameters
        ----------
        names : sequence of str
            Image files, for findings.

        Returns
        -------
        Columns
        """
        return _joined([self.folder / f"chunk-{n:06d}.npz" for n in range(len(self))], names)

    def remove(self) -> None:
        """Delete the folder."""
        remove_parts(self.folder)


def start_parts(
    folder: Path, state: Mapping[str, Any], images: int, chunk: int, *, resume: bool, overwrite: bool
) -> tuple[Parts, list[int]]:
    """The part folder of a run, new or taken over, and the chunks in it.

    Parameters
    ----------
    folder : Path
    state : mapping
        Model, images and settings that the answers depend on; JSON values.
    images, chunk : int
        A folder taken over keeps its own chunk size.
    resume : bool
        Go on with what an earlier run left.
    overwrite : bool
        Throw that away.

    Returns
    -------
    parts : Parts
    done : list of int

    Raises
    ------
    OutputError
        An earlier run left a folder and neither was asked for; or it cannot be written.
    UsageError
        Model, images or settings are not those of the earlier run.
    """
    place = folder / "state.json"
    earlier = _earlier(place)
    if earlier is not None and resume:
        _refuse_changes(earlier.get("state", {}), json.loads(json.dumps(state)), folder)
        parts = Parts(folder, images, int(earlier["chunk"]))
        return parts, parts.done()
    if earlier is not None and not overwrite:
        done = sum(_CHUNK.fullmatch(p.name) is not None for p in folder.iterdir())
        total = -(-images // int(earlier["chunk"]))
        raise OutputError(
            f"{folder}: an earlier run was not finished ({done} of {total} chunks of {earlier['chunk']} images done)",
            hint="go on with `--resume`, or start anew with `--overwrite`",
        )
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        temporary = place.with_suffix(".tmp")
        content = {"schema": _SCHEMA, "chunk": chunk, "state": state}
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return Parts(folder, images, chunk), []


def remove_parts(folder: Path) -> None:
    """Delete a part folder."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder; the system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    path = folder.with_name(folder.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                f"{folder}: another run is writing here", hint="wait for it, or choose another name"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _earlier(place: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("schema") == _SCHEMA and isinstance(found.get("chunk"), int)
    return found if whole and found["chunk"] > 0 else None


def _refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    changed = [
        f"{key} was {_short(before.get(key))}, is {_short(now.get(key))}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise UsageError(
            f"{folder}: cannot go on with the earlier run: {'; '.join(changed)}",
            hint="give the same model, images and settings, or start anew with `--overwrite` and without `--resume`",
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def _is_whole(path: Path, images: int) -> bool:
    try:
        with np.load(path) as chunk:
            return len(chunk["counts"]) == images
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


def _packed(answers: Sequence[Answer]) -> dict[str, NDArray[Any]]:
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


def _joined(paths: Sequence[Path], names: Sequence[str]) -> Columns:
    heads = list(_each(paths, "counts", "sizes", "problems"))
    counts = _stacked([head["counts"] for head in heads], (), np.int64)
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
    findings = []
    first = 0
    for head in heads:
        problems = json.loads(head["problems"].tobytes().decode("utf-8")) if "problems" in head else {}
        findings += [Finding("DK404", problem, image=names[first + int(i)]) for i, problem in problems.items()]
        first += len(head["counts"])
    sizes = _stacked([head["sizes"] for head in heads], (2,), np.float64)
    others = list(_each(paths, "keypoints", "polygons", "rle", "rle_length", "rle_size"))
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
