"""Settings and tables of an evaluation as plain values: what parts are compared by, and what folding reads back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.errors import UsageError
from detkit.tables import Categories, Images, id_array

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings

__all__ = [
    "categories_of",
    "images_of",
    "plain_categories",
    "plain_images",
    "plain_settings",
    "refuse_unsharded",
]

#: Settings that need every box of every image at once, with the option that asks for them.
_UNSHARDED = {
    "analyses": "--analyses",
    "explain_gap": "--explain-gap",
    "with_partners": "--matches",
    "raw_predictions": "--raw",
    "slices": "--slices",
    "ignore_category": "--ignore-category",
}
#: What does not change an answer.
_SILENT = frozenset(("jobs", "examples", "beta", "operating_score", *_UNSHARDED))


def refuse_unsharded(settings: EvaluationSettings) -> None:
    """Raise when settings ask for what parts do not hold.

    Raises
    ------
    UsageError
    """
    for name, option in _UNSHARDED.items():
        if getattr(settings, name):
            raise UsageError(
                f"{option} needs all predictions at once, which a shard does not have",
                hint="evaluate in one process, without --shard, --shards and --scheduler",
            )


def plain_settings(settings: EvaluationSettings) -> dict[str, Any]:
    """Every setting that an answer depends on; files by their content, which the settings hold by now."""
    found = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in _SILENT}
    hierarchy, sizes = found["hierarchy"], found["image_sizes"]
    if hierarchy is not None:
        found["hierarchy"] = hashlib.sha256(json.dumps(hierarchy, sort_keys=True).encode()).hexdigest()
    found["image_sizes"] = None if sizes is None else repr(sizes)
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return plain


def plain_images(images: Images) -> dict[str, Any]:
    """Ids and file names, by which images meet."""
    names = list(images.file_names)
    return {"ids": images.ids.tolist(), "file_names": names if any(names) else None, "has_own_ids": images.has_own_ids}


def images_of(plain: Mapping[str, Any]) -> Images:
    """The images again, without sizes."""
    ids = id_array(plain["ids"])
    names = tuple(plain["file_names"] or ("",) * len(ids))
    return Images(ids, names, np.full((len(ids), 2), np.nan), has_own_ids=plain["has_own_ids"])


def plain_categories(categories: Categories) -> dict[str, Any]:
    """Ids and names, by which classes meet."""
    return {
        "ids": categories.ids.tolist(),
        "names": list(categories.names),
        "has_own_ids": categories.has_own_ids,
        "has_names": categories.has_names,
    }


def categories_of(plain: Mapping[str, Any]) -> Categories:
    """The classes again."""
    flags = {name: plain[name] for name in ("has_own_ids", "has_names")}
    return Categories(id_array(plain["ids"]), tuple(plain["names"]), **flags)
