"""The end of a prediction: what the parts hold as one table, or streamed to the target part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detkit import files, formats
from detkit.api._classes import Classes, in_classes
from detkit.api._sources import Source
from detkit.api._thresholds import Thresholds
from detkit.errors import InputError, OutputError, UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Categories, Detections, Images
from detkit.wording import examples, plural

if TYPE_CHECKING:
    from detkit.detectors import Columns, Parts, Pictures

__all__ = ["Outcome", "Output", "finish", "output_of"]


@dataclass(frozen=True)
class Output:
    """Where a run writes: target, format, and for folders of shards how many rows a shard."""

    target: Path
    format: str
    overwrite: bool = False
    shard_rows: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found.

    Parameters
    ----------
    detections : Detections, optional
        None where they went straight to the target.
    boxes, unreadable, absent : int
    findings : tuple of Finding
    losses : tuple of Loss
    """

    detections: Detections | None
    boxes: int
    unreadable: int
    absent: int
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]


def output_of(target: str | Path, format: str | None, *, overwrite: bool, shard_rows: int | None) -> Output:
    """Where a run writes, once it is known that it may: before the run, not after an hour of it.

    Raises
    ------
    UsageError
        The format is unknown, needs an extra that is not installed, or has no shards.
    OutputError
        The target exists.
    """
    known = formats.names("detections", "write")
    name = format or formats.format_of_target(target, "detections")
    if name is None:
        raise UsageError(
            f"{target}: the name does not tell the format",
            hint=f"end it in .json, .csv or .parquet, or name it with --format: {', '.join(known)}",
        )
    if name not in known:
        raise UsageError(f"format `{name}` does not write predictions; those that do: {', '.join(known)}")
    formats.require(name)
    output = Output(Path(target), name, overwrite, shard_rows)
    _check_shards(output)
    files.check_target(target, overwrite=overwrite)
    return output


def _check_shards(output: Output) -> None:
    if output.shard_rows is None:
        return
    if output.shard_rows < 1:
        raise UsageError(f"shard rows: found {output.shard_rows}, expected 1 or more")
    able = [name for name in formats.names("detections", "write") if formats.can_stream(name)]
    one_file = output.target.suffix.lower() in formats.capabilities(output.format).file_suffixes
    if output.format not in able or one_file:
        raise UsageError(
            f"{output.target}: `{output.format}` in one file has no shards"
            if output.format in able
            else f"format `{output.format}` has no shards; those that do: {', '.join(able)}",
            hint="write a folder: `-o found --format parquet --shard-rows N`",
        )


def finish(
    parts: Parts, source: Source, classes: Classes, output: Output | None, thresholds: Thresholds | None
) -> Outcome:
    """What the parts hold, written to the output where there is one.

    Parameters
    ----------
    parts : Parts
        Complete.
    source : Source
    classes : Classes
    output : Output, optional
        A format that can be streamed is written part by part: memory holds one, however many boxes there are.
    thresholds : Thresholds, optional

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        No image could be read; the parts are gone then.
    """
    head = parts.head(source.pictures.names)
    failed = np.flatnonzero(head.counts < 0)
    if len(failed) == len(source.pictures):
        parts.remove()
        raise _all_bad(head.findings)
    bad, absent = _unread(failed, head.findings, source.pictures)
    unreadable = len(failed) - absent
    images, notes = _images(head.sizes, source)
    categories, to_category = in_classes(classes, head.labels)
    choice = _Choice(to_category, None if thresholds is None else thresholds.check(categories))
    rows = _Rows(parts, images, categories, choice, np.maximum(head.counts, 0))
    findings = [*bad, *notes]
    if output is not None and formats.can_stream(output.format):
        counts, foreign = rows.counts()
        with _answers_kept():
            losses = formats.stream_detections(
                rows.batches(),
                output.target,
                output.format,
                images=images,
                categories=categories,
                counts=counts,
                columns=head.columns,
                rows=output.shard_rows,
                overwrite=output.overwrite,
            )
        return Outcome(None, int(counts.sum()), unreadable, absent, (*findings, *_foreign(foreign)), tuple(losses))
    detections, foreign = rows.table(parts.columns(source.pictures.names))
    losses = []
    if output is not None:
        with _answers_kept():
            losses = formats.write_detections(detections, output.target, output.format, overwrite=output.overwrite)
    return Outcome(detections, len(detections), unreadable, absent, (*findings, *_foreign(foreign)), tuple(losses))


@dataclass(frozen=True, eq=False)
class _Choice:
    """Which rows of a run are written: those of known classes that reach their class's threshold.

    Parameters
    ----------
    to_category : (C,) int64
        -1 for a class that the truth lacks.
    limits : (K,) float64, optional
    """

    to_category: NDArray[np.int64]
    limits: NDArray[np.float64] | None

    @property
    def takes_all(self) -> bool:
        return self.limits is None and bool((self.to_category >= 0).all())

    def of(self, columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
        """Category of each row, which rows stay, and how many are of classes that the truth lacks."""
        category = self.to_category[columns.label]
        known = category >= 0
        kept = known
        if self.limits is not None and len(self.limits):
            kept = known & (columns.score >= self.limits[category])
        return category, kept, int(np.count_nonzero(~known))


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a run in terms of its images and categories."""

    parts: Parts
    images: Images
    categories: Categories
    choice: _Choice
    found: NDArray[np.int64]

    def counts(self) -> tuple[NDArray[np.int64], int]:
        """Rows of each image that are written, (I,) int64, and how many are of classes that the truth lacks."""
        if self.choice.takes_all:
            return self.found, 0
        counts = np.zeros(len(self.found), np.int64)
        foreign = first = 0
        for columns in self.parts.each(outlines=False):
            _, kept, strange = self.choice.of(columns)
            mine = np.maximum(columns.counts, 0)
            image = first + np.repeat(np.arange(len(mine)), mine)
            counts += np.bincount(image[kept], minlength=len(counts))
            foreign += strange
            first += len(mine)
        return counts, foreign

    def batches(self) -> Iterator[Detections]:
        """The rows that are written, a chunk of images after the other."""
        first = 0
        for columns in self.parts.each():
            yield self.table(columns, first)[0]
            first += len(columns.counts)

    def table(self, columns: Columns, first: int = 0) -> tuple[Detections, int]:
        """The rows of some images, the first one at that position, and how many are of unknown classes."""
        counts = np.maximum(columns.counts, 0)
        category, kept, foreign = self.choice.of(columns)
        detections = Detections.build(
            self.images,
            self.categories,
            image_index=first + np.repeat(np.arange(len(counts)), counts),
            category_index=category,
            xywh=columns.xywh,
            score=columns.score,
            keypoints=columns.keypoints,
            shapes=columns.shapes,
        )
        return detections if kept.all() else detections.take(kept), foreign


def _foreign(count: int) -> list[Finding]:
    message = f"{plural(count, 'detection is', 'detections are')} left out: their classes are not in the truth"
    return [Finding("DK702", message, count=count)] if count else []


@contextmanager
def _answers_kept() -> Iterator[None]:
    """Where the output cannot be written, the message says that no answer is lost."""
    try:
        yield
    except OutputError as error:
        hint = error.hint or "every answer is kept: make room and write them with `--resume`"
        raise OutputError(error.message, hint=hint) from error


def _unread(failed: NDArray[np.int64], findings: Sequence[Finding], pictures: Pictures) -> tuple[list[Finding], int]:
    """Findings about images without an answer, and how many of them have no file: one finding counts those.

    Parameters
    ----------
    failed : (F,) int64
        Their positions.
    findings : sequence of Finding
        What went wrong, one for each.
    pictures : Pictures
    """
    there = [path is not None and os.path.exists(path) for path in (pictures.paths[i] for i in failed)]  # noqa: PTH110
    kept = [finding for finding, exists in zip(findings, there, strict=True) if exists]
    absent = [pictures.names[i] for i, exists in zip(failed, there, strict=True) if not exists]
    if not absent:
        return kept, 0
    message = (
        f"{len(absent)} of {plural(len(pictures), 'image')} have no file here and count as images without detections: "
        f"{examples(absent)} (give the folder that holds them as IMAGES)"
    )
    return [Finding("DK401", message, count=len(absent)), *kept], len(absent)


def _all_bad(findings: Sequence[Finding]) -> InputError:
    """No image of the run could be read."""
    first = findings[0]
    message = f"none of {plural(len(findings), 'image')} can be read, first `{first.image}`: {first.message}"
    return InputError(message)


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
