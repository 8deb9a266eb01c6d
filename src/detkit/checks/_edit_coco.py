"""Edits of a COCO file: single records changed or taken out, every other byte as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detkit.checks._edits import Edit, Index, RowChanges, other_outlines, refuse
from detkit.ragged import python_value
from detkit.tables import Dataset, Shapes

__all__ = ["edits"]

_SECTIONS = ("images", "categories", "annotations")
#: (start, end, new text) in a file.
Splice = tuple[int, int, bytes]


def edits(before: Dataset, after: Dataset, changes: RowChanges) -> list[Edit]:
    """The new content of the one file the dataset was read from.

    Parameters
    ----------
    before, after : Dataset
    changes : RowChanges

    Raises
    ------
    UsageError
        A folder of files, or text that is no strict JSON.
    """
    path = Path(before.source.path if before.source else "")
    if not path.is_file():
        raise refuse(f"{path}: several COCO files are not mended together; name one of them")
    content = path.read_bytes()
    document = _Document(content, str(path))
    splices = [
        *_annotations(before, after, changes, document),
        *_images(before, after, document),
        *_categories(before, after, document),
    ]
    return [Edit(str(path), _spliced(content, splices))] if splices else []


class _Document:
    """Where each record of a COCO file stands in its bytes."""

    def __init__(self, content: bytes, path: str) -> None:
        import msgspec

        start = 3 if content.startswith(b"\xef\xbb\xbf") else 0
        self.content = content
        # Records stay as they stand in the file: a view of its bytes each.
        shape = msgspec.defstruct("Document", [(name, list[msgspec.Raw] | None, None) for name in _SECTIONS])
        whole = np.frombuffer(content, np.uint8)
        self._address = whole.__array_interface__["data"][0]
        try:
            self._records = msgspec.json.decode(whole.data[start:], type=shape)
        except msgspec.MsgspecError as error:
            raise refuse(f"{path}: is no strict JSON ({error})") from error

    def records(self, section: str) -> Sequence[Any]:
        return getattr(self._records, section) or ()

    def place(self, section: str, index: int) -> tuple[int, int]:
        """First and last byte, the latter exclusive."""
        view = np.frombuffer(self.records(section)[index], np.uint8)
        start = view.__array_interface__["data"][0] - self._address
        return start, start + len(view)

    def fields(self, section: str, index: int) -> dict[str, Any]:
        start, end = self.place(section, index)
        found: dict[str, Any] = json.loads(self.content[start:end])
        return found

    def changed(self, section: str, index: int, fields: dict[str, Any]) -> Splice:
        """A record with some fields of other values (None takes a field out), in its own style."""
        start, end = self.place(section, index)
        own = {k: v for k, v in {**self.fields(section, index), **fields}.items() if k not in fields or v is not None}
        loose = b'": ' in self.content[start:end]
        text = json.dumps(own, ensure_ascii=False, separators=(", ", ": ") if loose else (",", ":"))
        return start, end, text.encode("utf-8", "surrogatepass")

    def without(self, section: str, gone: Index) -> Iterator[Splice]:
        """Records taken out with the comma that follows them, or at the end of the list the one before them."""
        total = len(self.records(section))
        for run in np.split(gone, np.flatnonzero(np.diff(gone) != 1) + 1):
            if not len(run):
                continue
            first, last = int(run[0]), int(run[-1])
            start, end = self.place(section, first)[0], self.place(section, last)[1]
            if last + 1 < total:
                end = self.place(section, last + 1)[0]
            elif first > 0:
                start = self.place(section, first - 1)[1]
            yield start, end, b""


def _annotations(before: Dataset, after: Dataset, changes: RowChanges, document: _Document) -> Iterator[Splice]:
    a, b = before.annotations, after.annotations
    yield from document.without("annotations", np.sort(a.source_row[changes.dropped]))
    outlines = other_outlines(a, b, changes.old, changes.new).tolist()
    for old, new, outline in zip(changes.old.tolist(), changes.new.tolist(), outlines, strict=True):
        fields: dict[str, Any] = {}
        if a.xywh[old].tolist() != b.xywh[new].tolist():
            fields["bbox"] = [_plain(v) for v in b.xywh[new]]
        if a.area[old] != b.area[new]:
            fields["area"] = _plain(b.area[new])
        if a.ids[old] != b.ids[new]:
            fields["id"] = _plain(b.ids[new])
        category = after.categories.ids[b.category_index[new]]
        if before.categories.ids[a.category_index[old]] != category:
            fields["category_id"] = _plain(category)
        if a.num_keypoints is not None and b.num_keypoints is not None and a.num_keypoints[old] != b.num_keypoints[new]:
            fields["num_keypoints"] = int(b.num_keypoints[new])
        if outline and b.shapes is not None:
            fields["segmentation"] = _segmentation(b.shapes, new)
        yield document.changed("annotations", int(a.source_row[old]), fields)


def _images(before: Dataset, after: Dataset, document: _Document) -> Iterator[Splice]:
    other = ~((before.images.sizes == after.images.sizes) | np.isnan(before.images.sizes)).all(axis=1)
    if not other.any():
        return
    sizes = {_plain(before.images.ids[i]): after.images.sizes[i].tolist() for i in np.flatnonzero(other).tolist()}
    for index in range(len(document.records("images"))):
        fields = document.fields("images", index)
        if fields.get("id") in sizes:
            width, height = sizes[fields["id"]]
            yield document.changed("images", index, {"width": _plain(width), "height": _plain(height)})


def _categories(before: Dataset, after: Dataset, document: _Document) -> Iterator[Splice]:
    a, b = before.categories, after.categories
    if a.names == b.names:
        return
    names = dict(zip(b.ids.tolist(), b.names, strict=True))
    gone = []
    for index in range(len(document.records("categories"))):
        fields = document.fields("categories", index)
        if fields.get("id") not in names:
            gone.append(index)
        elif fields.get("name") != names[fields["id"]]:
            yield document.changed("categories", index, {"name": names[fields["id"]]})
    yield from document.without("categories", np.array(gone, np.int64))


def _segmentation(shapes: Shapes, row: int) -> Any:
    if shapes.kind[row] == Shapes.NONE:
        return None
    return [[_plain(v) for v in ring.ravel()] for ring in shapes.polygons(row)]


def _plain(value: Any) -> Any:
    """A number as JSON shows it: whole ones without a fraction."""
    value = python_value(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _spliced(content: bytes, splices: Sequence[Splice]) -> bytes:
    parts, at = [], 0
    for start, end, text in sorted(splices):
        parts += [content[at:start], text]
        at = end
    return b"".join([*parts, content[at:]])
