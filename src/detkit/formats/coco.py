"""COCO: one JSON object a split (boxes, polygons, masks, keypoints), and results lists for predictions.

A dataset is a file, or a folder of files named after their splits (`annotations/instances_train2017.json`,
`train/_annotations.coco.json`). Ids, order and unknown fields are kept, so COCO to COCO gives equal values.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._base import FEATURES, Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._class_ids import class_ids
from detkit.formats._coco_files import UNASSIGNED, SplitFile, dataset_files, fits_file, looks_like_dataset
from detkit.formats._coco_join import join, single
from detkit.formats._coco_names import COCO91_IDS, COCO_NAMES
from detkit.formats._coco_results import read_results
from detkit.formats._coco_truth import read_part
from detkit.formats._coco_write import detection_records, write_list, write_object
from detkit.formats._images import is_inside, place_and_tell
from detkit.formats._json_bytes import head_of, plain_name
from detkit.formats._json_file import as_count
from detkit.formats._json_outline import outline
from detkit.formats._json_text import encode
from detkit.garbage import gc_paused
from detkit.tables import Categories, Dataset, Detections, Images, Source

__all__ = ["CAPABILITIES", "COCO91_IDS", "COCO_NAMES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    frozenset(FEATURES),
    read_from=(".json",),
    file_suffixes=(".json",),
    folder=True,
    detections_folder=False,
    unlisted=frozenset(("detections",)),
)


def detect(path: str | Path, kind: Kind) -> Probe:
    """Whether a path is COCO, decided from its content.

    Parameters
    ----------
    path : path-like
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    path = Path(path)
    if kind == "detections":
        return _detect_results(path)
    if path.is_dir():
        found, _, why = dataset_files(path)
        return Probe(bool(found), why)
    matches, why = looks_like_dataset(path)
    return Probe(matches, why, is_sure=matches)


_EMPTY = ([b"[]"], [b"[", b"]"])


def _detect_results(path: Path) -> Probe:
    is_file = not path.is_dir()
    if not is_file:
        only = _only_json(path)
        if only is None:
            return Probe(False, "a folder without exactly one JSON file; COCO results are one file")
        path = only
    found = outline(path, whole=True)
    if found.kind == "array":
        records = found.sections[""]
        if records == []:
            empty = path.stat().st_size < 4096 and head_of(path, 4096).removeprefix(b"\xef\xbb\xbf").split() in _EMPTY
            return Probe(empty, "an empty results list" if empty else "a JSON list without objects")
        wanted = ("bbox", "segmentation", "keypoints")
        for record in records or []:
            if not isinstance(record, dict):
                continue
            if {"image_id", "category_id"} <= record.keys() and any(name in record for name in wanted):
                return Probe(
                    True, "a results list: objects with `image_id`, `category_id` and a place", is_sure=is_file
                )
        named = next((list(r)[:6] for r in records or [] if isinstance(r, dict)), [])
        first = ", ".join(f"`{k}`" for k in named) or "nothing"
        return Probe(False, f"a list whose first object has {first}, expected `image_id`, `category_id` and `bbox`")
    if found.kind == "object":
        annotations = found.sections.get("annotations")
        if annotations is None:
            return Probe(False, "a JSON object without a list `annotations`")
        if any("score" in a for a in annotations if isinstance(a, dict)):
            return Probe(True, "a COCO object whose annotations have `score`", is_sure=is_file)
        return Probe(False, "annotations have no `score`: this looks like a truth")
    return Probe(False, "not a JSON list or object")


def read(path: str | Path, options: ReadOptions) -> Dataset:
    """The dataset of a COCO file, or of a folder with one file a split.

    Parameters
    ----------
    path : path-like
    options : ReadOptions
        Without `with_extra`, fields that have no column are not even decoded, which is much faster.

    Returns
    -------
    Dataset
        `splits` is empty for a single file, unless the split that its name states is asked for.

    Raises
    ------
    InputError
        Not JSON, not a COCO object, or splits whose categories contradict each other.
    UsageError
        Unknown split.
    """
    path = Path(path)
    findings: list[Finding] = []
    if path.is_dir():
        found, findings, why = dataset_files(path)
        if not found:
            raise InputError(f"no COCO dataset: {why}", path=path)
        chosen = _chosen(found, path, options.split)
    else:
        if options.split is not None and not fits_file(options.split, path):
            raise UsageError(
                f"split `{options.split}`: {path.name} is a single file and has no splits",
                hint="leave out `--split`, or give the folder that holds a file for each split",
            )
        chosen = [single(path, options.split or "")]
    with gc_paused(), ThreadPoolExecutor(1) as pool:
        root = path if path.is_dir() else None
        digest = pool.submit(files.sha256_of, [f.path for f in chosen], root=root)
        parts = [read_part(f.path, options) for f in chosen]
        parts[0].findings[:0] = findings
        return join(parts, chosen, options, source=Source(str(path), "coco", digest.result()))


def _chosen(found: list[SplitFile], folder: Path, split: str | None) -> list[SplitFile]:
    if (folder / files.FOLDER_MARK).is_file():
        found = [SplitFile(f.path, "" if f.split == UNASSIGNED else f.split, f.own_folder) for f in found]
        found.sort(key=lambda f: not f.split)
    if split is None:
        return found
    chosen = [f for f in found if f.split == split] or [f for f in found if fits_file(split, f.path)]
    if len(chosen) != 1:
        known = ", ".join(f"`{f.split}`" for f in found if f.split) or "none"
        raise UsageError(f"unknown split `{split}`; {folder} has: {known}")
    return [SplitFile(chosen[0].path, split, chosen[0].own_folder)]


def read_detections(path: str | Path, options: ReadOptions) -> Detections:
    """Predictions of a results list, or of a COCO object whose annotations have scores.

    As pycocotools' `loadRes` does, the first record decides for the whole file: with a box, areas are width times
    height; else with a mask, boxes and areas are the mask's; else they are the extent of the keypoints.

    Parameters
    ----------
    path : path-like
    options : ReadOptions
        `reference_images` gives the sizes that polygon results need.

    Returns
    -------
    Detections
        Images are the distinct ids in order of appearance, without names and sizes.

    Raises
    ------
    InputError
        Not JSON, or neither of the two.
    """
    path = Path(path)
    if path.is_dir():
        only = _only_json(path)
        if only is None:
            raise InputError("is a folder without exactly one JSON file; COCO results are one file", path=path)
        path = only
    return read_results(path, options)


def _only_json(folder: Path) -> Path | None:
    """The one JSON file of a folder, detkit's own mark aside; None where there is none, or several."""
    named = [f for f in folder.iterdir() if Path(plain_name(f.name)).suffix.lower() == ".json"]
    found = [f for f in named if f.name != files.FOLDER_MARK and f.is_file()]
    return found[0] if len(found) == 1 else None


def write(dataset: Dataset, target: str | Path, options: WriteOptions) -> list[Loss]:
    """Write a COCO file, or a folder with `annotations/instances_<split>.json`.

    Parameters
    ----------
    dataset : Dataset
    target : path-like
        A file where its suffix is `.json`, else a folder.
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Coordinates are shares of images whose sizes are unknown.
    UsageError
        COCO's 91 ids asked for, and a class is none of its 80.
    """
    _check_units(dataset.units)
    target = Path(target)
    ids, losses = class_ids(dataset.categories, options)
    everything = np.arange(len(dataset.images))
    mode = options.place_images or "leave"
    # The target may be a temporary path: the final name says whether it is a file.
    if Path(options.target_name or target.name).suffix.lower() in CAPABILITIES.file_suffixes and not target.is_dir():
        write_object(dataset, everything, ids, options.shapes, target)
        if mode != "leave" and len(dataset.images):
            losses.append(Loss("image files", "left where they are (one file has no image folder)", len(everything)))
        return losses
    splits: dict[str, Any] = dict(dataset.splits)
    rest = np.setdiff1d(everything, np.concatenate([*splits.values(), np.empty(0, np.int64)]).astype(np.int64))
    if splits and len(rest):
        splits[UNASSIGNED] = rest
    (target / "annotations").mkdir(parents=True, exist_ok=True)
    for split, members in (splits or {"": everything}).items():
        write_object(dataset, members, ids, options.shapes, _split_file(target, split))
    _write_mark(target, ids, dataset.categories)
    return losses + _place_images(dataset.images, splits or {"": everything}, target, mode)


def _split_file(target: Path, split: str) -> Path:
    if split and ("/" in split or "\\" in split or split in (".", "..") or "\0" in split):
        split = split.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return target / "annotations" / (f"instances_{split}.json" if split else "instances.json")


def _write_mark(target: Path, ids: Sequence[Any], categories: Categories) -> None:
    from detkit._version import __version__

    names = {str(key): name for key, name in zip(ids, categories.names, strict=True)}
    mark = {"detkit": __version__, "format": "coco", "categories": names}
    (target / files.FOLDER_MARK).write_bytes(encode(mark) + b"\n")


def _place_images(images: Images, splits: dict[str, Any], target: Path, mode: str) -> list[Loss]:
    if mode == "leave":
        return []
    targets: dict[Path, int] = {}
    refused: list[str] = []
    for split, members in splits.items():
        folder = target / "images" / split if split else target / "images"
        for i in np.asarray(members).tolist():
            name = images.file_names[i].replace("\\", "/")
            if not is_inside(name) or targets.setdefault(folder / name, i) != i:
                refused.append(images.file_names[i] or str(images.ids[i]))
    pairs = [(i, to) for to, i in targets.items()]
    losses = place_and_tell(images, pairs, mode, "not found, not placed", also_all=True)
    if refused:
        what = "not placed (no name, a name that leaves the folder, or one used twice)"
        losses.append(Loss("image files", what, len(refused), tuple(refused[:3])))
    return losses


def write_detections(detections: Detections, target: str | Path, options: WriteOptions) -> list[Loss]:
    """Write a results list.

    Image ids are the table's own; where it has none, the numbers that the file names are, else the names.

    Parameters
    ----------
    detections : Detections
    target : path-like
    options : WriteOptions

    Returns
    -------
    list of Loss
    """
    _check_units(detections.units)
    image_ids, losses = _image_ids(detections.images)
    category_ids, more = class_ids(detections.categories, options)
    if options.shapes == "box" and not detections.has_boxes and detections.keypoints is None:
        from dataclasses import replace

        detections = replace(detections, has_boxes=True)
    write_list(detection_records(detections, image_ids, category_ids, options.shapes == "keep"), Path(target))
    return losses + more


def _image_ids(images: Images) -> tuple[list[Any], list[Loss]]:
    if images.has_own_ids or not len(images):
        return images.ids.tolist(), []
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in images.file_names]
    if not all(stems):
        return images.ids.tolist(), [Loss("image ids", "numbered from 1 (no file names)", len(images))]
    numbers = [n for n in map(as_count, stems) if n is not None]
    if len(set(numbers)) == len(stems):
        return numbers, [Loss("image ids", "taken from numeric file names", len(stems), tuple(stems[:3]))]
    names = stems if len(set(stems)) == len(stems) else list(images.file_names)
    return names, [Loss("image ids", "written as file names", len(names), tuple(names[:3]))]


def _check_units(units: str) -> None:
    if units != "pixels":
        raise InputError(
            "boxes are normalised and image sizes unknown; COCO holds pixels",
            hint="give the sizes with `--image-sizes`",
        )
