"""How alike splits are: classes of each against the whole, and against what chance gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import ratio
from detkit.tables import Dataset

__all__ = ["Balance", "balance_of"]

_DRAWS = 20


@dataclass(frozen=True, eq=False)
class Balance:
    """Boxes of each class in each split, beside those of random splits of the same groups.

    Parameters
    ----------
    boxes : (S, K) int64
    images, negatives : (S,) int64
        Negatives are images without a box.
    shares : (S,) float64
        What each split was to hold of the images.
    random_distance : (S,) float64
        Mean over draws, see `distance`.
    random_gap : (K,) float64
        Mean over draws, see `gap`.
    """

    boxes: NDArray[np.int64]
    images: NDArray[np.int64]
    negatives: NDArray[np.int64]
    shares: NDArray[np.float64]
    random_distance: NDArray[np.float64]
    random_gap: NDArray[np.float64]

    def to_dict(self, names: Sequence[str], classes: Sequence[str], groups: NDArray[np.int64]) -> dict[str, Any]:
        """`splits` and `classes` of the report: plain values."""
        totals = self.boxes.sum(axis=0)
        distance, gap = _distance(self.boxes), _gap(self.boxes, self.shares)
        in_split = ratio(self.boxes, self.boxes.sum(axis=1, keepdims=True))
        of_class = ratio(self.boxes, totals[None])
        whole = ratio(totals, totals.sum())
        all_images = max(int(self.images.sum()), 1)
        return {
            "splits": [
                {
                    "name": name,
                    "ratio": float(self.shares[s]),
                    "images": int(self.images[s]),
                    "share_of_images": int(self.images[s]) / all_images,
                    "negatives": int(self.negatives[s]),
                    "groups": int(groups[s]),
                    "boxes": int(self.boxes[s].sum()),
                    "distance": _value(distance[s]),
                    "random_distance": _value(self.random_distance[s]),
                    "absent": [classes[k] for k in np.flatnonzero((self.boxes[s] == 0) & (totals > 0)).tolist()],
                }
                for s, name in enumerate(names)
            ],
            "classes": [
                {
                    "name": classes[k],
                    "boxes": int(totals[k]),
                    "share": _value(whole[k]),
                    "gap": _value(gap[k]),
                    "random_gap": _value(self.random_gap[k]),
                    "splits": {
                        name: {
                            "boxes": int(self.boxes[s, k]),
                            "share": _value(in_split[s, k]),
                            "of_class": _value(of_class[s, k]),
                        }
                        for s, name in enumerate(names)
                    },
                }
                for k in range(len(classes))
            ],
        }


def balance_of(
    dataset: Dataset,
    found: NDArray[np.int64],
    shares: Sequence[float],
    draw: Callable[[int], NDArray[np.int64]],
) -> Balance:
    """The balance of one way to split.

    The distance of a split is half the sum over classes of |its share of the split's boxes - its share of all boxes|:
    the part of its boxes that would have to be of another class. The gap of a class is the largest over splits of
    |share of the class's boxes that are there - the split's ratio|.

    Parameters
    ----------
    dataset : Dataset
    found : (I,) int64
        The split of each image.
    shares : sequence of float
    draw : callable
        Number of a draw -> a random split, (I,) int64.

    Returns
    -------
    Balance
    """
    wanted = np.asarray(shares, np.float64)
    rows = dataset.annotations
    per_image = np.bincount(rows.image_index, minlength=len(dataset.images))
    draws = [_boxes(dataset, draw(number), len(wanted)) for number in range(_DRAWS)]
    return Balance(
        _boxes(dataset, found, len(wanted)),
        np.bincount(found, minlength=len(wanted)),
        np.bincount(found[per_image == 0], minlength=len(wanted)),
        wanted,
        np.mean([_distance(boxes) for boxes in draws], axis=0),
        np.mean([_gap(boxes, wanted) for boxes in draws], axis=0),
    )


def _boxes(dataset: Dataset, found: NDArray[np.int64], splits: int) -> NDArray[np.int64]:
    classes = len(dataset.categories)
    rows = dataset.annotations
    flat = found[rows.image_index] * classes + rows.category_index
    return np.bincount(flat, minlength=splits * classes).reshape(splits, classes).astype(np.int64)


def _distance(boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    totals = boxes.sum(axis=0)
    whole = ratio(totals, totals.sum())
    parts = ratio(boxes, boxes.sum(axis=1, keepdims=True))
    return np.abs(parts - whole).sum(axis=1) / 2  # type: ignore[no-any-return]


def _gap(boxes: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.abs(ratio(boxes, boxes.sum(axis=0, keepdims=True)) - shares[:, None])
    return found.max(axis=0, initial=0.0)  # type: ignore[no-any-return]


def _value(number: Any) -> float | None:
    return float(number) if number == number else None
