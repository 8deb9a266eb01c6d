"""Overlaps between two box files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit import files
from detkit.api.tables import Table, kind_of, read
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BoxOverlaps", "iou", "write_overlaps"]


@dataclass(frozen=True, eq=False)
class BoxOverlaps:
    """Overlaps of two box files, image by image.

    Parameters
    ----------
    a, b : Dataset or Detections
    pairs : (N, 2) int64
        Rows of a and b in the same image whose boxes overlap.
    iou : (N,) float64
    best_a, best_b : (A,), (B,) float64
        Best overlap of each row with any row of the other file, 0 for none.
    """

    a: Table
    b: Table
    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    best_a: NDArray[np.float64]
    best_b: NDArray[np.float64]


def iou(a: str | Path | Table, b: str | Path | Table, *, class_agnostic: bool = False, **options: Any) -> BoxOverlaps:
    """Overlaps between the boxes of two files (datasets or predictions), images met as in `evaluate`.

    Parameters
    ----------
    a, b : path-like or table
    class_agnostic : bool
        Compare boxes of different classes too.
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    BoxOverlaps
    """
    from detkit.evaluation.pairs import as_dataset, overlapping_pairs

    first = a if isinstance(a, Dataset | Detections) else _any_table(a, options)
    base = as_dataset(first)
    if not isinstance(b, Dataset | Detections):
        b = _any_table(b, {**options, "reference_images": base.images})
    pairs, overlap, best_a, best_b = overlapping_pairs(base, b, class_agnostic=class_agnostic)
    return BoxOverlaps(first, b, pairs, overlap, best_a, best_b)


def write_overlaps(found: BoxOverlaps, target: str | Path, *, overwrite: bool = False) -> None:
    """Write overlapping pairs as .npz: `a`, `b` (rows in source order), `iou`, and the best of each row.

    Parameters
    ----------
    found : BoxOverlaps
    target : path-like
    overwrite : bool
    """
    rows_a = found.a.annotations.source_row if isinstance(found.a, Dataset) else found.a.source_row
    rows_b = found.b.annotations.source_row if isinstance(found.b, Dataset) else found.b.source_row
    with files.atomic_file(target, overwrite=overwrite) as place, place.open("wb") as handle:
        np.savez_compressed(
            handle,
            a=rows_a[found.pairs[:, 0]],
            b=rows_b[found.pairs[:, 1]],
            iou=found.iou,
            best_a=found.best_a[np.argsort(rows_a)],
            best_b=found.best_b[np.argsort(rows_b)],
        )


def _any_table(path: str | Path, options: Mapping[str, Any]) -> Table:
    return read(path, kind=kind_of(path, "auto"), **options)
