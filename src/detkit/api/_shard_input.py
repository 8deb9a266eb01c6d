"""The predictions of one shard: of a folder of Parquet shards only its own files, of anything else its own images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files, formats
from detkit.api.tables import refuse_unusable
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats import ReadOptions
from detkit.tables import Categories, Dataset, Detections, Images, Ragged, Shapes, freeze, id_array

__all__ = ["Portion", "ShardFiles", "WholeTable", "joined_tables", "shard_files"]

_SUFFIX = ".parquet"
#: What a shard read alone says of itself, and what all of them together do not say.
_READ_ALONE = "read alone"


@dataclass(frozen=True, eq=False)
class Portion:
    """Predictions of one shard.

    Parameters
    ----------
    table : Detections
        Own rows; its images are those of the shard.
    key : (P,) int64
        Where each image stands among all predicted ones: ascending in the order of one reader.
    findings : tuple of Finding
        Of the reader of all predictions.
    source : mapping
        `path`, `format`, `sha256` of all of it, or `files` (name -> SHA-256 of those read) and `listing` (all names
        and sizes).
    image_of : (P,) int64, optional
        Truth positions of the images, where all predicted images were looked at.
    """

    table: Detections
    key: NDArray[np.int64]
    findings: tuple[Finding, ...]
    source: Mapping[str, Any]
    image_of: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class WholeTable:
    """Predictions that are read as a whole; images go to shards by their position among the predicted ones.

    Images that stand for one image of the truth stay together.
    """

    table: Detections
    image_of: NDArray[np.int64]

    def portion(self, number: int, count: int) -> Portion:
        """Shard `number` (from 1) of `count`."""
        table, total = self.table, len(self.image_of)
        position = np.arange(total)
        found = np.flatnonzero(self.image_of >= 0)
        _, first, twin = np.unique(self.image_of[found], return_index=True, return_inverse=True)
        position[found] = found[first][twin]
        own = np.flatnonzero(position * count // max(1, total) == number - 1)
        at = np.full(total, -1, np.int64)
        at[own] = np.arange(len(own))
        index = at[table.image_index]
        rows = table.take(np.flatnonzero(index >= 0))
        part = replace(rows, images=table.images.take(own), image_index=freeze(index[index >= 0], np.int64))
        source = table.source
        stated = {
            "path": source and source.path,
            "format": source and source.format,
            "sha256": source and source.sha256,
        }
        return Portion(part, own, table.findings, stated, self.image_of[own])


@dataclass(frozen=True, eq=False)
class ShardFiles:
    """A folder of Parquet shards as detkit writes it; whole files go to shards, in the order of their names."""

    folder: Path
    paths: tuple[Path, ...]
    options: ReadOptions
    truth: Dataset

    def portion(self, number: int, count: int) -> Portion:
        """Shard `number` (from 1) of `count`: only its files are read.

        Raises
        ------
        InputError
            A file is damaged, holds unusable rows, or has other classes than the first.
        """
        total = len(self.paths)
        own = [n for n in range(total) if n * count // total == number - 1]
        tables = [self._read(n) for n in own] or [self._read(0).take(np.zeros(0, np.int64))]
        for n, table in zip(own[1:], tables[1:], strict=False):
            if not _same_classes(table.categories, tables[0].categories):
                raise InputError(
                    "has other classes than the first shard; expected shards of one run", path=self.paths[n]
                )
        keys = [(n << 32) + np.arange(len(table.images)) for n, table in zip(own, tables, strict=False)]
        part = joined_tables(tables) if own else replace(tables[0], images=tables[0].images.take(np.zeros(0, np.int64)))
        digests = {
            self.paths[n].name: table.source.sha256 for n, table in zip(own, tables, strict=False) if table.source
        }
        listing = [[path.name, path.stat().st_size] for path in self.paths]
        source = {"path": str(self.folder), "format": "parquet", "files": digests, "listing": listing}
        return Portion(part, np.concatenate([*keys, np.zeros(0, np.int64)]), (), source)

    def _read(self, n: int) -> Detections:
        table = formats.read_detections(self.paths[n], "parquet", self.options)
        findings = [f for f in table.findings if not (f.code == "DK110" and _READ_ALONE in f.message)]
        refuse_unusable(findings, False)
        if findings:
            raise InputError(f"{findings[0].code}: {findings[0].message}", path=self.paths[n])
        return replace(table, findings=())


def shard_files(path: str | Path, options: ReadOptions, truth: Dataset) -> ShardFiles | None:
    """The files of a folder of Parquet shards that `detkit` wrote and that is complete; None for anything else."""
    folder = Path(path)
    mark = folder / files.FOLDER_MARK
    if not mark.is_file():
        return None
    try:
        stated = json.loads(mark.read_bytes())
    except (OSError, ValueError):
        return None
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() == _SUFFIX and not p.name.startswith((".", "_")))
    if (
        not isinstance(stated, dict)
        or stated.get("format") != "parquet"
        or stated.get("shards") != len(found)
        or not found
    ):
        return None
    return ShardFiles(folder, tuple(found), options, truth)


def joined_tables(tables: Sequence[Detections]) -> Detections:
    """Tables of different images with the same classes, one after the other.

    Parameters
    ----------
    tables : sequence of Detections
        At least one.

    Returns
    -------
    Detections
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    images = joined_images([table.images for table in tables])
    starts = np.cumsum([0, *(len(table.images) for table in tables)])
    return Detections.build(
        images,
        first.categories,
        image_index=np.concatenate([t.image_index + start for t, start in zip(tables, starts, strict=False)]),
        **{n: np.concatenate([getattr(t, n) for t in tables]) for n in ("category_index", "xywh", "score", "area")},
        shapes=None if first.shapes is None else _shapes([t.shapes for t in tables if t.shapes is not None]),
        keypoints=None
        if first.keypoints is None
        else _ragged([t.keypoints for t in tables if t.keypoints is not None]),
        has_boxes=first.has_boxes,
        units=first.units,
        findings=tuple(f for table in tables for f in table.findings),
    )


def joined_images(parts: Sequence[Images]) -> Images:
    """The images of several tables, one after the other."""
    return Images(
        id_array([i for part in parts for i in part.ids.tolist()]),
        tuple(name for part in parts for name in part.file_names),
        np.concatenate([part.sizes for part in parts]),
        has_own_ids=parts[0].has_own_ids,
    )


def _same_classes(a: Categories, b: Categories) -> bool:
    return a.names == b.names and a.ids.tolist() == b.ids.tolist()


def _ragged(parts: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths() for part in parts])
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([part.values for part in parts]))


def _shapes(parts: Sequence[Shapes]) -> Shapes:
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return Shapes(
        np.concatenate([part.kind for part in parts]),
        _ragged([part.rings for part in parts]),
        _ragged([part.points for part in parts]),
        {start + row: mask for start, part in zip(starts, parts, strict=False) for row, mask in part.rle.items()},
    )
