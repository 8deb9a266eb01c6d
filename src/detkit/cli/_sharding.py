"""`--shard` and `--shards` of `detkit eval`: a shard to a file, or all to one result; `--scheduler` of any command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console
from detkit.cli._write import check_outputs
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.api import Conversion, Prediction
    from detkit.evaluation.result import Evaluation

__all__ = [
    "FolderOption",
    "SchedulerOption",
    "ShardOption",
    "ShardsOption",
    "WorkersOption",
    "convert",
    "predict",
    "score",
    "write_shard",
]

ShardOption = Annotated[
    str | None, typer.Option("--shard", help="i/n: score shard i of n and write a part to -o, for merge-results.")
]
ShardsOption = Annotated[
    int | None, typer.Option("--shards", min=1, help="Score in so many shards: memory holds one of them at a time.")
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Dask that runs the work: local, or an address such as tcp://...")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that work at a time (with --scheduler, or --shards).")
]
FolderOption = Annotated[
    Path | None, typer.Option("--shard-folder", help="Where parts are kept: a folder that all machines see.")
]


def write_shard(
    truth: Path,
    predictions: Path,
    settings: Any,
    shard: str | None,
    output: Path | None,
    *,
    overwrite: bool,
    whole: Mapping[str, object],
    merged: Mapping[str, object],
    dealt: Mapping[str, object],
) -> None:
    """Where a shard is asked for, score it, write its part, and end the command: nothing goes to stdout.

    Parameters
    ----------
    truth, predictions : Path
    settings : EvaluationSettings
    shard : str, optional
        `i/n`.
    output : Path, optional
    overwrite : bool
    whole : mapping of str to object
        Options that need all boxes at once, with what was given for them: they go with no shards.
    merged : mapping of str to object
        Options that need the result of all shards.
    dealt : mapping of str to object
        Options that say who scores all shards.

    Raises
    ------
    UsageError
        No `--output`, or an option that a shard cannot follow.
    typer.Exit
        The part is written.
    """
    cut = dealt["--shards"] is not None or dealt["--scheduler"] is not None
    if (wrong := _given(whole)) and (cut or shard is not None):
        raise UsageError(f"{wrong} needs all predictions at once, which a shard does not have")
    if shard is None:
        return
    if wrong := _given(merged):
        raise UsageError(f"{wrong} needs the result of all shards", hint="give it where the parts are merged or judged")
    if wrong := _given(dealt):
        raise UsageError(f"{wrong} speaks of all shards, and --shard asks for one", hint=f"leave out {wrong}")
    from detkit.api import sharding

    number, count = sharding.parse_shard(shard)
    if output is None:
        hint = f"add -o {sharding.part_name(number, count)}"
        raise UsageError("a shard is written to a file, and none is named", hint=hint)
    check_outputs(output, inputs=(truth, predictions), overwrite=overwrite)
    with _console.working(f"scoring shard {number} of {count}", compiles=True):
        sharding.evaluate_shard(truth, predictions, (number, count), output, settings, overwrite=overwrite)
    _console.status(f"wrote {output}: part {number} of {count}")
    raise typer.Exit


def score(
    truth: Path,
    predictions: Path,
    settings: Any,
    *,
    shards: int | None,
    scheduler: str | None,
    workers: int | None,
    folder: Path | None,
) -> Evaluation:
    """The result, scored in one go or in shards: one after the other, in processes, or by Dask."""
    if scheduler is not None:
        from detkit import scale

        found: Evaluation = scale.evaluate(
            truth, predictions, settings, shards=shards, scheduler=scheduler, workers=workers, folder=folder
        )
        return found
    if folder is not None:
        raise UsageError("--shard-folder speaks of a scheduler's work", hint="add --scheduler local, or an address")
    if shards is None:
        if workers is not None:
            raise UsageError("--workers speaks of shards", hint="add --shards N")
        from detkit import api

        return api.evaluate(truth, predictions, settings)
    from detkit.api import sharding

    return sharding.evaluate_in_shards(truth, predictions, shards, settings, processes=workers or 1)


def predict(
    *given: Any,
    scheduler: str | None,
    workers: int | None,
    folder: Path | None,
    **options: Any,
) -> Prediction:
    """Predictions made by this process or by Dask; `given` and `options` are those of `detkit.api.predict`."""
    if scheduler is None:
        from detkit import api

        _refuse_alone(workers, folder)
        return api.predict(*given, **options)
    from detkit import scale

    found: Prediction = scale.predict(*given, scheduler=scheduler, workers=workers, folder=folder, **options)
    return found


def convert(
    pairs: Sequence[tuple[Path, Path]], to: str | None, *, scheduler: str | None, workers: int | None, **options: Any
) -> list[Conversion]:
    """Conversions one after the other, or as tasks of Dask; `options` are those of `detkit.api.convert`."""
    if scheduler is None:
        from detkit import api

        _refuse_alone(workers, None)
        return [api.convert(source, target, to, **options) for source, target in pairs]
    from detkit import scale

    found: list[Conversion] = scale.convert(pairs, to, scheduler=scheduler, workers=workers, **options)
    return found


def _given(options: Mapping[str, object]) -> str | None:
    """The first of some options that was given."""
    return next((option for option, value in options.items() if value is not None), None)


def _refuse_alone(workers: int | None, folder: Path | None) -> None:
    if workers is not None or folder is not None:
        option = "--workers" if workers is not None else "--shard-folder"
        raise UsageError(f"{option} speaks of a scheduler's work", hint="add --scheduler local, or an address")
