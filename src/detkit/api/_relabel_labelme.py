"""Suspicious images as LabelMe JSON, one file an image.

Field names are those of labelme 5 (labelme/label_file.py): it keeps fields of a shape that it does not know, and it
looks for `imagePath` from the folder of the JSON file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from detkit._version import __version__
from detkit.api._relabel_images import RelabelBox, RelabelImage, Sheet, write_json
from detkit.files import FOLDER_MARK

__all__ = ["write"]

#: The version of the format that is written.
_VERSION = "5.5.0"
#: Windows' separator becomes the common one; a drive or an end of string is no part of a name.
_UNSAFE = str.maketrans({"\\": "/", ":": "_", "\0": "_"})


def write(sheet: Sheet, folder: Path, final: Path) -> None:
    """Write a JSON file for each image, and `detkit.json`.

    Parameters
    ----------
    sheet : Sheet
    folder : Path
        Written into.
    final : Path
        Where the folder will stand: paths to image files are relative to it.
    """
    names = _file_names([image.file_name for image in sheet.images])
    for image, name in zip(sheet.images, names, strict=True):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_json(_content(image, (final / name).parent), place)
    mark = {"detkit": __version__, "format": "labelme", "title": sheet.title, "files": names}
    write_json(mark, folder / FOLDER_MARK)


def _content(image: RelabelImage, folder: Path) -> dict[str, Any]:
    width, height = image.size if image.size is not None else (None, None)
    return {
        "version": _VERSION,
        "flags": {"suspect": True},
        "shapes": [_shape(box) for box in image.boxes],
        "imagePath": _relative(image, folder),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _shape(box: RelabelBox) -> dict[str, Any]:
    left, top, right, bottom = box.corners
    return {
        "label": box.category,
        "points": [[left, top], [right, bottom]],
        "group_id": None,
        "description": _description(box),
        "shape_type": "rectangle",
        "flags": {name: True for name in ("suggested",) if box.suggested} | ({"crowd": True} if box.is_crowd else {}),
        "mask": None,
        **box.attributes,
    }


def _description(box: RelabelBox) -> str:
    """What the annotator reads beside the shape."""
    if not box.attributes:
        return ""
    told = f"{box.attributes['suspect']}, score {box.attributes['score']:.3f}"
    if not box.suggested:
        return f"suspect: {told}"
    about = f" annotation {box.attributes['truth_id']}" if "truth_id" in box.attributes else ""
    return f"suggestion: {box.attributes['action']}{about} ({told})"


def _relative(image: RelabelImage, folder: Path) -> str:
    """From the JSON file to the image where that is known, else the image's own name."""
    if image.path is None:
        return image.file_name
    try:
        return Path(os.path.relpath(Path(image.path).absolute(), folder.absolute())).as_posix()
    except ValueError:
        # Another drive: there is no way from here to there.
        return Path(image.path).absolute().as_posix()


def _file_names(images: Sequence[str]) -> list[str]:
    """A JSON name for each image, in the image's own folders, never outside the target and never the same twice."""
    taken = {FOLDER_MARK.casefold()}
    names = []
    for image in images:
        safe = image.encode("utf-8", "replace").decode().translate(_UNSAFE)
        parts = [part for part in PurePosixPath(safe).parts if part not in ("/", "//", "..", ".")]
        plain = PurePosixPath(*parts) if parts else PurePosixPath("image")
        stem = plain.with_suffix("") if plain.suffix and plain.stem else plain
        name, n = f"{stem}.json", 2
        while name.casefold() in taken:
            name, n = f"{stem}_{n}.json", n + 1
        taken.add(name.casefold())
        names.append(name)
    return names
