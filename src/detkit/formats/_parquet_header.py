"""What a Parquet file of ours says beside its rows: images and classes with everything that has no column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.tables import Categories, Images, id_array

__all__ = ["KEY", "SCHEMA", "Header", "keys_of", "read_header", "write_header"]

SCHEMA = "detkit.predictions/1"
#: Key of the file's metadata.
KEY = b"detkit"


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says beside its rows.

    Parameters
    ----------
    images, categories : Images, Categories
    units : {"pixels", "normalised"}
    has_boxes : bool
    shard : (number, count), optional
        Of a folder's files, numbers from 1; `images` are this shard's then.
    """

    images: Images
    categories: Categories
    units: Literal["pixels", "normalised"] = "pixels"
    has_boxes: bool = True
    shard: tuple[int, int] | None = None


def keys_of(ids: NDArray[Any]) -> list[Any]:
    """What stands for each id in a column: integers as they are, else one text an id, all distinct."""
    if ids.dtype != object:
        return list(ids.tolist())
    # A lone surrogate (an undecodable file name) is no Unicode text; the header holds the id itself.
    texts = [str(i).encode("utf-8", "replace").decode("utf-8") for i in ids]
    return texts if len(set(texts)) == len(texts) else [json.dumps(i) for i in ids.tolist()]


def write_header(header: Header) -> bytes:
    """The header as JSON."""
    from detkit._version import __version__

    images, categories = header.images, header.categories
    above = any(name is not None for name in categories.supercategories)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "detkit": __version__,
        "units": header.units,
        "has_boxes": header.has_boxes,
        "shard": None if header.shard is None else list(header.shard),
        "categories": {
            "ids": categories.ids.tolist(),
            "names": list(categories.names),
            "supercategories": list(categories.supercategories) if above else None,
            "has_own_ids": categories.has_own_ids,
            "has_names": categories.has_names,
            "extra": _texts(categories.extra),
        },
        "images": {
            "ids": images.ids.tolist(),
            "file_names": list(images.file_names) if any(images.file_names) else None,
            "sizes": _sizes(images.sizes),
            "has_own_ids": images.has_own_ids,
            "extra": _texts(images.extra),
        },
    }
    # ASCII only: a name with a lone surrogate is still readable JSON.
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def read_header(metadata: Mapping[bytes, bytes] | None, path: Path) -> Header | None:
    """The header of a file, None where it has none.

    Raises
    ------
    InputError
        Another version of the schema, or damaged.
    """
    text = (metadata or {}).get(KEY)
    if text is None:
        return None
    place = f"file metadata `{KEY.decode()}`"
    try:
        content = json.loads(text)
        schema = content["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"not a JSON object with `schema`, expected {SCHEMA}", path=path, place=place) from error
    if schema != SCHEMA:
        hint = "it was written by another version of detkit: write it again, or install that version"
        raise InputError(f"schema `{schema}`, expected {SCHEMA}", path=path, place=place, hint=hint)
    try:
        return _header(content)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"damaged: {type(error).__name__} {error}", path=path, place=place) from error


def _header(content: Mapping[str, Any]) -> Header:
    images, categories = content["images"], content["categories"]
    ids = id_array(images["ids"])
    sizes = np.full((len(ids), 2), np.nan)
    if images["sizes"] is not None:
        sizes[:] = np.array(images["sizes"], np.float64).reshape(-1, 2)
    names = tuple(images["file_names"] or ("",) * len(ids))
    class_ids = id_array(categories["ids"])
    if len(names) != len(ids) or len(categories["names"]) != len(class_ids):
        raise ValueError("ids and names differ in number")
    if not all(isinstance(name, str) for name in (*names, *categories["names"])):
        raise ValueError("a name is no text")
    if ((sizes <= 0) | np.isinf(sizes)).any():
        raise ValueError("an image size is not above 0")
    if len(set(ids.tolist())) != len(ids) or len(set(class_ids.tolist())) != len(class_ids):
        raise ValueError("an id is there twice")
    shard = content["shard"]
    return Header(
        Images(ids, names, sizes, has_own_ids=bool(images["has_own_ids"]), extra=_rows(images["extra"])),
        Categories(
            class_ids,
            tuple(categories["names"]),
            tuple(categories["supercategories"] or ()),
            has_own_ids=bool(categories["has_own_ids"]),
            has_names=bool(categories["has_names"]),
            extra=_rows(categories["extra"]),
        ),
        "normalised" if content["units"] == "normalised" else "pixels",
        bool(content["has_boxes"]),
        None if shard is None else (int(shard[0]), int(shard[1])),
    )


def _sizes(sizes: NDArray[np.float64]) -> Sequence[Any] | None:
    if np.isnan(sizes).all():
        return None
    return [[None if v != v else v for v in size] for size in sizes.tolist()]


def _texts(extra: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    return {str(i): dict(fields) for i, fields in sorted(extra.items())}


def _rows(extra: Mapping[str, Any]) -> dict[int, Any]:
    return {int(i): dict(fields) for i, fields in extra.items()}
