"""Conversions: which sources are meant, where each one's result goes, what is lost, and what is better left out."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detkit import formats
from detkit.api.tables import Table, keep_apart, read, recognised, write
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats import WriteOptions
from detkit.tables import Dataset, Detections
from detkit.wording import examples, plural

__all__ = ["Conversion", "conversion_pairs", "convert", "is_pattern", "placeholder_findings"]

#: Formats that write a class as its place in the list of classes.
_NUMBERED = frozenset(("yolo", "mot"))

#: Formats of predictions that state the id of an image, or its number, and need no name.
_BY_ID = frozenset(("coco", "csv", "mot", "parquet"))

#: Suffixes that say how a file is packed, not what it is called.
_PACKED = frozenset((".gz", ".zst", ".bz2", ".xz", ".tar", ".tgz", ".zip"))


@dataclass(frozen=True)
class Conversion:
    """What `convert` did: formats, counts, what reading noticed, what writing lost."""

    source_format: str
    target_format: str
    kind: str
    images: int
    boxes: int
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.conversion/1`."""
        return {
            "schema": "detkit.conversion/1",
            "from": self.source_format,
            "to": self.target_format,
            "kind": self.kind,
            "images": self.images,
            "boxes": self.boxes,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def convert(
    source: str | Path,
    target: str | Path,
    to: str | None = None,
    *,
    source_format: str = "auto",
    kind: formats.Kind | None = None,
    truth: str | Path | Dataset | None = None,
    clip: bool = False,
    drop_invalid: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Conversion:
    """Convert a labelled dataset or predictions to another format.

    Parameters
    ----------
    source, target : path-like
    to : str, optional
        Target format; by default told by the target's suffix.
    source_format : str
    kind : {"dataset", "detections"}, optional
        By default whichever the source is recognised as, a dataset first.
    truth : path-like or Dataset, optional
        For predictions: gives image sizes, ids and class names.
    clip : bool
        Cut boxes to their images.
    drop_invalid : bool
        Leave out boxes without area or wholly outside their image.
    overwrite, dry_run : bool
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`.

    Returns
    -------
    Conversion
    """
    keep_apart(source, target)
    if kind is None:
        kind, source_format = recognised(source, source_format)
    options = dict(read_options or {})
    reference = None
    if truth is not None:
        reference = truth if isinstance(truth, Dataset) else read(truth, **options)
        options |= {"reference_images": reference.images}
    name = to or formats.format_of_target(target, kind) or ""
    options.setdefault("unpack_images", _places_images(name, dict(write_options or {}).get("place_images")))
    table: Table = read(source, kind=kind, format=source_format, **options)
    source_name = table.source.format if table.source else source_format
    findings = list(table.findings)
    losses: list[Loss] = []
    if isinstance(table, Dataset):
        findings += placeholder_findings(table, name)
    if isinstance(table, Detections) and reference is not None:
        table, more = _in_terms_of(table, reference)
        findings += more
    if isinstance(table, Detections) and name not in _BY_ID:
        findings += _unnamed_findings(table)
    if clip or drop_invalid:
        table, losses = _tidy(table, clip, drop_invalid)
    lost = write(table, target, format=name or None, overwrite=overwrite, dry_run=dry_run, **dict(write_options or {}))
    losses += [loss for loss in lost if loss.what != "splits" or options.get("split") is None]  # one was asked for
    written = WriteOptions(**dict(write_options or {}))
    images, boxes = formats.written_images(table, name, written), formats.written_rows(table, name, written)
    return Conversion(source_name, name, kind, images, boxes, tuple(findings), tuple(losses))


def is_pattern(source: str | Path) -> bool:
    """Whether a source means all paths that fit it, and is none itself.

    Parameters
    ----------
    source : path-like

    Returns
    -------
    bool
    """
    return glob.has_magic(str(source)) and not Path(source).exists()


def conversion_pairs(source: str | Path, target: str | Path, to: str | None) -> list[tuple[Path, Path]]:
    """Source and target of each conversion: one, or one for each path that fits a pattern.

    Parameters
    ----------
    source : path-like
        A path, or a pattern such as `parts/*.json`.
    target : path-like
        Of a pattern a folder: results are called as their sources, with the target format's suffix.
    to : str, optional
        Target format.

    Returns
    -------
    list of (Path, Path)
        In the order of the names.

    Raises
    ------
    InputError
        Nothing fits the pattern.
    UsageError
        A pattern without a format, or two sources whose results would be called the same.
    """
    if not is_pattern(source):
        return [(Path(source), Path(target))]
    found = sorted(Path(path) for path in glob.glob(str(source), recursive=True))  # noqa: PTH207 - may be absolute
    if not found:
        raise InputError("nothing fits this pattern", path=source)
    if to is None:
        raise UsageError("several sources go to a folder, whose name tells no format", hint="name it with --to")
    if to not in formats.names():
        raise UsageError(f"unknown format `{to}`; known: {', '.join(formats.names())}")
    suffix = next(iter(formats.capabilities(to).file_suffixes), "")
    names = [_stem(path) + suffix for path in found]
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        first = [str(p) for p, name in zip(found, names, strict=True) if name.casefold() == twice[0]]
        raise UsageError(
            f"{' and '.join(first[:2])} would both be written to {Path(target) / twice[0]}",
            hint="convert them one by one",
        )
    return [(path, Path(target) / name) for path, name in zip(found, names, strict=True)]


def placeholder_findings(dataset: Dataset, to: str) -> list[Finding]:
    """A finding `DK306` for each class without boxes that others name as theirs above: it takes a number all the same.

    Roboflow's COCO exports begin with such a class, and every number behind it is one higher than in its YOLO export.
    Nothing is shifted silently: the class stays.

    Parameters
    ----------
    dataset : Dataset
    to : str
        Target format; those that write no class numbers have no such finding.

    Returns
    -------
    list of Finding
    """
    if to not in _NUMBERED:
        return []
    categories = dataset.categories
    count = np.bincount(dataset.annotations.category_index, minlength=len(categories))
    above = set(categories.supercategories)
    path = None if dataset.source is None else dataset.source.path
    return [
        Finding(
            "DK306",
            f"class `{name}` has no boxes, other classes name it as their supercategory, and it takes class number "
            f"{i}: `detkit remap --drop {name}` leaves it out",
            file=path,
        )
        for i, name in enumerate(categories.names)
        if not count[i] and name in above
    ]


def _unnamed_findings(detections: Detections) -> list[Finding]:
    """A finding `DK110` where images are called by their ids, because nothing says what their files are called."""
    images = detections.images
    unnamed = [str(own) for own, name in zip(images.ids.tolist(), images.file_names, strict=True) if not name]
    if not unnamed:
        return []
    what = plural(len(unnamed), "image is called by its id", "images are called by their ids")
    message = f"{what} ({examples(unnamed)}): their file names are not known, `--truth DATASET` gives them"
    path = None if detections.source is None else detections.source.path
    return [Finding("DK110", message, file=path, count=len(unnamed))]


def _stem(path: Path) -> str:
    """The name without its suffix, and without those of its packing."""
    if path.is_dir():
        return path.name
    while path.suffix.lower() in _PACKED and path.stem:
        path = Path(path.stem)
    return path.stem


def _places_images(format: str, mode: str | None) -> bool:
    """Whether images are written beside the labels: as asked for, else where the format's layout has them."""
    if mode is None:
        return format in formats.names() and formats.capabilities(format).carries_images
    return mode != "leave"


def _in_terms_of(detections: Detections, truth: Dataset) -> tuple[Detections, list[Finding]]:
    from detkit.evaluation.align import align

    aligned = align(truth, detections, unmapped="count")
    return aligned.detections, list(aligned.findings)


def _tidy(table: Table, clip: bool, drop_invalid: bool) -> tuple[Table, list[Loss]]:
    from detkit.transforms.tidy import clip_boxes, drop_invalid_boxes

    losses: list[Loss] = []
    if drop_invalid:
        table, loss = drop_invalid_boxes(table)
        losses += loss
    if clip:
        table, loss = clip_boxes(table)
        losses += loss
    return table, losses
