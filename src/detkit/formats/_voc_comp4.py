"""Predictions as the VOC devkit wants them: one file a class, `comp4_det_<set>_<class>.txt`."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._base import ReadOptions, WriteOptions
from detkit.formats._image_names import image_stems
from detkit.formats._layouts import boxes_of, layout_named, scores_of
from detkit.formats._numbers import corner_texts
from detkit.formats._stems import ImageLookup
from detkit.formats._text_classes import case_twins, ordered_names
from detkit.formats._text_rows import TextFile, TextRows, parse_files
from detkit.formats._voc_manifest import manifest_categories, read_manifest, write_manifest
from detkit.tables import Categories, Detections, Images, Source
from detkit.wording import examples

__all__ = ["comp4_folder", "read_comp4", "write_comp4"]

_NAME = re.compile(r"(comp\d+)_det_([^_]+)_(.+)\.txt$", re.IGNORECASE)
_SET = "test"


def comp4_folder(path: Path) -> Path | None:
    """The folder with devkit predictions at a path (itself or below, as in `results/VOC2012/Main`), or None."""
    if not path.is_dir():
        return None
    for root, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        if any(_NAME.match(name) for name in names):
            return Path(root)
        if len(Path(root).relative_to(path).parts) >= 3:
            folders.clear()
    return None


def read_comp4(folder: Path, path: Path, options: ReadOptions) -> Detections:
    """Devkit predictions of one set.

    Parameters
    ----------
    folder : Path
        As `comp4_folder` found it.
    path : Path
        As the user gave it.
    options : ReadOptions
        `split` picks the set where there are several.

    Returns
    -------
    Detections
        Images are those that occur.

    Raises
    ------
    InputError
        Several sets of results, or no readable row although there are rows.
    """
    listed, classes = _class_files(folder, options)
    rows = parse_files(listed, 5, strict_labels=False, jobs=options.jobs)
    if rows.bad and not len(rows):
        bad = rows.bad[0]
        raise InputError(f"no row can be read; {bad.message}", path=listed[bad.file].path, place=f"line {bad.line}")
    layout = layout_named("class-conf-xyxy")
    is_reversed = (boxes_of(rows.values, layout, options.voc_offset)[:, 2:] < 0).any(axis=1)
    rows = rows.drop(is_reversed, "corners are reversed, expected left <= right and top <= bottom")
    xywh = boxes_of(rows.values, layout, options.voc_offset)
    categories, findings = _categories(folder, classes, options)
    position = {name: i for i, name in enumerate(categories.names)}
    class_of_file = np.array([position[name] for name in classes], np.int64)
    names, image_index = np.unique(np.array(rows.labels, dtype=object), return_inverse=True)
    score = scores_of(rows.values, layout)
    used = [f.path for f in listed] + ([folder / files.FOLDER_MARK] if read_manifest(folder) is not None else [])
    return Detections.build(
        _images([str(name) for name in names], options),
        categories,
        image_index=image_index,
        category_index=class_of_file[rows.file_index],
        xywh=xywh,
        score=score,
        source=Source(str(path), "voc", files.sha256_of(used, root=folder)),
        findings=(*findings, *rows.findings(), *_flat(rows, xywh), *_scores_outside(rows, score)),
    )


def _class_files(folder: Path, options: ReadOptions) -> tuple[list[TextFile], list[str]]:
    """Files of one set, sorted, and their class names."""
    groups: dict[tuple[str, str], list[tuple[str, Path]]] = defaultdict(list)
    encoded = read_manifest(folder) is not None
    for file in sorted(folder.iterdir()):
        match = _NAME.match(file.name)
        if match and file.is_file():
            name = unquote(match[3]) if encoded else match[3]
            groups[match[1].lower(), match[2]].append((name, file))
    if options.split is not None and len({group[1] for group in groups}) > 1:
        groups = {key: value for key, value in groups.items() if key[1] == options.split} or groups
    if not groups:
        raise InputError("what is named like devkit results are no files", path=folder)
    if len(groups) > 1:
        found = examples([f"{comp}_det_{part}" for comp, part in sorted(groups)], 9)
        raise InputError(
            f"several sets of results: {found}",
            path=folder,
            hint="pick one with `--split`, or keep them in own folders",
        )
    ((_, group),) = groups.items()
    return [TextFile(file, file.name) for _, file in group], [name for name, _ in group]


def _categories(folder: Path, classes: list[str], options: ReadOptions) -> tuple[Categories, list[Finding]]:
    stated = manifest_categories(folder) if options.names is None else None
    if stated is not None and set(classes) <= set(stated.names):
        return stated, []
    names, findings = ordered_names(classes, folder, options)
    return Categories.from_names(names), [*findings, *case_twins(sorted(set(classes)), folder)]


def _images(names: list[str], options: ReadOptions) -> Images:
    sizes = np.full((len(names), 2), np.nan)
    if options.reference_images is not None and names:
        lookup = ImageLookup(options.reference_images)
        position = np.array([lookup.find(name) for name in names], np.int64)
        sizes[position >= 0] = options.reference_images.sizes[position[position >= 0]]
    return Images(np.arange(1, len(names) + 1), tuple(names), sizes, has_own_ids=False)


def _flat(rows: TextRows, xywh: NDArray[np.float64]) -> list[Finding]:
    """One finding in all on boxes without width or height, which are kept."""
    flat = np.flatnonzero((xywh[:, 2:] == 0).any(axis=1))
    if not len(flat):
        return []
    file, line = rows.place(int(flat[0]))
    width, height = xywh[flat[0], 2:].tolist()
    message = f"width {width:g} and height {height:g}, expected both above zero"
    return [Finding("DK201", message, file=file, line=int(line.split()[1]), count=len(flat))]


def _scores_outside(rows: TextRows, score: NDArray[np.float64]) -> list[Finding]:
    """One finding in all: the devkit allows any confidence, only its order counts."""
    outside = ~((score >= 0) & (score <= 1))
    if not outside.any():
        return []
    row = int(np.argmax(outside))
    file, line = rows.place(row)
    message = f"confidence {score[row]:g}, expected 0 to 1; the order is what counts"
    return [Finding("DK708", message, file=file, line=int(line.split()[1]), count=int(outside.sum()))]


def write_comp4(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one file a class, empty ones too.

    Parameters
    ----------
    detections : Detections
    target : Path
        An empty folder.
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Shares without image sizes, two images or two classes that would share a name.
    """
    xywh = detections.xywh
    if detections.units == "normalised":
        raise InputError(
            "coordinates are shares of the image and image sizes are unknown; VOC holds pixels",
            hint="give the sizes with `--image-sizes FILE` or `--images DIR`",
        )
    stems, losses = image_stems(detections.images)
    doubled = sorted(name for name, count in Counter(detections.categories.names).items() if count > 1)
    if doubled:
        raise InputError(f"classes with the same name, {examples(doubled)}: a file would hold both")
    corners = corner_texts(xywh, options.voc_offset)
    score = detections.score.tolist()
    image_index = detections.image_index.tolist()
    lines: list[list[str]] = [[] for _ in detections.categories.names]
    for row, category in enumerate(detections.category_index.tolist()):
        lines[category].append(f"{stems[image_index[row]]} {score[row]!r} {' '.join(corners[row])}\n")
    encoded = []
    for name, part in zip(detections.categories.names, lines, strict=True):
        safe = quote(name, safe=" ()[]{}+,;=@&!$'#-_.~" + "".join(c for c in name if not c.isascii()))
        if safe != name:
            encoded.append(name)
        (target / f"comp4_det_{_SET}_{safe}.txt").write_text("".join(part), encoding="utf-8", newline="\n")
    if encoded:
        losses.append(Loss("class names in file names", "percent-encoded", len(encoded), tuple(encoded[:3])))
    bare = len(detections.images) - len(set(image_index))
    if bare:
        losses.append(Loss("images without predictions", "not listed (the layout lists none)", bare))
    write_manifest(target, "detections", detections.categories)
    return losses
