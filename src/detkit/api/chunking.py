"""Predictions chunk by chunk: chunk i of n (i from 1) runs some of the images, and chunks are joined in their order."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detkit import files, formats
from detkit.api._shard_input import joined_tables
from detkit.api._sources import Source, source_of
from detkit.api.predicting import PredictSettings, predict
from detkit.api.tables import write
from detkit.errors import InputError, UsageError
from detkit.tables import Dataset, Detections, Images, freeze

__all__ = ["join_chunks", "predict_chunk", "refuse_uncut"]


def refuse_uncut(settings: PredictSettings, target: str | Path, *, overwrite: bool) -> None:
    """Raise where images cannot be cut into chunks, or the target may not be written: before any work is done.

    Parameters
    ----------
    settings : PredictSettings
    target : path-like
    overwrite : bool

    Raises
    ------
    UsageError
        A truth in memory, which does not travel.
    OutputError
        The target exists.
    MissingExtraError
        Chunks are written as Parquet.
    """
    if isinstance(settings.truth, Dataset):
        raise UsageError("the truth is a table in memory, expected a path: paths travel, not data")
    formats.require("parquet")
    files.refuse_existing(Path(target), overwrite=overwrite)


def predict_chunk(
    model: str | Path, images: str | Path, chunk: tuple[int, int], target: str | Path, settings: PredictSettings
) -> bool:
    """Whether the chunk has images; its answers are in the target then, as Parquet.

    Parameters
    ----------
    model, images : path-like
    chunk : (int, int)
        Number from 1, and count.
    target : path-like
        Replaced where an earlier try left it.
    settings : PredictSettings

    Returns
    -------
    bool
    """
    source = source_of(images, settings)
    if source.pictures.frames:
        raise UsageError("frames of a video are not cut into chunks", hint="save them first: `detkit frames`")
    number, count = chunk
    total = len(source.pictures)
    own = np.arange(total * (number - 1) // count, total * number // count)
    if not len(own):
        return False
    Path(target).unlink(missing_ok=True)
    if source.truth is not None:
        part = _with_paths(source).take_images(own)
        predict(model, part, target, replace(settings, truth=None, split="all"), format="parquet")
        return True
    with tempfile.TemporaryDirectory(prefix="detkit-") as scratch:
        listed = Path(scratch) / "images.txt"
        paths = [str(Path(source.pictures.paths[i] or "").absolute()) for i in own.tolist()]
        listed.write_text("\n".join(paths) + "\n", encoding="utf-8")
        predict(model, listed, target, settings, format="parquet")
    return True


def join_chunks(
    chunks: Sequence[str | Path],
    images: str | Path,
    target: str | Path,
    settings: PredictSettings,
    *,
    format: str | None = None,
    overwrite: bool = False,
) -> Detections:
    """The answers of all chunks, written to the target with the images' own names and ids.

    Parameters
    ----------
    chunks : sequence of path-like
        In order.
    images : path-like
    target : path-like
    settings : PredictSettings
    format : str, optional
    overwrite : bool

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        Images came or went meanwhile.
    """
    source = source_of(images, settings)
    tables = [formats.read_detections(path, "parquet") for path in chunks]
    joined = joined_tables(tables)
    total = len(source.pictures)
    if len(joined.images) != total:
        found = f"{len(joined.images)} images were run and there are {total}"
        raise InputError(f"{found}: they changed meanwhile", path=images)
    joined = replace(joined, images=_named(joined.images, source), source_row=freeze(np.arange(len(joined))))
    options: dict[str, Any] = {"format": format, "overwrite": overwrite}
    write(joined, target, **options)
    return joined


def _with_paths(source: Source) -> Dataset:
    """The dataset with the image files that were found for it."""
    truth = source.truth
    assert truth is not None
    return replace(truth, images=replace(truth.images, paths=source.pictures.paths))


def _named(images: Images, source: Source) -> Images:
    """A dataset's images keep their ids; others are numbered through."""
    if source.truth is not None:
        return images
    return replace(images, ids=freeze(np.arange(1, len(images) + 1)), file_names=source.pictures.names)
