"""KITTI object labels: a text file an image, `type truncated occluded alpha left top right bottom ...`, 0-based edges.

Source of the columns: readme of the KITTI object development kit. Results have a score in a last column. `DontCare`
regions are ignored objects.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "image_sizes", "category_ids", "supercategories", "splits", "scores")),
    attributes=frozenset(("truncated", "occluded", "alpha", "dimensions", "location", "rotation_y")),
    read_from=(".txt",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a folder of KITTI labels (15 columns) or results (16)."""
    from detkit.formats._kitti_rows import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from `label_2` below a folder, or from a folder of label files.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No label file, rows with a score, or no split of that name.
    """
    from detkit.formats._kitti_rows import read_kitti

    collected, stated = read_kitti(Path(path), options, "dataset")
    collected.keep_split(options.split)
    return collected.dataset(stated)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from a folder of result files, one an image; an empty file is an image without predictions."""
    from detkit.formats._kitti_rows import read_kitti

    collected, stated = read_kitti(Path(path), options, "detections")
    return collected.detections(stated)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `training/label_2`, `training/image_2` and `ImageSets` into a folder."""
    from detkit.formats._kitti_write import write_kitti

    return write_kitti(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a result file for each image into a folder."""
    from detkit.formats._kitti_write import write_kitti

    return write_kitti(detections, target, options)
