"""Evaluations whose shards are Dask tasks; the parts are folded here, to exactly the answer of one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.scoring import EvaluationSettings, loaded
from detkit.api.sharding import evaluate_shard, merge_results, part_name
from detkit.scale.engine import LOCAL, place_for, run_all, task_count

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["evaluate"]


def evaluate(
    truth: str | Path,
    predictions: str | Path,
    settings: EvaluationSettings | None = None,
    *,
    shards: int | None = None,
    scheduler: str = LOCAL,
    workers: int | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> Evaluation:
    """The evaluation of one process, its shards scored by the workers of a Dask cluster.

    Parameters
    ----------
    truth, predictions : path-like
        Paths that every worker sees.
    settings : EvaluationSettings, optional
        `jobs` are threads of each worker, one by default.
    shards : int, optional
        By default two a local worker, or sixteen behind an address.
    scheduler : str
        `local`, or an address such as `tcp://10.0.0.1:8786`.
    workers : int, optional
        Processes of the local cluster.
    folder : path-like, optional
        Where parts are written: one that every worker sees. A local cluster needs none.
    progress : callable, optional
        Is called with (shards done, shards in all).
    **changes
        Fields of `EvaluationSettings`.

    Returns
    -------
    Evaluation
        As `detkit.api.sharding.merge_results`.

    Raises
    ------
    UsageError
        An address without a folder, or what `run_all` raises.
    """
    settings = replace(settings or EvaluationSettings(), **changes)
    # Files are read here, and what names a folder names it whole: a worker has a working folder of its own.
    settings = loaded(replace(settings, jobs=settings.jobs or 1))
    if settings.images_dir is not None:
        settings = replace(settings, images_dir=settings.images_dir.absolute())
    count = shards or task_count(scheduler, workers)
    with place_for(folder, scheduler) as place:
        targets = [place / part_name(number, count) for number in range(1, count + 1)]
        tasks = [
            (str(Path(truth).absolute()), str(Path(predictions).absolute()), (number, count), str(target), settings)
            for number, target in enumerate(targets, 1)
        ]
        run_all(_shard, tasks, scheduler=scheduler, workers=workers, progress=progress)
        return _as_named(merge_results(targets), truth, predictions)


def _shard(truth: str, predictions: str, shard: tuple[int, int], target: str, settings: EvaluationSettings) -> str:
    """A part; one that an earlier try left is replaced."""
    return evaluate_shard(truth, predictions, shard, target, settings, overwrite=True)


def _as_named(result: Evaluation, truth: str | Path, predictions: str | Path) -> Evaluation:
    """The result with the paths as they were given: workers were told whole ones."""
    sources = {"truth_source": truth, "detections_source": predictions}
    named = {
        name: replace(source, path=str(path))
        for name, path in sources.items()
        if (source := getattr(result, name)) is not None
    }
    return replace(result, **named)
