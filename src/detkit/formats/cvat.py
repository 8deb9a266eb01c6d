"""CVAT's own XML, version 1.1: images and video tracks of tasks, jobs and projects, one file or an export's folder.

Element and attribute names are those of CVAT's exporter (`cvat/apps/dataset_manager/formats/cvat.py`) and of its page
"XML annotation format". Written is the form for images; predictions carry a `score` attribute and `source="auto"`.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(
        ("image_sizes", "crowds", "ignored", "polygons", "oriented", "attributes", "splits", "scores"),
    ),
    read_from=(".xml",),
    file_suffixes=(".xml",),
    folder=True,
    detections_folder=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is CVAT's XML, or a folder with it; predictions are shapes with a score."""
    from detkit.formats._cvat_xml import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from one XML file, or from all below a folder.

    Tracks become one row a frame: frames between keyframes are interpolated where the file leaves them out, frames on
    which an object is outside have none.

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
        No XML of CVAT's, or one that is damaged; no split of that name.
    """
    from detkit.formats._cvat_read import read_cvat

    collected, labels = read_cvat(Path(path), options)
    collected.keep_split(options.split)
    return collected.dataset(labels)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """The shapes that have an attribute `score`."""
    from detkit.formats._cvat_read import read_cvat

    collected, labels = read_cvat(Path(path), options)
    return collected.detections(labels)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write CVAT for images 1.1: one `.xml` file, or `annotations.xml` in a folder with the images in `images`."""
    from detkit.formats._cvat_write import write_cvat

    return write_cvat(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions as pre-labels: shapes with `source="auto"` and an attribute `score`."""
    from detkit.formats._cvat_write import write_cvat

    return write_cvat(detections, target, options)
