"""What rows of a table point to: its images and its classes, with their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.ragged import EMPTY, freeze

__all__ = ["Categories", "Images", "take_extra"]

Extra = Mapping[int, Mapping[str, Any]]


def take_extra(extra: Extra, index: NDArray[np.int64]) -> Extra:
    """Fields without a column of the rows at these positions, by their new position."""
    return {n: extra[old] for n, old in enumerate(index.tolist()) if old in extra} if extra else EMPTY


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a table.

    Parameters
    ----------
    ids : (I,) int64 or object
        Unique; int or str.
    file_names : tuple of str
        Relative to the image folder, with sub-folders, `/` between; empty where unknown.
    sizes : (I, 2) float64
        Width and height in pixels as displayed; NaN where unknown.
    paths : tuple of (str or None)
        The image file on this machine where one was found.
    has_own_ids : bool
        False when the format has no image ids and they were numbered from 1 while reading: predictions are then
        matched by file name first.
    extra : mapping of int to dict
        Position -> fields of the source that have no column (licence, date, depth).
    """

    ids: NDArray[Any]
    file_names: tuple[str, ...]
    sizes: NDArray[np.float64]
    paths: tuple[str | None, ...] = ()
    has_own_ids: bool = True
    extra: Extra = field(default_factory=lambda: EMPTY)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", freeze(self.ids))
        object.__setattr__(self, "sizes", freeze(np.reshape(self.sizes, (-1, 2)), np.float64))
        if not self.paths:
            object.__setattr__(self, "paths", (None,) * len(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.int64]) -> Images:
        """The images at these positions, in this order."""
        positions = index.tolist()
        return Images(
            self.ids[index],
            tuple(self.file_names[i] for i in positions),
            self.sizes[index],
            tuple(self.paths[i] for i in positions),
            self.has_own_ids,
            take_extra(self.extra, index),
        )


@dataclass(frozen=True, eq=False)
class Categories:
    """The classes of a table, in the source's order.

    Parameters
    ----------
    ids : (K,) int64 or object
        Unique.
    names : tuple of str
    supercategories : tuple of (str or None)
    has_own_ids : bool
        False when the format has no class ids and they were numbered from 1.
    has_names : bool
        False when the source has only numbers and `names` are these numbers as text.
    extra : mapping of int to dict
        Position -> fields without a column (keypoint names, skeleton, colour).
    """

    ids: NDArray[Any]
    names: tuple[str, ...]
    supercategories: tuple[str | None, ...] = ()
    has_own_ids: bool = True
    has_names: bool = True
    extra: Extra = field(default_factory=lambda: EMPTY)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", freeze(self.ids))
        if not self.supercategories:
            object.__setattr__(self, "supercategories", (None,) * len(self.ids))

    @classmethod
    def from_names(cls, names: Sequence[str], *, has_names: bool = True) -> Categories:
        """Classes numbered from 1 in the order given."""
        ids = np.arange(1, len(names) + 1, dtype=np.int64)
        return cls(ids, tuple(names), has_own_ids=False, has_names=has_names)

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, *, own_ids: bool = False) -> dict[str, list[int]]:
        """What users call classes -> positions: names, with all classes of that name, and ids that are no name.

        Parameters
        ----------
        own_ids : bool
            Only ids that are the source's own.

        Returns
        -------
        dict of str to list of int
        """
        by_id = {str(own): [k] for k, own in enumerate(self.ids.tolist())} if self.has_own_ids or not own_ids else {}
        by_name: dict[str, list[int]] = {}
        for k, name in enumerate(self.names):
            by_name.setdefault(name, []).append(k)
        return by_id | by_name

    def take(self, index: ArrayLike, *, renumber: bool = False) -> Categories:
        """The classes at these positions, in this order.

        Parameters
        ----------
        index : (M,) int64
        renumber : bool
            Number them from 1 again where the ids are no ids of the source.

        Returns
        -------
        Categories
        """
        index = np.asarray(index, dtype=np.int64)
        positions = index.tolist()
        return replace(
            self,
            ids=np.arange(1, len(index) + 1) if renumber and not self.has_own_ids else self.ids[index],
            names=tuple(self.names[i] for i in positions),
            supercategories=tuple(self.supercategories[i] for i in positions),
            extra=take_extra(self.extra, index),
        )
