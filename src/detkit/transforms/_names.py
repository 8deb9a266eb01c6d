"""Classes by what a user calls them: name, or id; unknown ones are named with those near them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.tables import Categories
from detkit.wording import examples

__all__ = ["find_names", "take_categories"]


def find_names(wanted: Iterable[str], categories: Categories, flag: str) -> NDArray[np.int64]:
    """Positions of classes, those of a name that several have among them, each once and in the order asked for.

    Parameters
    ----------
    wanted : iterable of str
        Names, or ids where no class has that name.
    categories : Categories
    flag : str
        For messages.

    Returns
    -------
    (M,) int64

    Raises
    ------
    UsageError
        No class has that name or id.
    """
    by_name: dict[str, list[int]] = {}
    for position, name in enumerate(categories.names):
        by_name.setdefault(name, []).append(position)
    by_id = {str(identifier): [position] for position, identifier in enumerate(categories.ids.tolist())}
    found: dict[int, None] = {}
    lacking = []
    for want in wanted:
        positions = by_name.get(want) or by_id.get(want)
        if positions is None:
            lacking.append(want)
        found |= dict.fromkeys(positions or ())
    if lacking:
        raise _unknown(lacking, categories, flag)
    return np.array(list(found), np.int64)


def take_categories(old: Categories, index: NDArray[np.int64]) -> Categories:
    """The classes at these positions, in this order; numbers that reading gave are given anew.

    Parameters
    ----------
    old : Categories
    index : (M,) int64

    Returns
    -------
    Categories
    """
    positions = index.tolist()
    return Categories(
        old.ids[index] if old.has_own_ids else np.arange(1, len(index) + 1),
        tuple(old.names[k] for k in positions),
        tuple(old.supercategories[k] for k in positions),
        old.has_own_ids,
        old.has_names,
        {n: old.extra[k] for n, k in enumerate(positions) if k in old.extra},
    )


def _unknown(lacking: list[str], categories: Categories, flag: str) -> UsageError:
    """The error for classes that are not there, with the nearest that are."""
    folded = {name.casefold(): name for name in categories.names}
    near: dict[str, None] = {}
    for name in lacking:
        near |= dict.fromkeys(folded[n] for n in get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6))
    noun = "class" if len(lacking) == 1 else "classes"
    hint = f"did you mean {examples(list(near), 4)}?" if near else f"there are {examples(list(categories.names), 8)}"
    return UsageError(f"{flag}: unknown {noun} {examples(lacking, 5)}", hint=hint)
