"""Part files of `detkit.partial/2`: uncompressed .npz, of which folding reads one class at a time."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.evaluation.partial import Part

__all__ = ["SCHEMA", "Slices", "read_part", "write_part"]

SCHEMA = "detkit.partial/2"
_META = "meta"
_NO_PART = f"no part of an evaluation, expected an .npz of {SCHEMA}"
_HINT = "parts are written by `detkit eval --shard i/n -o PART.npz`"
#: A local file header of a zip archive: this many bytes, then a name and extra fields whose lengths stand at its end.
_HEADER, _LENGTHS = 30, slice(26, 30)


@dataclass(frozen=True)
class Slices:
    """A column in a file, sliced like an array of one dimension; only what is asked for is read."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    count: int

    def __getitem__(self, place: slice) -> NDArray[Any]:
        first, last, _ = place.indices(self.count)
        start = self.offset + first * self.dtype.itemsize
        return np.fromfile(self.path, self.dtype, max(0, last - first), offset=start)


def write_part(part: Part, target: str | Path, *, overwrite: bool = False) -> None:
    """Write a part; the file appears whole or not at all."""
    meta = np.frombuffer(json.dumps({"schema": SCHEMA, **part.meta}).encode("ascii"), np.uint8)
    with files.atomic_file(target, overwrite=overwrite) as place, place.open("wb") as handle:
        np.savez(handle, **{_META: meta, **part.arrays})


def read_part(path: str | Path) -> Part:
    """A part whose columns stay in the file.

    Raises
    ------
    InputError
        Not there, no part, damaged, or of another version.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if _META not in members or any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise InputError(_NO_PART, path=path, hint=_HINT)
            damaged = archive.testzip()
        if damaged is not None:
            raise InputError(f"damaged: `{damaged}` is not what was written", path=path, hint=_HINT)
        arrays = {name: _member(path, info.header_offset) for name, info in members.items()}
        meta = json.loads(arrays.pop(_META)[:].tobytes())
        schema = meta["schema"]
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(_NO_PART, path=path, hint=_HINT) from error
    if schema != SCHEMA:
        hint = "make the part again with this version of detkit"
        raise InputError(f"schema `{schema}`, expected {SCHEMA}", path=path, hint=hint)
    return Part(meta, arrays)


def _member(path: Path, header: int) -> Any:
    """One array of the archive: a column as slices of the file, anything else (small) as it is."""
    with path.open("rb") as handle:
        handle.seek(header)
        lengths: Sequence[int] = np.frombuffer(handle.read(_HEADER)[_LENGTHS], "<u2").tolist()
        handle.seek(header + _HEADER + sum(lengths))
        version = np.lib.format.read_magic(handle)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(handle)
        if fortran or dtype.hasobject:
            raise ValueError("an array of another kind")
        if len(shape) == 1:
            return Slices(path, handle.tell(), dtype, shape[0])
        return np.fromfile(handle, dtype, int(np.prod(shape))).reshape(shape)
