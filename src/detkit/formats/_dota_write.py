"""A table as DOTA's text files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._images import place
from detkit.formats._numbers import corner_texts, number_text
from detkit.formats._text_folder import class_words, first_splits, write_text_sidecar
from detkit.formats._writing import Outlines, distinct, require_pixels
from detkit.tables import Dataset, Detections, Shapes

__all__ = ["write_dataset", "write_results"]


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `labelTxt` and `images`, in a folder for each split, with `detkit-images.csv` and `detkit.json`.

    Parameters
    ----------
    dataset : Dataset
    target : Path
        An empty folder.
    options : WriteOptions

    Returns
    -------
    list of Loss
        Beyond what the capabilities say.

    Raises
    ------
    InputError
        Shares of images whose sizes are unknown, classes that would share a word, or a split that is no folder name.
    """
    require_pixels(dataset, "DOTA")
    names, labels, losses = distinct(dataset.images, ".txt")
    words = class_words(dataset.categories.names, "DOTA")
    corners, more = _corners(dataset, options)
    ignored, category = dataset.annotations.is_ignored.tolist(), dataset.annotations.category_index.tolist()
    offsets = dataset.offsets.tolist()
    split, doubled = first_splits(dataset)
    images = []
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        folder = target / split[position] if position in split else target
        rows = range(*offsets[position : position + 2])
        text = "".join(f"{corners[row]} {words[category[row]]} {int(ignored[row])}\n" for row in rows)
        file = folder / "labelTxt" / label
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_header(dataset, position) + text, encoding="utf-8", newline="\n")
        images.append((position, folder / "images" / name))
    write_text_sidecar(target, "dota", "dataset", dataset.images, names, dataset.categories)
    place(dataset.images, images, options.place_images or "leave")
    if doubled:
        losses.append(Loss("images in several splits", "written with the first one only", doubled))
    return losses + more


def write_results(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `Task1_<class>.txt` for each class, with `detkit-images.csv` and `detkit.json`; otherwise as above."""
    require_pixels(detections, "DOTA")
    names, labels, losses = distinct(detections.images, ".txt")
    words = class_words(detections.categories.names, "DOTA")
    corners, more = _corners(detections, options)
    score, image = detections.score.tolist(), detections.image_index.tolist()
    lines: list[list[str]] = [[] for _ in words]
    for row, category in enumerate(detections.category_index.tolist()):
        stem = labels[image[row]].removesuffix(".txt")
        lines[category].append(f"{stem} {score[row]!r} {corners[row]}\n")
    encoded = []
    for word, part in zip(words, lines, strict=True):
        safe = quote(word, safe="()[]{}+,;=@&!$'#-_.~" + "".join(c for c in word if not c.isascii()))
        if safe != word:
            encoded.append(word)
        (target / f"Task1_{safe}.txt").write_text("".join(part), encoding="utf-8", newline="\n")
    if encoded:
        losses.append(Loss("class names in file names", "percent-encoded", len(encoded), tuple(encoded[:3])))
    write_text_sidecar(target, "dota", "detections", detections.images, names, detections.categories)
    return losses + more


def _corners(table: Dataset | Detections, options: WriteOptions) -> tuple[list[str], list[Loss]]:
    """Text of the four corners of each row: its own where it has four, else those of its box."""
    rows = table.annotations if isinstance(table, Dataset) else table
    outlines = Outlines(table, options)
    texts, other, masks = [], 0, 0
    for row, (left, top, right, bottom) in enumerate(corner_texts(rows.xywh, 0)):
        rings = outlines.rings(row)
        if len(rings) == 1 and len(rings[0]) == 4:
            texts.append(_text(rings[0]))
            continue
        if rings:
            other += 1
            # The box is what is written of it.
            if outlines.unlike[-1:] == [row]:
                outlines.unlike.pop()
        masks += outlines.shapes is not None and outlines.shapes.kind[row] == Shapes.RLE
        texts.append(f"{left} {top} {right} {top} {right} {bottom} {left} {bottom}")
    losses = [
        Loss("polygons that have not four corners", "turned into boxes", other),
        Loss("run-length masks", "turned into boxes", masks),
    ]
    return texts, [*outlines.losses(), *(loss for loss in losses if loss.count)]


def _text(ring: NDArray[np.float64]) -> str:
    return " ".join(number_text(value) for value in ring.ravel().tolist())


def _header(dataset: Dataset, position: int) -> str:
    """`imagesource` and `gsd` as they were read."""
    extra = dataset.images.extra.get(position, {})
    stated = [(name, extra[name]) for name in ("acquisition dates", "imagesource", "gsd") if name in extra]
    return "".join(f"{name}:{value}\n" for name, value in stated if "\n" not in str(value))
