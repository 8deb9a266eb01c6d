"""Fields of images that hold class ids (LVIS and Open Images: verified absent, present, not labelled in full).

They follow when ids change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.tables import Images

__all__ = ["renumbered"]

_ABSENT = "neg_category_ids"
_ANY = ("pos_category_ids", "not_exhaustive_category_ids")


def renumbered(images: Images, new_ids: Mapping[Any, Any]) -> dict[int, Mapping[str, Any]]:
    """`images.extra` with class ids replaced.

    A class that was joined from several is verified absent where all of them are, and present, or not labelled in
    full, where one of them is. Ids without a new one are left out.

    Parameters
    ----------
    images : Images
    new_ids : mapping
        Old id -> new id, for every class that stays.

    Returns
    -------
    dict of int to mapping
    """
    members: dict[Any, set[Any]] = {}
    for old, new in new_ids.items():
        members.setdefault(new, set()).add(old)
    found: dict[int, Mapping[str, Any]] = {}
    for position, fields in images.extra.items():
        changed = dict(fields)
        for name in (_ABSENT, *_ANY):
            if isinstance(fields.get(name), list):
                listed = fields[name]
                known = dict.fromkeys(new_ids[old] for old in listed if old in new_ids)
                changed[name] = [new for new in known if name != _ABSENT or members[new] <= set(listed)]
        found[position] = changed
    return found
