"""A dataset's objects against the heads of a model: which are larger than a head sees, which fall between its cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.boxes import frames_of
from detkit.detectors._layers import Head
from detkit.detectors._prepare import Preparation
from detkit.tables import Dataset

__all__ = ["Fit", "fit_heads"]


@dataclass(frozen=True)
class Fit:
    """How the objects of a dataset compare with one head, in network pixels.

    Parameters
    ----------
    larger : int
        Objects with a side longer than the head's receptive field.
    smaller : int
        Objects whose longer side is shorter than the head's stride.
    """

    larger: int
    smaller: int


def fit_heads(dataset: Dataset, heads: Iterable[Head], preparation: Preparation) -> tuple[list[Fit], int, int]:
    """Comparison of each head with a dataset's objects, and how many objects were compared and were not.

    Objects are compared as the network sees them: after letterboxing (or stretching). Crowds and ignored boxes are
    left out; boxes of images whose size is unknown are not compared.
    """
    rows = dataset.annotations
    known = np.asarray(~np.isnan(dataset.images.sizes).any(axis=1), dtype=np.bool_)
    scale: NDArray[np.float64] = np.full((len(dataset.images), 2), np.nan)
    if known.any():
        whole = np.maximum(1, np.trunc(dataset.images.sizes))
        scale = frames_of(whole, preparation.network_size, preparation.resize)[:, :2]
    counted = ~(rows.is_crowd | rows.is_ignored)
    usable = counted & known[rows.image_index]
    size = rows.xywh[usable, 2:]
    if dataset.units == "normalised":
        size = size * dataset.images.sizes[rows.image_index[usable]]
    size = np.asarray(size * scale[rows.image_index[usable]], dtype=np.float64)
    fits = [
        Fit(
            int(np.count_nonzero((size > np.array(head.field)).any(axis=1))),
            int(np.count_nonzero((size < np.array(head.stride)).all(axis=1))),
        )
        for head in heads
    ]
    return fits, len(size), int(np.count_nonzero(counted)) - len(size)
