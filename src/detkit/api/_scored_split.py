"""Which split of the truth is scored, and what to say when the predictions are of another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detkit import formats
from detkit.errors import UsageError
from detkit.findings import Finding
from detkit.formats import ReadOptions
from detkit.tables import Dataset, Detections
from detkit.wording import examples, plural

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings

__all__ = ["other_splits", "scored_truth", "usual_split"]

#: Which split is scored when a dataset has several and none is named.
_SCORED = ("val", "valid", "validation", "test")


def scored_truth(
    truth: str | Path | Dataset, settings: EvaluationSettings, options: ReadOptions
) -> tuple[Dataset, Dataset]:
    """The part of the truth that is scored, and all of it."""
    if isinstance(truth, Dataset):
        everything = truth
    else:
        everything = formats.read_dataset(truth, settings.truth_format, options)
    known = list(everything.splits)
    wanted = _wanted(settings.split, everything)
    if wanted == "all" or (not known and isinstance(truth, Dataset)):
        return everything, everything
    if isinstance(truth, Dataset):
        if wanted not in known:
            raise UsageError(f"unknown split `{wanted}`; the truth has {', '.join(known)}")
        part = everything.take_images(everything.splits[wanted])
    else:
        part = formats.read_dataset(truth, settings.truth_format, replace(options, split=wanted))
    if settings.split is None:
        others = ", ".join(n for n in known if n != wanted)
        note = Finding("DK110", f"split `{wanted}` is scored (not {others}; `--split all` scores every image)")
        part = replace(part, findings=(*part.findings, note))
    return part, everything


def other_splits(split: str | None, everything: Dataset, detections: Detections, hint: str | None) -> str | None:
    """A hint that names the other splits, where the predictions have no image of the one that was scored.

    Parameters
    ----------
    split : str, optional
        As asked for.
    everything : Dataset
        All images of the truth.
    detections : Detections
    hint : str, optional
        What is said otherwise: it stays where the split is not what keeps the two apart.

    Returns
    -------
    str or None
    """
    from detkit.evaluation.images import match_images

    scored = _wanted(split, everything)
    if scored not in everything.splits or len(everything.splits) < 2 or not len(detections.images):
        return hint
    image_of, _ = match_images(everything.images, detections.images)
    met = image_of[image_of >= 0]
    fitting = {name: int(np.isin(met, members).sum()) for name, members in everything.splits.items()}
    if fitting.pop(scored):
        return hint
    read = f"split `{scored}` was taken{' by default' if split is None else ''}"
    fits = [name for name, count in fitting.items() if count]
    if not fits:
        return f"{hint}; {read}, and no other one fits either ({examples(list(fitting), len(fitting))})"
    best = max(fits, key=lambda name: fitting[name])
    told = ", ".join(f"{plural(fitting[name], 'predicted image')} in `{name}`" for name in fits)
    return f"{read}, and there are {told}: add `--split {best}`, or `--split all` for every image"


def _wanted(split: str | None, everything: Dataset) -> str:
    """The split that is scored, `all` for every image."""
    return usual_split(everything) if split is None else split or "all"


def usual_split(dataset: Dataset) -> str:
    """The split that is looked at where none is named: `val` or `test` of several, else `all` for every image."""
    known = dataset.splits
    return next((name for name in _SCORED if name in known), "all") if len(known) > 1 else "all"
