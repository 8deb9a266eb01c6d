"""Score thresholds a class, as `eval` finds them on a truth: read, checked, applied to predictions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.tables import Categories, Dataset, Detections
from detkit.wording import examples, plural

__all__ = ["SCHEMA", "Thresholds", "apply_thresholds", "named_by", "read_thresholds"]

SCHEMA = "detkit.thresholds/1"


@dataclass(frozen=True)
class Thresholds:
    """The least score of each class.

    Parameters
    ----------
    path, sha256 : str
        Of the file.
    overall : float, optional
        For classes without one of their own.
    classes : mapping of str to (float or None)
        By class name; None where the file states that none is defined.
    ids : mapping of str to (int or str)
        Category ids of classes that state one: they meet predictions that name no classes.
    beta, iou_threshold : float, optional
        Of the F-measure they are best for, and of the matching.
    """

    path: str
    sha256: str
    overall: float | None
    classes: Mapping[str, float | None]
    ids: Mapping[str, int | str] = field(default_factory=dict)
    beta: float | None = None
    iou_threshold: float | None = None

    def limits(self, categories: Categories) -> NDArray[np.float64]:
        """The least score of each category, (K,) float64; NaN where neither the class nor the whole has one.

        Raises
        ------
        UsageError
            The predictions name no classes, and the file has thresholds by name.
        """
        keys = self._keys(categories)
        own = [self.classes.get(key) if key is not None else None for key in keys]
        return np.array([self.overall if t is None else t for t in own], np.float64)

    def check(self, categories: Categories, used: Sequence[int] | None = None) -> NDArray[np.float64]:
        """The same, once every class has a threshold.

        Parameters
        ----------
        categories : Categories
        used : sequence of int, optional
            Positions of the classes that need one; by default all.

        Raises
        ------
        UsageError
            A class has none, or classes cannot be told apart.
        """
        limits = self.limits(categories)
        asked = range(len(limits)) if used is None else used
        lacking = [categories.names[k] for k in asked if math.isnan(limits[k])]
        if lacking:
            word = "class" if len(lacking) == 1 else "classes"
            raise UsageError(
                f"{self.path}: no threshold for {word} {examples(lacking)}, and none overall",
                hint="add a `score_threshold` for the class, or one for `overall`",
            )
        return limits

    def findings(self, categories: Categories) -> list[Finding]:
        """Classes of the file that the predictions do not know."""
        known = {key for key in self._keys(categories) if key is not None}
        unknown = [name for name in self.classes if name not in known]
        if not unknown:
            return []
        noun = "class that is" if len(unknown) == 1 else "classes that are"
        message = f"thresholds of {len(unknown)} {noun} not predicted: {examples(unknown)}"
        return [Finding("DK109", message, file=self.path, count=len(unknown))]

    def lines(self, categories: Categories, score_threshold: float) -> list[str]:
        """What is applied, and where the run's own threshold is higher."""
        limits = self.limits(categories)
        own = sum(value is not None for value in self.classes.values())
        overall = "none overall" if self.overall is None else f"overall {self.overall:g}"
        lines = [f"thresholds {self.path}: {plural(own, 'class', 'classes')} with one of their own, {overall}"]
        lower = [name for name, limit in zip(categories.names, limits, strict=True) if limit < score_threshold]
        if lower:
            which = f"{plural(len(lower), 'class', 'classes')} ({examples(lower)})"
            lines.append(f"the run's score >= {score_threshold:g} is higher than the threshold of {which} and counts")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """What the results depend on."""
        return {"sha256": self.sha256, "overall": self.overall, "classes": dict(self.classes)}

    def _keys(self, categories: Categories) -> list[str | None]:
        """The name in the file that each category goes by."""
        if categories.has_names or not self.classes:
            return list(categories.names)
        if categories.has_own_ids and len(self.ids) == len(self.classes):
            by_id = {own: name for name, own in self.ids.items()}
            return [by_id.get(own) for own in categories.ids.tolist()]
        raise UsageError(
            f"{self.path}: thresholds are by class name, and the predictions name no classes",
            hint="give the names: `--truth DATASET`, or `--names FILE`",
        )


def read_thresholds(path: str | Path) -> Thresholds:
    """Thresholds of a file of schema `detkit.thresholds/1`.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Thresholds

    Raises
    ------
    InputError
        Not there, not JSON, or a field is not what it should be; the message names the field.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=lambda pairs: _once(path, pairs))
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", path=path) from error
    if not isinstance(content, dict):
        raise _wrong(path, None, content, f"an object of schema {SCHEMA}")
    if content.get("schema") != SCHEMA:
        raise _wrong(path, "schema", content.get("schema"), f"`{SCHEMA}`")
    for name in ("overall", "classes"):
        if not isinstance(content.get(name), dict):
            raise _wrong(path, name, content.get(name), "an object")
    classes: dict[str, float | None] = {}
    ids: dict[str, int | str] = {}
    for name, entry in content["classes"].items():
        classes[name], own = _entry(path, f"classes.{name}", entry)
        if own is not None:
            ids[name] = own
    return Thresholds(
        str(path),
        files.sha256_of([path]),
        _entry(path, "overall", content["overall"])[0],
        classes,
        ids,
        *(_number(path, name, content.get(name), above=0.0) for name in ("beta", "iou_threshold")),
    )


def apply_thresholds(detections: Detections, thresholds: Thresholds, names: Categories | None = None) -> Detections:
    """The predictions whose score reaches the threshold of their class.

    Parameters
    ----------
    detections : Detections
    thresholds : Thresholds
    names : Categories, optional
        The same classes with names, where the predictions have none.

    Returns
    -------
    Detections
        With a finding where the file has classes that the predictions lack.

    Raises
    ------
    UsageError
        A class has no threshold, or classes cannot be told apart.
    """
    categories = names or detections.categories
    limits = thresholds.check(categories, np.unique(detections.category_index).tolist())
    kept = detections.take(detections.score >= limits[detections.category_index])
    return replace(kept, findings=(*kept.findings, *thresholds.findings(categories)))


def named_by(detections: Detections, truth: Dataset) -> Categories:
    """The classes of predictions by the names a truth has for them."""
    from detkit.evaluation.classes import match_classes

    position, categories, _, _ = match_classes(truth, detections, None, "ignore")
    own = detections.categories
    names = tuple(categories.names[p] if p >= 0 else own.names[k] for k, p in enumerate(position.tolist()))
    return replace(own, names=names, has_names=categories.has_names)


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"`{twice}` is there twice in one object", path=path)
    return found


def _entry(path: Path, place: str, entry: Any) -> tuple[float | None, int | str | None]:
    """Threshold of a class (or of the whole), and its category id."""
    if not isinstance(entry, dict):
        raise _wrong(path, place, entry, "an object with `score_threshold`")
    if "score_threshold" not in entry:
        raise InputError("`score_threshold` is missing, expected a number or null", path=path, place=place)
    own = entry.get("category_id")
    if own is not None and (isinstance(own, bool) or not isinstance(own, int | str)):
        raise _wrong(path, f"{place}.category_id", own, "a whole number or a text")
    return _number(path, f"{place}.score_threshold", entry["score_threshold"]), own


def _number(path: Path, place: str, value: Any, above: float = -math.inf) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= above:
        expected = "a finite number" if above == -math.inf else f"a number above {above:g}"
        raise _wrong(path, place, value, f"{expected} or null")
    return float(value)


def _wrong(path: Path, place: str | None, found: Any, expected: str) -> InputError:
    shown = "null" if found is None else json.dumps(found, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return InputError(f"found `{shown}`, expected {expected}", path=path, place=place)
