"""What moved a metric between two results of one truth: which classes, and which images.

A mean over classes moves by the mean of its classes' changes, so every class has a share of the change, and the shares
add up to it. Images are compared at one operating point: true and false positives and misses at the reference overlap,
each model at the score where its own F1 was highest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError
from detkit.evaluation._gate_names import ALIASES
from detkit.evaluation.schemas import MATCHES
from detkit.wording import plural

__all__ = ["ClassChange", "Explanation", "ImageChange", "best_score", "explain", "image_counts", "statistics_of"]

#: Images listed.
_TOP = 10
#: Statistics explained at most: each is a table.
_MOST_STATISTICS = 3

Matches = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One class before (the baseline) and after.

    Parameters
    ----------
    category_id : object
    name : str
    before, after : float or None
        None where undefined.
    delta : float or None
        After less before.
    share : float or None
        What the class adds to the change of the mean over classes.
    ground_truths : int or None
    """

    category_id: Any
    name: str
    before: float | None
    after: float | None
    delta: float | None
    share: float | None
    ground_truths: int | None


@dataclass(frozen=True, slots=True)
class ImageChange:
    """One image: [true positives, false positives, misses] before and after; its name where the truth has one."""

    image_id: Any
    file_name: str | None
    before: tuple[int, int, int]
    after: tuple[int, int, int]

    @property
    def errors(self) -> int:
        """How many false positives and misses came to it."""
        return self.after[1] + self.after[2] - self.before[1] - self.before[2]


@dataclass(frozen=True)
class Explanation:
    """What moved one statistic.

    Parameters
    ----------
    metric : str
    before, after, delta : float or None
        Of all classes together.
    classes : tuple of ClassChange
        Those that moved, the largest fall first.
    unmoved : int
        Classes that did not move, or are undefined.
    images : tuple of ImageChange
        With the most new errors first, at most ten; empty without matches.
    worse, better, same : int
        Images with more, fewer and as many errors as before.
    iou : float or None
        Overlap a match needs in the images' counts.
    scores : tuple of float or None
        (before, after): detections with score >= it are counted.
    notes : tuple of str
        What could not be said, and why.
    """

    metric: str
    before: float | None
    after: float | None
    delta: float | None
    classes: tuple[ClassChange, ...]
    unmoved: int
    images: tuple[ImageChange, ...] = ()
    worse: int = 0
    better: int = 0
    same: int = 0
    iou: float | None = None
    scores: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("tp", "fp", "fn")
        images = [
            {
                "image_id": image.image_id,
                "file_name": image.file_name,
                "before": dict(zip(names, image.before, strict=True)),
                "after": dict(zip(names, image.after, strict=True)),
                "new_errors": image.errors,
            }
            for image in self.images
        ]
        counts = {"worse": self.worse, "better": self.better, "same": self.same}
        return {
            "metric": self.metric,
            "before": self.before,
            "after": self.after,
            "delta": self.delta,
            "classes": [asdict(row) for row in self.classes],
            "unmoved": self.unmoved,
            "images": {
                "iou": self.iou,
                "scores": None if self.scores is None else {"before": self.scores[0], "after": self.scores[1]},
                **counts,
                "most_new_errors": images,
            },
            "notes": list(self.notes),
        }


def statistics_of(rows: Iterable[Mapping[str, Any]], result: Mapping[str, Any]) -> tuple[str, ...]:
    """Which per-class statistics explain these verdicts: those of failed rules, else of all; at most three.

    Parameters
    ----------
    rows : iterable of mapping
        Rules of a verdict, as `GateReport.to_dict()["rules"]` has them.
    result : mapping
        A validated result.

    Returns
    -------
    tuple of str
        Fields of `per_class`; the first one there when no rule speaks of any.
    """
    known = _statistics(result)
    rows = list(rows)
    fallen = [row for row in rows if row["verdict"] in ("fail", "warn")] or rows
    found = dict.fromkeys(stat for row in fallen if (stat := _statistic(str(row["metric"]), known)) is not None)
    return tuple(found)[:_MOST_STATISTICS] or tuple(known)[:1]


def explain(
    result: Mapping[str, Any],
    baseline: Mapping[str, Any],
    metric: str = "AP",
    *,
    matches: Matches | None = None,
    baseline_matches: Matches | None = None,
) -> Explanation:
    """What moved a statistic from the baseline to a result.

    Parameters
    ----------
    result, baseline : mapping
        Validated results of the same truth and protocol.
    metric : str
        A field of `per_class`, `AP50`.
    matches, baseline_matches : mapping of str to array, optional
        Saved matches of the two, as `detkit.evaluation.matches.compact` makes them.

    Returns
    -------
    Explanation

    Raises
    ------
    CannotJudgeError
        The results hold no values per class.
    InputError
        Something else than matches of these results.
    """
    if not result["per_class"] or not baseline["per_class"]:
        raise CannotJudgeError("the results hold no values per class: nothing to explain by")
    rows, notes = _class_changes(result, baseline, metric)
    moved = sorted((r for r in rows if r.delta), key=lambda r: (r.delta or 0.0, r.name))
    before, after = _overall(baseline, metric, rows, "before"), _overall(result, metric, rows, "after")
    found = Explanation(
        metric, before, after, _difference(after, before), tuple(moved), len(rows) - len(moved), notes=tuple(notes)
    )
    if matches is None or baseline_matches is None:
        return found
    return _with_images(found, (baseline, baseline_matches), (result, matches))


def best_score(result: Mapping[str, Any]) -> float:
    """The score at which F1 over all classes is highest, from the result's counts; 0 where it holds none.

    Parameters
    ----------
    result : mapping
        A validated result.

    Returns
    -------
    float
        The lowest such score of the result's grid.
    """
    points = result.get("operating_points")
    if not points or not points["score"]:
        return 0.0
    tp, fp, fn = (np.asarray(points[key], np.float64) for key in ("tp", "fp", "fn"))
    under = 2 * tp + fp + fn
    f1 = np.divide(2 * tp, under, out=np.zeros_like(tp), where=under > 0)
    return float(points["score"][int(np.argmax(f1))])


def image_counts(matches: Matches, score: float) -> tuple[list[Any], NDArray[np.int64], float]:
    """Hits and errors of every image at the reference overlap, all areas.

    Parameters
    ----------
    matches : mapping of str to array
        As `detkit.evaluation.matches.compact` makes them.
    score : float
        Detections with score >= it are counted.

    Returns
    -------
    image_ids : list
    counts : (I, 3) int64
        True positives, false positives, misses.
    iou : float
        The reference overlap: 0.5 where it is one of the protocol's, else the first.

    Raises
    ------
    InputError
        The arrays are not those of saved matches.
    """
    from detkit.kernels.match import FALSE, TRUE  # here: explaining classes needs no kernels

    try:
        meta = json.loads(bytes(matches["meta"]))
        if meta["schema"] != MATCHES:
            raise ValueError(meta["schema"])
        ids, thresholds = meta["image_ids"], meta["protocol"]["iou_thresholds"]
        t = thresholds.index(0.5) if 0.5 in thresholds else 0
        outcome = matches["outcome"][0, t]
        kept = matches["dt_score"] >= score
        image = matches["dt_image"]
        truths = matches["gt_image"][~matches["gt_ignored"][0]]
        counts = np.zeros((len(ids), 3), np.int64)
        counts[:, 0] = np.bincount(image[kept & (outcome == TRUE)], minlength=len(ids))
        counts[:, 1] = np.bincount(image[kept & (outcome == FALSE)], minlength=len(ids))
        counts[:, 2] = np.bincount(truths, minlength=len(ids)) - counts[:, 0]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"not saved matches of an evaluation: {error}") from error
    return ids, counts, float(thresholds[t])


def _with_images(
    found: Explanation, old: tuple[Mapping[str, Any], Matches], new: tuple[Mapping[str, Any], Matches]
) -> Explanation:
    scores = best_score(old[0]), best_score(new[0])
    ids, before, iou = image_counts(old[1], scores[0])
    new_ids, after, _ = image_counts(new[1], scores[1])
    if ids != new_ids:
        note = "the saved matches are of other images than the baseline's: images are not compared"
        return replace(found, notes=(*found.notes, note))
    change = after[:, 1:].sum(axis=1) - before[:, 1:].sum(axis=1)
    # Most new errors first; where they are equal, fewer hits than before, then the order of ids.
    order = np.lexsort((np.arange(len(ids)), after[:, 0] - before[:, 0], -change))
    worst = [i for i in order[:_TOP].tolist() if change[i] > 0]
    names = _file_names(new[1]) or _file_names(old[1]) or [None] * len(ids)
    images = tuple(ImageChange(ids[i], names[i], tuple(before[i].tolist()), tuple(after[i].tolist())) for i in worst)
    worse, better = int(np.count_nonzero(change > 0)), int(np.count_nonzero(change < 0))
    same = len(ids) - worse - better
    return replace(found, images=images, worse=worse, better=better, same=same, iou=iou, scores=scores)


def _file_names(matches: Matches) -> list[Any] | None:
    """A name for each image, None where the truth has none, or an earlier version saved the matches."""
    meta = json.loads(bytes(matches["meta"]))
    names = meta.get("file_names")
    whole = isinstance(names, list) and len(names) == len(meta["image_ids"])
    return [name if isinstance(name, str) and name else None for name in names] if whole else None


def _class_changes(
    result: Mapping[str, Any], baseline: Mapping[str, Any], metric: str
) -> tuple[list[ClassChange], list[str]]:
    """One change a class of both results; shares where the two means go over the same classes."""
    old = {_key(row): row for row in baseline["per_class"]}
    pairs = [(row, old[_key(row)]) for row in result["per_class"] if _key(row) in old]
    strangers = len(result["per_class"]) + len(old) - 2 * len(pairs)
    values = [(_value(before, metric), _value(after, metric)) for after, before in pairs]
    same = not strangers and all((a is None) == (b is None) for a, b in values)
    count = sum(a is not None for a, _ in values)
    rows = []
    for (after, _), (was, now) in zip(pairs, values, strict=True):
        delta = None if was is None or now is None else _difference(now, was)
        share = delta / count if delta is not None and same and count else None
        rows.append(ClassChange(after.get("category_id"), after["name"], was, now, delta, share, _truths(after)))
    notes = [f"{plural(strangers, 'class is', 'classes are')} in one of the two results only"] if strangers else []
    return rows, notes


def _overall(side: Mapping[str, Any], metric: str, rows: list[ClassChange], which: str) -> float | None:
    """The result's own figure over all classes, or the mean of the classes where it has none."""
    metrics = side["metrics"]
    own = metrics.get(metric, metrics.get("mAP") if metric == "AP" else None)
    if _finite(own) is not None:
        return _finite(own)
    values = [value for row in rows if (value := getattr(row, which)) is not None]
    return math.fsum(values) / len(values) if values else None


def _statistic(path: str, known: list[str]) -> str | None:
    """`AP50` of `class.person.AP50`, `APsmall` of `size.small.AP`; None where classes have no such figure."""
    last = path.rpartition(".")[2] if "." in path else path
    if path.startswith("size."):
        last = f"{last}{path.split('.')[1]}"
    last = ALIASES.get(last, last)
    return last if last in known else None


def _statistics(result: Mapping[str, Any]) -> list[str]:
    counts = ("category_id", "name", "ground_truths", "detections")
    return list(
        dict.fromkeys(
            key
            for row in result["per_class"]
            for key, value in row.items()
            if key not in counts and (value is None or isinstance(value, float | int))
        )
    )


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row.get("category_id")), row["name"]


def _value(row: Mapping[str, Any], metric: str) -> float | None:
    return _finite(row.get(metric))


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _truths(row: Mapping[str, Any]) -> int | None:
    count = row.get("ground_truths")
    return count if isinstance(count, int) else None


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
