"""The pipeline for images with several views, or with a shape of their own: windows, mirroring, sizes, rect letterbox.

An image is read once. Its views are dealt, in order, into batches of one shape each: views of neighbouring images
share a batch. A batch is run when it is full; batches that are not are run when the group of images (a chunk) ends or
too many shapes wait. That depends on the images of a group only, so every run of it has the same batches. The thread
that brings an image's last view joins them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from detkit.detectors._detector import Detector
from detkit.detectors._images import Loaded, Pictures
from detkit.detectors._masks import has_masks
from detkit.detectors._merge import Seen, joined
from detkit.detectors._output import Answer
from detkit.detectors._prepare import Frame, prepare
from detkit.detectors._run import Clock, Pipeline, unreadable
from detkit.detectors._session import processors
from detkit.detectors._views import View
from detkit.errors import InputError

__all__ = ["Looking"]

#: Shapes whose batches are being filled at a time.
_MOST_OPEN = 4
#: Buffers of one shape that are kept for the next batch.
_MOST_SPARE = 4
_MOST_AHEAD = 4
_MOST_PREPARING = 16


@dataclass
class _Looked:
    """An image on its way: what its views showed so far."""

    size: tuple[int, int]
    seen: list[Seen | None]
    answer: Future[Answer] = field(default_factory=Future)
    lock: Any = field(default_factory=Lock)

    def add(self, number: int, seen: Seen) -> bool:
        """Keep what a view showed; whether it was the last one."""
        with self.lock:
            self.seen[number] = seen
            return all(one is not None for one in self.seen)


@dataclass
class _Batch:
    """Views of one shape, in the places of one buffer."""

    buffer: NDArray[Any]
    size: tuple[int, int]
    places: list[tuple[_Looked, int, View, Future[Frame]]] = field(default_factory=list)


class Looking(Pipeline):
    """Several looks at each image."""

    def __init__(self, detector: Detector, pictures: Pictures, clock: Clock) -> None:
        super().__init__(detector, pictures, clock)
        self.preparing = ThreadPoolExecutor(min(processors(), _MOST_PREPARING), thread_name_prefix="prepare")
        self.open: dict[tuple[int, int], _Batch] = {}
        self.spare: dict[tuple[int, int], list[NDArray[Any]]] = {}
        self.running: deque[Future[None]] = deque()

    def answers(self, batches: Sequence[Sequence[int]]) -> Iterator[list[Answer]]:
        """Answers of each image, in order; `batches` are groups of images, and no batch holds views of two."""
        order: deque[Future[Answer]] = deque()
        images = self._loaded(chain.from_iterable(batches))
        for group in batches:
            for _ in group:
                order.append(self._deal(next(images)))
                while order and order[0].done():
                    yield [order.popleft().result()]
            for size in list(self.open):
                self._run(self.open.pop(size))
        while order:
            # An error of a batch is raised here, before anybody waits for an answer that will never come.
            while self.running and not order[0].done():
                self.running.popleft().result()
            yield [order.popleft().result()]

    def _loaded(self, positions: Iterator[int]) -> Iterator[Future[Loaded]]:
        """Images being read, a few ahead: they may be large."""
        ahead: deque[Future[Loaded]] = deque()
        for i in positions:
            ahead.append(self.readers.submit(self._load, i))
            if len(ahead) > min(_MOST_AHEAD, processors()):
                yield ahead.popleft()
        yield from ahead

    def _load(self, i: int) -> Loaded:
        with self.clock.stage("read"):
            return self.loader.load(i)

    def _deal(self, loading: Future[Loaded]) -> Future[Answer]:
        """Put the views of an image into batches; its answer is there when all of these were run."""
        try:
            loaded = loading.result()
        except InputError as error:
            bad: Future[Answer] = Future()
            bad.set_result(unreadable(error))
            return bad
        views = self.detector.views(loaded.size)
        looked = _Looked(loaded.size, [None] * len(views))
        for number, view in enumerate(views):
            batch = self._opened(view.network)
            place = batch.buffer[len(batch.places)]
            preparing = self.preparing.submit(self._prepare, loaded, view, place)
            batch.places.append((looked, number, view, preparing))
            if len(batch.places) == len(batch.buffer):
                self._run(self.open.pop(view.network))
        return looked.answer

    def _opened(self, size: tuple[int, int]) -> _Batch:
        if size not in self.open:
            if len(self.open) == _MOST_OPEN:
                fullest = max(self.open.values(), key=lambda batch: len(batch.places))
                self._run(self.open.pop(fullest.size))
            spare = self.spare.get(size)
            self.open[size] = _Batch(spare.pop() if spare else self.detector.buffer(size), size)
        return self.open[size]

    def _prepare(self, loaded: Loaded, view: View, place: NDArray[Any]) -> Frame:
        from PIL import Image

        with self.clock.stage("prepare"):
            image, size = loaded.image, loaded.size
            if view.size != size:
                image, size = image.crop(view.box), view.size
            if view.flip:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            return prepare(image, self.detector.prepared_for(view.network), place, size)[1]

    def _run(self, batch: _Batch) -> None:
        if len(self.running) == self.in_flight:
            self.running.popleft().result()
        self.running.append(self.batches.submit(self._see, batch))

    def _see(self, batch: _Batch) -> None:
        frames = [preparing.result() for *_, preparing in batch.places]
        outputs, whole = self.infer(batch.buffer, frames, self.detector.blank(batch.size))
        spare = self.spare.setdefault(batch.size, [])
        if len(spare) < _MOST_SPARE:
            spare.append(batch.buffer)
        with self.clock.stage("decode"):
            decoded = self.detector.decode(outputs, whole)
            for output, frame, (looked, number, view, _) in zip(decoded, frames, batch.places, strict=False):
                seen = Seen(view, self.rows(output, frame), frame, output if has_masks(output) else None)
                if looked.add(number, seen):
                    self._join(looked)

    def _join(self, looked: _Looked) -> None:
        request = self.detector.request
        seen = [one for one in looked.seen if one is not None]
        rows, masks = joined(seen, looked.size, request.choice, request.looks)
        looked.seen = []
        looked.answer.set_result(Answer(looked.size, rows, masks))

    def close(self) -> None:
        """Stop all threads."""
        self.preparing.shutdown(wait=False, cancel_futures=True)
        super().close()
        self.preparing.shutdown(wait=True)
