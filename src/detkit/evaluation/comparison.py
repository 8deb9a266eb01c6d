"""Two or more models on one truth: differences with intervals and p-values, and who comes first how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit._version import __version__
from detkit.errors import UsageError
from detkit.evaluation.outcomes import Outcomes, outcomes_of, require_same_truth
from detkit.evaluation.protocols import Protocol
from detkit.evaluation.replicates import Resampler
from detkit.evaluation.result import Evaluation, class_metric, metric_rows
from detkit.evaluation.uncertainty import (
    TIE,
    Interval,
    Resampling,
    as_interval,
    bootstrap,
    class_rows,
    group_places,
    outcomes_metrics,
    p_values,
    percentile_interval,
    permuted_differences,
)
from detkit.findings import Finding

__all__ = ["Comparison", "Difference", "Pair", "Standing", "compare"]

Array = NDArray[np.float64]
_CLASS_METRICS = ("AP", "AP50")


@dataclass(frozen=True)
class Difference:
    """One metric of two models.

    Parameters
    ----------
    a, b : float, optional
        None where undefined.
    delta : float, optional
        b - a.
    ci : (float, float), optional
        Bootstrap percentile interval of delta.
    p_value : float, optional
        Of the permutation test; None without permutations.
    undefined : int
        Replicates in which delta is undefined; they are left out of the interval.
    """

    a: float | None
    b: float | None
    delta: float | None
    ci: Interval
    p_value: float | None
    undefined: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "a": self.a,
            "b": self.b,
            "delta": self.delta,
            "ci": None if self.ci is None else list(self.ci),
            "p_value": self.p_value,
            "undefined": self.undefined,
        }

    @property
    def direction(self) -> int:
        """1 where the whole interval is above 0, -1 where it is below, 0 where it holds 0 or is undefined."""
        if self.ci is None:
            return 0
        return int(self.ci[0] > 0) - int(self.ci[1] < 0)


@dataclass(frozen=True)
class Pair:
    """One model against another.

    Parameters
    ----------
    a, b : str
        Labels.
    metrics : mapping of str to Difference
    per_class : tuple of (id, str, mapping of str to Difference)
    slices : mapping of str to (mapping of str to Difference)
    """

    a: str
    b: str
    metrics: Mapping[str, Difference]
    per_class: tuple[tuple[Any, str, Mapping[str, Difference]], ...]
    slices: Mapping[str, Mapping[str, Difference]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the labels."""
        return {
            "metrics": _plain(self.metrics),
            "per_class": [
                {"category_id": identifier, "name": name, **_plain(found)} for identifier, name, found in self.per_class
            ],
            "slices": {name: _plain(found) for name, found in self.slices.items()},
        }


@dataclass(frozen=True)
class Standing:
    """One model among all.

    Parameters
    ----------
    label : str
    value : float, optional
        Its headline metric.
    ci : (float, float), optional
    rank : int
        1 is best; equal values share a rank.
    first : float, optional
        Share of the replicates in which it is best; models that tie there share that replicate.
    """

    label: str
    value: float | None
    ci: Interval
    rank: int
    first: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ci = None if self.ci is None else list(self.ci)
        return {"model": self.label, "value": self.value, "ci": ci, "rank": self.rank, "share_first": self.first}


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` returns.

    Parameters
    ----------
    protocol : Protocol
    headline : str
        The metric that models are ranked by.
    pairs : tuple of Pair
        Every other model against the first.
    ranking : tuple of Standing
        Best first.
    inputs : mapping
        Truth and models, as in their evaluations.
    settings : mapping
        Replicates, seed, level, unit.
    findings : tuple of Finding
    """

    protocol: Protocol
    headline: str
    pairs: tuple[Pair, ...]
    ranking: tuple[Standing, ...]
    inputs: Mapping[str, Any]
    settings: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.comparison/1`; `metrics`, `per_class`, `slices` are those of the first pair."""
        several = {"pairs": [{"a": p.a, "b": p.b, **p.to_dict()} for p in self.pairs]} if len(self.pairs) > 1 else {}
        return {
            "schema": "detkit.comparison/1",
            "detkit": __version__,
            "protocol": self.protocol.to_dict(),
            "inputs": dict(self.inputs),
            "a": self.pairs[0].a,
            "b": self.pairs[0].b,
            "headline": self.headline,
            **self.pairs[0].to_dict(),
            **several,
            "ranking": [standing.to_dict() for standing in self.ranking],
            "settings": dict(self.settings),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def compare(
    models: Sequence[tuple[str, Evaluation]],
    settings: Resampling | None = None,
    *,
    groups: Sequence[Any] | None = None,
    slices: Mapping[str, NDArray[np.int64]] | None = None,
) -> Comparison:
    """Differences of each model to the first, with bootstrap intervals and permutation p-values.

    Parameters
    ----------
    models : sequence of (str, Evaluation)
        Two or more with their labels, scored against one truth under one protocol.
    settings : Resampling, optional
    groups : sequence, optional
        Group of each image of the truth, in its order: the unit that is drawn and exchanged.
    slices : mapping of str to (N,) int64, optional
        Positions of each slice's images in the truth; the headline metric is compared on them.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        Fewer than two models, or a protocol that cannot be resampled.
    CannotJudgeError
        The truths or the protocols differ.
    """
    if len(models) < 2:
        raise UsageError(f"{len(models)} model to compare, expected two or more")
    settings = settings or Resampling()
    first = models[0][1]
    found = [outcomes_of(result) for _, result in models]
    labels = [label for label, _ in models]
    require_same_truth(list(zip(labels, found, strict=True)))
    bench = _Bench(models, found, settings, group_places(first, groups), _masks(first, slices or {}))
    pairs = tuple(bench.pair(j) for j in range(1, len(models)))
    inputs = [result.to_dict()["inputs"] for _, result in models]
    return Comparison(
        protocol=first.protocol,
        headline=bench.rows[0].name,
        pairs=pairs,
        ranking=bench.ranking(),
        inputs={
            "ground_truth": inputs[0]["ground_truth"],
            "models": [{"model": label, **i["predictions"]} for label, i in zip(labels, inputs, strict=True)],
        },
        settings=settings.to_dict(len(found[0].images), bench.group_of),
        findings=_findings(models),
    )


class _Bench:
    """Replicates of all models, computed once, and what is read off them."""

    def __init__(
        self,
        models: Sequence[tuple[str, Evaluation]],
        outcomes: Sequence[Outcomes],
        settings: Resampling,
        group_of: NDArray[np.int64] | None,
        masks: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        protocol = outcomes[0].protocol
        self.models, self.outcomes, self.settings = models, outcomes, settings
        self.group_of, self.masks = group_of, masks
        self.rows, self.class_rows = metric_rows(protocol), class_rows(protocol, _CLASS_METRICS)
        #: For each model: everything, then slice by slice.
        self.parts = [self._parts(found) for found in outcomes]
        drawn = bootstrap([part for parts in self.parts for part in parts], len(outcomes[0].images), settings, group_of)
        width = 1 + len(masks)
        self.drawn = [drawn[m * width : (m + 1) * width] for m in range(len(outcomes))]

    def _parts(self, found: Outcomes) -> list[Resampler]:
        sliced = [self._sliced(found, mask) for mask in self.masks.values()]
        return [Resampler(found, self.rows, self.class_rows), *(Resampler(part, self.rows[:1]) for part in sliced)]

    @staticmethod
    def _sliced(found: Outcomes, mask: NDArray[np.bool_]) -> Outcomes:
        """Boxes of the slice; detections of a second model lie on images behind the first one's."""
        return found.of_images(np.tile(mask, 2))

    def pair(self, j: int) -> Pair:
        images = len(self.outcomes[0].images)
        permuted: Sequence[tuple[Array, Array] | None] = [None] * (1 + len(self.masks))
        if self.settings.permutations:
            both = self._parts(self.outcomes[0].beside(self.outcomes[j]))
            permuted = permuted_differences(both, images, self.settings, self.group_of)
        tables = [self._part(j, part, permuted[part]) for part in range(1 + len(self.masks))]
        overall, per_class = tables[0]
        return Pair(
            self.models[0][0],
            self.models[j][0],
            {row.name: overall[n] for n, row in enumerate(self.rows)},
            tuple(
                (identifier, name, {class_metric(row): per_class[n][k] for n, row in enumerate(self.class_rows)})
                for k, (identifier, name) in enumerate(self.outcomes[0].classes)
            ),
            {name: {self.rows[0].name: tables[1 + n][0][0]} for n, name in enumerate(self.masks)},
        )

    def _part(
        self, j: int, part: int, permuted: tuple[Array, Array] | None
    ) -> tuple[list[Difference], list[list[Difference]]]:
        seen = [self._seen(m, part) for m in (0, j)]
        overall, per_class = (
            _differences(
                seen[0][kind],
                seen[1][kind],
                self.drawn[j][part][kind] - self.drawn[0][part][kind],
                None if permuted is None else permuted[kind],
                self.settings.level,
            )
            for kind in (0, 1)
        )
        classes = len(self.outcomes[0].classes)
        return overall, [per_class[n : n + classes] for n in range(0, len(per_class), max(1, classes))]

    def _seen(self, m: int, part: int) -> tuple[Array, Array]:
        """What the evaluation says of a model; for a slice, what its boxes say."""
        if part:
            return outcomes_metrics(self.outcomes[m], self.parts[m][part])
        result = self.models[m][1]
        overall = [result.metrics[row.name] for row in self.rows]
        per_class = [[row.metrics[class_metric(metric)] for row in result.per_class] for metric in self.class_rows]
        shape = len(self.class_rows), len(result.per_class)
        return np.array(overall, dtype=np.float64), np.array(per_class, dtype=np.float64).reshape(shape)

    def ranking(self) -> tuple[Standing, ...]:
        """The models by the headline metric, best first."""
        drawn = np.stack([parts[0][0][:, 0] for parts in self.drawn])
        defined = drawn[:, ~np.isnan(drawn).any(axis=0)]
        shares = np.full(len(drawn), np.nan)
        if defined.shape[1]:
            best = defined >= defined.max(axis=0) - TIE
            shares = (best / best.sum(axis=0)).mean(axis=1)
        ends = percentile_interval(drawn.T, self.settings.level)
        values = [-np.inf if np.isnan(v) else v for v in (self._seen(m, 0)[0][0] for m in range(len(drawn)))]
        found = [
            Standing(
                label,
                None if np.isinf(value) else float(value),
                as_interval(ends[:, m]),
                1 + sum(bool(other > value + TIE) for other in values),
                _number(shares[m]),
            )
            for m, ((label, _), value) in enumerate(zip(self.models, values, strict=True))
        ]
        return tuple(sorted(found, key=lambda standing: standing.rank))


def _differences(a: Array, b: Array, drawn: Array, permuted: Array | None, level: float) -> list[Difference]:
    """One for each entry, the entries of several axes row by row."""
    ends = percentile_interval(drawn, level).reshape(2, -1)
    p = np.full(a.shape, np.nan) if permuted is None else p_values(b - a, permuted)
    lost = np.isnan(drawn).sum(axis=0).ravel().tolist()
    columns = (a.ravel(), b.ravel(), (b - a).ravel(), p.ravel())
    return [
        Difference(_number(x), _number(y), _number(d), as_interval(ends[:, n]), _number(q), lost[n])
        for n, (x, y, d, q) in enumerate(zip(*columns, strict=True))
    ]


def _masks(result: Evaluation, slices: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.bool_]]:
    """For each slice whether an image belongs to it, by the image's place in the order of ids."""
    masks = {}
    for name, positions in slices.items():
        mask = np.zeros(len(result.truth.images), np.bool_)
        mask[positions] = True
        masks[name] = mask[result.scored.layout.images]
    return masks


def _findings(models: Sequence[tuple[str, Evaluation]]) -> tuple[Finding, ...]:
    """What the evaluations noticed, each once; what names no place says which models it speaks of."""
    found: dict[Finding, list[str]] = {}
    for label, result in models:
        for finding in dict.fromkeys(result.findings):
            found.setdefault(finding, []).append(label)
    return tuple(
        finding
        if finding.where
        else _about(finding, "every model" if len(labels) == len(models) else ", ".join(labels))
        for finding, labels in found.items()
    )


def _about(finding: Finding, whose: str) -> Finding:
    return replace(finding, message=f"{whose}: {finding.message}")


def _plain(found: Mapping[str, Difference]) -> dict[str, Any]:
    return {name: difference.to_dict() for name, difference in found.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
