"""Files replaced where they are, and the bundle that puts them back: one zip beside the source.

The bundle holds the original bytes and a manifest with the hash of each file before and after. It is whole on disk
before the first file is replaced, and each file is replaced in one step: whenever the process ends, every file is as it
was or as it was meant to be, and the bundle brings the old ones back.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detkit import files
from detkit._version import __version__
from detkit.errors import DetkitError, InputError, OutputError
from detkit.wording import examples, plural

__all__ = ["Undone", "bundle_path", "replace_with_bundle", "undo"]

_SCHEMA = "detkit.undo/1"
_MANIFEST = "manifest.json"
#: All entries of a bundle bear this date: the same change gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Undone:
    """What `undo` put back.

    Parameters
    ----------
    bundle : str
    restored, untouched : tuple of str
        Files that were put back, and those that were as before already.
    """

    bundle: str
    restored: tuple[str, ...]
    untouched: tuple[str, ...]


def bundle_path(source: str | Path, edits: Iterable[tuple[str, bytes]]) -> Path:
    """The bundle of a change: beside the source, or in the folder that holds all files, named after the contents.

    Parameters
    ----------
    source : path-like
    edits : iterable of (str, bytes)
        Files and their new content.

    Returns
    -------
    Path
        It need not exist.
    """
    edits, place = list(edits), Path(os.path.abspath(source))  # noqa: PTH100
    real = [os.path.realpath(path) for path, _ in edits]
    folder = os.path.commonpath([os.path.realpath(place.parent), *map(os.path.dirname, real)])
    total = hashlib.sha256()
    for path, (_, content) in zip(real, edits, strict=True):
        total.update(os.path.relpath(path, folder).encode("utf-8", "surrogateescape") + b"\0")
        total.update(_hash_of(Path(path)).encode() + _hash(content).encode())
    return Path(folder) / f"{place.name}.detkit-undo-{total.hexdigest()[:12]}.zip"


def replace_with_bundle(source: str | Path, edits: Sequence[tuple[str, bytes]]) -> Path:
    """Write the bundle, then replace each file in one step.

    Parameters
    ----------
    source : path-like
        What the files belong to: the bundle is put beside it.
    edits : sequence of (str, bytes)
        Files that exist, and their new content.

    Returns
    -------
    Path
        The bundle.

    Raises
    ------
    OutputError
        A file cannot be written; those replaced before it are put back.
    """
    bundle = bundle_path(source, edits)
    _refuse_read_only([Path(path) for path, _ in edits])
    _write_bundle(bundle, edits)
    try:
        for path, content in edits:
            files.replace_content(path, content)
    except OSError as error:
        reason = f"{error.filename or source}: cannot be written: {error.strerror or error}"
        try:
            undo(bundle)
        except DetkitError as second:
            hint = f"make room, then put them back with `detkit check --undo {bundle}`"
            raise OutputError(f"{reason}; and not every file is as it was: {second.message}", hint=hint) from error
        bundle.unlink(missing_ok=True)
        raise OutputError(reason, hint="every file is as it was before") from error
    here = Path.cwd()
    return bundle.relative_to(here) if here in bundle.parents else bundle


def undo(bundle: str | Path) -> Undone:
    """Put the original bytes back.

    Parameters
    ----------
    bundle : path-like

    Returns
    -------
    Undone

    Raises
    ------
    InputError
        No such bundle, a damaged one, or a file that somebody changed since.
    OutputError
        A file cannot be written.
    """
    bundle = Path(bundle)
    try:
        with zipfile.ZipFile(bundle) as archive:
            rows = _manifest(archive, bundle)
            found = [(row, _place(bundle, row["path"])) for row in rows]
            states = [_state(row, path) for row, path in found]
            foreign = [row["path"] for (row, _), state in zip(found, states, strict=True) if state == "other"]
            if foreign:
                raise InputError(
                    f"{len(foreign)} of {len(rows)} files changed since, nothing is put back: {examples(foreign)}",
                    path=bundle,
                    hint="the original files are inside the bundle, a zip",
                )
            for (row, path), state in zip(found, states, strict=True):
                if state == "after":
                    files.replace_content(path, _original(archive, row, bundle))
    except FileNotFoundError as error:
        raise InputError("no such bundle", path=bundle) from error
    except zipfile.BadZipFile as error:
        raise InputError(f"is no bundle of `--in-place`: {error}", path=bundle) from error
    except OSError as error:
        raise OutputError(f"{error.filename or bundle}: cannot be written: {error.strerror or error}") from error
    done = {state: [r["path"] for (r, _), s in zip(found, states, strict=True) if s == state] for state in set(states)}
    return Undone(str(bundle), tuple(done.get("after", ())), tuple(done.get("before", ())))


def _write_bundle(bundle: Path, edits: Sequence[tuple[str, bytes]]) -> None:
    rows = []
    # One that is there already holds the same: its name is made of the contents.
    with files.atomic_file(bundle, overwrite=True) as place:
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number, (path, content) in enumerate(edits):
                name = f"files/{number:06d}"
                before = Path(path).read_bytes()
                archive.writestr(zipfile.ZipInfo(name, _DATE), before, zipfile.ZIP_DEFLATED, 1)
                relative = Path(os.path.relpath(os.path.realpath(path), bundle.parent)).as_posix()
                hashes = {"before": _hash(before), "after": _hash(content)}
                rows.append({"path": relative, "name": name, **hashes})
            text = json.dumps({"schema": _SCHEMA, "detkit": __version__, "files": rows}, indent=1)
            archive.writestr(zipfile.ZipInfo(_MANIFEST, _DATE), text + "\n")
        with place.open("rb") as handle:
            os.fsync(handle.fileno())


def _refuse_read_only(paths: Sequence[Path]) -> None:
    closed = [str(path) for path in paths if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))]
    if closed:
        raise OutputError(
            f"{plural(len(closed), 'file is', 'files are')} read-only: {examples(closed)}",
            hint="write a copy with `-o`",
        )


def _manifest(archive: zipfile.ZipFile, bundle: Path) -> list[dict[str, str]]:
    try:
        content = json.loads(archive.read(_MANIFEST))
        rows: list[dict[str, str]] = content["files"]
        known = content["schema"] == _SCHEMA and all(
            {"path", "name", "before", "after"} <= set(row) and _is_below(row["path"]) for row in rows
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no bundle of `--in-place`: no `{_MANIFEST}` in it", path=bundle) from error
    if not known:
        raise InputError(f"is no bundle of `--in-place` (schema `{_SCHEMA}`)", path=bundle)
    return rows


def _is_below(name: str) -> bool:
    """Whether a file lies below the bundle's folder: no bundle reaches elsewhere."""
    return not os.path.isabs(name) and ".." not in Path(name).parts  # noqa: PTH117


def _place(bundle: Path, name: str) -> Path:
    return Path(os.path.realpath(bundle.parent)) / name


def _state(row: dict[str, str], path: Path) -> str:
    """`before`, `after`, or `other` where the file is neither."""
    try:
        found = _hash_of(path)
    except OSError:
        return "other"
    return next((state for state in ("before", "after") if row[state] == found), "other")


def _original(archive: zipfile.ZipFile, row: dict[str, str], bundle: Path) -> bytes:
    try:
        content = archive.read(row["name"])
    except KeyError as error:
        raise InputError(f"{row['name']} is not in it", path=bundle) from error
    if _hash(content) != row["before"]:
        raise InputError(f"{row['name']} is damaged", path=bundle)
    return content


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_of(path: Path) -> str:
    return files.sha256_of([path])
