"""Open Images: CSV files of boxes as shares of the image, image-level labels, class descriptions, predictions.

Boxes around several objects (`IsGroupOf`) have the attribute `is_group_of`; image-level labels that people verified
become `pos_category_ids` and `neg_category_ids` of the image: what protocol `openimages` scores with.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "image_sizes", "category_ids", "supercategories", "splits", "scores")),
    attributes=frozenset(
        ("occluded", "truncated", "is_group_of", "is_depiction", "is_inside", "source", "confidence")
    ),
    image_fields=frozenset(("pos_category_ids", "neg_category_ids")),
    read_from=(".csv",),
    folder=True,
    detections_folder=True,
    unlisted=frozenset(("detections",)),
)  # fmt: skip


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is Open Images' boxes, or predictions, by the headers of the CSV files.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    from detkit.formats._openimages_predictions import find_predictions
    from detkit.formats._openimages_tables import files_of, role_of

    if kind == "detections":
        found, why = find_predictions(path)
        return Probe(found is not None, why)
    if path.is_file():
        role, why = role_of(path)
        return Probe(role == "boxes", why)
    roles = [role for _, role in files_of(path)]
    if "boxes" in roles:
        return Probe(True, f"{roles.count('boxes')} CSV files with ImageID, LabelName and the corners")
    return Probe(False, "no CSV file with `ImageID,LabelName,XMin,XMax,YMin,YMax` in it or in a folder of it")


def read(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of a folder of CSV files, or of one file of boxes with those beside it; see `_openimages_read`."""
    from detkit.formats._openimages_read import read_dataset

    return read_dataset(path, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions of one CSV file, a row a box or a row an image (`PredictionString`)."""
    from detkit.formats._openimages_predictions import read_predictions

    return read_predictions(path, options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `annotations/*.csv` and what they cannot hold beside them into a folder."""
    from detkit.formats._openimages_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `predictions.csv` (`ImageID,LabelName,Score,XMin,XMax,YMin,YMax`) into a folder."""
    from detkit.formats._openimages_predictions import write_predictions

    return write_predictions(detections, target)
