"""Open Images predictions: a row a box (`Score`), or a row an image (`PredictionString`) as in the challenges."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._base import ReadOptions
from detkit.formats._beside import build_images, pixels_or_shares, sizes_required, suspects, write_beside
from detkit.formats._json_file import as_numbers
from detkit.formats._numbers import difference
from detkit.formats._openimages_read import read_class_names
from detkit.formats._openimages_tables import files_of, load, role_of
from detkit.formats._openimages_write import class_labels, image_keys, shares_of
from detkit.formats._sidecar import Sidecar
from detkit.formats._stems import ImageLookup
from detkit.tables import Categories, Detections, Source
from detkit.wording import plural

__all__ = ["find_predictions", "read_predictions", "write_predictions"]

_CLASS_ID = re.compile(r"/[a-z]/\w")
_FIELDS = 6


def find_predictions(path: Path) -> tuple[Path | None, str]:
    """The file of predictions at a path, and why or why not."""
    if path.is_file():
        role, why = role_of(path)
        return (path, why) if role in ("scores", "strings") else (None, why)
    found = [file for file, role in files_of(path) if role in ("scores", "strings")]
    if len(found) == 1:
        return found[0], f"{found[0].name}: a header with ImageID and scores"
    several = f"{len(found)} CSV files of predictions, expected one"
    return None, several if found else "no CSV file with `ImageID,LabelName,Score,XMin,XMax,YMin,YMax`"


def read_predictions(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a CSV file.

    Parameters
    ----------
    path : Path
        The file, or a folder that holds exactly one such file.
    options : ReadOptions
        `reference_images` and `image_sizes` give the sizes that turn shares into pixels.

    Returns
    -------
    Detections
        File names are the `ImageID`.

    Raises
    ------
    InputError
        No such file, or image sizes known for a part of the images.
    """
    file, why = find_predictions(path)
    if file is None:
        raise InputError(why, path=path)
    rows = _rows_of_boxes(file) if role_of(file)[0] == "scores" else _rows_of_strings(file)
    keys, image_index, labels, values, findings = rows
    images, notes = build_images(keys, [], options, sidecar=Sidecar(file.parent))
    findings += notes
    keep = np.ones(len(labels), np.bool_)
    if options.reference_images is not None:
        lookup = ImageLookup(options.reference_images)
        known = np.array([lookup.find(key) >= 0 for key in keys], np.bool_)
        lost = ~known & np.isnan(images.sizes).any(axis=1)
        keep = ~lost[image_index]
        if not keep.all() and keep.any():
            message = "predictions on images that the truth does not have, and whose sizes are unknown; left out"
            findings.append(Finding("DK701", message, file=str(file), count=int(np.count_nonzero(~keep))))
        else:
            keep[:] = True
    image_index, values = image_index[keep], values[keep]
    labels = [label for label, wanted in zip(labels, keep.tolist(), strict=True) if wanted]
    corners, units = pixels_or_shares(values[:, 1:], image_index, images, file)
    xywh = np.hstack([corners[:, :2], difference(corners[:, 2:], corners[:, :2])])
    findings += suspects(file, xywh, values[:, 0])
    categories, category_index = _categories(labels, file)
    return Detections.build(
        images,
        categories,
        image_index=image_index,
        category_index=category_index,
        xywh=xywh,
        score=values[:, 0],
        units=units,
        source=Source(str(path), "openimages", files.sha256_of([file])),
        findings=tuple(findings),
    )


Rows = tuple[list[str], NDArray[np.int64], list[str], NDArray[np.float64], list[Finding]]


def _rows_of_boxes(file: Path) -> Rows:
    table = load(file)
    values = table.numbers(("score", "xmin", "ymin", "xmax", "ymax"))
    named = [bool(k and c) for k, c in zip(table.texts("imageid"), table.texts("labelname"), strict=True)]
    good: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
    table.reject(~good, "Score, XMin, XMax, YMin, YMax are not five finite numbers")
    table.reject(good & ~np.array(named, np.bool_), "`ImageID` or `LabelName` is empty")
    good &= np.array(named, np.bool_)
    table.keep(good)
    place: dict[str, int] = {}
    index = [place.setdefault(key, len(place)) for key in table.texts("imageid")]
    return list(place), np.array(index, np.int64), table.texts("labelname"), values[good], table.findings


def _rows_of_strings(file: Path) -> Rows:
    table = load(file)
    place: dict[str, int] = {}
    index: list[int] = []
    labels: list[str] = []
    numbers: list[list[float]] = []
    findings = table.findings
    for key, text, line in zip(table.texts("imageid"), table.texts("predictionstring"), table.lines, strict=True):
        if not key:
            findings.append(Finding("DK102", "`ImageID` is empty", file=str(file), line=line))
            continue
        image = place.setdefault(key, len(place))
        tokens = text.split()
        if len(tokens) % _FIELDS:
            message = f"found {plural(len(tokens), 'field')} in `PredictionString`, expected {_FIELDS} for each box"
            findings.append(Finding("DK102", message, file=str(file), line=line))
            continue
        for start in range(0, len(tokens), _FIELDS):
            row = as_numbers(tokens[start + 1 : start + _FIELDS])
            if row is None:
                message = f"box {start // _FIELDS + 1}: found `{' '.join(tokens[start : start + _FIELDS])}`"
                findings.append(Finding("DK102", f"{message}, expected five numbers", file=str(file), line=line))
                continue
            index.append(image)
            labels.append(tokens[start])
            numbers.append(row)
    return list(place), np.array(index, np.int64), labels, np.array(numbers, np.float64).reshape(-1, 5), findings


def _categories(labels: Sequence[str], file: Path) -> tuple[Categories, NDArray[np.int64]]:
    distinct = sorted(set(labels))
    described = read_class_names(
        [f for f, role in files_of(file.parent) if role == "classes" and f.parent == file.parent]
    )
    coded = all(_CLASS_ID.match(label) for label in distinct)
    names = tuple(described.get(label, label) for label in distinct)
    position = {label: i for i, label in enumerate(distinct)}
    has_names = not coded or set(distinct) <= set(described)
    index = np.fromiter((position[label] for label in labels), np.int64, len(labels))
    return Categories(np.array(distinct, dtype=object), names, has_names=has_names), index


def write_predictions(detections: Detections, target: Path) -> list[Loss]:
    """Write `predictions.csv`, a row a box, into a folder.

    Parameters
    ----------
    detections : Detections
    target : Path

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Unknown image sizes.
    """
    if detections.units == "pixels":
        sizes_required(detections.images, detections.image_index, "openimages")
    keys = image_keys(detections.images)
    labels = class_labels(detections.categories)
    low, high = shares_of(detections.xywh, detections.image_index, detections.images, detections.units)
    columns = zip(
        (keys[i] for i in detections.image_index.tolist()),
        (labels[i] for i in detections.category_index.tolist()),
        detections.score.tolist(),
        low[:, 0].tolist(),
        high[:, 0].tolist(),
        low[:, 1].tolist(),
        high[:, 1].tolist(),
        strict=True,
    )
    with (target / "predictions.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("ImageID", "LabelName", "Score", "XMin", "XMax", "YMin", "YMax"))
        writer.writerows(columns)
    write_beside(target, "openimages", "detections", detections.images, detections.categories, keys)
    bare = len(detections.images) - len(np.unique(detections.image_index))
    return [Loss("images without predictions", "not listed (the layout lists none)", bare)] if bare else []
