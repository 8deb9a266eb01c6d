"""Evaluations in shards: each writes a part, and the parts are folded to exactly the answer of one process.

Shard i of n (i from 1) scores some of the predicted images: of a folder of Parquet shards that detkit wrote, whole
files in the order of their names, of which no other is read; of anything else, images by their position among the
predicted ones. File k of F goes to shard `k * n // F + 1`, counted from 0, and images likewise. Truths are counted over
the whole truth in every shard, and compared.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.api import _part_settings
from detkit.api._part_files import read_part, write_part
from detkit.api._part_set import fold_parts
from detkit.api._request import request_of
from detkit.api._scored_split import scored_truth
from detkit.api._scoring_input import loaded, narrowed, options_of, read_predictions, selected
from detkit.api._shard_input import Portion, ShardFiles, WholeTable, shard_files
from detkit.api.scoring import EvaluationSettings, protocol_of
from detkit.api.tables import refuse_unusable
from detkit.errors import UsageError
from detkit.formats import ReadOptions
from detkit.tables import Dataset, freeze

if TYPE_CHECKING:
    from detkit.evaluation.partial import Judged, Own, Part
    from detkit.evaluation.result import Evaluation

__all__ = ["evaluate_in_shards", "evaluate_shard", "merge_results", "parse_shard", "part_name"]


def evaluate_shard(
    truth: str | Path,
    predictions: str | Path,
    shard: tuple[int, int] | str,
    target: str | Path,
    settings: EvaluationSettings | None = None,
    *,
    overwrite: bool = False,
    **changes: Any,
) -> str:
    """The path of the part file that was written.

    Parameters
    ----------
    truth, predictions : path-like
        The same in every shard.
    shard : (int, int) or str
        Number from 1 and count: `(2, 16)` or `"2/16"`.
    target : path-like
    settings : EvaluationSettings, optional
        The same in every shard.
    overwrite : bool
    **changes
        Fields of `EvaluationSettings`.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        No such shard, or settings that need all predictions at once.
    InputError, CannotJudgeError
        See `detkit.api.scoring.evaluate`.
    """
    number, count = parse_shard(shard) if isinstance(shard, str) else shard
    _check(number, count)
    prepared = _prepare(truth, predictions, replace(settings or EvaluationSettings(), **changes))
    write_part(prepared.part(number, count), target, overwrite=overwrite)
    return str(target)


def merge_results(parts: Sequence[str | Path], *, jobs: int | None = None) -> Evaluation:
    """The evaluation that one process would have made, from all parts of it.

    Parameters
    ----------
    parts : sequence of path-like
        In any order.
    jobs : int, optional
        Threads, each with one class in memory; by default one a processor.

    Returns
    -------
    Evaluation
        Equal to the last bit. Its tables say how many rows there are and nothing of them: analyses and match tables
        need an evaluation in one process.

    Raises
    ------
    InputError
        A file is no part, or damaged.
    UsageError
        A part is missing or given twice.
    CannotJudgeError
        Parts of different evaluations: other settings, truth, predictions or number of shards.
    """
    return fold_parts([(str(path), read_part(path)) for path in parts], jobs=jobs)


def evaluate_in_shards(
    truth: str | Path,
    predictions: str | Path,
    shards: int,
    settings: EvaluationSettings | None = None,
    *,
    processes: int = 1,
    **changes: Any,
) -> Evaluation:
    """The evaluation of one process, shard by shard: memory holds the predictions of one shard.

    Parameters
    ----------
    truth, predictions : path-like
    shards : int
    settings : EvaluationSettings, optional
    processes : int
        Shards at a time, each in a process of its own that reads the truth; by default one after the other in this
        one.
    **changes
        Fields of `EvaluationSettings`.

    Returns
    -------
    Evaluation
        As `merge_results`.

    Raises
    ------
    UsageError, InputError, CannotJudgeError
        As `evaluate_shard` and `merge_results`.
    """
    from detkit.evaluation.shift import suspicious_ap

    settings = replace(settings or EvaluationSettings(), **changes)
    _check(1, shards)
    with tempfile.TemporaryDirectory(prefix="detkit-") as scratch:
        targets = [Path(scratch) / part_name(number, shards) for number in range(1, shards + 1)]
        write = partial(_in_processes, processes=processes) if processes > 1 else _in_turn
        # Looking for shifted class numbers is most of the work, and a low AP the only reason for it.
        by_number = write(truth, predictions, targets, settings, looks=False)
        result = merge_results(targets, jobs=settings.jobs)
        if by_number and suspicious_ap(result) is not None:
            write(truth, predictions, targets, settings, looks=True)
            result = merge_results(targets, jobs=settings.jobs)
        return result


def parse_shard(text: str) -> tuple[int, int]:
    """Number and count of `2/16`.

    Raises
    ------
    UsageError
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if not match:
        raise UsageError(f"shard: found `{text}`, expected `i/n` such as `2/16`")
    _check(int(match[1]), int(match[2]))
    return int(match[1]), int(match[2])


def part_name(number: int, count: int) -> str:
    """File name of a part: `part-00002-of-00016.npz`.

    Parameters
    ----------
    number, count : int

    Returns
    -------
    str
    """
    return f"part-{number:05d}-of-{count:05d}.npz"


def _check(number: int, count: int) -> None:
    if not 1 <= number <= count:
        raise UsageError(f"shard {number}/{count}: the number goes from 1 to {count or 'the count'}")


def _in_turn(
    truth: str | Path, predictions: str | Path, targets: Sequence[Path], settings: EvaluationSettings, *, looks: bool
) -> bool:
    """Write the parts one after the other; whether any predictions meet the truth's classes by number."""
    prepared = _prepare(truth, predictions, settings)
    by_number = False
    for number, target in enumerate(targets, 1):
        part = prepared.part(number, len(targets), looks=looks)
        by_number |= part.meta["by_number"]
        write_part(part, target, overwrite=True)
    return by_number


def _in_processes(
    truth: str | Path,
    predictions: str | Path,
    targets: Sequence[Path],
    settings: EvaluationSettings,
    *,
    looks: bool,
    processes: int,
) -> bool:
    """As `_in_turn`, some at a time, each in a process that reads the truth for itself."""
    settings = replace(settings, jobs=max(1, (os.cpu_count() or 1) // processes))
    shards = len(targets)
    with ProcessPoolExecutor(min(processes, shards), mp_context=get_context("spawn")) as pool:
        tasks = [
            pool.submit(_one, truth, predictions, (number, shards), target, settings, looks)
            for number, target in enumerate(targets, 1)
        ]
        found = [task.result() for task in tasks]
    return any(found)


def _one(
    truth: str | Path,
    predictions: str | Path,
    shard: tuple[int, int],
    target: Path,
    settings: EvaluationSettings,
    looks: bool,
) -> bool:
    part = _prepare(truth, predictions, settings).part(*shard, looks=looks)
    write_part(part, target, overwrite=True)
    return bool(part.meta["by_number"])


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Truth and settings, read once for any number of shards of one process."""

    settings: EvaluationSettings
    stated: dict[str, Any]
    dataset: Dataset
    everything: Dataset
    judged: Judged
    source: ShardFiles | WholeTable

    def part(self, number: int, count: int, *, looks: bool = True) -> Part:
        from detkit.evaluation.partial import Part, plain_findings, score_part

        portion = self.source.portion(number, count)
        own, class_of = self._own(portion)
        part = score_part(self.judged, own, jobs=self.settings.jobs, looks=looks)
        table, source = portion.table, self.dataset.source
        meta: dict[str, Any] = {
            "shard": [number, count],
            "settings": self.stated,
            "request": request_of(self.settings),
            "truth": {
                "path": source and source.path,
                "format": source and source.format,
                "sha256": source and source.sha256,
            },
            "predictions": dict(portion.source),
            "predicted_images": _part_settings.plain_images(table.images),
            "predicted_classes": _part_settings.plain_categories(table.categories),
            "has_boxes": table.has_boxes,
            "units": table.units,
            **part.meta,
        }
        meta["findings"] = {**meta["findings"], "predictions": plain_findings(portion.findings)}
        if number == 1:
            meta["truth_images"] = _part_settings.plain_images(self.dataset.images)
            meta["truth_classes"] = _part_settings.plain_categories(self.dataset.categories)
            split = self.everything is not self.dataset
            meta["elsewhere"] = _part_settings.plain_images(self.everything.images) if split else None
        arrays = {
            **part.arrays,
            "image_key": portion.key,
            "image_rows": np.bincount(table.image_index, minlength=len(table.images)),
            "class_of": class_of,
            "class_rows": np.bincount(table.category_index, minlength=len(table.categories)),
        }
        return Part(meta, arrays)

    def _own(self, portion: Portion) -> tuple[Own, Any]:
        """Aligned rows of a shard, and the truth's class of each predicted one."""
        from detkit.evaluation.partial import Own, match_own_images

        table, image_of = portion.table, portion.image_of
        if image_of is None:
            image_of = match_own_images(self.dataset.images, table.images)
        whole = self.source.table if isinstance(self.source, WholeTable) else None
        class_of, categories, by = self._classes(table, whole)
        aligned, outside = _aligned(self.dataset, categories, table, image_of, class_of)
        kept = selected(aligned, self.settings)
        counts = {"outside_truth": outside, "unmapped": len(table) - len(aligned.detections) - outside}
        return Own(kept.detections, image_of, by != "name", counts), class_of

    def _classes(self, table: Any, whole: Any) -> tuple[Any, Any, Any]:
        """As all predictions meet the truth's classes: which of them have rows matters to what is counted only."""
        from detkit.evaluation.classes import match_classes

        probe = whole if whole is not None else table.take(np.zeros(0, np.int64))
        given = self.stated["class_map"], self.settings.unmapped
        found, categories, by, _ = match_classes(self.dataset, probe, *given)
        if by == "position" and whole is None and len(table) and table.category_index.max() >= len(categories):
            match_classes(self.dataset, table, *given)  # raises: it names the row
        return found, categories, by


def _aligned(dataset: Dataset, categories: Any, table: Any, image_of: Any, class_of: Any) -> tuple[Any, int]:
    """As `detkit.evaluation.align.align` cuts and sorts rows; how many lie on images outside the truth."""
    from detkit.evaluation.align import Aligned

    image, category = image_of[table.image_index], class_of[table.category_index]
    rows = np.flatnonzero((image >= 0) & (category >= 0))
    rows = rows[np.argsort(image[rows], kind="stable")]
    detections = replace(
        table.take(rows),
        images=dataset.images,
        categories=categories,
        image_index=freeze(image[rows], np.int64),
        category_index=freeze(category[rows], np.int64),
    )
    truth = replace(dataset, categories=categories)
    outside = int(np.count_nonzero(image < 0))
    return Aligned(truth, detections, np.zeros(0, np.bool_), outside, 0, "name", ()), outside


def _prepare(truth: str | Path, predictions: str | Path, settings: EvaluationSettings) -> _Prepared:
    from detkit.evaluation.align import Aligned
    from detkit.evaluation.images import match_images
    from detkit.evaluation.partial import judge_truth, no_detections

    _part_settings.refuse_unsharded(settings)
    settings = loaded(settings)
    protocol = protocol_of(settings)
    options = options_of(settings, protocol)
    dataset, everything = scored_truth(truth, settings, options)
    refuse_unusable(dataset.findings, settings.drop_invalid)
    dataset = narrowed(dataset, settings)
    stated = _part_settings.plain_settings(settings)
    source = _source(predictions, settings, options, everything)
    categories = dataset.categories
    if isinstance(source, WholeTable):
        from detkit.evaluation.classes import match_classes

        source = WholeTable(source.table, match_images(dataset.images, source.table.images)[0])
        _, categories, _, _ = match_classes(dataset, source.table, stated["class_map"], settings.unmapped)
    counted = replace(dataset, categories=categories)
    nobody = np.zeros(0, np.bool_)
    chosen = selected(Aligned(counted, no_detections(counted), nobody, 0, 0, "name", ()), settings)
    judged = judge_truth(chosen.truth, protocol, jobs=settings.jobs)
    return _Prepared(settings, stated, dataset, everything, judged, source)


def _source(
    predictions: str | Path, settings: EvaluationSettings, options: ReadOptions, truth: Dataset
) -> ShardFiles | WholeTable:
    """Own files where that is enough to know what one reader of all would say; else the whole table."""
    readable = settings.predictions_format in ("auto", "parquet")
    if readable and settings.unmapped == "ignore" and not settings.drop_invalid:
        chosen = replace(options, layout=settings.layout, reference_images=truth.images)
        found = shard_files(predictions, chosen, truth)
        if found is not None:
            return found
    table = read_predictions(predictions, settings, options, truth.images)
    refuse_unusable(table.findings, settings.drop_invalid)
    return WholeTable(table, np.zeros(0, np.int64))
