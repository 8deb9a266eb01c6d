"""Oriented predictions in YOLO text: class number, four corners as shares of the image, confidence last.

Source: Ultralytics, `save_txt=True save_conf=True` with an oriented model; a track id may follow the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._text_rows import TextFile, TextRows, parse_files
from detkit.tables import Ragged, Shapes

__all__ = [
    "bounds_of",
    "corner_columns",
    "corners_of",
    "is_oriented",
    "outlines_of",
    "quadrangle_rows",
    "without_tracks",
]

#: Numbers after the class: x and y of four corners, confidence.
_NUMBERS = 9
#: Corners of boxes stick out of the image; three quarters of them beyond this are pixels.
_LOOKS_LIKE_PIXELS = 2


def corner_columns(files: Sequence[TextFile], jobs: int = 4, *, start_only: bool = False) -> TextRows:
    """Rows of text files as class, eight coordinates and a confidence; what is none of these is a bad row."""
    return parse_files(files, _NUMBERS, flag="track", jobs=jobs, start_only=start_only)


def is_oriented(rows: TextRows) -> bool:
    """Whether the bulk of rows, read by `corner_columns`, are oriented boxes with a confidence or without one."""
    short = sum(bad.kind == "short" for bad in rows.bad)
    return len(rows) + short > len(rows.bad) - short


def corners_of(rows: TextRows) -> NDArray[np.float64]:
    """Corners of rows as they stand, (N, 4, 2) float64 shares of the image.

    Raises
    ------
    InputError
        The coordinates are pixels.
    """
    high = (rows.values[:, :8] > _LOOKS_LIKE_PIXELS).sum(axis=1) >= 6
    if 2 * int(high.sum()) > len(rows):
        row = int(np.argmax(high))
        file, line = rows.place(row)
        shown = " ".join(f"{value:g}" for value in rows.values[row])
        raise InputError(
            f"found `{shown}` after the class, expected four corners as shares of the image and a confidence",
            path=file,
            place=line,
            hint="divide the corners by the image's width and height, as YOLO tools do",
        )
    return rows.values[:, :8].reshape(-1, 4, 2)


def bounds_of(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Box around each row's corners, (N, 4) float64 xywh in their unit."""
    low = corners.min(axis=1)
    return np.concatenate([low, corners.max(axis=1) - low], axis=1)


def outlines_of(corners: NDArray[np.float64], sizes: NDArray[np.float64] | None) -> Shapes:
    """Corners as outlines of one ring.

    Parameters
    ----------
    corners : (N, 4, 2) float64
        Shares of the image.
    sizes : (N, 2) float64 or None
        Width and height of each row's image: the outlines are pixels then, else they stay shares.

    Returns
    -------
    Shapes
    """
    # Rounded as the truth's corners are, so that a corner written from pixels comes back as it was.
    points = corners if sizes is None else np.round(corners * sizes[:, None], 9)
    count = len(corners)
    rings = Ragged(np.arange(count + 1), np.full(count, 4, np.int64))
    return Shapes(
        np.full(count, Shapes.POLYGONS, np.uint8), rings, Ragged(4 * np.arange(count + 1), points.reshape(-1, 2))
    )


def without_tracks(rows: TextRows, path: Path) -> list[Finding]:
    """What is said of track ids, which are not kept."""
    count = int(rows.flagged.sum())
    return [Finding("DK109", "track ids (last column) are not kept", file=str(path), count=count)] if count else []


def quadrangle_rows(shapes: Shapes | None) -> NDArray[np.float64] | None:
    """Corners of predictions that are all outlines of four points, (N, 4, 2) float64; None where any is not."""
    if shapes is None or not len(shapes):
        return None
    if (shapes.rings.lengths() != 1).any() or (shapes.points.lengths() != 4).any():
        return None
    return np.asarray(shapes.points.values, np.float64).reshape(-1, 4, 2)
