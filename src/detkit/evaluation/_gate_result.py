"""The shape of an evaluation result, as the gate needs it: what is refused, and what cannot be judged at all."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.evaluation.schemas import RESULT
from detkit.wording import plural

__all__ = ["BENCH_SCHEMA", "blockers", "is_fraction", "number", "validate_result"]

#: What `detkit bench` writes: latency and a device, no metrics.
BENCH_SCHEMA = "detkit.bench/1"

_HINT = "write one with `detkit eval TRUTH PREDICTIONS --format json`"
_FRACTION = re.compile(r"(?:^|\.)(?:m?AP|AR|recall|precision|f1|coverage)[^.\]]*(?:\.\d+)?$")
#: Sums of rounded shares may end a hair above 1: eleven elevenths are 1.0000000000000002.
_MOST = 1 + 1e-12
_POINT_COLUMNS = ("score", "tp", "fp", "fn")
#: The code of the finding that says that class or image ids are shifted against the truth.
_SHIFTED = "DK703"


def is_fraction(metric: str) -> bool:
    """Whether a metric path names a quantity from 0 to 1 (AP, AR, recall, coverage, ...), judged by its name."""
    return not metric.startswith("latency.") and _FRACTION.search(metric) is not None


def number(value: Any) -> float | None:
    """The value as a float, None when it is no number (text, bool, null); too large an integer is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def validate_result(mapping: Any, path: str | Path) -> Mapping[str, Any]:
    """The same mapping, once it is known to be a whole result of `detkit eval` or `detkit bench` `--format json`.

    Parameters
    ----------
    mapping : object
        What the JSON parser returned.
    path : path-like
        Named in the message.

    Returns
    -------
    mapping of str to object
        That of `detkit bench` with the parts it lacks, empty. Values may still be null or NaN: those are for the
        verdict.

    Raises
    ------
    InputError
        Another kind of file, another schema version, or a field missing or of the wrong type.
    """
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("schema"), str):
        raise InputError(f"not an evaluation result: found {_looks_like(mapping)}", path=path, hint=_HINT)
    schema = mapping["schema"]
    if schema == BENCH_SCHEMA:
        return _bench(mapping, path)
    if schema != RESULT:
        newer = schema.startswith(RESULT.partition("/")[0] + "/")
        hint = "it comes from another version of detkit: evaluate again with this one" if newer else _HINT
        raise InputError(f"schema is `{schema}`, expected `{RESULT}`", path=path, hint=hint)
    check = _Checker(path)
    check.inputs(mapping)
    check.mapping(mapping, "protocol")
    metrics = check.mapping(mapping, "metrics")
    if not metrics:
        raise check.wrong("metrics", "is empty, expected at least one metric")
    check.numbers(metrics, "metrics")
    check.classes(mapping)
    check.extras(mapping)
    return mapping


def _bench(mapping: Mapping[str, Any], path: str | Path) -> Mapping[str, Any]:
    """A result of `detkit bench`, once it is whole: only `latency.*` rules find something in it."""
    check = _Checker(path)
    check.mapping(mapping, "device")
    latency = check.mapping(mapping, "latency")
    if not latency:
        raise check.wrong("latency", "is empty, expected at least one figure")
    check.numbers(latency, "latency")
    empty = {"protocol": {"name": "bench"}, "metrics": {}, "per_class": [], "findings": []}
    return {**mapping, **empty, "inputs": {"ground_truth": {}, "predictions": {}}}


class _Checker:
    """Field checks of one file, each with the field's place in its message."""

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def wrong(self, place: str, message: str) -> InputError:
        return InputError(message, path=self.path, place=place, hint=_HINT)

    def mapping(self, parent: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
        place = f"{place}.{key}" if place else key
        if key not in parent:
            raise self.wrong(place, "is missing: the result is truncated or was edited")
        if not isinstance(parent[key], Mapping):
            raise self.wrong(place, f"is {_kind(parent[key])}, expected an object")
        found: Mapping[str, Any] = parent[key]
        return found

    def inputs(self, result: Mapping[str, Any]) -> None:
        inputs = self.mapping(result, "inputs")
        self.mapping(inputs, "ground_truth", "inputs")
        count = self.mapping(inputs, "predictions", "inputs").get("detections")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            place = "inputs.predictions.detections"
            raise self.wrong(place, f"is {_kind(count)}, expected the number of detections")

    def numbers(self, values: Mapping[str, Any], place: str) -> None:
        """Every value is a number or null, and a fraction lies in 0 to 1."""
        for key, value in values.items():
            self.value(key, value, f"{place}.{key}")

    def value(self, key: str, value: Any, place: str) -> None:
        found = number(value)
        if value is not None and found is None:
            raise self.wrong(place, f"is {_kind(value)}, expected a number or null")
        if found is not None and math.isfinite(found) and is_fraction(key) and not 0 <= found <= _MOST:
            raise self.wrong(place, f"is {found:g}, expected 0 to 1, or null where it is undefined")

    def classes(self, result: Mapping[str, Any]) -> None:
        rows = result.get("per_class")
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise self.wrong("per_class", f"is {_kind(rows)}, expected a list with a row per class")
        for index, row in enumerate(rows):
            place = f"per_class[{index}]"
            if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
                raise self.wrong(place, f"is {_kind(row)} without a class name, expected an object with `name`")
            for key, value in row.items():
                if is_fraction(str(key)) and not isinstance(value, Mapping | list):
                    self.value(key, value, f"{place}.{key}")

    def extras(self, result: Mapping[str, Any]) -> None:
        """The optional parts, where present, are of the right kind."""
        findings = result.get("findings")
        if not isinstance(findings, list | tuple) or not all(isinstance(f, Mapping) for f in findings):
            raise self.wrong("findings", f"is {_kind(findings)}, expected a list of objects")
        for key in ("coverage", "slices", "latency", "operating_points"):
            if result.get(key) is not None:
                self.mapping(result, key)
        for name in result.get("slices") or {}:
            self.numbers(self.mapping(result["slices"], name, "slices"), f"slices.{name}")
        if result.get("operating_points") is not None:
            self.points(result["operating_points"])

    def points(self, points: Mapping[str, Any]) -> None:
        lengths = set()
        for key in _POINT_COLUMNS:
            column = points.get(key)
            if not isinstance(column, list | tuple) or any(number(value) is None for value in column):
                raise self.wrong(f"operating_points.{key}", f"is {_kind(column)}, expected a list of numbers")
            lengths.add(len(column))
        if len(lengths) > 1:
            raise self.wrong("operating_points", f"columns differ in length: {sorted(lengths)}")


#: Rows left out because what they refer to is missing: a score without them says nothing about the whole.
_DANGLING = ("DK104", "DK105")


def blockers(result: Mapping[str, Any], baseline: Mapping[str, Any] | None, min_coverage: float | None) -> list[str]:
    """Why nothing in this result can be judged, one sentence per reason; empty when it can.

    Parameters
    ----------
    result, baseline : mapping
        Validated results.
    min_coverage : float or None
        Smallest share of the truth's images that must have a prediction, 0 to 1.
    """
    reasons = _emptiness(result, "the predictions")
    if min_coverage is not None:
        reasons += _uncovered(result, min_coverage)
    if baseline is not None:
        reasons += _emptiness(baseline, "the baseline's predictions") + _strangers(result, baseline)
    return reasons


def _emptiness(result: Mapping[str, Any], whose: str) -> list[str]:
    reasons = []
    if result["inputs"]["predictions"].get("detections") == 0:
        reasons.append(f"{whose} hold no detection")
    elif number((result.get("coverage") or {}).get("predicted")) == 0:
        reasons.append(f"{whose} meet no image of the truth")
    for finding in result["findings"]:
        if finding.get("code") == _SHIFTED:
            reasons.append(f"ids of {whose} look shifted ({_SHIFTED}): {finding.get('message', 'see the result')}")
    dangling = sum(int(number(f.get("count")) or 1) for f in result["findings"] if f.get("code") in _DANGLING)
    if dangling:
        reasons.append(
            f"{plural(dangling, 'row names', 'rows name')} an image or a class that their file does not list "
            f"({', '.join(_DANGLING)})"
        )
    return reasons


def _uncovered(result: Mapping[str, Any], least: float) -> list[str]:
    ratio = number((result.get("coverage") or {}).get("ratio"))
    if ratio is None or not math.isfinite(ratio):
        return ["coverage is not stated in the result, and a smallest coverage is asked for"]
    return [] if ratio >= least else [f"coverage is {ratio!r}, expected at least {least!r}"]


def _strangers(result: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """How truth or protocol of two results differ: their numbers must not be compared then."""
    reasons = []
    if result["schema"] != baseline["schema"]:
        return [f"the baseline is of another kind: {result['schema']} against {baseline['schema']}"]
    if result["schema"] == BENCH_SCHEMA:
        return _other_machines(result, baseline)
    here, there = result["inputs"]["ground_truth"], baseline["inputs"]["ground_truth"]
    hashes = here.get("sha256"), there.get("sha256")
    if not all(isinstance(digest, str) and digest for digest in hashes):
        reasons.append("sha256 of the ground truth is not stated in both results: baseline cannot be compared")
    elif hashes[0] != hashes[1]:
        reasons.append(f"ground truth differs from the baseline's: sha256 {hashes[0][:12]} against {hashes[1][:12]}")
    for key in ("images", "annotations", "categories"):
        if key in here and key in there and here[key] != there[key]:
            reasons.append(f"ground truth differs from the baseline's: {here[key]} {key} against {there[key]}")
    ours, theirs = result["protocol"], baseline["protocol"]
    differing = [k for k in {**ours, **theirs} if not _same(ours.get(k), theirs.get(k))]
    if differing:
        shown = ", ".join(f"{k} {_kind(ours.get(k))} against {_kind(theirs.get(k))}" for k in differing[:3])
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        reasons.append(f"protocol differs from the baseline's: {shown}{more}")
    return reasons


def _other_machines(result: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """How the machines or the calls of two measurements differ; another version of the software is what is judged."""
    ours, theirs = ({**r["device"], "batch": r["latency"].get("batch")} for r in (result, baseline))
    keys = [k for k in {**ours, **theirs} if k != "onnxruntime" and not _same(ours.get(k), theirs.get(k))]
    return [f"{k} differs from the baseline's: {_kind(ours.get(k))} against {_kind(theirs.get(k))}" for k in keys]


def _same(ours: Any, theirs: Any) -> bool:
    """Equality of settings, whether read from a file (lists) or fresh from an evaluation (tuples)."""
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    return bool(ours == theirs)


def _kind(value: Any) -> str:
    """A value in words, short enough for one line."""
    if value is None:
        return "missing or null"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        shown = repr(list(value))
        return shown if len(shown) <= 40 else f"a list of {len(value)}"
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _looks_like(value: Any) -> str:
    """What kind of file was given instead of a result."""
    if isinstance(value, Mapping):
        if {"images", "annotations"} & value.keys():
            return "a COCO annotation file"
        if not value:
            return "an empty object"
        keys = ", ".join(f"`{key}`" for key in list(value)[:5])
        return f"an object without `schema` (its keys: {keys}{', ...' if len(value) > 5 else ''})"
    if isinstance(value, list) and value and isinstance(value[0], Mapping) and "score" in value[0]:
        return f"a list of {len(value)} COCO detections"
    return _kind(value)
