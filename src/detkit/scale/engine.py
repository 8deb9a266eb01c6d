"""Tasks on Dask distributed: an embedded local cluster by default, or the scheduler behind an address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detkit.errors import CannotJudgeError, DetkitError, MissingExtraError, UsageError

__all__ = ["LOCAL", "RETRIES", "is_local", "need_folder", "place_for", "require", "run_all", "task_count"]

LOCAL = "local"
#: How often a task is run again after its worker died, or after it failed for another reason than its input.
RETRIES = 3
#: How long a scheduler has to answer.
PATIENCE = "30s"


def is_local(scheduler: str) -> bool:
    """Whether this process starts the cluster itself."""
    return scheduler == LOCAL


def task_count(scheduler: str, workers: int | None) -> int:
    """Into how many tasks work is cut by default: two a local worker, sixteen behind an address.

    Parameters
    ----------
    scheduler : str
    workers : int, optional

    Returns
    -------
    int
    """
    return 2 * (workers or os.cpu_count() or 1) if is_local(scheduler) else 16


@contextmanager
def place_for(folder: str | Path | None, scheduler: str) -> Iterator[Path]:
    """A folder that tasks write to: the one given, or a temporary one where all workers are on this machine.

    Parameters
    ----------
    folder : path-like, optional
    scheduler : str

    Yields
    ------
    Path

    Raises
    ------
    UsageError
        An address and no folder.
    """
    if folder is not None or not is_local(scheduler):
        yield need_folder(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="detkit-") as scratch:
            yield Path(scratch)


def need_folder(folder: str | Path | None) -> Path:
    """The folder as a whole path, made where it is not there yet.

    Parameters
    ----------
    folder : path-like, optional

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        None is given.
    """
    if folder is None:
        raise UsageError(
            "workers behind an address need a folder that this machine sees too, for what they write",
            hint="name it: --shard-folder DIR",
        )
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def require() -> None:
    """Raise where Dask is not installed: before any work is done.

    Raises
    ------
    MissingExtraError
    """
    _distributed()


def run_all(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    scheduler: str = LOCAL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """What the function returns for each tuple of arguments, in their order.

    Parameters
    ----------
    function : callable
        Of a module that the workers can import; run again elsewhere when a worker dies, so running it twice must be
        as good as once.
    arguments : sequence of tuple
        Small values and paths: they travel.
    scheduler : str
        `local`, or an address such as `tcp://10.0.0.1:8786`.
    workers : int, optional
        Processes of the local cluster, each with one thread; by default one a processor.
    progress : callable, optional
        Is called with (tasks done, tasks in all).

    Returns
    -------
    list

    Raises
    ------
    MissingExtraError
        Without `distributed`.
    UsageError
        The scheduler does not answer, or `workers` for a cluster that is not ours.
    CannotJudgeError
        A task's workers died again and again.
    DetkitError
        What a task raises is raised here.
    """
    distributed = _distributed()
    with _client(distributed, scheduler, workers, len(arguments)) as client:
        tasks = [client.submit(_run, function, given, pure=False, retries=RETRIES) for given in arguments]
        try:
            for done, task in enumerate(distributed.as_completed(tasks), 1):
                if task.status == "error":
                    raise task.exception()
                if progress is not None:
                    progress(done, len(tasks))
            found = client.gather(tasks)
        except distributed.scheduler.KilledWorker as error:
            raise CannotJudgeError(
                f"a task was given up: {RETRIES + 1} workers that ran it died",
                hint="give each worker more memory, or make more and smaller shards",
            ) from error
        finally:
            client.cancel(tasks)
    for outcome in found:
        if isinstance(outcome, DetkitError):
            raise outcome
    return list(found)


def _run(function: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    """What the function returns, or the error about its input: running it again would raise the same."""
    try:
        return function(*given)
    except DetkitError as error:
        return error


def _distributed() -> Any:
    try:
        import distributed
        import distributed.scheduler
    except ImportError:
        raise MissingExtraError("distributed", "scale") from None
    return distributed


@contextmanager
def _client(distributed: Any, scheduler: str, workers: int | None, tasks: int) -> Iterator[Any]:
    if not is_local(scheduler):
        if workers is not None:
            raise UsageError("workers belong to a local cluster; that of an address has its own")
        try:
            client = distributed.Client(scheduler, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"scheduler: `{scheduler}` does not answer",
                hint="expected `local` or an address such as tcp://host:8786",
            ) from error
        with client:
            yield client
        return
    count = min(workers or os.cpu_count() or 1, max(1, tasks))
    with (
        # Any free port: another run on this machine has the usual one.
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
