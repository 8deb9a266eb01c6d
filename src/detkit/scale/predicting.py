"""Predictions whose images are cut into tasks for the workers of a Dask cluster; this process writes the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import api
from detkit.api.chunking import Elsewhere, Task, answer
from detkit.scale.engine import LOCAL, is_local, need_folder, require, run_all, task_count

if TYPE_CHECKING:
    from detkit.api import Prediction, PredictSettings

__all__ = ["predict"]


def predict(
    model: str | Path,
    images: str | Path,
    target: str | Path,
    settings: PredictSettings | None = None,
    *,
    chunks: int | None = None,
    scheduler: str = LOCAL,
    workers: int | None = None,
    folder: str | Path | None = None,
    **options: Any,
) -> Prediction:
    """The predictions of all images: the target is the file that one process writes.

    Parameters
    ----------
    model, images : path-like
        Paths that every worker sees. Images are a folder, a list, or a dataset.
    target : path-like
        Written by this process.
    settings : PredictSettings, optional
        Its device is that of each worker.
    chunks : int, optional
        Into how many tasks images are cut; by default two a local worker, or sixteen behind an address.
    scheduler, workers
        See `detkit.scale.engine.run_all`.
    folder : path-like, optional
        Where answers are kept: one that every worker sees. A local cluster needs none.
    **options
        Of `detkit.api.predict`, such as `format`, `overwrite`, `resume`, `progress`, and fields of `PredictSettings`.

    Returns
    -------
    Prediction

    Raises
    ------
    MissingExtraError
        Without `distributed`.
    UsageError
        An address without a folder, or frames of a video.
    OutputError
        The target exists.
    """
    require()
    place = None if folder is None and is_local(scheduler) else need_folder(folder)
    run = partial(_run, scheduler=scheduler, workers=workers)
    elsewhere = Elsewhere(run, chunks or task_count(scheduler, workers), place)
    done = api.predict(str(Path(model).absolute()), images, target, settings, elsewhere=elsewhere, **options)
    return replace(done, model={**done.model, "path": str(model)})


def _run(tasks: Sequence[Task], report: Callable[[int], None], *, scheduler: str, workers: int | None) -> None:
    images = sum(task.images for task in tasks)

    def progress(done: int, total: int) -> None:
        report(images * done // total - images * (done - 1) // total)

    run_all(answer, [(task,) for task in tasks], scheduler=scheduler, workers=workers, progress=progress)
