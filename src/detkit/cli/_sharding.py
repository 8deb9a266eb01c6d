"""`--shard`, `--shards` and `--scheduler` of `detkit eval`: one shard to a file, or all of them to one result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console
from detkit.cli._write import check_outputs
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["FolderOption", "SchedulerOption", "ShardOption", "ShardsOption", "WorkersOption", "score", "write_shard"]

ShardOption = Annotated[
    str | None, typer.Option("--shard", help="i/n: score shard i of n and write a part to -o, for merge-results.")
]
ShardsOption = Annotated[
    int | None, typer.Option("--shards", min=1, help="Score in so many shards: memory holds one of them at a time.")
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Dask that runs the shards: local, or an address such as tcp://...")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that score shards at a time (with --shards).")
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
    cut: bool = False,
    others: Mapping[str, object] | None = None,
) -> None:
    """Where a shard is asked for, score it, write its part, and end the command: nothing goes to stdout.

    `others` are options that need all boxes at once, with what was given for them; `cut` says that `--shards` or
    `--scheduler` is given.

    Raises
    ------
    UsageError
        No `--output`, or one of `others` beside shards.
    typer.Exit
        The part is written.
    """
    wrong = [option for option, given in (others or {}).items() if given is not None]
    if wrong and (cut or shard is not None):
        raise UsageError(f"{wrong[0]} needs all predictions at once, which a shard does not have")
    if shard is None:
        return
    from detkit.api import sharding

    number, count = sharding.parse_shard(shard)
    if output is None:
        hint = f"add -o {sharding.part_name(number, count)}"
        raise UsageError("a shard is written to a file, and none is named", hint=hint)
    check_outputs(output, inputs=(truth, predictions), overwrite=overwrite)
    with _console.working(f"scoring shard {number} of {count}"):
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
    folder: Path | None = None,
) -> Evaluation:
    """The result, scored in one go or in shards: one after the other, in processes, or by Dask."""
    if scheduler is not None:
        from detkit import scale

        found: Evaluation = scale.evaluate(
            truth, predictions, settings, shards=shards, scheduler=scheduler, workers=workers, folder=folder
        )
        return found
    if shards is None:
        if workers is not None or folder is not None:
            raise UsageError("--workers and --shard-folder speak of shards", hint="add --shards N")
        from detkit import api

        return api.evaluate(truth, predictions, settings)
    from detkit.api import sharding

    return sharding.evaluate_in_shards(truth, predictions, shards, settings, processes=workers or 1)
