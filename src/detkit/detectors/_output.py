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
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from detkit.detectors._chunks import Answer, Columns, Head, heads_of, joined, packed
from detkit.errors import OutputError, UsageError

__all__ = ["Answer", "Columns", "Head", "Parts", "locked", "part_folder", "remove_parts", "start_parts"]

_SCHEMA = "detkit.prediction-parts/1"
_CHUNK = re.compile(r"chunk-(\d{6,})\.npz")


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
        path = self._path(number)
        # Of a name of its own: a worker that was given up may be writing still while another one answers again.
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as handle:
                np.savez(handle, **packed(answers))  # type: ignore[arg-type]
            temporary.replace(path)
        except OSError as error:
            hint = "what was found before is kept: make room and go on with `--resume`" if self.done() else None
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}", hint=hint) from error
        finally:
            temporary.unlink(missing_ok=True)

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
        return joined([self._path(n) for n in range(len(self))], names)

    def head(self, names: Sequence[str]) -> Head:
        """What the complete chunks say without their rows; parameters as `columns`."""
        paths = [self._path(n) for n in range(len(self))]
        counts, sizes, findings = heads_of(paths, names)
        labels, held = 0, set()
        for path in paths:
            with np.load(path) as chunk:
                labels = max(labels, int(chunk["label"].max(initial=-1)) + 1)
                held |= {"keypoints", "polygons", "rle"} & set(chunk.files)
        return Head(counts, sizes, labels, frozenset(held), tuple(findings))

    def each(self, *, outlines: bool = True) -> Iterator[Columns]:
        """The rows of one complete chunk after the other, in image order, without findings.

        Parameters
        ----------
        outlines : bool
            False leaves keypoints and shapes out.
        """
        for number in range(len(self)):
            yield joined([self._path(number)], None, outlines=outlines)

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.npz"

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
        remove_parts(folder)
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with handle:
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
