"""Hugging Face: image folders with `metadata.jsonl` or `metadata.csv`, and Parquet shards of detection datasets.

Columns and their names are those of the pages on image datasets of the `datasets` library and of the datasets of the
Hub (`cppe-5` and others): `objects` has lists `bbox` (left, top, width, height in pixels), `category`, `id`, `area`.
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
            *("image_ids", "image_sizes", "category_ids", "supercategories", "annotation_ids", "area", "crowds"),
            *("attributes", "splits", "scores"),
        )
    ),
    read_from=(".jsonl", ".csv", ".parquet"),
    folder=True,
    detections_folder=True,
    carries_images=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path has a column `objects` with boxes: a metadata file, a Parquet shard, or a folder of them."""
    from detkit.formats._huggingface_read import probe

    return probe(Path(path), kind)


def read(path: Path, options: ReadOptions) -> Dataset:
    """A dataset from a metadata file, a Parquet shard, or all of them below a folder.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `names` are the classes of numbers that no ClassLabel names.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No column `objects` with boxes, a damaged file, or no split of that name.
    MissingExtraError
        A Parquet shard, and the extra `parquet` is not installed.
    """
    from detkit.formats._huggingface_read import read_huggingface

    return read_huggingface(Path(path), options)


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """The objects that have a `score`; parameters as `read`."""
    from detkit.formats._huggingface_read import read_scored

    return read_scored(Path(path), options)


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `metadata.jsonl` beside the images, in a folder for each split, and `detkit.json`."""
    from detkit.formats._huggingface_write import write_huggingface

    return write_huggingface(dataset, target, options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write predictions as `write` does a dataset; objects have a `score`."""
    from detkit.formats._huggingface_write import write_huggingface

    return write_huggingface(detections, target, options)
