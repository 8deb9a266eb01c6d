"""Metric paths: how a rule's `class.person.AP50` or `recall@score=0.4` finds its value in a result."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation._gate_names import ALIASES, nearest, quoted, select_name, select_row, suggestion
from detkit.evaluation._gate_result import number
from detkit.wording import plural

__all__ = ["Reading", "Readings", "check_path", "read", "resolve"]

#: Aliases that promise the mean over IoU 0.50 to 0.95: wrong for an AP at one IoU, as VOC has it.
_AVERAGED = ("mAP50-95", "mAP50:95")
_POINT = re.compile(r"(recall|precision|f1)@score=(\d*\.?\d+(?:[eE]-?\d+)?)")
#: Two scores closer than this are the same grid point: 35 * 0.01 is not 0.35 in binary.
_SAME_SCORE = 1e-9
#: Heads of paths whose rest only a result can judge.
_OF_THE_DATA = ("class", "worst_class", "slice", "latency")
_NOT_STATISTICS = ("category_id", "name")


@dataclass(frozen=True, slots=True)
class Reading:
    """One value a path stands for; `metric` can be pasted back as a path, `key` tells classes of one name apart.

    `statistic` is the metric's own name where it can be resampled, of one class (`category` is its id) or of all.
    """

    metric: str
    value: float | None
    note: str = ""
    key: Any = None
    statistic: str | None = None
    of_class: bool = False
    category: Any = None


@dataclass(frozen=True, slots=True)
class Readings:
    """All values a path stands for, with remarks on what was left out."""

    items: tuple[Reading, ...]
    notes: tuple[str, ...] = ()


def resolve(result: Mapping[str, Any], path: str) -> float | None:
    """The value a metric path stands for, None when it is undefined.

    Parameters
    ----------
    result : mapping
        A validated result (`validate_result`).
    path : str
        `AP50`, `size.small.AP`, `class.person.AP50`, `worst_class.AP`, `slice.night.AP`, `recall@score=0.4`,
        `latency.p95_ms`, `coverage`.

    Returns
    -------
    float or None
        Unrounded; NaN is handed on as it stands in the result.

    Raises
    ------
    UsageError
        Unknown metric, class or slice, a score off the grid, or a path for several values (`class.*`).
    CannotJudgeError
        The result does not hold that part (no operating points, slices, latency or classes).
    """
    if path.strip().startswith("class.*."):
        hint = "use `worst_class` for the smallest of them"
        raise UsageError(f"`{path}` stands for one value per class, expected a single value", hint=hint)
    (reading,) = read(result, path).items
    return reading.value


def read(result: Mapping[str, Any], path: str) -> Readings:
    """Every value a metric path stands for: one, or one per class for `class.*`.

    Parameters and errors are those of `resolve`. For `class.*` the classes without ground truth are left out and
    counted in the notes; when no class is defined there is one undefined reading.
    """
    path = path.strip()
    if path in result["metrics"]:
        return _one(path, result["metrics"][path], statistic=path)
    head, tail = _split_head(path)
    if head is not None:
        return _HEADS[head](result, path, tail)
    if path == "coverage":
        return _one(path, _part(result, "coverage", path).get("ratio"))
    if re.match(r"(recall|precision|f1)@", path):
        return _point(result, path)
    known = _alias(path, result["metrics"], result["metrics"])
    if known is None:
        raise _unknown_metric(result, path)
    return _one(path, result["metrics"][known], statistic=known)


def check_path(path: str, protocol: str, metrics: Iterable[str]) -> None:
    """Refuse a path that no result of an evaluation can answer; names of classes and slices are not looked at.

    Parameters
    ----------
    path : str
    protocol : str
    metrics : iterable of str
        Names that the result will have.

    Raises
    ------
    UsageError
        As `resolve`.
    """
    if _split_head(path.strip())[0] in _OF_THE_DATA:
        return
    grid = [row / 100 for row in range(101)]
    points = {"score": grid, **{column: [0] * len(grid) for column in ("tp", "fp", "fn")}}
    read(
        {
            "protocol": {"name": protocol},
            "metrics": dict.fromkeys(metrics),
            "per_class": [],
            "coverage": {"ratio": None},
            "operating_points": points,
        },
        path,
    )


def _one(path: str, value: Any, note: str = "", **origin: Any) -> Readings:
    return Readings((Reading(path, number(value), note, **origin),))


def _split_head(path: str) -> tuple[str | None, str]:
    found = re.match(r"(\w+)(?=[.\[])", path)
    if found is None or found[1] not in _HEADS:
        return None, path
    return found[1], path[found.end() :]


def _part(result: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    part = result.get(key)
    if not part:
        what = key.replace("_", " ")
        raise CannotJudgeError(f"`{path}`: the result holds no {what}", hint=f"evaluate again with {what}")
    found: Mapping[str, Any] = part
    return found


def _alias(stat: str, known: Iterable[str], metrics: Mapping[str, Any]) -> str | None:
    """The name a statistic has among the known ones, None when it has none."""
    known = frozenset(known)
    if stat in known:
        return stat
    if stat in _AVERAGED and "AP" not in metrics:
        return None
    other = ALIASES.get(stat) or ("mAP" if stat == "AP" else stat)
    return other if other in known else None


def _unknown_metric(result: Mapping[str, Any], path: str) -> UsageError:
    metrics = list(result["metrics"])
    sizes = [f"size.{m[2:]}.{m[:2]}" for m in metrics if re.fullmatch(r"A[PR][a-z]+", m)]
    others = ["coverage", "worst_class.AP", "recall@score=0.5", "precision@score=0.5", "f1@score=0.5"]
    others += [f"latency.{key}" for key in result.get("latency") or ()]
    aliases = [alias for alias in ALIASES if _alias(alias, metrics, result["metrics"]) is not None]
    protocol = result["protocol"].get("name")
    within = f" in a result of protocol `{protocol}`" if protocol else ""
    hint = _of_a_class(result, path) or suggestion(path, [*metrics, *aliases, *sizes, *others])
    return UsageError(f"unknown metric `{path}`{within}", hint=hint)


def _of_a_class(result: Mapping[str, Any], path: str) -> str | None:
    """The right form of `person.AP`, `small.AP` and `person`, None where the path is none of these."""
    metrics, classes = result["metrics"], [row["name"] for row in result["per_class"]]
    name, _, stat = path.rpartition(".")
    if not name:
        name, stat = path, next(iter(metrics), "AP").replace("mAP", "AP")
        return f"for the class write `class{quoted(name)}.{stat}`" if name in classes else None
    if _split_head(path)[0] is not None:
        return None
    if f"{ALIASES.get(stat, stat)}{name}" in metrics:
        return f"did you mean `size.{name}.{stat}`?"
    if _alias(stat, metrics, metrics) is None:
        return None
    names = [name] if name in classes or not classes else nearest(name, classes, limit=3)
    if not names:
        return f"for a class write `class.NAME.{stat}`; {suggestion(name, classes)}"
    return f"for a class write {' or '.join(f'`class{quoted(n)}.{stat}`' for n in names)}"


def _size(result: Mapping[str, Any], path: str, tail: str) -> Readings:
    size, _, stat = tail.removeprefix(".").rpartition(".")
    metric = f"{ALIASES.get(stat, stat)}{size}"
    if not size or metric not in result["metrics"]:
        raise _unknown_metric(result, path)
    return _one(path, result["metrics"][metric], statistic=metric)


def _latency(result: Mapping[str, Any], path: str, tail: str) -> Readings:
    latency = _part(result, "latency", path)
    key = tail.removeprefix(".")
    if key not in latency:
        raise UsageError(f"unknown latency figure `{key}` in `{path}`", hint=suggestion(key, list(latency)))
    return _one(path, latency[key])


def _point(result: Mapping[str, Any], path: str) -> Readings:
    """Recall, precision or F1 of all classes together, from the raw counts at one listed score."""
    found = _POINT.fullmatch(path)
    if found is None:
        raise UsageError(f"`{path}` is not understood, expected a form such as `recall@score=0.4`")
    stat, score = found[1], float(found[2])
    points = _part(result, "operating_points", path)
    scores = [float(s) for s in points["score"]]
    rows = [row for row, listed in enumerate(scores) if abs(listed - score) <= _SAME_SCORE]
    if not rows:
        raise _off_grid(path, score, scores)
    tp, fp, fn = (float(points[column][rows[0]]) for column in ("tp", "fp", "fn"))
    over, under = {"recall": (tp, tp + fn), "precision": (tp, tp + fp), "f1": (2 * tp, 2 * tp + fp + fn)}[stat]
    if under == 0:
        return _one(path, None, f"no {'detection' if stat == 'precision' else 'ground truth'} to count at this score")
    return _one(path, over / under)


def _off_grid(path: str, score: float, scores: list[float]) -> UsageError:
    if not scores:
        return UsageError(f"`{path}`: the result lists no score")
    steps = [later - earlier for earlier, later in pairwise(scores)]
    even = bool(steps) and max(steps) - min(steps) < _SAME_SCORE
    spacing = f"every {steps[0]:.6g} " if even else f"at {plural(len(scores), 'point')} "
    near = sorted(sorted(scores, key=lambda listed: abs(listed - score))[:2])
    return UsageError(
        f"`{path}`: score {score:g} is not listed in the result; scores are listed {spacing}"
        f"from {scores[0]:.6g} to {scores[-1]:.6g}",
        hint=f"use {' or '.join(f'{listed:.6g}' for listed in near)}",
    )


def _worst(result: Mapping[str, Any], path: str, tail: str) -> Readings:
    """The smallest value over the classes where it is defined; not a number anywhere is not a number here."""
    rows = _class_rows(result, path)
    stat = _class_stat(result, rows, tail.removeprefix("."), path)
    values = [(number(row.get(stat)), row["name"]) for row in rows]
    defined = [(value, name) for value, name in values if value is not None]
    notes = _left_out(path, len(rows) - len(defined), "undefined")
    if not defined:
        return Readings((Reading(path, None, "undefined for every class"),), notes)
    value, name = min(defined, key=lambda pair: (not math.isnan(pair[0]), pair[0]))
    return Readings((Reading(path, value, f"worst class is `{name}`"),), notes)


def _classes(result: Mapping[str, Any], path: str, tail: str) -> Readings:
    rows = _class_rows(result, path)
    if tail.startswith(".*."):
        return _every_class(result, rows, path, tail[3:])
    row, stat = select_row(tail, [(row["name"], row.get("category_id"), row) for row in rows], path)
    stat = _class_stat(result, rows, stat, path)
    note = _no_truth(row) if row.get(stat) is None else ""
    return _one(path, row.get(stat), note, statistic=stat, of_class=True, category=row.get("category_id"))


def _every_class(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], path: str, stat: str) -> Readings:
    stat = _class_stat(result, rows, stat, path)
    kept = [row for row in rows if row.get(stat) is not None or row.get("ground_truths") != 0]
    notes = _left_out(path, len(rows) - len(kept), "without ground truth")
    if not any(row.get(stat) is not None for row in kept):
        return Readings((Reading(path, None, "undefined for every class"),), notes)
    readings = (
        Reading(
            f"class{quoted(row['name'])}.{stat}",
            number(row.get(stat)),
            key=row.get("category_id"),
            statistic=stat,
            of_class=True,
            category=row.get("category_id"),
        )
        for row in kept
    )
    return Readings(tuple(readings), notes)


def _slice(result: Mapping[str, Any], path: str, tail: str) -> Readings:
    slices = _part(result, "slices", path)
    name, stat = select_name("slice", tail, slices, path)
    known = _alias(stat, slices[name], result["metrics"])
    if known is None:
        raise UsageError(f"unknown metric `{stat}` in `{path}`", hint=suggestion(stat, list(slices[name])))
    return _one(path, slices[name][known])


def _class_rows(result: Mapping[str, Any], path: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = result["per_class"]
    if not rows:
        raise CannotJudgeError(f"`{path}`: the result holds no values per class")
    return rows


def _class_stat(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], stat: str, path: str) -> str:
    fields = dict.fromkeys(key for row in rows for key in row if key not in _NOT_STATISTICS)
    known = [key for key in fields if all(row.get(key) is None or number(row[key]) is not None for row in rows)]
    found = _alias(stat, known, result["metrics"])
    if found is None:
        raise UsageError(f"unknown metric `{stat}` per class in `{path}`", hint=suggestion(stat, known))
    return found


def _no_truth(row: Mapping[str, Any]) -> str:
    return "the class has no ground truth" if row.get("ground_truths") == 0 else ""


def _left_out(path: str, count: int, why: str) -> tuple[str, ...]:
    return (f"`{path}`: {count} {'class' if count == 1 else 'classes'} {why} left out",) if count else ()


_HEADS: dict[str, Callable[[Mapping[str, Any], str, str], Readings]] = {
    "class": _classes,
    "worst_class": _worst,
    "slice": _slice,
    "size": _size,
    "latency": _latency,
}
