"""Label Studio: JSON and JSON-MIN exports, coordinates in percent of the image; predictions as pre-annotations.

Source: Label Studio's pages "task format", "predictions", "image units" and those of its tags. A rotated rectangle is
turned clockwise around its top left corner, which is how results are stored.
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
            *("image_sizes", "category_ids", "supercategories", "crowds", "ignored", "polygons", "oriented"),
            *("keypoints", "attributes", "scores"),
        )
    ),
    category_fields=frozenset(("keypoints",)),
    read_from=(".json",),
    folder=True,
    detections_folder=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is Label Studio's tasks with annotations, or with predictions."""
    from detkit.formats._label_studio_tasks import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from an export, or from a folder of exports or single tasks.

    Tasks that nobody annotated are no images without objects: they are left out and counted.

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
        No tasks of Label Studio's, or a split is asked for.
    """
    from detkit.formats._label_studio_points import with_points
    from detkit.formats._label_studio_read import read_label_studio

    collected, stated, points, names = read_label_studio(Path(path), options, "dataset")
    collected.keep_split(options.split)
    dataset: Dataset = collected.dataset(stated)
    return with_points(dataset, collected.rows, points, names, str(path)) if options.with_shapes else dataset


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from the `predictions` of tasks."""
    from detkit.formats._label_studio_points import with_points
    from detkit.formats._label_studio_read import read_label_studio

    collected, stated, points, names = read_label_studio(Path(path), options, "detections")
    detections: Detections = collected.detections(stated)
    return with_points(detections, collected.rows, points, names, str(path)) if options.with_shapes else detections


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `tasks.json` with annotations, and `label_config.xml` for the project, into a folder."""
    from detkit.formats._label_studio_write import write_label_studio

    return write_label_studio(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `tasks.json` with predictions, the score with each region, and `label_config.xml`, into a folder."""
    from detkit.formats._label_studio_write import write_label_studio

    return write_label_studio(detections, target, options)
