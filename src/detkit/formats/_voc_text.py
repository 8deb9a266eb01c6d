"""Truth as one text file an image: `name left top right bottom [difficult]`, corners inclusive."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Probe, ReadOptions
from detkit.formats._images import ImageFinder
from detkit.formats._numbers import difference
from detkit.formats._stems import find_sizes
from detkit.formats._text_classes import class_number, classes_of
from detkit.formats._text_rows import TextRows, list_text_files, parse_files
from detkit.formats._text_start import has_content
from detkit.formats._voc_folder import suffix_of
from detkit.tables import Dataset, Images, Source
from detkit.wording import examples, plural

__all__ = ["probe_text_truth", "read_text_dataset"]

_SAMPLE = 200


def probe_text_truth(path: Path) -> Probe:
    """Whether a folder holds text truth in pixels; shares of the image are YOLO's."""
    filled = list(islice((f for f in list_text_files(path) if has_content(f.path)), _SAMPLE))
    if not filled:
        return Probe(False, "no .xml file, and no .txt file with rows in it")
    rows = parse_files(filled, 4, flag="difficult", start_only=True)
    if len(rows) <= len(rows.bad) + len(rows.unreadable):
        bad = rows.bad[0] if rows.bad else None
        where = "" if bad is None else f": {rows.files[bad.file].name}.txt line {bad.line}, {bad.message}"
        return Probe(False, f"no .xml file, and .txt rows that are not `name left top right bottom`{where}")
    numbered = all(class_number(label) is not None for label in set(rows.labels))
    # YOLO labels may hold faulty rows too: it is the bulk of them that tells.
    if 2 * int((np.abs(rows.values) <= 1.5).all(axis=1).sum()) >= len(rows):
        return Probe(False, "no .xml file, and .txt rows with shares of the image, as YOLO has them")
    reversed_rows = int((rows.values[:, 2:] < rows.values[:, :2]).any(axis=1).sum())
    if numbered and reversed_rows:
        return Probe(False, f".txt rows whose numbers are not left top right bottom ({plural(reversed_rows, 'row')})")
    return Probe(True, "a folder of .txt files with rows `name left top right bottom`")


def read_text_dataset(path: Path, options: ReadOptions) -> Dataset:
    """Text truth as a dataset.

    Parameters
    ----------
    path : Path
        Folder with one text file an image; an empty file is an image without objects.
    options : ReadOptions

    Returns
    -------
    Dataset
        Sizes are NaN unless options, a table beside the files or the images give them.

    Raises
    ------
    InputError
        No text file, no readable row although there are rows, a class number without a name, or a split asked for.
    """
    found = list_text_files(path)
    if not found:
        raise InputError("no .xml and no .txt file in it", path=path)
    if options.split is not None:
        raise InputError(f"no split `{options.split}`; text truth has no splits", path=path)
    rows = parse_files(found, 4, flag="difficult", jobs=options.jobs)
    if rows.bad and not len(rows):
        bad = rows.bad[0]
        raise InputError(f"no row can be read; {bad.message}", path=found[bad.file].path, place=f"line {bad.line}")
    is_reversed = (_xywh(rows, options)[:, 2:] < 0).any(axis=1)
    rows = rows.drop(is_reversed, "corners are reversed, expected left <= right and top <= bottom")
    xywh = _xywh(rows, options)
    names = [file.name for file in found]
    sizes, _, findings = find_sizes(names, path, options)
    if np.isnan(sizes).any():
        unknown = [names[i] for i in np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist()]
        message = f"text truth states no image sizes and none were found: {examples(unknown)}"
        findings.append(Finding("DK403", message, file=str(path), count=len(unknown)))
    categories, category_index, extra = classes_of(rows, path, options)
    images = _images(names, sizes, options)
    return Dataset.build(
        images,
        categories,
        image_index=rows.file_index,
        category_index=category_index,
        xywh=xywh,
        is_ignored=rows.flagged,
        source=Source(str(path), "voc", files.sha256_of((f.path for f in found), root=path)),
        findings=(*findings, *extra, *rows.findings(), *_thin(rows, xywh, options)),
    )


def _images(names: list[str], sizes: NDArray[np.float64], options: ReadOptions) -> Images:
    finder = ImageFinder([options.images_dir] if options.images_dir is not None else [])
    paths = [finder.find(name) for name in names]
    file_names = tuple(f"{name}{suffix_of(path or '')}" for name, path in zip(names, paths, strict=True))
    return Images(np.arange(1, len(names) + 1), file_names, sizes, tuple(paths), has_own_ids=False)


def _xywh(rows: TextRows, options: ReadOptions) -> NDArray[np.float64]:
    low = difference(rows.values[:, :2], options.voc_offset)
    return np.hstack([low, difference(rows.values[:, 2:], low)])


def _thin(rows: TextRows, xywh: NDArray[np.float64], options: ReadOptions) -> list[Finding]:
    """One finding for each box whose corners coincide on one axis, or that has no size."""
    findings = []
    flat = (xywh[:, 2:] == 0).any(axis=1)
    thin = flat | (rows.values[:, 2:] == rows.values[:, :2]).any(axis=1)
    for row in np.flatnonzero(thin).tolist():
        file, line = rows.place(row)
        code, text = ("DK201", "no width or height") if flat[row] else ("DK204", "one pixel wide or high")
        name = rows.files[int(rows.file_index[row])].name
        findings.append(Finding(code, text, file=file, line=int(line.split()[1]), image=name, annotation=row))
    return findings
