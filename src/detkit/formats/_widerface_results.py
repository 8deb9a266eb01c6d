"""WIDER FACE's results: one text file an image in the folder of its event, rows `x y w h score`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._base import ReadOptions
from detkit.formats._beside import build_images, suspects, unique_names, write_beside
from detkit.formats._json_file import as_count
from detkit.formats._numbers import number_text
from detkit.formats._sidecar import Sidecar
from detkit.formats._stems import stem_of
from detkit.formats._text_start import has_content
from detkit.formats._widerface_read import FACE
from detkit.formats._widerface_text import numbers_in, probe_result
from detkit.formats._widerface_write import class_texts
from detkit.formats._writing import require_pixels
from detkit.tables import Categories, Detections, Source
from detkit.wording import plural

__all__ = ["probe_folder", "read_results", "write_results"]

_SAMPLE = 10


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found += [Path(root, name) for name in sorted(names) if name.lower().endswith(".txt") and name[0] != "."]
    return found


def probe_folder(path: Path) -> tuple[bool, str]:
    """Whether a folder holds WIDER FACE's results, and why or why not."""
    if path.is_file():
        return False, "a folder with one .txt file an image was expected; this is a file"
    found = [file for file in _files(path) if has_content(file)]
    if not found:
        return False, "no .txt file with rows in it"
    judged, unread = [], []
    for file in found[:_SAMPLE]:
        try:
            judged.append((file.name, *probe_result(file)))
        except OSError as error:
            unread.append((False, f"{file.name}: cannot be read: {error.strerror or error}"))
    wrong = [(False, f"{name}: {why}") for name, matches, why in judged if not matches]
    return (wrong or [(True, why) for _, _, why in judged[-1:]] or unread)[0]


def read_results(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a folder with one file an image.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Detections
        Images are named by the files (`0--Parade/0_Parade_marchingband_1_849`), those without rows included.

    Raises
    ------
    InputError
        Not a folder, or without any text file.
    """
    if not path.is_dir():
        raise InputError("a folder with one .txt file an image was expected, this is a file", path=path)
    found = _files(path)
    if not found:
        raise InputError("no .txt file in the folder", path=path)
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        parsed = list(pool.map(_parse, found, chunksize=64))
    names = [file.relative_to(path).as_posix()[: -len(".txt")] for file in found]
    findings = [finding for _, _, notes in parsed for finding in notes]
    images, more = build_images(names, [], options, sidecar=Sidecar(path))
    image_index = np.repeat(np.arange(len(found)), [len(rows) for rows, _, _ in parsed])
    values = np.array([row for rows, _, _ in parsed for row in rows], np.float64).reshape(-1, 5)
    labels = [label for _, classes, _ in parsed for label in classes]
    classes = sorted(set(labels)) or [FACE]
    position = {name: i for i, name in enumerate(classes)}
    findings += suspects(path, values[:, :4], values[:, 4])
    return Detections.build(
        images,
        Categories.from_names(classes),
        image_index=image_index,
        category_index=[position[label] for label in labels],
        xywh=values[:, :4],
        score=values[:, 4],
        source=Source(str(path), "widerface", files.sha256_of(found, root=path)),
        findings=(*findings, *more),
    )


def _parse(file: Path) -> tuple[list[list[float]], list[str], list[Finding]]:
    try:
        lines = files.read_small(file).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [], [], [Finding("DK101", f"cannot be read as text: {error}", file=str(file))]
    rows: list[list[float]] = []
    classes: list[str] = []
    findings: list[Finding] = []
    for number, line in enumerate(lines[2:], 3):
        cells = line.split()
        if not cells:
            continue
        values = numbers_in(cells[:5])
        if values is None or len(values) < 5:
            message = f"found `{line.strip()[:60]}`, expected x y w h score"
            findings.append(Finding("DK102", message, file=str(file), line=number))
            continue
        rows.append(values)
        classes.append(" ".join(cells[5:]) or FACE)
    stated = as_count(lines[1].strip()) if len(lines) > 1 else None
    if stated is not None and stated != len(rows) + len(findings):
        follow = plural(len(rows) + len(findings), "row follows", "rows follow")
        message = f"the count is {stated}, and {follow}; the rows are taken"
        findings.append(Finding("DK106", message, file=str(file), line=2))
    return rows, classes, findings


def write_results(detections: Detections, target: Path) -> list[Loss]:
    """Write one file an image into a folder; of several classes the name follows the score.

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
        Shares of images of unknown size, two images with one file, or a class name that a row cannot hold.
    """
    require_pixels(detections, "WIDER FACE")
    stems = [stem_of(name) for name in unique_names(detections.images)]
    if len(set(stems)) < len(stems):
        raise InputError("two images would share one file of results", hint="rename one of them")
    single = len(detections.categories) <= 1
    classes = [""] * len(detections.categories) if single else class_texts(detections.categories, always=True)
    lines = _lines(detections, classes)
    offsets = detections.offsets.tolist()
    for i, stem in enumerate(stems):
        file = target / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        own = lines[offsets[i] : offsets[i + 1]]
        text = [stem.rpartition("/")[2], str(len(own)), *own]
        file.write_text("".join(f"{line}\n" for line in text), encoding="utf-8", newline="\n")
    write_beside(target, "widerface", "detections", detections.images, detections.categories)
    named = [name for name in detections.categories.names if single and name.casefold() != FACE]
    return (
        [Loss("class names", "dropped: one class, which WIDER FACE takes for faces", 1, tuple(named))] if named else []
    )


def _lines(detections: Detections, classes: Sequence[str]) -> list[str]:
    columns = zip(detections.xywh.tolist(), detections.score.tolist(), detections.category_index.tolist(), strict=True)
    return [
        " ".join([*map(number_text, box), repr(score), *([classes[k]] if classes[k] else [])])
        for box, score, k in columns
    ]
