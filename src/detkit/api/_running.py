"""The middle and the end of a prediction: the images left, on the devices; then the table of what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.api._classes import Classes, in_classes
from detkit.api._sources import Source
from detkit.errors import InputError
from detkit.findings import Finding, plural
from detkit.tables import Detections, Images

if TYPE_CHECKING:
    from detkit.detectors import Columns, Detector, Parts, Pictures, Request

__all__ = ["Report", "Run", "all_bad", "table_of"]

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

    def answered(
        self, folder: Path, state: Mapping[str, Any], *, resume: bool, overwrite: bool
    ) -> tuple[Any, int, float]:
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
        return parts.columns(self.pictures.names), resumed, time.perf_counter() - started

    def _chunk(self, batch: int) -> int:
        """Images a chunk: whole batches, and enough chunks for every device to have some."""
        share = len(self.pictures) // (batch * _CHUNKS_A_DEVICE * len(self.devices))
        return batch * max(1, min(share, -(-_CHUNK // batch)))

    def _work(self, parts: Parts, pending: Sequence[int], report: Callable[[int], None]) -> None:
        from detkit import detectors

        detector, self.detector = self.detector, None
        if len(self.devices) == 1 and detector is not None:
            detectors.run_chunks(detector, self.pictures, parts, pending, report)
            return
        # The workers open their own: this one's memory on the first device is given back before.
        del detector
        detectors.run_on(self.devices, self.request, self.pictures, parts, pending, report)


def all_bad(findings: Sequence[Finding]) -> InputError:
    """No image of the run could be read."""
    first = findings[0]
    message = f"none of {plural(len(findings), 'image')} can be read, first `{first.image}`: {first.message}"
    return InputError(message)


def table_of(columns: Columns, source: Source, classes: Classes) -> tuple[Detections, list[Finding]]:
    """The rows in terms of the source's images and the classes, and what was noticed on the way."""
    images, findings = _images(columns.sizes, source)
    counts = np.maximum(columns.counts, 0)
    labels = int(columns.label.max(initial=-1)) + 1
    categories, to_category = in_classes(classes, labels)
    category = to_category[columns.label]
    detections = Detections.build(
        images,
        categories,
        image_index=np.repeat(np.arange(len(images)), counts),
        category_index=category,
        xywh=columns.xywh,
        score=columns.score,
        keypoints=columns.keypoints,
        shapes=columns.shapes,
    )
    foreign = category < 0
    if foreign.any():
        message = f"{int(foreign.sum())} detections of classes that the truth lacks are left out"
        findings.append(Finding("DK702", message, count=int(foreign.sum())))
        detections = detections.take(~foreign)
    return detections, findings


def _images(sizes: Any, source: Source) -> tuple[Images, list[Finding]]:
    pictures = source.pictures
    if source.truth is None:
        ids = np.arange(1, len(pictures) + 1, dtype=np.int64)
        return Images(ids, pictures.names, sizes, pictures.paths, has_own_ids=False), []
    known = source.truth.images
    differ = np.flatnonzero((known.sizes != sizes).any(axis=1) & np.isfinite(known.sizes + sizes).all(axis=1))
    findings = []
    if len(differ):
        i = int(differ[0])
        stated, found = ("x".join(f"{v:g}" for v in size[i]) for size in (known.sizes, sizes))
        where = f"first `{pictures.names[i]}`: {found}, stated {stated}"
        message = f"{plural(len(differ), 'image')} of another size than stated, {where}"
        findings.append(Finding("DK402", message, count=len(differ)))
    filled = np.where(np.isfinite(known.sizes), known.sizes, sizes)
    return replace(known, sizes=filled, paths=pictures.paths), findings
