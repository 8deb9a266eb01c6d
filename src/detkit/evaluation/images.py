"""Which truth image each predicted image is: by id, by file name, and what to say when they do not meet."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError
from detkit.findings import Finding
from detkit.tables import Dataset, Detections, Images
from detkit.wording import examples, plural

__all__ = ["file_stem", "image_label", "match_by_id", "match_images", "number_or_text", "unknown_images",
           "unpredicted_images"]  # fmt: skip

#: Share of the truth's images above which the lack of predictions looks like another split, or a run cut short.
_MOST_UNPREDICTED = 0.5
#: Ids of more digits are text.
_MOST_DIGITS = 100
_LABEL_SUFFIXES = frozenset(
    [".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm", ".heic", ".avif", ".jp2",
     ".gif", ".ppm", ".pgm", ".txt", ".xml", ".json"]
)  # fmt: skip


def file_stem(name: str) -> str:
    """File name without folders and without an image or label suffix (other dots stay)."""
    name = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and dot + suffix.lower() in _LABEL_SUFFIXES else name


def match_images(truth: Images, predicted: Images) -> tuple[NDArray[np.int64], list[Finding]]:
    """Truth position of each predicted image, -1 for none.

    Ids meet only where both sides have ids of their own: numbers given while reading mean nothing to anybody else.

    Parameters
    ----------
    truth, predicted : Images

    Returns
    -------
    (I,) int64, list of Finding
    """
    if not len(predicted):
        return np.empty(0, np.int64), []
    attempts: list[tuple[str, NDArray[np.int64]]] = []
    named = any(predicted.file_names)
    by_id = match_by_id(truth, predicted)
    if truth.has_own_ids and predicted.has_own_ids:
        attempts.append(("image id", by_id))
    if named:
        attempts.append(("file name", _by_name(truth, predicted.file_names)))
    elif predicted.has_own_ids and not (attempts and (by_id >= 0).all()):
        attempts.append(("file name", _by_name(truth, [str(i) for i in predicted.ids.tolist()])))
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
        message = f"{plural(counts[best], 'image')} matched by {how}, not by id"
        findings.append(Finding("DK704", message, count=counts[best]))
    if how == "image id" and truth.ids.dtype != predicted.ids.dtype and counts[best]:
        findings.append(Finding("DK106", "image ids are text on one side and numbers on the other: `123` meets 123"))
    return found, findings


def match_by_id(truth: Images, predicted: Images) -> NDArray[np.int64]:
    """Truth position of the image of the same id, -1 for none; `"123"` is 123.

    Parameters
    ----------
    truth, predicted : Images

    Returns
    -------
    (I,) int64
    """
    if truth.ids.dtype != object and predicted.ids.dtype != object:
        order = np.argsort(truth.ids, kind="stable")
        at = np.searchsorted(truth.ids, predicted.ids, sorter=order)
        at = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros(len(predicted), np.int64)
        hit = truth.ids[at] == predicted.ids if len(order) else np.zeros(len(predicted), np.bool_)
        return np.where(hit, at, -1)
    place = {number_or_text(i): n for n, i in enumerate(truth.ids.tolist())}
    return np.array([place.get(number_or_text(i), -1) for i in predicted.ids.tolist()], dtype=np.int64)


def number_or_text(value: Any) -> Any:
    """`"123"` and 123 are one id; `"0123"` is text, and so is what no number is as long as."""
    if not isinstance(value, str) or len(value) > _MOST_DIGITS or not value.isdecimal():
        return value
    return int(value) if str(int(value)) == value else value


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
    folder, slash, _ = name.replace("\\", "/").removeprefix("./").rpartition("/")
    return folder + slash + file_stem(name)


def unknown_images(
    truth: Dataset, detections: Detections, image_of: NDArray[np.int64], elsewhere: Images | None
) -> list[Finding]:
    """What to say of predicted images that the truth does not have, or whose ids look shifted.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    image_of : (I,) int64
        Truth position of each predicted image, -1 for none.
    elsewhere : Images, optional
        Images of the truth's other splits.

    Returns
    -------
    list of Finding

    Raises
    ------
    CannotJudgeError
        There are no predictions, or none of their images is the truth's.
    """
    predicted = detections.images
    unknown = np.flatnonzero(image_of < 0)
    if not len(predicted) or not len(detections):
        raise CannotJudgeError(
            "the predictions are empty: there is nothing to compare", hint="was the model run on these images?"
        )
    if not len(unknown):
        return _image_shift(truth.images, predicted, image_of)
    if not len(truth.images):
        raise CannotJudgeError("the truth has no images: there is nothing to compare with")
    if len(unknown) == len(predicted):
        labels, known = (_first_labels(images, np.arange(len(images))) for images in (predicted, truth.images))
        raise CannotJudgeError(
            f"no prediction meets the truth: {plural(len(unknown), 'predicted image')} ({examples(labels)}), "
            f"none of them among the truth's {len(truth.images)} ({examples(known)})",
            hint=_why_none_meet(truth.images, predicted),
        )
    findings = _image_shift(truth.images, predicted, image_of)
    if elsewhere is not None:
        other = match_images(elsewhere, predicted)[0]
        in_splits = unknown[other[unknown] >= 0]
        if len(in_splits):
            count = int(np.isin(detections.image_index, in_splits).sum())
            where = f"{plural(count, 'prediction')} on {plural(len(in_splits), 'image')} not asked for"
            findings.append(Finding("DK108", f"not scored: {where} (`--split all` scores every image)", count=count))
        unknown = np.setdiff1d(unknown, in_splits)
    if len(unknown):
        rows = int(np.isin(detections.image_index, unknown).sum())
        labels = _first_labels(predicted, unknown)
        where = f"{plural(rows, 'prediction')} on {plural(len(unknown), 'image')} outside the truth"
        message = f"not scored: {where} ({examples(labels)})"
        findings.append(Finding("DK701", message, image=labels[0], count=rows))
    return findings


def unpredicted_images(images: Images, predicted: NDArray[np.bool_]) -> list[Finding]:
    """A finding that counts the images without predictions; a warning where they are more than half of all.

    Parameters
    ----------
    images : Images
        Of the truth.
    predicted : (I,) bool

    Returns
    -------
    list of Finding
    """
    missing = np.flatnonzero(~predicted)
    if not len(missing):
        return []
    first = image_label(images, int(missing[0]))
    message = f"{len(missing)} of {len(images)} truth images have no predictions (first: `{first}`)"
    if len(missing) <= _MOST_UNPREDICTED * len(images):
        return [Finding("DK705", message, count=len(missing))]
    return [Finding("DK713", f"{message}: are these all predictions, and of this split?", count=len(missing))]


def _first_labels(images: Images, positions: NDArray[np.int64]) -> list[str]:
    """As many as `examples` shows, and one more where there are more."""
    return [image_label(images, i) for i in positions[:4].tolist()]


def _why_none_meet(truth: Images, predicted: Images) -> str:
    if not truth.has_own_ids and predicted.has_own_ids and not any(predicted.file_names):
        return (
            "the predictions name images by id and the truth's format has no image ids: score against the COCO file "
            "they were made with, or predictions that carry file names"
        )
    return "are these the predictions of this dataset and split? ids and file names were both tried"


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


def image_label(images: Images, position: int) -> str:
    """File name of an image, or its id where it has none.

    Parameters
    ----------
    images : Images
    position : int

    Returns
    -------
    str
    """
    return images.file_names[position] or str(images.ids[position])
