"""Predictions whose images are cut into chunks, a Dask task each; the answers are joined in the images' order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api import PredictSettings
from detkit.api.chunking import join_chunks, predict_chunk, refuse_uncut
from detkit.scale.engine import LOCAL, place_for, run_all, task_count

if TYPE_CHECKING:
    from detkit.tables import Detections

__all__ = ["predict"]


def predict(
    model: str | Path,
    images: str | Path,
    target: str | Path,
    settings: PredictSettings | None = None,
    *,
    chunks: int | None = None,
    format: str | None = None,
    overwrite: bool = False,
    scheduler: str = LOCAL,
    workers: int | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> Detections:
    """The predictions of all images, as one process would have written them to the target.

    Parameters
    ----------
    model, images : path-like
        Paths that every worker sees: a folder, a list, or a dataset.
    target : path-like
    settings : PredictSettings, optional
    chunks : int, optional
        By default two a local worker, or sixteen behind an address.
    format : str, optional
        Of the target; by default told by its suffix.
    overwrite : bool
    scheduler, workers, progress
        See `detkit.scale.engine.run_all`.
    folder : path-like, optional
        Where answers of chunks are kept: one that every worker sees. A local cluster needs none.
    **changes
        Fields of `PredictSettings`.

    Returns
    -------
    Detections

    Raises
    ------
    UsageError
        An address without a folder.
    OutputError
        The target exists.
    """
    settings = replace(settings or PredictSettings(), **changes)
    refuse_uncut(settings, target, overwrite=overwrite)
    count = chunks or task_count(scheduler, workers)
    model, images = Path(model).absolute(), Path(images).absolute()
    with place_for(folder, scheduler) as place:
        parts = [place / f"chunk-{number:05d}-of-{count:05d}.parquet" for number in range(1, count + 1)]
        tasks = [(str(model), str(images), (n, count), str(part), settings) for n, part in enumerate(parts, 1)]
        answered = run_all(predict_chunk, tasks, scheduler=scheduler, workers=workers, progress=progress)
        written = [part for part, done in zip(parts, answered, strict=True) if done]
        return join_chunks(written, images, target, settings, format=format, overwrite=overwrite)
