"""Images alike, two by two: by content, by perceptual hash and overlay, by embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.transforms._groups import same_content
from detkit.transforms._phash import is_flat, overlay_similarity, perceptual_hashes

__all__ = ["Pairs", "contents_of", "cosine_pairs", "hash_pairs"]

Int = NDArray[np.int64]

#: Least likeness of two images laid over each other: copies stay above, pictures that only look alike below.
LEAST_OVERLAY = 0.9
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images found alike, two by two.

    Parameters
    ----------
    index : (P, 2) int64
        Positions, the smaller first.
    similarity : (P,) float64
        1 for the same picture.
    """

    index: Int
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)


def contents_of(paths: Sequence[str | None], jobs: int | None = None) -> Int:
    """A number for each image, the same for files of the same bytes.

    Parameters
    ----------
    paths : sequence of (str or None)
    jobs : int, optional
        Threads.

    Returns
    -------
    (N,) int64
        In order of first appearance.
    """
    digests = same_content(paths, jobs or 4)
    keys = [digests.get(position, position) for position in range(len(paths))]
    number: dict[str | int, int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)


def hash_pairs(thumbnails: NDArray[np.uint8], positions: Int, radius: int = 14) -> tuple[Pairs, Int]:
    """Images that are near by perceptual hash and alike when laid over each other.

    Parameters
    ----------
    thumbnails : (M, 32, 32) uint8
    positions : (M,) int64
        Of the images they belong to, ascending.
    radius : int
        Most bits of 64 in which the hashes differ.

    Returns
    -------
    pairs : Pairs
    flat : (F,) int64
        Positions of images of one colour, which were not compared.
    """
    from detkit.kernels.hamming import near_hashes

    flat = is_flat(thumbnails)
    shown = np.flatnonzero(~flat)
    near, _ = near_hashes(perceptual_hashes(thumbnails[shown]), radius)
    pairs = shown[near]
    similarity = overlay_similarity(thumbnails, pairs)
    alike = similarity >= LEAST_OVERLAY
    return Pairs(positions[pairs[alike]], similarity[alike]), positions[flat]


def cosine_pairs(embeddings: NDArray[np.float32], positions: Int, threshold: float = 0.95) -> Pairs:
    """Images whose embeddings point the same way; exact, in blocks, N squared.

    Parameters
    ----------
    embeddings : (M, D) float32
    positions : (M,) int64
        Of the images they belong to, ascending.
    threshold : float
        Least cosine similarity.

    Returns
    -------
    Pairs

    Raises
    ------
    UsageError
        A threshold out of range.
    """
    if not -1 < threshold <= 1:
        raise UsageError(f"threshold: found {threshold:g}, expected a cosine similarity above -1 and up to 1")
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = np.asarray(embeddings / np.maximum(lengths, 1e-12), dtype=np.float32)
    found, values = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for start in range(0, len(unit), _ROWS):
        block = unit[start : start + _ROWS] @ unit[start:].T
        # float32 rounding must not lose a copy at a threshold of 1.
        rows, columns = np.nonzero(block >= threshold - 1e-6)
        upper = columns > rows
        found.append(np.stack([rows[upper], columns[upper]], axis=1) + start)
        values.append(np.minimum(1.0, block[rows[upper], columns[upper]].astype(np.float64)))
    return Pairs(positions[np.concatenate(found)], np.concatenate(values))
