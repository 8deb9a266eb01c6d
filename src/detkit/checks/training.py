"""What Ultralytics stumbles over: mixed rows, shared label files, a cache that is out of date."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from detkit.checks._base import Code, Context
from detkit.findings import Finding
from detkit.tables import Dataset
from detkit.wording import plural

__all__ = ["CODES", "run"]

CODES = (
    Code("DK606", "Box rows and polygon rows are mixed.",
         "Ultralytics then makes boxes of all rows of the set and drops the polygons. A fixed copy has one kind."),
    Code("DK607", "A `.cache` file beside the labels is older than a label in it.",
         "Ultralytics tells a change by names and sizes alone, and may train on the labels of yesterday. Delete it."),
    Code("DK608", "Two images share one label file.",
         "They differ by their suffix only, and YOLO labels are found by the name without it. Rename one."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of YOLO sets; nothing of other formats."""
    if dataset.source is None or dataset.source.format != "yolo":
        return
    yield from _mixed(dataset, context)
    places = context.places
    labels = [places.label_of(position) for position in range(len(dataset.images))]
    for cache, label in _stale({label for label in labels if label is not None}):
        text = f"older than `{PurePosixPath(label).name}`: Ultralytics may train on old labels"
        yield Finding("DK607", text, file=cache)
    first: dict[str, int] = {}
    shared = {}
    for position, held in enumerate(labels):
        if held is not None and first.setdefault(held, position) != position:
            shared[position] = first[held]
    names = dataset.images.file_names
    yield from context.of_images(
        "DK608", sorted(shared), lambda p: f"`{names[p]}` and `{names[shared[p]]}` share one label file"
    )


def _mixed(dataset: Dataset, context: Context) -> Iterator[Finding]:
    rows = dataset.annotations
    if rows.shapes is None or rows.keypoints is not None:
        return
    outlined = rows.shapes.kind != 0
    if outlined.all() or not outlined.any():
        return
    count = np.bincount(rows.image_index, minlength=len(dataset.images))
    drawn = np.bincount(rows.image_index, outlined, minlength=len(dataset.images))
    mixed = np.flatnonzero((drawn > 0) & (drawn < count)).tolist()
    if not mixed:
        polygons, boxes = int(outlined.sum()), int((~outlined).sum())
        text = f"{plural(polygons, 'row')} with polygons and {boxes} with boxes, in different files"
        yield context.of_dataset("DK606", text)
        return
    shown = mixed if context.limit is None else mixed[: context.limit]
    for position in shown:
        place = context.places.of_image(position)
        text = f"{int(drawn[position])} polygon rows and {int(count[position] - drawn[position])} box rows in one file"
        file = context.places.label_of(position) or place["file"]
        yield Finding("DK606", text, file=file, image=place["image"])
    yield from context.rest("DK606", len(mixed) - len(shown))


def _stale(labels: set[str]) -> Iterator[tuple[str, str]]:
    """(cache file, a label file that is newer) of each folder of labels, and of the folders above."""
    newest: dict[str, tuple[float, str]] = defaultdict(lambda: (0.0, ""))
    for label in labels:
        time = os.stat(label).st_mtime  # noqa: PTH116
        folder = os.path.dirname(label)  # noqa: PTH120
        newest[folder] = max(newest[folder], (time, label))
    for folder in sorted(newest):
        cache = Path(folder).with_suffix(".cache")
        if cache.is_file() and cache.stat().st_mtime < newest[folder][0]:
            yield str(cache), newest[folder][1]
