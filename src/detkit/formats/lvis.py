"""LVIS: COCO's JSON with `coco_url` in place of file names, and images that are labelled for some classes only.

Everything else is COCO's, and is read and written by that format: `neg_category_ids`, `not_exhaustive_category_ids` of
images, `frequency`, `synset`, `synonyms` and `def` of classes are the fields that protocol `lvis` scores with.
Predictions are COCO results.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._base import FEATURES, Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._coco_files import UNASSIGNED, SplitFile, find_images
from detkit.formats._coco_join import join
from detkit.formats._coco_truth import read_part
from detkit.formats._images import displayed_sizes
from detkit.formats._lvis_images import file_name_of, looks_like_lvis, lvis_files
from detkit.garbage import gc_paused
from detkit.tables import Dataset, Images, Source
from detkit.wording import examples

__all__ = ["CAPABILITIES", "detect", "read", "write"]

#: `iscrowd` is COCO's: LVIS' own tools take such a box as an object.
CAPABILITIES = Capabilities(frozenset(FEATURES) - {"crowds", "scores"}, read_from=(".json",), folder=True)

_RELEASE = re.compile(r"^lvis(?:_v[\d.]+)?(?:_|$)", re.IGNORECASE)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is an LVIS truth: images with `coco_url` and both lists of class ids, and without file names.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    if kind == "detections":
        return Probe(False, "holds datasets only; LVIS results are COCO results")
    if path.is_dir():
        found, why = lvis_files(path)
        return Probe(bool(found), why)
    return Probe(*looks_like_lvis(path))


def split_of(path: Path) -> str:
    """Split by the file's name: `lvis_v1_train.json` is `train`."""
    name = _RELEASE.sub("", path.stem)
    return "" if name.lower() in ("", "annotations", "instances") else name


def read(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of an LVIS file, or of a folder with one file a split.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset
        File names come from `coco_url`; ids, order and unknown fields are kept as the format `coco` keeps them.

    Raises
    ------
    InputError
        Not JSON, not LVIS, or splits whose classes contradict each other.
    UsageError
        Unknown split.
    """
    found, why = lvis_files(path) if path.is_dir() else ([path], "")
    if not found:
        raise InputError(why, path=path)
    named = {split_of(file) or file.stem: file for file in found}
    if options.split is not None and options.split not in named:
        raise UsageError(f"unknown split `{options.split}`; {path} has {examples(list(named), 9)}")
    if options.split is not None:
        named = {options.split: named[options.split]}
    with_splits = len(named) > 1 or options.split is not None
    chosen = [
        SplitFile(file, split if with_splits and split != UNASSIGNED else "", own_folder=False)
        for split, file in named.items()
    ]
    # The address of an image is an unknown field to COCO: it is decoded whatever the caller wants of such fields.
    wide = replace(options, with_extra=True, read_sizes=False)
    source = Source(str(path), "lvis", files.sha256_of(named.values(), root=path if path.is_dir() else None))
    with gc_paused():
        data = join([read_part(file.path, wide) for file in chosen], chosen, wide, source=source)
    images, notes = _named_images(data.images, found[0], options)
    return replace(data, images=images, findings=(*data.findings, *notes))


def _named_images(images: Images, file: Path, options: ReadOptions) -> tuple[Images, list[Finding]]:
    """Images with the file names that their addresses state, and their files where they are found."""
    extra: dict[int, dict[str, Any]] = {i: dict(fields) for i, fields in images.extra.items()}
    names = list(images.file_names)
    for i, fields in extra.items():
        url = fields.get("coco_url")
        if not names[i] and isinstance(url, str) and url:
            names[i] = file_name_of(url)
            if "://" not in url:
                # Written by detkit for an image that has no address: the name says it all.
                del fields["coco_url"]
    paths, notes = find_images(names, file, "", options)
    sizes = images.sizes.copy()
    for i in np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist():
        given = None if options.image_sizes is None else options.image_sizes.find(names[i])
        sizes[i] = sizes[i] if given is None else given
    missing = np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist() if options.read_sizes else []
    headers, more = displayed_sizes([paths[i] for i in missing], options.jobs)
    for i, size in zip(missing, headers, strict=True):
        sizes[i] = sizes[i] if size is None else size
    stated = {i: fields for i, fields in extra.items() if fields}
    return Images(images.ids, tuple(names), sizes, tuple(paths), images.has_own_ids, stated), [*notes, *more]


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `annotations/lvis_v1_<split>.json` into a folder.

    Every image gets both lists of class ids; where the dataset has none, all classes are stated as looked for: classes
    without a box go to `neg_category_ids`. Every class gets `frequency`, `image_count` and `instance_count`, counted
    where they are not stated.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Coordinates are shares of images whose sizes are unknown.
    """
    from detkit.formats._lvis_write import write_files

    return write_files(dataset, target, options)
