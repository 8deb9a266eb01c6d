"""Create ML: a JSON list of images with labelled boxes, each given by its centre and size in pixels.

Source: Apple's page on object detector data sources (pixels, origin at the top left, anchor at the centre are the
defaults) and Roboflow's exports, which have one `_annotations.createml.json` a split beside the images.
"""

from __future__ import annotations

from pathlib import Path

from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.tables import Dataset

__all__ = ["CAPABILITIES", "detect", "read", "write"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "image_sizes", "category_ids", "supercategories", "splits")),
    read_from=(".json",),
    folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is Create ML's JSON, or a folder with it."""
    from detkit.formats._createml_files import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from a JSON file, or from all below a folder.

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
        No JSON of Create ML's, or no split of that name.
    """
    from detkit.formats._createml_files import read_createml

    collected, stated = read_createml(Path(path), options)
    collected.keep_split(options.split)
    return collected.dataset(stated)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `_annotations.createml.json` beside the images, in a folder for each split."""
    from detkit.formats._createml_files import write_createml

    return write_createml(dataset, target, options)
