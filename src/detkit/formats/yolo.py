"""YOLO: one text file an image, coordinates as shares of the image; Ultralytics' data.yaml and Darknet's layouts.

Rows are boxes, polygons, oriented boxes or poses, see `_yolo_columns`. Image sizes, ids and order, which labels cannot
hold, are written beside them (`detkit-images.csv`, `detkit.json`) and read back where they are found.
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
            "image_ids",
            "image_sizes",
            "category_ids",
            "supercategories",
            "polygons",
            "keypoints",
            "oriented",
            "splits",
            "scores",
        )
    ),
    info_fields=frozenset(("kpt_shape", "flip_idx")),
    read_from=(".txt", ".yaml", ".yml", ".data"),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is a YOLO dataset, or a folder of YOLO predictions; the reason is given either way.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}
    """
    if kind == "detections":
        from detkit.formats._text_detections import probe

        return probe(path, "yolo")
    from detkit.formats._yolo_layout import probe_dataset

    return probe_dataset(path)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from a data.yaml, a Darknet obj.data, a list of images, or a folder of labels.

    An image without a label file, or with an empty one, is a negative and is kept. Boxes are pixels where the sizes of
    all images with boxes are known (given, listed in `detkit-images.csv`, or read from the image headers), and shares
    of the image (`units="normalised"`) where none is.

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
        No dataset, a description that contradicts itself, or image sizes known for a part of the images only.
    UsageError
        No such split.
    """
    from detkit.formats._yolo_read import read_dataset

    return read_dataset(path, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from a folder of text files, `class cx cy w h confidence` unless the options say otherwise.

    Rows of `class x1 y1 x2 y2 x3 y3 x4 y4 confidence` are oriented boxes.
    """
    from detkit.formats._text_detections import read_text_detections

    return read_text_detections(path, options, "yolo")


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a dataset as a folder and return what YOLO cannot hold (beyond the generic loss report).

    The task follows from the rows: `pose` where objects have keypoints, `obb` where all are oriented boxes, `segment`
    where any has an outline, else `detect`; one task for the whole set, so that no file mixes kinds of rows.

    Parameters
    ----------
    dataset : Dataset
    target : Path
        An existing, empty folder.
    options : WriteOptions
        `crowds`, `ignored`, `shapes` and `place_images` apply.

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Image sizes unknown, two images with one label file, two classes with one name.
    UsageError
        `crowds="difficult"`.
    MissingExtraError
        Run-length masks are to be kept and OpenCV is missing.
    """
    from detkit.formats._yolo_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions as `class cx cy w h confidence`, one file for every image, also for those without any.

    Where every row has an outline of four points, its corners are written in place of the box.

    Parameters
    ----------
    detections : Detections
    target : Path
        An existing, empty folder.
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Image sizes unknown, two images with one file, two classes with one name.
    """
    from detkit.formats._yolo_write import write_predictions

    return write_predictions(detections, target, options)
