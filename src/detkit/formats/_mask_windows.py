"""Masks that tools cut to their box, as run lengths of the whole image, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks

__all__ = ["counts_of", "rle_of_window", "runs_of_rows", "window_of", "window_of_runs"]


def rle_of_window(window: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> dict[str, Any] | None:
    """The uncompressed mask of an image from the part of it that is not empty.

    Parameters
    ----------
    window : (h, w) bool
    left, top : int
        Where its first pixel stands.
    width, height : int
        Of the image.

    Returns
    -------
    dict or None
        `{"size": [height, width], "counts": list of int}`; None where nothing of the window is inside the image.
    """
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(width, left + window.shape[1]), min(height, top + window.shape[0])
    if x1 >= x2 or y1 >= y2:
        return None
    pixels = np.zeros((height, width), np.bool_, order="F")
    pixels[y1:y2, x1:x2] = window[y1 - top : y2 - top, x1 - left : x2 - left]
    return {"size": [height, width], "counts": counts_of(pixels.ravel(order="F"))}


def counts_of(flat: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of equal values, the first one of false values (it may be 0)."""
    if not flat.size:
        return []
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def window_of(rle: Mapping[str, Any]) -> tuple[int, int, NDArray[np.bool_]] | None:
    """Left, top and the pixels of the box around a mask; None for an empty one."""
    height, width = (int(v) for v in rle["size"])
    pixels = masks.decode(masks.to_rle(rle, height, width)).astype(np.bool_)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, pixels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]


def runs_of_rows(window: NDArray[np.bool_]) -> list[int]:
    """Run lengths of a window row by row, the first one of background, as CVAT states them."""
    return counts_of(window.ravel(order="C"))


def window_of_runs(runs: list[int], width: int, height: int) -> NDArray[np.bool_] | None:
    """The (height, width) window of run lengths row by row; None where they do not fill it."""
    if width <= 0 or height <= 0 or any(r < 0 for r in runs) or sum(runs) != width * height:
        return None
    values = np.arange(len(runs)) % 2 == 1
    return np.asarray(np.repeat(values, runs).reshape(height, width), np.bool_)
