"""Classes by what a user calls them: name, or id; unknown ones are named with those near them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.tables import Categories
from detkit.wording import examples

__all__ = ["find_names"]


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
    places, wanted = categories.places(), list(wanted)
    lacking = [want for want in wanted if want not in places]
    if lacking:
        raise _unknown(lacking, categories, flag)
    return np.array(list(dict.fromkeys(k for want in wanted for k in places[want])), np.int64)


def _unknown(lacking: list[str], categories: Categories, flag: str) -> UsageError:
    """The error for classes that are not there, with the nearest that are."""
    folded = {name.casefold(): name for name in categories.names}
    near: dict[str, None] = {}
    for name in lacking:
        near |= dict.fromkeys(folded[n] for n in get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6))
    noun = "class" if len(lacking) == 1 else "classes"
    hint = f"did you mean {examples(list(near), 4)}?" if near else f"there are {examples(list(categories.names), 8)}"
    return UsageError(f"{flag}: unknown {noun} {examples(lacking, 5)}", hint=hint)
