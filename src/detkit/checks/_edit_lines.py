"""Edits of label files, one for each image: lines of YOLO, objects of VOC; the others stay as they are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from detkit import boxes
from detkit.checks._edits import Edit, RowChanges, refuse
from detkit.checks._places import Places
from detkit.tables import Dataset

__all__ = ["voc_edits", "yolo_edits"]

_OBJECT = re.compile(rb"[ \t]*<object[\s>].*?</object\s*>[ \t]*(?:\r?\n)?", re.DOTALL)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
#: Old row -> row that takes its place, None where it goes.
_Fates = dict[int, int | None]
_AWAY = 1e-3


def yolo_edits(before: Dataset, after: Dataset, changes: RowChanges, places: Places) -> list[Edit]:
    """New label files of a YOLO set, for the images whose rows changed.

    Raises
    ------
    UsageError
        A change that is not one of boxes or outlines, or a line that is not found.
    """
    _only_rows(before, after)

    def edit(content: bytes, fates: _Fates, file: str) -> bytes:
        # Bytes that are no text come back as they were; lines end where the reader has them end.
        lines = content.decode("utf-8", "surrogateescape").splitlines(keepends=True)
        for old, new in fates.items():
            number = places.of_row(old)["line"]
            if number is None or number > len(lines):
                raise refuse(f"{file}: the line of a box is not found")
            lines[number - 1] = "" if new is None else _line(lines[number - 1], before, after, old, new)
        return "".join(lines).encode("utf-8", "surrogateescape")

    return _edited(before, changes, places, edit)


def voc_edits(before: Dataset, after: Dataset, changes: RowChanges, places: Places, offset: int) -> list[Edit]:
    """New XML files of a VOC set, for the images whose rows changed.

    Parameters
    ----------
    before, after : Dataset
    changes : RowChanges
    places : Places
    offset : {0, 1}
        Where pixels count from.

    Raises
    ------
    UsageError
        A change that is not one of boxes, or an object that is not found.
    """
    _only_rows(before, after)
    _only_boxes(before, after, changes)

    def edit(content: bytes, fates: _Fates, file: str) -> bytes:
        found = list(_OBJECT.finditer(content))
        out, at = [], 0
        for old, new in sorted(fates.items()):
            index = places.of_row(old)["annotation"]
            if index is None or index >= len(found) or not _is_box(found[index][0], before, old, offset):
                raise refuse(f"{file}: the object of a box is not found")
            block = found[index]
            out += [content[at : block.start()], b"" if new is None else _object(block[0], after, new, offset)]
            at = block.end()
        return b"".join([*out, content[at:]])

    return _edited(before, changes, places, edit)


def _edited(
    before: Dataset, changes: RowChanges, places: Places, edit: Callable[[bytes, _Fates, str], bytes]
) -> list[Edit]:
    fates: dict[int, _Fates] = defaultdict(dict)
    image = before.annotations.image_index
    for old in changes.dropped.tolist():
        fates[int(image[old])][old] = None
    for old, new in zip(changes.old.tolist(), changes.new.tolist(), strict=True):
        fates[int(image[old])][old] = new
    found = []
    for position in sorted(fates):
        file = places.label_of(position)
        if file is None:
            raise refuse(f"the label file of {before.images.file_names[position]} is not found")
        content = Path(file).read_bytes()
        found.append(Edit(file, edit(content, fates[position], file)))
    if len({edit.path for edit in found}) < len(found):
        raise refuse("two images share one label file (DK608)")
    return found


def _only_rows(before: Dataset, after: Dataset) -> None:
    if before.categories.names != after.categories.names:
        raise refuse("class names stand in other files, too (DK304, DK305, DK309)")
    if not np.array_equal(before.images.sizes, after.images.sizes, equal_nan=True):
        raise refuse("image sizes (DK402) are not changed where they are")


def _only_boxes(before: Dataset, after: Dataset, changes: RowChanges) -> None:
    a, b = before.annotations.shapes, after.annotations.shapes
    if a is not b and a is not None and (a.kind[[*changes.old.tolist()]] != 0).any():
        raise refuse("outlines of VOC objects are not changed where they are (DK203, DK213, DK215, DK216)")


# --- YOLO


def _line(line: str, before: Dataset, after: Dataset, old: int, new: int) -> str:
    """The line with the numbers of the new row; class, keypoints and the end of the line stay."""
    parts = line.split()
    end = line[len(line.rstrip()) :]
    if _ring(before, old) is not None and len(parts) > 6 and before.annotations.keypoints is None:
        ring = _ring(after, new)
        numbers = _shares(after, new)[None] if ring is None else ring / _size(after, new)
        return " ".join([parts[0], *map(repr, numbers.ravel().tolist())]) + end
    return " ".join([parts[0], *map(repr, _shares(after, new).tolist()), *parts[5:]]) + end


def _ring(dataset: Dataset, row: int) -> Any:
    shapes = dataset.annotations.shapes
    return None if shapes is None or not len(shapes.rings[row]) else shapes.points[row]


def _shares(dataset: Dataset, row: int) -> Any:
    """Centre and size as shares of the image."""
    box = boxes.convert(dataset.annotations.xywh[row], "xywh", "cxcywh")[0]
    return np.round(box / np.tile(_size(dataset, row), 2), 9)


def _size(dataset: Dataset, row: int) -> Any:
    if dataset.units != "pixels":
        return np.ones(2)
    return dataset.images.sizes[dataset.annotations.image_index[row]]


# --- VOC


def _edges(dataset: Dataset, row: int, offset: int) -> list[float]:
    x, y, width, height = dataset.annotations.xywh[row].tolist()
    return [round(v, 9) for v in (x + offset, y + offset, x + width, y + height)]


def _is_box(block: bytes, dataset: Dataset, row: int, offset: int) -> bool:
    """Whether an object states this row's box: a comment that looks like an object would be counted, too."""
    stated = [_tag(name).search(block) for name in _CORNERS]
    try:
        numbers = [float(found[2]) for found in stated if found is not None]
    except ValueError:
        return False
    return len(numbers) == 4 and bool(np.allclose(numbers, _edges(dataset, row, offset), rtol=0, atol=_AWAY))


def _object(block: bytes, dataset: Dataset, row: int, offset: int) -> bytes:
    for name, value in zip(_CORNERS, _edges(dataset, row, offset), strict=True):
        text = (str(int(value)) if value.is_integer() else repr(value)).encode()
        block = _tag(name).sub(lambda found, text=text: found[1] + text + found[3], block, count=1)  # type: ignore[misc]
    return block


def _tag(name: str) -> re.Pattern[bytes]:
    return re.compile(rf"(<{name}>\s*)([^<\s]+)(\s*</{name}>)".encode())
