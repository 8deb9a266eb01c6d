"""One device in this process, or several, each in a worker process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detkit import errors
from detkit.detectors._detector import Request, open_detector
from detkit.detectors._images import Pictures
from detkit.detectors._output import Parts
from detkit.detectors._run import run_chunks
from detkit.errors import DetkitError

__all__ = ["run_on"]

_POLL = 1.0


@dataclass(frozen=True)
class _Job:
    """What a worker process is told."""

    request: Request
    device: str
    pictures: Pictures
    parts: Parts
    chunks: tuple[int, ...]


def run_on(
    devices: Sequence[str],
    request: Request,
    pictures: Pictures,
    parts: Parts,
    chunks: Sequence[int],
    report: Callable[[int], None],
) -> None:
    """Answer chunks of images on several devices, a worker process each; chunks are dealt out in turn.

    Parameters
    ----------
    devices : sequence of str
        Entries of `parse_device`; one device may be there twice.
    request : Request
    pictures : Pictures
    parts : Parts
    chunks : sequence of int
    report : callable
        Is told how many images were answered since the last call.

    Raises
    ------
    DetkitError
        What a worker raised; the others are stopped, and what they finished stays.
    """
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    jobs = [_Job(request, d, pictures, parts, tuple(chunks[i :: len(devices)])) for i, d in enumerate(devices)]
    workers: dict[Any, Any] = {}
    try:
        for job in jobs:
            if job.chunks:
                ours, theirs = context.Pipe(duplex=False)
                worker = context.Process(target=_work, args=(job, theirs), daemon=True)
                worker.start()
                theirs.close()
                workers[ours] = worker
        _listen(workers, report)
    finally:
        for worker in workers.values():
            if worker.is_alive():
                worker.terminate()
        for channel, worker in workers.items():
            worker.join()
            channel.close()


def _listen(workers: dict[Any, Any], report: Callable[[int], None]) -> None:
    from multiprocessing.connection import wait

    listening = {channel: channel for channel in workers}
    while listening:
        for channel in wait(list(listening), timeout=_POLL):
            try:
                message = listening[channel].recv()
            except EOFError:
                message = ("gone",)
            if message[0] == "answered":
                report(message[1])
            elif message[0] == "failed":
                raise _raised(*message[1:])
            else:
                del listening[channel]
                if message[0] == "gone":
                    workers[channel].join()
                    code = workers[channel].exitcode
                    raise DetkitError(f"a worker process ended unexpectedly (exit code {code})")


def _raised(name: str, state: Mapping[str, Any]) -> DetkitError:
    """The error of a worker as if it had been raised here, with all that it knows: classes differ in what they take."""
    error: DetkitError = DetkitError.__new__(getattr(errors, name, DetkitError))
    DetkitError.__init__(error, state["message"], hint=state["hint"])
    vars(error).update(state)
    return error


def _work(job: _Job, channel: Any) -> None:
    """A worker process: its own session on its own device."""
    # The parent says when to stop; Ctrl-C reaches the whole group of processes at once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def report(count: int) -> None:
        if os.getppid() != parent:
            # The parent was killed: nobody waits for the rest, and a resumed run must not find us writing.
            raise DetkitError("the parent process is gone")
        channel.send(("answered", count))

    try:
        detector = open_detector(job.request, job.device)
        run_chunks(detector, job.pictures, job.parts, job.chunks, report)
        channel.send(("done",))
    except DetkitError as error:
        with contextlib.suppress(OSError):
            channel.send(("failed", type(error).__name__, vars(error)))
    except Exception as error:
        with contextlib.suppress(OSError):
            message = f"a worker process failed: {type(error).__name__}: {error}"
            channel.send(("failed", "DetkitError", {"message": message, "hint": None}))
    finally:
        channel.close()
