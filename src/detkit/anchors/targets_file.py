"""Targets as .npz: dense tensors (one a level, or one an image and level) or the filled places only.

Every file holds `meta` (a JSON text, schema `detkit.targets/1`), `image_ids`, `image_names`, `image_sizes`, `frames`
and `anchors`. Nothing is pickled. Tensors are written image by image, so that no more than one is in memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.anchors.levels import Levels
from detkit.anchors.targets import Targets, dense, from_dense
from detkit.errors import InputError
from detkit.tables import Categories, Images, id_array

__all__ = ["Arrangement", "read_targets", "write_targets"]

Arrangement = Literal["batch", "per-image", "sparse"]
_SCHEMA = "detkit.targets/1"
_PLACES = ("image_index", "level", "row", "column", "anchor", "category_index", "box")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a time in the archive would give the same targets other bytes


def write_targets(
    targets: Targets, target: str | Path, *, arrangement: Arrangement = "batch", overwrite: bool = False
) -> None:
    """Write targets as .npz; the same targets give the same bytes.

    Parameters
    ----------
    targets : Targets
    target : path-like
    arrangement : {"batch", "per-image", "sparse"}
        `stride_8` of (images, rows, columns, anchors, 5 + classes) for every level; `stride_8/0` without the first
        axis for every level and image; or the columns of `Targets`, a row an object.
    overwrite : bool

    Raises
    ------
    OutputError
        It exists, or cannot be written.
    """
    meta = {**targets.to_dict(), "arrangement": arrangement}
    ids = targets.images.ids
    members = {
        "meta": np.array(json.dumps(meta, ensure_ascii=False, allow_nan=False)),
        # Ids of both kinds in one dataset stay apart: text is marked by its quotes.
        "image_ids": ids if ids.dtype != object else np.array([json.dumps(i) for i in ids.tolist()], dtype=np.str_),
        "image_names": np.array(targets.images.file_names, dtype=np.str_),
        "image_sizes": targets.images.sizes,
        "frames": targets.frames,
        "anchors": targets.levels.all,
    }
    if arrangement == "sparse":
        members |= {name: getattr(targets, name) for name in _PLACES}
    with (
        files.atomic_file(target, overwrite=overwrite) as place,
        zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, array in members.items():
            with _member(archive, name) as out:
                np.lib.format.write_array(out, np.asarray(array), allow_pickle=False)
        if arrangement != "sparse":
            _write_tensors(archive, targets, arrangement)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(info, "w", force_zip64=True)


def _write_tensors(archive: zipfile.ZipFile, targets: Targets, arrangement: Arrangement) -> None:
    many = len(targets.images)
    for level, stride in enumerate(targets.levels.strides):
        if arrangement == "per-image":
            for image in range(many):
                with _member(archive, f"stride_{stride}/{image}") as out:
                    np.lib.format.write_array(out, dense(targets, level, image), allow_pickle=False)
            continue
        shape = (many, *targets.shape(level))
        with _member(archive, f"stride_{stride}") as out:
            header = {"descr": "<f8", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            for image in range(many):
                out.write(dense(targets, level, image).astype("<f8", copy=False).tobytes())


def read_targets(path: str | Path) -> Targets:
    """Targets from a file that `write_targets` wrote, in any arrangement.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Targets

    Raises
    ------
    InputError
        Not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return _read(found)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"not a targets file of detkit: {error}", path=path) from error


def _read(found: Any) -> Targets:
    meta = json.loads(str(found["meta"]))
    if meta["schema"] != _SCHEMA:
        raise ValueError(f"schema {meta['schema']}, expected {_SCHEMA}")
    ids = found["image_ids"]
    names = tuple(str(name) for name in found["image_names"])
    plain = ids.tolist() if ids.dtype.kind == "i" else [json.loads(str(i)) for i in ids]
    levels = Levels(
        tuple(level["stride"] for level in meta["levels"]),
        tuple(np.array(level["anchors"], dtype=np.float64) for level in meta["levels"]),
    )
    none = np.empty(0, np.int64)
    empty = Targets(
        image_size=(meta["image_size"][0], meta["image_size"][1]),
        resize=meta["resize"],
        levels=levels,
        encoding=meta["encoding"],
        images=Images(id_array(plain), names, found["image_sizes"]),
        categories=Categories.from_names(meta["classes"]),
        frames=found["frames"],
        image_index=none,
        level=none,
        row=none,
        column=none,
        anchor=none,
        category_index=none,
        box=np.empty((0, 4)),
        units=meta["units"],
        collided=meta["collided"],
        outside=meta["outside"],
        largest_error=meta["largest_error"],
        left_out=meta["left_out"],
    )
    if meta["arrangement"] == "sparse":
        return replace(empty, **{name: found[name] for name in _PLACES})
    return from_dense(empty, _tensors(found, empty, meta["arrangement"]))


def _tensors(found: Any, targets: Targets, arrangement: str) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    # A member is inflated whenever it is asked for: once, not once an image.
    levels = range(len(targets.levels.strides))
    names = [f"stride_{stride}" for stride in targets.levels.strides]
    whole = [found[name] for name in names] if arrangement == "batch" else []
    for image in range(len(targets.images)):
        for level in levels:
            yield image, level, whole[level][image] if whole else found[f"{names[level]}/{image}"]
