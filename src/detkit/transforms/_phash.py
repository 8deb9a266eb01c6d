"""Perceptual hashes of images, and how alike two images are once one is laid over the other.

A hash finds candidates among millions; the overlay decides. The hash is the usual one of 64 bits: signs of the lowest
frequencies of a small grey image around their median (Zauner, Implementation and Benchmarking of Perceptual Image Hash
Functions, 2010, section 3.2.1). It is thirty lines over Pillow and NumPy; the library for it would bring SciPy and
PyWavelets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SIDE", "is_flat", "overlay_similarity", "perceptual_hashes", "thumbnail"]

#: Sides of the small grey image.
SIDE = 32
_KEPT = 8
#: Standard deviation in grey levels below which an image shows nothing that could be told apart.
_FLAT = 2.0
_CHUNK = 64


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """An upright image as (32, 32) uint8 grey, stretched to a square."""
    from PIL import Image as Pil

    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Pil.Resampling.LANCZOS), dtype=np.uint8)


def is_flat(thumbnails: ArrayLike) -> NDArray[np.bool_]:
    """Images of one colour, whose hash would be noise; (N, 32, 32) -> (N,) bool."""
    return np.asarray(np.asarray(thumbnails, dtype=np.float32).reshape(-1, SIDE * SIDE).std(axis=1) < _FLAT)


def perceptual_hashes(thumbnails: ArrayLike) -> NDArray[np.uint64]:
    """Hashes of small grey images.

    Parameters
    ----------
    thumbnails : (N, 32, 32) array_like of uint8

    Returns
    -------
    (N,) uint64
        Near images differ in few bits, unrelated ones in 32 on average.
    """
    step = np.arange(SIDE)
    cosines = np.cos(np.pi * (2 * step + 1) * np.arange(_KEPT)[:, None] / (2 * SIDE))
    grey = np.asarray(thumbnails).reshape(-1, SIDE, SIDE)
    hashes = np.empty(len(grey), np.uint64)
    weights = np.uint64(1) << np.arange(_KEPT * _KEPT, dtype=np.uint64)
    for start in range(0, len(grey), 4096):
        low = cosines @ grey[start : start + 4096].astype(np.float64) @ cosines.T
        low = low.reshape(-1, _KEPT * _KEPT)
        # The first is the mean brightness, no feature.
        middle = np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + 4096] = ((low > middle) * weights).sum(axis=1, dtype=np.uint64)
    return hashes


def overlay_similarity(thumbnails: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Correlation of the grey values of two images, the best over windows that leave up to a tenth of either away.

    Parameters
    ----------
    thumbnails : (N, 32, 32) uint8
    pairs : (P, 2) int64

    Returns
    -------
    (P,) float64
        1 for the same picture, whatever its brightness and contrast; pictures that only look alike stay below 0.9.
    """
    across, down = _windows()
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), _CHUNK):
        left, right = (thumbnails[pairs[start : start + _CHUNK, side]].astype(np.float32) for side in (0, 1))
        found[start : start + _CHUNK] = np.maximum(_best(left, right, across, down), _best(right, left, across, down))
    return found


def _best(
    cut: NDArray[np.float32], whole: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32]
) -> NDArray[np.float32]:
    windows = np.matmul(np.matmul(down, cut[:, None]), across).reshape(len(cut), len(down), -1)
    best: NDArray[np.float32] = np.einsum("pwi,pi->pw", _unit(windows), _unit(whole.reshape(len(whole), -1))).max(
        axis=1
    )
    return best


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6))


def _windows() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices that stretch a window to the full square, for columns and for rows: (W, 32, 32) each."""
    places = [(1.0, 0.0, 0.0)]
    for share in (0.97, 0.95, 0.93, 0.9):
        places += [(share, x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)]
    across = np.stack([_resample(share, x).T for share, x, _ in places])
    down = np.stack([_resample(share, y) for share, _, y in places])
    return across, down


def _resample(share: float, place: float) -> NDArray[np.float32]:
    """Linear interpolation at the centres of a window; `place` 0 is its start at the border, 1 its end."""
    at = np.clip((np.arange(SIDE) + 0.5) * share + place * SIDE * (1 - share) - 0.5, 0, SIDE - 1)
    first = np.minimum(at.astype(np.int64), SIDE - 2)
    matrix = np.zeros((SIDE, SIDE), np.float32)
    rows = np.arange(SIDE)
    matrix[rows, first] = 1 - (at - first)
    matrix[rows, first + 1] = at - first
    return matrix
