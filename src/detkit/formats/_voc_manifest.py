"""`detkit.json` in a VOC folder: the classes with their ids, so that nothing of them is lost on the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from detkit import files
from detkit.files import FOLDER_MARK
from detkit.tables import Categories, id_array

__all__ = ["manifest_categories", "read_manifest", "write_manifest"]


def write_manifest(folder: Path, kind: str, categories: Categories, **rest: Any) -> None:
    """Write the manifest; it also marks the folder as one that detkit wrote."""
    classes = [
        {"id": own, "name": name, "supercategory": above}
        for own, name, above in zip(categories.ids.tolist(), categories.names, categories.supercategories, strict=True)
    ]
    content = {
        "schema": "detkit.voc/1",
        "format": "voc",
        "kind": kind,
        "own_category_ids": categories.has_own_ids,
        "categories": classes,
        **rest,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / FOLDER_MARK).write_text(text + "\n", encoding="utf-8", newline="\n")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None where there is none of ours that can be read."""
    path = folder / FOLDER_MARK
    if not folder.is_dir() or not path.is_file():
        return None
    try:
        content = json.loads(files.read_small(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("schema") == "detkit.voc/1" else None


def manifest_categories(folder: Path) -> Categories | None:
    """The classes that the manifest states, or None."""
    manifest = read_manifest(folder)
    classes = None if manifest is None else manifest.get("categories")
    if manifest is None or not isinstance(classes, list):
        return None
    if not all(
        isinstance(c, dict)
        and type(c.get("id")) in (int, str)
        and isinstance(c.get("name"), str)
        and isinstance(c.get("supercategory"), (str, type(None)))
        for c in classes
    ):
        return None
    ids, names = [c["id"] for c in classes], tuple(c["name"] for c in classes)
    if len(set(ids)) < len(ids) or len(set(names)) < len(names):
        return None
    above = tuple(c.get("supercategory") for c in classes)
    return Categories(id_array(ids), names, above, has_own_ids=manifest.get("own_category_ids") is True)
