"""What images are called in a VOC folder: stems that stay inside it and stand for one image each."""

from __future__ import annotations

import os
from collections.abc import Sequence

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._images import is_inside
from detkit.formats._stems import is_plain_name, stem_of
from detkit.tables import Images

__all__ = ["image_names", "image_stems", "stems_of"]


def image_names(images: Images) -> tuple[list[str], list[Loss]]:
    """File name of each image as it can be written, and what had to be changed.

    Names keep their sub-folders. One that is absolute or leads out of the folder is cut to its last part; an image
    without a name is called by its id; half a surrogate pair, which no file system takes, becomes a question mark.

    Raises
    ------
    InputError
        A name with a line break, one of which nothing is left, or two images of one name.
    """
    names, cut, broken = [], [], 0
    first: dict[str, str] = {}
    for own, stated in zip(images.ids.tolist(), images.file_names, strict=True):
        text = name = stated or str(own)
        if not is_plain_name(text):
            name = _encodable(text)
            broken += name != text
            if not is_inside(name):
                cut.append(name)
                name = name.replace("\\", "/").rpartition("/")[2]
            parts = [p for p in name.split("/") if p not in ("", ".")]
            name = "/".join(parts)
            if not is_inside(name) or any(ord(c) < 32 for c in name):
                raise InputError(f"image name {text!r} cannot be used as a file name")
        if name in first:
            raise InputError(
                f"images {first[name]!r} and {text!r} would both be called `{name}`", hint="rename one of them"
            )
        first[name] = text
        names.append(name)
    losses = []
    if cut:
        losses.append(Loss("image names outside the folder", "cut to their last part", len(cut), tuple(cut[:3])))
    if broken:
        losses.append(Loss("image names that are not Unicode", "written with question marks", broken))
    return names, losses


def _encodable(text: str) -> str:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def image_stems(images: Images) -> tuple[list[str], list[Loss]]:
    """Stem of each image, unique, and what had to be changed.

    Raises
    ------
    InputError
        As `image_names` and `stems_of` do.
    """
    names, losses = image_names(images)
    return stems_of(names), losses


def stems_of(names: Sequence[str]) -> list[str]:
    """Stem of each of the names that `image_names` gave.

    Raises
    ------
    InputError
        Two images with the same stem.
    """
    stems = [stem_of(name) for name in names]
    if len(set(stems)) == len(stems):
        return stems
    seen: dict[str, int] = {}
    for position, stem in enumerate(stems):
        if stem in seen:
            raise InputError(
                f"images `{names[seen[stem]]}` and `{names[position]}` would both be `{stem}` in VOC",
                hint="rename one of them, or write another format",
            )
        seen[stem] = position
    return stems
