"""Measuring: one fresh process at a time, the tools interleaved, one warm-up round that is not counted."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

from speed.cell import Reading, same_bits
from speed.places import scrubbed

#: A run that takes longer is killed and counts as failed.
LIMIT_SECONDS = 900
#: A tool whose warm-up takes longer runs in one counted round only: more rounds would not change what is seen.
LONG_SECONDS = 20
#: Settings of the caller that would make the tools run other than they do by default.
_DROPPED = ("PYTHON", "NUMBA_", "DETKIT_", "OMP_", "RAYON_", "OPENBLAS_", "MKL_")
#: `ru_maxrss` is in kibibytes, on macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """One process, with all of its children.

    Seconds of wall clock and processor (user + system), peak MiB, the seconds that the tool itself counted within its
    process (None where it does not), and the round.
    """

    wall: float
    cpu: float
    peak: float
    inside: float | None = None
    round: int = 1

    @property
    def judged(self) -> float:
        """Seconds that tools are compared by."""
        return self.wall if self.inside is None else self.inside


@dataclass(frozen=True)
class Job:
    """A command to measure.

    Parameters
    ----------
    name : str
    command : tuple of str
        `{out}` is an empty folder of each run, its working folder.
    read : callable, optional
        From stdout to what was found.
    count : tuple of str, optional
        Command whose stdout is read instead; it runs afterwards in the same folder and is not measured.
    accepts : tuple of int
        Exit codes that mean success.
    empty_cache : bool
        Each run gets a new, empty folder for compiled kernels.
    once : bool
        Runs in one counted round only, as a tool does whose warm-up takes long.
    """

    name: str
    command: tuple[str, ...]
    read: Callable[[str], Reading] | None = None
    count: tuple[str, ...] = ()
    accepts: tuple[int, ...] = (0,)
    empty_cache: bool = False
    once: bool = False


@dataclass
class Measured:
    """The counted runs of a job with what it found, or why it failed."""

    name: str
    runs: list[Run] = field(default_factory=list)
    values: list[float] | None = None
    failure: str | None = None
    is_long: bool = False


class RunError(Exception):
    """A process that failed, or whose output is not what was expected."""


def own_peak() -> float:
    """Peak MiB of this process: no child is seen below it, because a child starts as its copy."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 2**20


def run_process(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    *,
    folder: str | None = None,
    accepts: Sequence[int] = (0,),
) -> tuple[Run, str]:
    """Time, memory and stdout of one fresh process that works in this folder.

    Raises
    ------
    RunError
        It cannot be started, fails or takes longer than `LIMIT_SECONDS`; paths of this machine are shortened.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
    # Files instead of pipes: nobody has to read while the process is timed.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**kept, **(environment or {})},
                cwd=folder,
            )
        except OSError as error:
            raise RunError(scrubbed(f"cannot be started: {error}")) from error
        killer = threading.Timer(LIMIT_SECONDS, os.kill, (process.pid, signal.SIGKILL))
        killer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            killer.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [_content(stream) for stream in (stdout, stderr)]
    if wall > LIMIT_SECONDS:
        raise RunError(f"took longer than {LIMIT_SECONDS} s")
    if process.returncode not in accepts:
        last = (texts[1].strip() or texts[0].strip() or "no message").splitlines()[-1]
        raise RunError(scrubbed(f"exit {process.returncode}: {last}"))
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT / 2**20), texts[0]


def _content(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def measure(jobs: Sequence[Job], rounds: int, progress: Callable[[str], None]) -> list[Measured]:
    """All jobs, once each in every round; a job that fails drops out.

    The order moves on by one place with each round, so that none always runs after the same neighbour.
    """
    measured = [Measured(job.name) for job in jobs]
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}" if number else "warm-up round")
        shift = number % len(jobs) if jobs else 0
        for at in [*range(shift, len(jobs)), *range(shift)]:
            if measured[at].failure is None and not (measured[at].is_long and number > 1):
                _once(jobs[at], measured[at], number)
                progress(f"  {_outcome(measured[at])}")
    return measured


def _once(job: Job, into: Measured, number: int) -> None:
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as empty:
        command = [word.replace("{out}", work) for word in job.command]
        environment = {"NUMBA_CACHE_DIR": empty} if job.empty_cache else None
        try:
            run, stdout = run_process(command, environment, folder=work, accepts=job.accepts)
            if job.count:
                _, stdout = run_process(job.count, folder=work)
            found = job.read(stdout) if job.read else None
        except RunError as error:
            into.failure = str(error)
            return
        except (ValueError, KeyError, TypeError, IndexError) as error:
            into.failure = scrubbed(f"output not understood: {type(error).__name__}: {error}")
            return
    values = None if found is None else found.values
    if into.values is not None and values is not None and not same_bits(into.values, values):
        into.failure = "its result differs from run to run"
    into.values = values
    if number == 0:
        into.is_long = job.once or run.wall > LONG_SECONDS
    else:
        into.runs.append(replace(run, inside=found.inside if found else None, round=number))


def _outcome(measured: Measured) -> str:
    if measured.failure is not None:
        return f"{measured.name}: failed, {measured.failure}"
    return f"{measured.name}: {measured.runs[-1].judged:.4g} s" if measured.runs else f"{measured.name}: ready"
