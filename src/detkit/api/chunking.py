"""Predictions whose chunks of images somebody else answers: on other machines, into a folder that all of them see.

The process that was asked looks at model and images, deals chunks out and writes the target from what lies in the
folder then, exactly as it does where it answers all of them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.detectors import Parts, Pictures, Request

__all__ = ["Elsewhere", "Task", "answer", "tasks_of"]


@dataclass(frozen=True)
class Task:
    """Chunks of images that one process answers; plain values and paths: it travels.

    Parameters
    ----------
    request : Request
        With the batch of the process that was asked, so that images meet in the same batches.
    device : str
    pictures : Pictures
        Of the whole run; images of other tasks have neither name nor path.
    parts : Parts
        The folder that answers are written to.
    chunks : tuple of int
    """

    request: Request
    device: str
    pictures: Pictures
    parts: Parts
    chunks: tuple[int, ...]

    @property
    def images(self) -> int:
        """How many images it has."""
        return sum(len(self.parts.members(n)) for n in self.chunks)


@dataclass(frozen=True)
class Elsewhere:
    """Who answers the chunks of a run instead of this process.

    Parameters
    ----------
    run : callable
        Has each task answered (see `answer`), wherever it likes and again where a worker died; is told what to call
        with the images answered since the last call.
    tasks : int
        Into how many tasks the images are cut, as far as they go.
    folder : Path, optional
        Where answers are kept until all are there; by default beside the target.
    """

    run: Callable[[Sequence[Task], Callable[[int], None]], None]
    tasks: int
    folder: Path | None = None


def tasks_of(
    request: Request, device: str, pictures: Pictures, parts: Parts, chunks: Sequence[int], count: int
) -> list[Task]:
    """These chunks as so many tasks or fewer, in order.

    Parameters
    ----------
    request : Request
    device : str
    pictures : Pictures
    parts : Parts
    chunks : sequence of int
        Those without an answer yet.
    count : int

    Returns
    -------
    list of Task

    Raises
    ------
    UsageError
        Frames of videos.
    """
    if pictures.frames:
        raise UsageError("frames of a video are not dealt out", hint="save them first: `detkit frames`")
    total = len(chunks)
    cuts = [chunks[total * n // count : total * (n + 1) // count] for n in range(count)]
    return [Task(request, device, _only(pictures, parts, own), parts, tuple(own)) for own in cuts if own]


def answer(task: Task) -> None:
    """Answer a task: its chunks lie in the folder then; a chunk that an earlier try left is replaced by the same.

    Parameters
    ----------
    task : Task

    Raises
    ------
    UsageError
        The device does not start.
    InputError
        The model cannot be read here.
    """
    from detkit import detectors

    device = detectors.parse_device(task.device)[0]
    detector = detectors.open_detector(task.request, device)
    detectors.run_chunks(detector, task.pictures, task.parts, task.chunks, lambda count: None)


def _only(pictures: Pictures, parts: Parts, chunks: Sequence[int]) -> Pictures:
    """The pictures with names and whole paths of these chunks alone."""
    names, paths = [""] * len(pictures), [None] * len(pictures)  # type: tuple[list[str], list[str | None]]
    for n in chunks:
        for i in parts.members(n):
            path = pictures.paths[i]
            names[i], paths[i] = pictures.names[i], None if path is None else str(Path(path).absolute())
    return replace(pictures, names=tuple(names), paths=tuple(paths), findings=())
