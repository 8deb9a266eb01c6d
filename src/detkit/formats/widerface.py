"""WIDER FACE: lists of images with the boxes of their faces and six marks each; results as one file an image.

Rows are `x y w h blur expression illumination invalid occlusion pose`, in pixels. Invalid faces are ignored. A class
name at the end of a row, as other converters write it, makes it an object of that class; without one it is a face.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

__all__ = ["CAPABILITIES", "detect", "read", "read_detections", "write", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "image_sizes", "category_ids", "supercategories", "ignored", "splits", "scores")),
    attributes=frozenset(("blur", "expression", "illumination", "occlusion", "pose")),
    read_from=(".txt",),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is WIDER FACE's lists, or a folder of its results.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    from detkit.formats._widerface_results import probe_folder
    from detkit.formats._widerface_text import list_files, probe_lists

    if kind == "detections":
        return Probe(*probe_folder(path))
    files = list_files(path)
    if not files:
        return Probe(False, "no .txt file, and no folder `wider_face_split` with lists in it")
    found = [probe_lists(file) for file in files[:5]]
    fitting = next((why for matches, why in found if matches), None)
    return Probe(fitting is not None, fitting or f"{files[0].name}: {found[0][1]}")


def read(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of one list, or of a folder with a list a split; see `_widerface_read`."""
    from detkit.formats._widerface_read import read_dataset

    return read_dataset(path, options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a folder with one file an image."""
    from detkit.formats._widerface_results import read_results

    return read_results(path, options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `wider_face_split/*.txt`, and `WIDER_<split>/images` where images are placed, into a folder."""
    from detkit.formats._widerface_write import write_dataset

    return write_dataset(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one file an image, in the folders of the images, into a folder."""
    from detkit.formats._widerface_results import write_results

    return write_results(detections, target)
