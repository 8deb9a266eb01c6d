"""Which JSON files are LVIS, and how an image's `coco_url` and its file name stand for each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from detkit.files import FOLDER_MARK
from detkit.formats._json_outline import outline

__all__ = ["LISTS", "file_name_of", "is_lvis", "looks_like_lvis", "lvis_files"]

#: Lists of class ids that every LVIS image has: looked for and absent; present, but not every one has a box.
LISTS = ("neg_category_ids", "not_exhaustive_category_ids")

_SPLIT_FOLDER = re.compile(r"(?:train|val|test|unlabeled)\d*", re.IGNORECASE)
_MOST_FILES = 50


def is_lvis(images: Sequence[Any] | None) -> bool:
    """Whether records of images are LVIS': each has a `coco_url`, both lists of class ids, and no `file_name`.

    LVIS 0.5 states file names and is read as COCO, lists included.
    """
    if not images:
        return False
    return all(
        isinstance(image, dict) and {"coco_url", *LISTS} <= image.keys() and not image.get("file_name")
        for image in images
    )


def looks_like_lvis(path: Path) -> tuple[bool, str]:
    """Whether a file is an LVIS truth, and why or why not."""
    found = outline(path, whole=False)
    if found.kind != "object":
        return False, "not a JSON object"
    images = found.sections.get("images")
    if images is None:
        return False, "no top-level list `images`"
    if is_lvis(images):
        return True, "images with `coco_url`, `neg_category_ids` and `not_exhaustive_category_ids`, without `file_name`"
    return False, "images with a `file_name`, or without `coco_url` and the lists of class ids: COCO, not LVIS"


def lvis_files(folder: Path) -> tuple[list[Path], str]:
    """The LVIS files in a folder and in its `annotations`, and what was missing where there are none."""
    candidates: list[Path] = []
    for place in (folder / "annotations", folder):
        if place.is_dir():
            candidates += sorted(p for p in place.iterdir() if p.suffix.lower() == ".json" and p.name != FOLDER_MARK)
    found = [path for path in candidates[:_MOST_FILES] if path.is_file() and looks_like_lvis(path)[0]]
    if found:
        return found, f"LVIS objects: {', '.join(p.name for p in found[:3])}"
    return [], "no JSON file whose images have `coco_url` and the lists of class ids, and no `file_name`"


def file_name_of(url: str) -> str:
    """File name of a `coco_url`, with the folder where that is a split's: `val2017/000000397133.jpg`.

    Examples
    --------
    >>> file_name_of("http://images.cocodataset.org/val2017/000000397133.jpg")
    'val2017/000000397133.jpg'
    >>> file_name_of("my folder/a b.jpg")
    'my folder/a b.jpg'
    """
    if "://" not in url:
        return url
    try:
        path = urlsplit(url).path
    except ValueError:  # a bracket in the host
        path = url.partition("://")[2].partition("/")[2]
    parts = [unquote(part) for part in path.split("/") if part]
    keep = 2 if len(parts) > 1 and _SPLIT_FOLDER.fullmatch(parts[-2]) else 1
    return "/".join(parts[-keep:])
