"""What detkit writes beside labels that cannot say it: `detkit.json` with the classes, `detkit-images.csv` with sizes.

Both are optional when reading: a folder from another tool has neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.formats._json_file import json_bytes
from detkit.formats._sidecar import IMAGES_TABLE, ImageRow, load_sidecar, write_images_table
from detkit.tables import Categories, Images, id_array

__all__ = ["Manifest", "ids_of", "read_manifest", "table_of_images", "write_image_table", "write_manifest"]


@dataclass(frozen=True)
class Manifest:
    """Content of a folder's `detkit.json`; `categories` is None where it states none that can be used."""

    kind: str
    categories: Categories | None
    content: dict[str, Any]
    path: Path


def write_manifest(folder: Path, format: str, kind: str, categories: Categories, **rest: Any) -> None:
    """Write the manifest; it also marks the folder as one that detkit wrote.

    Parameters
    ----------
    folder : Path
    format, kind : str
    categories : Categories
    **rest
        Further plain values.
    """
    classes = [
        {"id": own, "name": name, "supercategory": above}
        for own, name, above in zip(categories.ids.tolist(), categories.names, categories.supercategories, strict=True)
    ]
    content = {
        "schema": f"detkit.{format}/1",
        "format": format,
        "kind": kind,
        "own_category_ids": categories.has_own_ids,
        "categories": classes,
        **rest,
    }
    (folder / FOLDER_MARK).write_bytes(json_bytes(content, indent=1))


def read_manifest(folder: Path, format: str) -> Manifest | None:
    """The manifest of a folder, or None where there is none of this format that can be read."""
    path = folder / FOLDER_MARK
    try:
        if not folder.is_dir() or not path.is_file():
            return None
        content = json.loads(files.read_small(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("schema") != f"detkit.{format}/1":
        return None
    return Manifest(str(content.get("kind", "")), _categories(content), content, path)


def _categories(content: dict[str, Any]) -> Categories | None:
    classes = content.get("categories")
    if not isinstance(classes, list) or not all(_is_class(c) for c in classes):
        return None
    ids, names = [c["id"] for c in classes], tuple(c["name"] for c in classes)
    if len(set(ids)) < len(ids) or len(set(names)) < len(names):
        return None
    above = tuple(c.get("supercategory") for c in classes)
    return Categories(id_array(ids), names, above, has_own_ids=content.get("own_category_ids") is True)


def _is_class(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and type(value.get("id")) in (int, str)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("supercategory"), (str, type(None)))
    )


def write_image_table(folder: Path, images: Images, names: Sequence[str]) -> dict[str, Any]:
    """Write sizes and ids of all images in order; what the manifest must say for them to be read back is returned."""
    write_images_table(folder, names, names, images)
    kinds = {type(own) for own in images.ids.tolist()}
    kind = "int" if kinds <= {int} else "str" if kinds == {str} else "json"
    return {"image_ids": images.has_own_ids, "image_id_kind": kind}


def table_of_images(folder: Path) -> list[ImageRow]:
    """Rows of `detkit-images.csv` in a folder, in order; empty where there is none.

    Raises
    ------
    InputError
        A table that cannot be read.
    """
    if not (folder / IMAGES_TABLE).is_file():
        return []
    return list(load_sidecar([folder]).rows.values())


def ids_of(rows: Sequence[ImageRow], manifest: Manifest | None) -> list[int | str] | None:
    """Image ids of a table, None where they are not the source's own."""
    if manifest is None or manifest.content.get("image_ids") is not True or any(row.id is None for row in rows):
        return None
    ids = [row.id for row in rows if row.id is not None]
    if len(set(ids)) < len(ids):
        raise InputError("two images have the same id", path=manifest.path.with_name(IMAGES_TABLE))
    return ids
