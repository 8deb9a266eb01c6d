"""Bring predictions to the truth's images and classes, and say how, what did not fit, and what looks wrong.

Images meet by id where both sides have ids of their own, else by file name. Classes meet by name where both have
names, else by id, else by number in the truth's order. Nothing is guessed silently: every rule that was used and
everything left over is a finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.findings import Finding, examples
from detkit.tables import Categories, Dataset, Detections, Images, freeze, id_array

__all__ = ["Aligned", "Unmapped", "align", "file_stem"]

Unmapped = Literal["ignore", "count", "error"]
ClassesBy = Literal["name", "id", "position"]
_LABEL_SUFFIXES = frozenset(
    [".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm", ".heic", ".avif", ".jp2",
     ".gif", ".ppm", ".pgm", ".txt", ".xml", ".json"]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions in the truth's terms.

    Parameters
    ----------
    truth : Dataset
        As given; with extra classes at the end when unmapped classes are counted.
    detections : Detections
        Only rows that are scored; positions are the truth's.
    predicted : (I,) bool
        Which truth images the predictions cover (a row, or an empty file, for them).
    outside : int
        Rows on images the truth does not have.
    unmapped : int
        Rows of classes the truth does not have.
    classes_by : {"name", "id", "position"}
        How classes met; ids and positions may be shifted.
    findings : tuple of Finding
    """

    truth: Dataset
    detections: Detections
    predicted: NDArray[np.bool_]
    outside: int
    unmapped: int
    classes_by: ClassesBy
    findings: tuple[Finding, ...]


def align(
    truth: Dataset,
    detections: Detections,
    *,
    class_map: Mapping[str, str | None] | None = None,
    unmapped: Unmapped = "ignore",
    known_elsewhere: Images | None = None,
) -> Aligned:
    """Predictions in the truth's images and classes.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    class_map : mapping of str to (str or None), optional
        Class of the predictions (name, id or number as text) -> class name of the truth, None to leave it out.
    unmapped : {"ignore", "count", "error"}
        What happens to classes the truth does not have: not scored, kept as classes without truth, or refused.
    known_elsewhere : Images, optional
        All images of the dataset that `truth` is a split of: predictions on those are not called unknown.

    Returns
    -------
    Aligned

    Raises
    ------
    CannotJudgeError
        Nothing of the predictions meets the truth.
    InputError
        Units differ, class numbers out of range, or an unmapped class under `error`.
    """
    if truth.units != detections.units:
        raise InputError(
            f"the truth is in {truth.units} and the predictions are in {detections.units} coordinates",
            hint="give the image sizes: --images DIR or --image-sizes CSV|WxH",
        )
    image_of, notes = _match_images(truth.images, detections.images)
    findings = [*notes, *_unknown_images(truth, detections, image_of, known_elsewhere)]
    category_of, categories, classes_by, notes = _match_classes(truth, detections, class_map, unmapped)
    findings += notes
    new_image, new_class = image_of[detections.image_index], category_of[detections.category_index]
    scored = (new_image >= 0) & (new_class >= 0)
    rows = np.flatnonzero(scored)
    rows = rows[np.argsort(new_image[rows], kind="stable")]
    aligned = replace(
        detections.take(rows),
        image_index=freeze(new_image[rows], np.int64),
        category_index=freeze(new_class[rows], np.int64),
        images=truth.images,
        categories=categories,
    )
    predicted = np.zeros(len(truth.images), np.bool_)
    predicted[image_of[image_of >= 0]] = True
    return Aligned(
        replace(truth, categories=categories),
        aligned,
        predicted,
        outside=int(np.count_nonzero(new_image < 0)),
        unmapped=int(np.count_nonzero((new_image >= 0) & (new_class < 0))),
        classes_by=classes_by,
        findings=tuple(findings),
    )


def file_stem(name: str) -> str:
    """File name without folders and without an image or label suffix (other dots stay)."""
    name = PurePosixPath(name.replace("\\", "/")).name
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in _LABEL_SUFFIXES else name


def _match_images(truth: Images, predicted: Images) -> tuple[NDArray[np.int64], list[Finding]]:
    """Truth position of each predicted image, -1 for none."""
    if not len(predicted):
        return np.empty(0, np.int64), []
    attempts: list[tuple[str, NDArray[np.int64]]] = []
    named = any(predicted.file_names)
    by_id = _by_id(truth, predicted)
    if truth.has_own_ids and predicted.has_own_ids:
        attempts.append(("image id", by_id))
    if named:
        attempts.append(("file name", _by_name(truth, predicted.file_names)))
    elif predicted.has_own_ids:
        attempts.append(("file name", _by_name(truth, [str(i) for i in predicted.ids.tolist()])))
        if not truth.has_own_ids:
            attempts.append(("position (the truth's format has no image ids)", by_id))
    counts = [int(np.count_nonzero(found >= 0)) for _, found in attempts]
    best = max(range(len(attempts)), key=lambda i: (counts[i], -i))
    if not named and attempts[0][0] == "image id" and counts[0] and counts[best] < len(predicted):
        # Some ids meet, and names do not explain everything: numbers in file names may be other images' ids.
        best = 0
    how, found = attempts[best]
    findings = []
    if (
        named
        and how == "image id"
        and counts[1]
        and (attempts[1][1][attempts[1][1] >= 0] != found[attempts[1][1] >= 0]).any()
    ):
        how, found = attempts[1]
        findings.append(
            Finding("DK704", "image ids and file names of the predictions point to different images: matched by name")
        )
    elif how != "image id" and predicted.has_own_ids and counts[best]:
        message = f"{counts[best]} images matched by {how}, not by id"
        findings.append(Finding("DK704", message, count=counts[best]))
    if how == "image id" and truth.ids.dtype != predicted.ids.dtype and counts[best]:
        findings.append(Finding("DK106", "image ids are text on one side and numbers on the other: `123` meets 123"))
    return found, findings


def _by_id(truth: Images, predicted: Images) -> NDArray[np.int64]:
    if truth.ids.dtype != object and predicted.ids.dtype != object:
        order = np.argsort(truth.ids, kind="stable")
        at = np.searchsorted(truth.ids, predicted.ids, sorter=order)
        at = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros(len(predicted), np.int64)
        hit = truth.ids[at] == predicted.ids if len(order) else np.zeros(len(predicted), np.bool_)
        return np.where(hit, at, -1)
    place = {_number_or_text(i): n for n, i in enumerate(truth.ids.tolist())}
    return np.array([place.get(_number_or_text(i), -1) for i in predicted.ids.tolist()], dtype=np.int64)


def _number_or_text(value: Any) -> Any:
    """`"123"` and 123 are one id; `"0123"` is text."""
    return int(value) if isinstance(value, str) and value.isdecimal() and str(int(value)) == value else value


def _by_name(truth: Images, names: Any) -> NDArray[np.int64]:
    """By path without suffix, then by stem where it is unique, then by the number the stem spells."""
    paths: dict[str, int] = {}
    stems: dict[str, list[int]] = defaultdict(list)
    numbers: dict[int, list[int]] = defaultdict(list)
    for n, name in enumerate(truth.file_names):
        if not name:
            continue
        paths[_path_key(name)] = n
        stem = file_stem(name)
        stems[stem].append(n)
        if stem.isdecimal() and len(stem) < 19:
            numbers[int(stem)].append(n)
    out = np.full(len(names), -1, np.int64)
    for i, name in enumerate(names):
        if not name:
            continue
        stem = file_stem(name)
        found = paths.get(_path_key(name), -1)
        if found < 0 and len(stems.get(stem, ())) == 1:
            found = stems[stem][0]
        if found < 0 and stem.isdecimal() and len(stem) < 19 and len(numbers.get(int(stem), ())) == 1:
            found = numbers[int(stem)][0]
        out[i] = found
    return out


def _path_key(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return str(path.parent / file_stem(name))


def _unknown_images(
    truth: Dataset, detections: Detections, image_of: NDArray[np.int64], elsewhere: Images | None
) -> list[Finding]:
    predicted = detections.images
    unknown = np.flatnonzero(image_of < 0)
    if not len(predicted) or not len(detections):
        raise CannotJudgeError(
            "the predictions are empty: there is nothing to compare", hint="was the model run on these images?"
        )
    if not len(unknown):
        return _image_shift(truth.images, predicted, image_of)
    rows = int(np.isin(detections.image_index, unknown).sum())
    labels = [_label(predicted, int(i)) for i in unknown]
    if len(unknown) == len(predicted):
        known = [_label(truth.images, i) for i in range(min(3, len(truth.images)))]
        raise CannotJudgeError(
            f"no prediction meets the truth: {len(unknown)} predicted images ({examples(labels)}) and none of them "
            f"among the truth's {len(truth.images)} ({examples(known)})",
            hint="are these the predictions of this dataset and split? ids and file names were both tried",
        )
    findings = _image_shift(truth.images, predicted, image_of)
    if elsewhere is not None:
        other = _match_images(elsewhere, predicted)[0]
        in_splits = unknown[other[unknown] >= 0]
        if len(in_splits):
            count = int(np.isin(detections.image_index, in_splits).sum())
            message = f"{count} predictions on {len(in_splits)} images of other splits are not scored"
            findings.append(Finding("DK108", message + " (`--split all` scores every image)", count=count))
        unknown = np.setdiff1d(unknown, in_splits)
        rows = int(np.isin(detections.image_index, unknown).sum())
        labels = [_label(predicted, int(i)) for i in unknown]
    if len(unknown):
        message = f"{rows} predictions on {len(unknown)} images outside the truth are not scored: {examples(labels)}"
        findings.append(Finding("DK701", message, image=labels[0], count=rows))
    return findings


def _image_shift(truth: Images, predicted: Images, image_of: NDArray[np.int64]) -> list[Finding]:
    """Numeric ids that would all fit if each were one more or one less."""
    if truth.ids.dtype == object or predicted.ids.dtype == object or not (predicted.has_own_ids and truth.has_own_ids):
        return []
    if not (image_of < 0).any():
        return []
    for step in (1, -1):
        if np.isin(predicted.ids + step, truth.ids).all():
            message = (
                f"image ids look shifted: {int((image_of < 0).sum())} are unknown, and every id {step:+d} is known"
            )
            return [Finding("DK703", message)]
    return []


def _label(images: Images, position: int) -> str:
    return images.file_names[position] or str(images.ids[position])


def _match_classes(
    truth: Dataset, detections: Detections, class_map: Mapping[str, str | None] | None, unmapped: Unmapped
) -> tuple[NDArray[np.int64], Categories, ClassesBy, list[Finding]]:
    """Truth position of each predicted class (-1: not scored), the truth's classes, what decided."""
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
    used = np.unique(detections.category_index)
    lost = (
        used[found[used] < 0]
        if class_map is None
        else np.array([k for k in used if found[k] < 0 and not _left_out(theirs, int(k), class_map)], dtype=np.int64)
    )
    if not len(lost):
        return found, ours, classes_by, findings
    names = [theirs.names[k] for k in lost]
    rows = int(np.isin(detections.category_index, lost).sum())
    message = f"{len(lost)} predicted classes ({rows} boxes) are not among the truth's {len(ours)}: {examples(names)}"
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
        taken = set(ours.ids.tolist())
        fresh = _fresh_ids([theirs.ids[k] for k in lost], taken)
        ours = replace(
            ours,
            ids=id_array([*ours.ids.tolist(), *fresh]),
            names=(*ours.names, *names),
            supercategories=(*ours.supercategories, *[None] * len(lost)),
        )
    return found, ours, classes_by, findings


def _fresh_ids(wanted: list[Any], taken: set[Any]) -> list[Any]:
    top = max((i for i in taken if isinstance(i, int)), default=0)
    out = []
    for value in wanted:
        value = value.item() if hasattr(value, "item") else value
        if value in taken:
            top += 1
            value = top
        taken.add(value)
        out.append(value)
    return out


def _by_class_id(theirs: Categories, ours: Categories) -> NDArray[np.int64]:
    place = {name: n for n, name in enumerate(ours.names)}
    place |= {_number_or_text(i): n for n, i in enumerate(ours.ids.tolist())}
    return np.array([place.get(_number_or_text(i), -1) for i in theirs.ids.tolist()], dtype=np.int64)


def _by_class_name(theirs: Categories, ours: Categories) -> tuple[NDArray[np.int64], list[Finding]]:
    exact = {name: n for n, name in enumerate(ours.names)}
    folded: dict[str, list[int]] = defaultdict(list)
    for n, name in enumerate(ours.names):
        folded[name.strip().casefold()].append(n)
    taken = {exact[name] for name in theirs.names if name in exact}
    twins = Counter(name.strip().casefold() for name in theirs.names if name not in exact)
    found = np.full(len(theirs), -1, np.int64)
    findings = []
    for k, name in enumerate(theirs.names):
        if name in exact:
            found[k] = exact[name]
            continue
        near = folded.get(name.strip().casefold(), [])
        if len(near) == 1 and near[0] not in taken and twins[name.strip().casefold()] == 1:
            found[k] = near[0]
            message = (
                f"class `{name}` of the predictions is taken for `{ours.names[near[0]]}`: they differ only in case"
            )
            findings.append(Finding("DK304", message))
    return found, findings


def _by_position(theirs: Categories, ours: Categories, detections: Detections) -> NDArray[np.int64]:
    used = np.unique(detections.category_index)
    if len(used) and used[-1] >= len(ours):
        row = int(np.flatnonzero(detections.category_index == used[-1])[0])
        image = _label(detections.images, int(detections.image_index[row]))
        raise InputError(
            f"class number {theirs.names[used[-1]]} in image `{image}` is out of range: "
            f"the truth has {len(ours)} classes (0 to {len(ours) - 1})",
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
