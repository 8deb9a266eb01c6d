"""The pipeline: read, prepare, infer, decode, suppress; every stage in threads, answers in image order.

Images are read and prepared by a pool of threads, straight into their places in a batch. Each batch then has a thread
of its own that waits for its images, passes the model and decodes the answer, while other batches are being read: as
many batches are in flight as there are lanes, and a few more, so memory stays flat. On the CPU several lanes compute
at the same time, on other devices there is one and inference has one thread for itself.
"""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from detkit.detectors._base import Output, too_many_classes
from detkit.detectors._detector import Detector
from detkit.detectors._images import Loader, Pictures
from detkit.detectors._masks import has_masks, masks_of
from detkit.detectors._output import Answer, Parts
from detkit.detectors._prepare import Frame, prepare
from detkit.detectors._rows import Rows, finish
from detkit.detectors._session import processors
from detkit.detectors._views import network_sizes
from detkit.errors import InputError

__all__ = ["Clock", "Pipeline", "run_batches", "run_chunks", "unreadable"]

#: Batches that are being read while others are in the model.
_AHEAD = 3
_MOST_READERS = 16


@dataclass
class Clock:
    """Seconds spent in each stage, over all threads, and the time during which a batch was in the model."""

    seconds: dict[str, float] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock, repr=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + spent


def run_chunks(
    detector: Detector,
    pictures: Pictures,
    parts: Parts,
    chunks: Sequence[int],
    report: Callable[[int], None],
    clock: Clock | None = None,
) -> None:
    """Answer the images of some chunks and write each chunk as soon as it is complete.

    Parameters
    ----------
    detector : Detector
    pictures : Pictures
    parts : Parts
    chunks : sequence of int
    report : callable
        Is told how many images were answered since the last call.
    clock : Clock, optional
    """
    batches: list[Sequence[int]] = [parts.members(n) for n in chunks]
    if detector.request.looks.is_plain:
        batches = [m[i : i + detector.batch] for m in batches for i in range(0, len(m), detector.batch)]
    waiting = deque(chunks)
    gathered: list[Answer] = []
    answers = run_batches(detector, pictures, batches, clock)
    try:
        for batch in answers:
            gathered += batch
            if len(gathered) == len(parts.members(waiting[0])):
                parts.write(waiting.popleft(), gathered)
                gathered = []
            report(len(batch))
    finally:
        answers.close()


def run_batches(
    detector: Detector, pictures: Pictures, batches: Sequence[Sequence[int]], clock: Clock | None = None
) -> Generator[list[Answer]]:
    """Answers to batches of images, in order.

    Parameters
    ----------
    detector : Detector
    pictures : Pictures
    batches : sequence of sequences of int
        Positions of images, at most `detector.batch` in each; a smaller one is padded and the padding dropped. Where
        images have several views, or views of their own shape, these make the batches, and each sequence is a group
        of any length that shares none with the next.
    clock : Clock, optional

    Yields
    ------
    list of Answer

    Raises
    ------
    InputError
        The model fails, or answers with more classes than there are names.
    """
    # Looking builds on Pipeline.
    from detkit.detectors._looking import Looking

    pipeline = (Pipeline if detector.request.looks.is_plain else Looking)(detector, pictures, clock or Clock())
    try:
        with warnings.catch_warnings():
            # Pillow warns of every odd file; for all threads at once, since the filters are the process's.
            warnings.simplefilter("ignore")
            yield from pipeline.answers(batches)
    finally:
        pipeline.close()


class Pipeline:
    """One look at each image: images are read straight into their places in a batch.

    Parameters
    ----------
    detector : Detector
    pictures : Pictures
    clock : Clock
    """

    def __init__(self, detector: Detector, pictures: Pictures, clock: Clock) -> None:
        self.detector = detector
        self.clock = clock
        looks = detector.request.looks
        largest = max(network_sizes(detector.size, looks, detector.stride))
        self.loader = Loader(pictures, largest if looks.draft else None)
        readers = detector.request.jobs or min(processors(), _MOST_READERS)
        # Frames of a video are cheap in their order only.
        self.readers = ThreadPoolExecutor(1 if pictures.frames else readers, thread_name_prefix="read")
        self.in_flight = detector.lanes + _AHEAD
        self.batches = ThreadPoolExecutor(self.in_flight, thread_name_prefix="batch")
        self.model = ThreadPoolExecutor(detector.lanes, thread_name_prefix="infer")
        self.buffers: SimpleQueue[NDArray[Any]] = SimpleQueue()

    def answers(self, batches: Sequence[Sequence[int]]) -> Iterator[list[Answer]]:
        """Answers of each batch, in order."""
        pending: deque[Future[list[Answer]]] = deque()
        for _ in range(self.in_flight):
            self.buffers.put(self.detector.buffer())
        for batch in batches:
            if len(pending) == self.in_flight:
                yield pending.popleft().result()
            pending.append(self._begin(batch))
        while pending:
            yield pending.popleft().result()

    def _begin(self, batch: Sequence[int]) -> Future[list[Answer]]:
        # A buffer is free: there are as many as batches in flight, and one of those was just handed out.
        buffer = self.buffers.get()
        reading = [self.readers.submit(self._read, i, buffer[place]) for place, i in enumerate(batch)]
        return self.batches.submit(self._finish, buffer, reading)

    def _read(self, i: int, place: NDArray[Any]) -> Frame | InputError:
        try:
            with self.clock.stage("read"):
                loaded = self.loader.load(i)
            with self.clock.stage("prepare"):
                return prepare(loaded.image, self.detector.preparation, place, loaded.size)[1]
        except InputError as error:
            place[...] = 0
            return error

    def _finish(self, buffer: NDArray[Any], reading: Sequence[Future[Frame | InputError]]) -> list[Answer]:
        found = [future.result() for future in reading]
        failed = [unreadable(frame) for frame in found if not isinstance(frame, Frame)]
        if len(failed) == len(found):  # nothing to ask the model: of a truth with few photos most batches are such
            self.buffers.put(buffer)
            return failed
        blank = self.detector.blank()
        frames = [frame if isinstance(frame, Frame) else blank for frame in found]
        outputs, frames = self.infer(buffer, frames, blank)
        self.buffers.put(buffer)
        with self.clock.stage("decode"):
            decoded = self.detector.decode(outputs, frames)
            return [self._answer(output, frame) for output, frame in zip(decoded, found, strict=False)]

    def infer(
        self, buffer: NDArray[Any], frames: Sequence[Frame], blank: Frame
    ) -> tuple[dict[str, NDArray[Any]], list[Frame]]:
        """The model's raw answer to a batch that may not be full, and the frames of all its places."""
        padding = len(buffer) - len(frames)
        if padding:
            buffer[len(frames) :] = 0
        whole = [*frames, *[blank] * padding]
        return self.model.submit(self._infer, buffer, whole).result(), whole

    def _infer(self, buffer: NDArray[Any], frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
        with self.clock.stage("infer"):
            return self.detector.infer(buffer, frames)

    def _answer(self, output: Output, frame: Frame | InputError) -> Answer:
        if isinstance(frame, InputError):
            return unreadable(frame)
        rows = self.rows(output, frame)
        masks = masks_of(output, rows, frame) if has_masks(output) else None
        return Answer(frame.image_size, rows, masks)

    def rows(self, output: Output, frame: Frame) -> Rows:
        """The boxes of one answer that are kept.

        Raises
        ------
        InputError
            A class that has no name.
        """
        request = self.detector.request
        rows = finish(output, frame, request.choice, needs_nms=self.detector.needs_nms)
        highest = int(rows.label.max(initial=-1))
        if request.names is not None and highest >= request.names:
            raise too_many_classes(self.detector.graph, f"answers with class number {highest}", request.names)
        return rows

    def close(self) -> None:
        """Stop all threads."""
        for pool in (self.readers, self.batches, self.model):
            pool.shutdown(wait=True, cancel_futures=True)
        self.loader.close()


def unreadable(error: InputError) -> Answer:
    """The answer of an image that could not be read."""
    return Answer(None, None, problem=error.message.removeprefix(f"{error.path}: "))
