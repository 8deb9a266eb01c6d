"""Which truth class each predicted class is: by map, name, id or position, and what to say about the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation.images import image_label, number_or_text
from detkit.findings import Finding
from detkit.ragged import fresh_ids
from detkit.tables import Categories, Dataset, Detections, id_array
from detkit.wording import examples, plural

__all__ = ["ClassesBy", "Unmapped", "match_classes"]

Unmapped = Literal["ignore", "count", "error"]
ClassesBy = Literal["name", "id", "position"]


def match_classes(
    truth: Dataset, detections: Detections, class_map: Mapping[str, str | None] | None, unmapped: Unmapped
) -> tuple[NDArray[np.int64], Categories, ClassesBy, list[Finding]]:
    """Truth position of each predicted class (-1: not scored), the truth's classes, what decided.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    class_map : mapping of str to (str or None), optional
        Predicted class -> class of the truth; None for one that is not scored.
    unmapped : {"ignore", "count", "error"}

    Returns
    -------
    (K,) int64, Categories, {"name", "id", "position"}, list of Finding
    """
    theirs, ours = detections.categories, truth.categories
    findings: list[Finding] = []
    classes_by: ClassesBy = "name"
    if class_map is not None:
        found = _mapped(theirs, ours, class_map)
    elif theirs.has_names and ours.has_names:
        found, findings = _by_class_name(theirs, ours)
    elif theirs.has_own_ids:
        classes_by = "id"
        found = _by_class_id(theirs, ours)
    else:
        classes_by = "position"
        found = _by_position(theirs, ours, detections)
        findings.append(
            Finding("DK303", "class numbers without names are taken as positions in the truth's class list")
        )
    used = np.flatnonzero(np.bincount(detections.category_index, minlength=1))
    lost = (
        used[found[used] < 0]
        if class_map is None
        else np.array([k for k in used if found[k] < 0 and not _left_out(theirs, int(k), class_map)], dtype=np.int64)
    )
    if not len(lost):
        return found, ours, classes_by, findings
    names = [theirs.names[k] for k in lost]
    rows = int(np.isin(detections.category_index, lost).sum())
    message = (
        f"{plural(len(lost), 'predicted class', 'predicted classes')} ({plural(rows, 'box', 'boxes')}) not among the "
        f"truth's {len(ours)}: {examples(names)}"
    )
    if len(lost) == len(used) and unmapped != "count":
        raise CannotJudgeError(
            f"no predicted class is one of the truth's: {examples(names)} against {examples(list(ours.names))}",
            hint=_shift_hint(theirs, ours) or "map them with `--class-map FILE`, or name them with `--names FILE`",
        )
    if unmapped == "error":
        raise InputError(message, hint="map them with `--class-map FILE`, or allow them with `--unmapped ignore`")
    shift = _shift_hint(theirs, ours) if classes_by != "name" else None
    if shift:
        findings.append(Finding("DK703", f"{message}; {shift}", count=rows))
    else:
        how = "counted as classes without truth" if unmapped == "count" else "not scored"
        findings.append(Finding("DK702", f"{message}; {how}", count=rows))
    if unmapped == "count":
        found = found.copy()
        found[lost] = len(ours) + np.arange(len(lost))
        ids = ours.ids.tolist()
        ours = replace(
            ours,
            ids=id_array([*ids, *fresh_ids(theirs.ids[lost].tolist(), ids)]),
            names=(*ours.names, *names),
            supercategories=(*ours.supercategories, *[None] * len(lost)),
        )
    return found, ours, classes_by, findings


def _by_class_id(theirs: Categories, ours: Categories) -> NDArray[np.int64]:
    place = {name: n for n, name in enumerate(ours.names)}
    place |= {number_or_text(i): n for n, i in enumerate(ours.ids.tolist())}
    return np.array([place.get(number_or_text(i), -1) for i in theirs.ids.tolist()], dtype=np.int64)


def _by_class_name(theirs: Categories, ours: Categories) -> tuple[NDArray[np.int64], list[Finding]]:
    exact, folded = _places(ours.names), _places([name.strip().casefold() for name in ours.names])
    found = np.full(len(theirs), -1, np.int64)
    findings = []
    for name, same in _places(theirs.names).items():
        if name in exact:
            places = _of_one_name(theirs, same, ours, exact[name])
            if places is None:
                message = f"class `{name}` is there {len(exact[name])} times in the truth: the last one is taken"
                findings.append(Finding("DK103", message))
            found[same] = exact[name][-1] if places is None else places
    taken = set(found.tolist())
    twins = Counter(name.strip().casefold() for name in theirs.names if name not in exact)
    for k, name in enumerate(theirs.names):
        if name in exact:
            continue
        near = folded.get(name.strip().casefold(), [])
        if len(near) == 1 and near[0] not in taken and twins[name.strip().casefold()] == 1:
            found[k] = near[0]
            message = (
                f"class `{name}` of the predictions is taken for `{ours.names[near[0]]}`: they differ only in case"
            )
            findings.append(Finding("DK304", message))
    return found, findings


def _places(names: Sequence[str]) -> dict[str, list[int]]:
    """Name -> positions that have it."""
    places: dict[str, list[int]] = defaultdict(list)
    for n, name in enumerate(names):
        places[name].append(n)
    return places


def _of_one_name(theirs: Categories, mine: Sequence[int], ours: Categories, known: Sequence[int]) -> list[int] | None:
    """Truth position of each predicted class of a name: by id, else one after the other; None where neither tells."""
    if len(known) == 1:
        return [known[0]] * len(mine)
    if theirs.has_own_ids and ours.has_own_ids:
        by_id = {number_or_text(ours.ids[p]): p for p in known}
        wanted = [number_or_text(i) for i in theirs.ids[list(mine)].tolist()]
        if all(i in by_id for i in wanted):
            return [by_id[i] for i in wanted]
    return list(known) if len(mine) == len(known) else None


def _by_position(theirs: Categories, ours: Categories, detections: Detections) -> NDArray[np.int64]:
    used = np.flatnonzero(np.bincount(detections.category_index, minlength=1))
    if len(used) and used[-1] >= len(ours):
        row = int(np.flatnonzero(detections.category_index == used[-1])[0])
        image = image_label(detections.images, int(detections.image_index[row]))
        raise InputError(
            f"class number {theirs.names[used[-1]]} in image `{image}` is out of range: "
            f"the truth has {plural(len(ours), 'class', 'classes')} (0 to {len(ours) - 1})",
            path=None if detections.source is None else detections.source.path,
            hint="name the classes of the predictions with `--names FILE`",
        )
    return np.where(np.arange(len(theirs)) < len(ours), np.arange(len(theirs)), -1)


def _mapped(theirs: Categories, ours: Categories, class_map: Mapping[str, str | None]) -> NDArray[np.int64]:
    known = {name: n for n, name in enumerate(ours.names)}
    wrong = [v for v in class_map.values() if v is not None and v not in known]
    if wrong:
        raise UsageError(
            f"the class map names {examples(wrong)}, which the truth does not have; it has {examples(list(ours.names))}"
        )
    found = np.full(len(theirs), -1, np.int64)
    for k in range(len(theirs)):
        for key in (theirs.names[k], str(theirs.ids[k])):
            if key in class_map:
                target = class_map[key]
                found[k] = -1 if target is None else known[target]
                break
        else:
            found[k] = known.get(theirs.names[k], -1) if theirs.has_names else -1
    return found


def _left_out(theirs: Categories, k: int, class_map: Mapping[str, str | None]) -> bool:
    """Whether the class map itself says that this class is not scored."""
    return any(key in class_map and class_map[key] is None for key in (theirs.names[k], str(theirs.ids[k])))


def _shift_hint(theirs: Categories, ours: Categories) -> str | None:
    """What moved ids would fit, when moving all of them makes every one known."""
    if theirs.has_names or theirs.ids.dtype == object or ours.ids.dtype == object or not len(theirs):
        return None
    for step in (1, -1):
        if np.isin(theirs.ids + step, ours.ids).all():
            return f"class ids look shifted: every id {step:+d} is one of the truth's (use `--class-map`)"
    if theirs.ids.min() >= 0 and theirs.ids.max() < len(ours):
        return "class ids look like positions in the truth's class list, counted from 0 (use `--class-map`)"
    return None
