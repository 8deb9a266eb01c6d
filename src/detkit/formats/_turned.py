"""Oriented boxes as tools state them (a box and an angle) and as tables hold them (four corners)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bounds", "corners_around_centre", "corners_around_first", "turned_boxes"]

#: Corners a tool moved by less than this many pixels are the same corners.
_TOLERANCE = 1e-6


def corners_around_first(x: float, y: float, width: float, height: float, degrees: float) -> list[list[float]]:
    """Corners of a box that was turned clockwise around its own top left corner, which comes first.

    Parameters
    ----------
    x, y : float
        The first corner, pixels.
    width, height : float
        Of the box before it was turned.
    degrees : float
        Clockwise as seen, y runs down.

    Returns
    -------
    list of [x, y]
        Four, rounded to 9 decimals: what was written from such corners comes back as it was.
    """
    cos, sin = _direction(degrees)
    across, down = (width * cos, width * sin), (-height * sin, height * cos)
    points = [
        (x, y),
        (x + across[0], y + across[1]),
        (x + across[0] + down[0], y + across[1] + down[1]),
        (x + down[0], y + down[1]),
    ]
    return [[round(a, 9), round(b, 9)] for a, b in points]


def corners_around_centre(x: float, y: float, width: float, height: float, degrees: float) -> list[list[float]]:
    """Corners of a box at x, y that was turned clockwise around its centre; otherwise as `corners_around_first`."""
    cos, sin = _direction(degrees)
    cx, cy = x + width / 2, y + height / 2
    left = cx - (width * cos - height * sin) / 2
    top = cy - (width * sin + height * cos) / 2
    return corners_around_first(left, top, width, height, degrees)


def turned_boxes(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """First corner, size and angle of four-point outlines, and which of them are rectangles.

    Parameters
    ----------
    corners : (N, 4, 2) float64
        Pixels.

    Returns
    -------
    boxes : (N, 5) float64
        x, y of the first corner, width along the first edge, height, degrees clockwise in (-180, 180].
    is_rectangle : (N,) bool
        Clockwise corners with right angles, to a millionth of a pixel.
    """
    first = corners[:, 0]
    across, down = corners[:, 1] - first, corners[:, 3] - first
    width, height = np.hypot(*across.T), np.hypot(*down.T)
    angle = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    boxes = np.column_stack([first, width, height, angle])
    again = np.array([corners_around_first(*row) for row in boxes.tolist()], np.float64).reshape(-1, 4, 2)
    close = np.abs(again - corners).max(axis=(1, 2), initial=0) <= _TOLERANCE
    return boxes, np.asarray(close & (width > 0) & (height > 0), np.bool_)


def bounds(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The xywh around (P, 2) points, free of rounding noise where they have at most 9 decimals."""
    from detkit.formats._numbers import difference

    low, high = points.min(axis=0), points.max(axis=0)
    size = difference(high, low)
    return float(low[0]), float(low[1]), float(size[0]), float(size[1])


def _direction(degrees: float) -> tuple[float, float]:
    """Cosine and sine, exact at quarter turns."""
    quarter = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}
    turned = degrees % 360.0
    if turned in quarter:
        return quarter[turned]
    angle = np.radians(degrees)
    return float(np.cos(angle)), float(np.sin(angle))
