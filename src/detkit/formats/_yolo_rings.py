"""One closed outline an object, which is all that a row of YOLO can hold: parts joined, masks traced."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import MissingExtraError

__all__ = ["corners", "join_rings", "trace_mask"]


def corners(xywh: Sequence[float]) -> NDArray[np.float64]:
    """(4, 2) corners of a box, clockwise from the top left."""
    x, y, w, h = xywh
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], dtype=np.float64)


def join_rings(rings: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One ring from several parts: each is tied to what is joined already by a bridge of no width.

    The bridge runs between the two nearest points, there and back, so that the area stays the sum of the parts'.

    Parameters
    ----------
    rings : sequence of (P, 2) float64

    Returns
    -------
    (Q, 2) float64
        One ring as it is; of several, Q is the sum of P plus two points for each bridge.

    Examples
    --------
    >>> left, right = np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[3.0, 0], [4, 0], [3, 1]])
    >>> len(join_rings([left, right]))
    8
    """
    joined = rings[0]
    for ring in rings[1:]:
        i, j = _nearest(joined, ring)
        joined = np.concatenate([joined[: i + 1], ring[j:], ring[: j + 1], joined[i:]])
    return joined


def trace_mask(value: Mapping[str, Any]) -> tuple[list[NDArray[np.float64]], int]:
    """Outer outlines of a run-length mask in pixels, and how many holes they leave out.

    Points are centres of the mask's border pixels. Parts too thin for an outline are left out.

    Parameters
    ----------
    value : mapping
        `{"size": [height, width], "counts": ...}`.

    Returns
    -------
    rings : list of (P, 2) float64
    holes : int

    Raises
    ------
    MissingExtraError
        OpenCV is not installed.
    """
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        raise MissingExtraError("opencv", "augment") from None
    height, width = value["size"]
    pixels = np.ascontiguousarray(masks.decode(masks.to_rle(value, int(height), int(width))))
    found, hierarchy = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = [i for i in range(len(found)) if hierarchy[0][i][3] < 0]
    rings = [found[i].reshape(-1, 2).astype(np.float64) + 0.5 for i in outer if len(found[i]) >= 3]
    return rings, len(found) - len(outer)


def _nearest(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[int, int]:
    distance = ((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=2)
    i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
    return int(i), int(j)
