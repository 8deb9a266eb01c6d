"""How far a metric may be off because these images were drawn and not others: bootstrap intervals, permutation tests.

Boxes are matched once. A replicate draws images with replacement, as many as there are, and counts each as often as it
was drawn; its metrics are those of a data set in which the images are repeated. Several models share the draws, so that
their differences are paired. Where frames of one video or views of one scene depend on each other, whole groups are
drawn instead of images.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 (percentile interval) and 15
(permutation test).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation.outcomes import Outcomes, outcomes_of
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.replicates import Resampler, bootstrap_draw, permutation_draw, repeat
from detkit.evaluation.result import Evaluation, class_metric, metric_rows
from detkit.wording import plural

__all__ = [
    "TIE",
    "ClassIntervals",
    "Interval",
    "Intervals",
    "Resampling",
    "as_interval",
    "bootstrap",
    "class_rows",
    "group_places",
    "intervals",
    "outcomes_metrics",
    "p_values",
    "percentile_interval",
    "permuted_differences",
    "require_metrics",
]

Array = NDArray[np.float64]
#: Lower and upper end, None where no replicate defines the quantity.
Interval = tuple[float, float] | None
#: Values closer than this are equal: sums in another order differ by no more.
TIE = 1e-12


@dataclass(frozen=True)
class Resampling:
    """How images are resampled.

    Parameters
    ----------
    replicates : int
        Bootstrap replicates.
    seed : int
        Same seed, same numbers, on any machine and with any number of threads.
    level : float
        Share of replicates that an interval holds, 0 to 1.
    permutations : int
        Random exchanges of two models; 0 leaves p-values out.
    jobs : int, optional
        Threads; by default one a processor.
    """

    replicates: int = 1000
    seed: int = 0
    level: float = 0.95
    permutations: int = 1000
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise UsageError(f"bootstrap replicates: found {self.replicates}, expected 1 or more")
        if self.permutations < 0:
            raise UsageError(f"permutations: found {self.permutations}, expected 0 or more")
        if not 0 < self.level < 1:
            raise UsageError(f"level of the interval is {self.level:g}, expected a share between 0 and 1, as 0.95")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}, expected 0 or more")

    def to_dict(self, images: int, group_of: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Plain values for JSON, with what was drawn and how many of them there are."""
        return {
            "replicates": self.replicates,
            "permutations": self.permutations,
            "seed": self.seed,
            "level": self.level,
            "unit": "image" if group_of is None else "group",
            "units": images if group_of is None else int(group_of.max(initial=-1)) + 1,
            "method": "percentile",
            "generator": "PCG64",
        }


@dataclass(frozen=True)
class ClassIntervals:
    """Intervals of one class's metrics."""

    category_id: Any
    name: str
    metrics: Mapping[str, Interval]


@dataclass(frozen=True)
class Intervals:
    """Bootstrap intervals of an evaluation's metrics.

    Parameters
    ----------
    metrics : mapping of str to (Interval or None)
    per_class : tuple of ClassIntervals
        In ascending order of class id.
    undefined : mapping of str to int
        Metrics that some replicates leave undefined, and how many; those are left out of the interval.
    settings : mapping
    """

    metrics: Mapping[str, Interval]
    per_class: tuple[ClassIntervals, ...]
    undefined: Mapping[str, int]
    settings: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: metric -> [low, high] or null, then `per_class`, `undefined` and `settings`."""
        return {
            **{name: _plain(interval) for name, interval in self.metrics.items()},
            "per_class": [
                {
                    "category_id": row.category_id,
                    "name": row.name,
                    **{name: _plain(interval) for name, interval in row.metrics.items()},
                }
                for row in self.per_class
            ],
            "undefined": dict(self.undefined),
            "settings": dict(self.settings),
        }


def intervals(
    result: Evaluation,
    settings: Resampling | None = None,
    *,
    groups: Sequence[Any] | None = None,
    class_metrics: Sequence[str] | None = ("AP", "AP50"),
) -> Intervals:
    """Bootstrap percentile intervals of every metric of an evaluation.

    Parameters
    ----------
    result : Evaluation
    settings : Resampling, optional
    groups : sequence, optional
        Group of each image of `result.truth`, in its order: whole groups are drawn.
    class_metrics : sequence of str, optional
        Metrics of each class that get an interval; None for all of its average precisions.

    Returns
    -------
    Intervals

    Raises
    ------
    UsageError
        The protocol accumulates in a way that cannot be resampled, or there is not one group for each image.
    """
    settings = settings or Resampling()
    outcomes = outcomes_of(result)
    group_of = group_places(result, groups)
    rows, of_classes = metric_rows(result.protocol), class_rows(result.protocol, class_metrics)
    ((overall, per_class),) = bootstrap(
        [Resampler(outcomes, rows, of_classes)], len(outcomes.images), settings, group_of
    )
    ends = percentile_interval(overall, settings.level)
    class_ends = percentile_interval(per_class, settings.level)
    lost = np.isnan(overall).sum(axis=0)
    return Intervals(
        {row.name: as_interval(ends[:, n]) for n, row in enumerate(rows)},
        tuple(
            ClassIntervals(
                category_id,
                name,
                {class_metric(row): as_interval(class_ends[:, n, k]) for n, row in enumerate(of_classes)},
            )
            for k, (category_id, name) in enumerate(outcomes.classes)
        ),
        {row.name: int(lost[n]) for n, row in enumerate(rows) if lost[n]},
        {k: v for k, v in settings.to_dict(len(outcomes.images), group_of).items() if k != "permutations"},
    )


def bootstrap(
    models: Sequence[Resampler], images: int, settings: Resampling, group_of: NDArray[np.int64] | None = None
) -> list[tuple[Array, Array]]:
    """Metrics of every model in every replicate; all models see the same draws.

    Parameters
    ----------
    models : sequence of Resampler
    images : int
    settings : Resampling
    group_of : (I,) int64, optional
        Group of each image by its place in the order of ids.

    Returns
    -------
    list of ((R, rows) float64, (R, class rows, K) float64)
        One pair for each model; NaN where a replicate leaves a metric undefined.
    """
    draw = bootstrap_draw(settings.seed, images, group_of)

    def run(numbers: range) -> list[Array]:
        weights = np.stack([draw(r) for r in numbers])
        return [part for model in models for part in model.metrics(weights, weights)]

    arrays = repeat(run, settings.replicates, settings.jobs)
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def permuted_differences(
    both: Sequence[Resampler], images: int, settings: Resampling, group_of: NDArray[np.int64] | None = None
) -> list[tuple[Array, Array]]:
    """Differences of two models after they changed places on a random half of the images.

    Parameters
    ----------
    both : sequence of Resampler
        Each of two models' outcomes side by side (`Outcomes.beside`).
    images : int
    settings : Resampling
    group_of : (I,) int64, optional
        Whole groups are exchanged.

    Returns
    -------
    list of ((P, rows) float64, (P, class rows, K) float64)
    """
    draw = permutation_draw(settings.seed, images, group_of)

    def run(numbers: range) -> list[Array]:
        coins = np.stack([draw(r) for r in numbers])
        once = np.ones_like(coins)
        kept, swapped = np.hstack([1 - coins, coins]), np.hstack([coins, 1 - coins])
        return [
            b - a
            for model in both
            for a, b in zip(model.metrics(once, kept), model.metrics(once, swapped), strict=True)
        ]

    arrays = repeat(run, settings.permutations, settings.jobs)
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def percentile_interval(values: Array, level: float) -> Array:
    """Lower and upper end of the middle share of the replicates, NaN left out.

    Parameters
    ----------
    values : (R, ...) float64
    level : float

    Returns
    -------
    (2, ...) float64
        NaN where no replicate is defined. Between two replicates linear, as `numpy.quantile`.
    """
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        at = np.maximum(count - 1, 0) * share
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below = np.take_along_axis(ordered, low[None], 0)[0]
        above = np.take_along_axis(ordered, high[None], 0)[0]
        ends.append(below + (at - low) * (above - below))
    return np.stack(ends)


def p_values(observed: Array, permuted: Array) -> Array:
    """Two-sided permutation p-values: (1 + permutations at least as far from 0) / (1 + permutations).

    Parameters
    ----------
    observed : (...) float64
        The difference that was seen.
    permuted : (P, ...) float64

    Returns
    -------
    (...) float64
        NaN where the difference is undefined. Permutations that tie with what was seen count; those that leave the
        difference undefined do not.
    """
    defined = ~np.isnan(permuted)
    with np.errstate(invalid="ignore"):
        far = np.abs(permuted) >= np.abs(observed) - TIE
    found = (1 + (far & defined).sum(axis=0)) / (1 + defined.sum(axis=0))
    return np.where(np.isnan(observed), np.nan, found)


def class_rows(protocol: Protocol, wanted: Sequence[str] | None = None) -> list[Metric]:
    """The average precisions that a class has under a protocol, or those of them that are wanted.

    Parameters
    ----------
    protocol : Protocol
    wanted : sequence of str, optional
        Names as in `per_class`.

    Returns
    -------
    list of Metric
    """
    rows = [row for row in metric_rows(protocol) if row.statistic == "AP" and row.group is None]
    return [row for row in rows if wanted is None or class_metric(row) in wanted]


def group_places(result: Evaluation, groups: Sequence[Any] | None) -> NDArray[np.int64] | None:
    """Group of each image, numbered from 0, by the image's place in the order of ids.

    Parameters
    ----------
    result : Evaluation
    groups : sequence, optional
        Group of each image of the truth, in its order.

    Returns
    -------
    (I,) int64, optional

    Raises
    ------
    UsageError
        There is not one group for each image.
    """
    if groups is None:
        return None
    images = result.truth.images
    if len(groups) != len(images):
        raise UsageError(f"{plural(len(groups), 'group')} for {plural(len(images), 'image')}, expected one for each")
    places: dict[Any, int] = {}
    found = np.array([places.setdefault(group, len(places)) for group in groups], dtype=np.int64)
    return found[result.scored.layout.images]


def as_interval(ends: Array) -> Interval:
    """Two ends as plain floats, None where they are undefined."""
    return None if np.isnan(ends).any() else (float(ends[0]), float(ends[1]))


def outcomes_metrics(outcomes: Outcomes, model: Resampler) -> tuple[Array, Array]:
    """Metrics with every image counted once.

    Parameters
    ----------
    outcomes : Outcomes
    model : Resampler
        Of these outcomes.

    Returns
    -------
    overall : (rows,) float64
        NaN where undefined.
    per_class : (class rows, K) float64
    """
    once = np.ones((1, len(outcomes.images)), np.int32)
    overall, per_class = model.metrics(once, once)
    return overall[0], per_class[0]


def require_metrics(outcomes: Outcomes, metrics: Mapping[str, Any]) -> None:
    """Refuse outcomes that do not lead to the metrics a result states.

    Parameters
    ----------
    outcomes : Outcomes
    metrics : mapping of str to (float or None)

    Raises
    ------
    CannotJudgeError
    """
    rows = metric_rows(outcomes.protocol)
    overall, _ = outcomes_metrics(outcomes, Resampler(outcomes, rows))
    for row, value in zip(rows, overall.tolist(), strict=True):
        stated = metrics.get(row.name)
        if not np.isclose(value, np.nan if stated is None else stated, rtol=0, atol=1e-9, equal_nan=True):
            raise CannotJudgeError(f"they lead to {row.name} {value:.6g}, and the result states {stated}")


def _plain(interval: Interval) -> list[float] | None:
    return None if interval is None else list(interval)
