"""BDD100K and Scalabel: JSON frames with labels that have `box2d`, `poly2d`, `rle` and attributes.

All releases are read: the first with `frames[].objects` an image, the list of frames, and Scalabel's object with
`config`. The corner x2, y2 is the last pixel of a box, as Scalabel's own conversions take it: a width is x2 - x1 + 1.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(
        ("image_ids", "image_sizes", "category_ids", "supercategories", "annotation_ids", "crowds", "ignored",
         "polygons", "rle", "attributes", "extra", "info", "splits", "scores")
    ),
    read_from=(".json",),
    folder=True,
    detections_folder=True,
)  # fmt: skip

_SAMPLE = 20


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is BDD100K's frames, with or without scores.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    from detkit.formats._bdd100k_frames import json_files, probe_file

    files = json_files(path)
    if not files:
        return Probe(False, "no .json file in it, in `labels` or in a split's folder")
    found = [probe_file(file) for file in files[:_SAMPLE]]
    fitting = [why for what, why in found if what == kind]
    if len(fitting) > 1 and kind == "detections":
        return Probe(False, "several files of predictions, expected one")
    return Probe(bool(fitting), fitting[0] if fitting else f"{files[0].name}: {found[0][1]}")


def read(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of a file, or of a folder with a file a split or an image; see `_bdd100k_read`."""
    from detkit.formats._bdd100k_read import read_dataset

    return read_dataset(path, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions of one file of frames whose labels have a `score`."""
    from detkit.formats._bdd100k_read import read_detections as read_frames

    return read_frames(path, options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `labels/det_<split>.json` into a folder."""
    from detkit.formats._bdd100k_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `det.json` with scores into a folder."""
    from detkit.formats._bdd100k_write import write_detections as write_frames

    return write_frames(detections, target, options)
