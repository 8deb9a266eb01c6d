"""LabelMe: one JSON file an image, with rectangles, polygons, masks; also what X-AnyLabeling adds to it.

Field names are those of labelme's `label_file.py`; `difficult`, `score`, `attributes` and shapes of type `rotation` are
X-AnyLabeling's. Embedded images (`imageData`) are never decoded.
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
            *("image_sizes", "category_ids", "supercategories", "ignored", "polygons", "oriented", "attributes"),
            *("extra", "scores"),
        )
    ),
    read_from=(".json",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is LabelMe's JSON: a file, or a folder of them; predictions have scores."""
    from detkit.formats._labelme_read import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from one JSON file, or from all below a folder.

    Polygons of one label and one `group_id` are parts of one object, as in labelme's own converters.

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
        No JSON file of LabelMe, none that can be read, or no split of that name.
    """
    from detkit.formats._labelme_read import read_labelme

    collected, stated = read_labelme(Path(path), options)
    collected.keep_split(options.split)
    return collected.dataset(stated)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """The shapes that have a `score`."""
    from detkit.formats._labelme_read import read_labelme

    collected, stated = read_labelme(Path(path), options)
    return collected.detections(stated)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a JSON file for each image, with the images beside them, and `detkit.json`."""
    from detkit.formats._labelme_write import write_labelme

    return write_labelme(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a JSON file for each image; each shape has its `score`."""
    from detkit.formats._labelme_write import write_labelme

    return write_labelme(detections, target, options)
