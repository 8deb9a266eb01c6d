"""DOTA: oriented boxes as text, `x1 y1 x2 y2 x3 y3 x4 y4 class difficult`, and results by class (`Task1_plane.txt`).

Source: the pages "dataset" and "tasks" of DOTA, and its development kit, which passes over lines of fewer columns.
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
            *("image_ids", "image_sizes", "category_ids", "supercategories", "ignored", "polygons", "oriented"),
            *("splits", "scores"),
        )
    ),
    read_from=(".txt",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a folder of DOTA's label files, or of its results."""
    from detkit.formats._dota_read import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from `labelTxt` below a folder, or from a folder of label files.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset
        Every row has its four corners and is an oriented box.

    Raises
    ------
    InputError
        No label file, or no split of that name.
    """
    from detkit.formats._dota_read import read_dota

    collected, stated = read_dota(Path(path), options, "dataset")
    collected.keep_split(options.split)
    return collected.dataset(stated)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from `Task1_<class>.txt` (or `Task2_`, upright boxes), or from a file an image with a score a row."""
    from detkit.formats._dota_read import read_dota

    collected, stated = read_dota(Path(path), options, "detections")
    return collected.detections(stated)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `labelTxt` and `images`, in a folder for each split, into a folder."""
    from detkit.formats._dota_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `Task1_<class>.txt` for each class into a folder."""
    from detkit.formats._dota_write import write_results

    return write_results(detections, target, options)
