"""Supervisely: a project folder with `meta.json` and, for each dataset in it, `ann/<image>.json` beside `img/`.

Field names, the inclusive corners of rectangles and the encoding of bitmaps are those of Supervisely's Python SDK
(`geometry/rectangle.py`, `geometry/bitmap.py`) and of its pages on the annotation format.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(
        (
            *("image_ids", "image_sizes", "category_ids", "supercategories", "crowds", "ignored", "polygons"),
            *("attributes", "extra", "splits", "scores"),
        )
    ),
    read_from=(".json",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a Supervisely project, one of its datasets, or one annotation file."""
    from detkit.formats._supervisely_read import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from a project, one of its datasets, or one annotation file.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `voc_offset` 0 is for rectangles whose corners are edges, so that a width is right - left.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No annotation file of Supervisely, none that can be read, or no split of that name.
    """
    from detkit.formats._supervisely_read import read_supervisely

    collected, stated = read_supervisely(Path(path), options)
    collected.keep_split(options.split)
    return collected.dataset(stated)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """The figures that have a tag `confidence` with a number."""
    from detkit.formats._supervisely_read import read_supervisely

    collected, stated = read_supervisely(Path(path), options)
    return collected.detections(stated)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `meta.json`, a dataset folder for each split with `ann/` and `img/`, and `detkit.json`."""
    from detkit.formats._supervisely_write import write_supervisely

    return write_supervisely(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions as pre-labels: figures with a tag `confidence`."""
    from detkit.formats._supervisely_write import write_supervisely

    return write_supervisely(detections, target, options)
