"""The middle of a prediction: the images left, on the devices, or wherever somebody else answers them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.chunking import Elsewhere, tasks_of
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.detectors import Detector, Parts, Pictures, Request

__all__ = ["Report", "Run"]

#: Images a chunk that is written in one go: what a killed run loses at most.
_CHUNK = 64
_CHUNKS_A_DEVICE = 4

#: Is told how many images were answered, and how many there are.
Report = Callable[[int, int], None]


@dataclass
class Run:
    """The images that are left, on the devices."""

    devices: Sequence[str]
    request: Request
    detector: Detector | None
    pictures: Pictures
    progress: Report | None
    elsewhere: Elsewhere | None = None

    def answered(
        self, folder: Path, state: Mapping[str, Any], *, resume: bool, overwrite: bool
    ) -> tuple[Parts, int, float]:
        """The answers on disk, how many images an earlier run had answered, and the seconds spent on the others."""
        from detkit import detectors

        batch = self.request.batch or 1
        parts, done = detectors.start_parts(
            folder, state, len(self.pictures), self._chunk(batch), resume=resume, overwrite=overwrite
        )
        pending = sorted(set(range(len(parts))) - set(done))
        resumed = sum(len(parts.members(n)) for n in done)
        count = resumed
        started = time.perf_counter()

        def report(more: int) -> None:
            nonlocal count
            count += more
            if self.progress is not None:
                self.progress(count, len(self.pictures))

        if self.progress is not None:
            self.progress(count, len(self.pictures))
        try:
            self._work(parts, pending, report)
        except BaseException:
            if not parts.done():
                parts.remove()
            raise
        return parts, resumed, time.perf_counter() - started

    def _chunk(self, batch: int) -> int:
        """Images a chunk: whole batches, and enough chunks for every device and every task to have some."""
        tasks = 0 if self.elsewhere is None else self.elsewhere.tasks
        share = len(self.pictures) // (batch * max(_CHUNKS_A_DEVICE * len(self.devices), tasks))
        return batch * max(1, min(share, -(-_CHUNK // batch)))

    def _work(self, parts: Parts, pending: Sequence[int], report: Callable[[int], None]) -> None:
        from detkit import detectors

        detector, self.detector = self.detector, None
        if self.elsewhere is not None:
            if len(self.devices) > 1:
                raise UsageError("several devices in one process, and the work goes elsewhere", hint="name one device")
            del detector
            given = (self.request, self.devices[0], self.pictures, parts, pending)
            self.elsewhere.run(tasks_of(*given, self.elsewhere.tasks), report)
            return
        if len(self.devices) == 1 and detector is not None:
            detectors.run_chunks(detector, self.pictures, parts, pending, report)
            return
        # The workers open their own: this one's memory on the first device is given back before.
        del detector
        detectors.run_on(self.devices, self.request, self.pictures, parts, pending, report)
