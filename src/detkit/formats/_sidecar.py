"""What detkit writes beside YOLO labels so that nothing is lost: `detkit-images.csv` and `detkit.json`.

The table holds what labels cannot: names, sizes and ids of all images, in order. The manifest holds the task and the
source's class ids. Both are optional when reading, and both may be edited by hand.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detkit import files
from detkit._version import __version__
from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Finding
from detkit.formats._names import read_text
from detkit.formats._numbers import FARTHEST
from detkit.tables import Categories, Images

__all__ = ["IMAGES_TABLE", "ImageRow", "Sidecar", "load_sidecar", "write_images_table", "write_manifest"]

IMAGES_TABLE = "detkit-images.csv"


@dataclass(frozen=True)
class ImageRow:
    """One row of the images table; `id` is None where none is stated."""

    file: str
    name: str | None
    size: tuple[float, float] | None
    id: int | str | None


@dataclass(frozen=True)
class Sidecar:
    """Manifest and images table of a folder; both empty where there are none.

    Parameters
    ----------
    root : Path
        The folder they stand in.
    manifest : mapping
    rows : mapping of str to ImageRow
        Absolute path of the image (it may be absent) -> its row, in table order.
    findings : tuple of Finding
    """

    root: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, ImageRow] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def files(self) -> list[str]:
        """The files that exist, for the content hash."""
        return [str(f) for f in (self.root / FOLDER_MARK, self.root / IMAGES_TABLE) if f.is_file()]

    @property
    def is_predictions(self) -> bool:
        """Whether detkit wrote predictions into this folder, not a dataset."""
        return self.manifest.get("format") == "yolo" and self.manifest.get("kind") == "detections"

    @property
    def split_keys(self) -> dict[str, str]:
        """Split name -> key of its entry in `data.yaml`, as written."""
        stated = self.manifest.get("splits")
        return {str(k): str(v) for k, v in stated.items()} if isinstance(stated, Mapping) else {}

    def categories(self, names: Sequence[str]) -> Categories | None:
        """The classes with their own ids, if the manifest's agree with the names in use."""
        stated = self.manifest.get("categories")
        if not isinstance(stated, list) or not all(isinstance(c, Mapping) and "id" in c for c in stated):
            return None
        if [c.get("name") for c in stated] != list(names):
            return None
        ids = [c["id"] for c in stated]
        if not all(type(i) in (int, str) for i in ids) or len(set(ids)) != len(ids):
            return None
        from detkit.tables import id_array

        return Categories(
            id_array(ids),
            tuple(names),
            tuple(c.get("supercategory") for c in stated),
            has_own_ids=self.manifest.get("category_ids") is True,
            has_names=self.manifest.get("has_names") is not False,
        )


def load_sidecar(folders: Sequence[Path]) -> Sidecar:
    """Manifest and table of the first folder that has either.

    Raises
    ------
    InputError
        A table or manifest that cannot be read.
    """
    for folder in dict.fromkeys(folders):
        mark, table = folder / FOLDER_MARK, folder / IMAGES_TABLE
        if not (mark.is_file() or table.is_file()):
            continue
        manifest = _manifest(mark) if mark.is_file() else {}
        rows, findings = _table(table, manifest) if table.is_file() else ({}, ())
        return Sidecar(folder, manifest, rows, findings)
    return Sidecar(folders[0])


def write_images_table(folder: Path, files: Sequence[str], names: Sequence[str], images: Images) -> None:
    """Write `detkit-images.csv`: file, width, height, id, name; rows in dataset order."""
    as_json = _id_kind(images) == "json"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("file", "width", "height", "id", "name"))
    for i, file in enumerate(files):
        width, height = (_number(v) for v in images.sizes[i])
        id_ = _plain(images.ids[i])
        writer.writerow((file, width, height, json.dumps(id_) if as_json else id_, names[i]))
    (folder / IMAGES_TABLE).write_bytes(out.getvalue().encode("utf-8", "surrogateescape"))


def write_manifest(folder: Path, kind: str, images: Images, categories: Categories, **more: Any) -> None:
    """Write `detkit.json`: who wrote this, and the ids that labels cannot hold."""
    content = {
        "detkit": __version__,
        "format": "yolo",
        "kind": kind,
        **more,
        "image_ids": images.has_own_ids,
        "image_id_kind": _id_kind(images),
        "category_ids": categories.has_own_ids,
        "has_names": categories.has_names,
        "categories": [
            {"index": i, "id": _plain(categories.ids[i]), "name": name, "supercategory": categories.supercategories[i]}
            for i, name in enumerate(categories.names)
        ],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / FOLDER_MARK).write_bytes((text + "\n").encode("utf-8", "surrogateescape"))


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", path=path) from error
    return content if isinstance(content, dict) else {}


def _table(path: Path, manifest: Mapping[str, Any]) -> tuple[dict[str, ImageRow], tuple[Finding, ...]]:
    reader = _lines_of(path)
    _, first = next(reader, (1, []))
    header = [cell.strip().lower() for cell in first]
    if "file" not in header:
        raise InputError("no column `file`, expected `file,width,height,id`", path=path, place="line 1")
    columns = {name: header.index(name) for name in ("file", "width", "height", "id", "name") if name in header}
    kind = manifest.get("image_id_kind", "int")
    rows: dict[str, ImageRow] = {}
    findings: list[Finding] = []
    folder = path.absolute().parent.as_posix()
    for line, cells in reader:
        if not any(cells):
            continue
        place = f"line {line}"
        row = _image_row({k: cells[i] if i < len(cells) else "" for k, i in columns.items()}, kind, path, place)
        key = os.path.normpath(f"{folder}/{row.file}")
        if key in rows:
            text = f"image `{row.file}` stands twice; the first row is used"
            findings.append(Finding("DK502", text, file=str(path), line=line))
            continue
        rows[key] = row
    _check_ids(rows, path)
    return rows, tuple(findings)


def _lines_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row of a table."""
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", path=path, place=f"line {reader.line_num}") from error


def _image_row(cells: Mapping[str, str], kind: str, path: Path, place: str) -> ImageRow:
    if not cells["file"]:
        raise InputError("no file name", path=path, place=place)
    size = None
    stated = [cells.get("width", "").strip(), cells.get("height", "").strip()]
    if any(stated):
        try:
            size = (float(stated[0]), float(stated[1]))
        except ValueError:
            size = (float("nan"), float("nan"))
        # Of an image smaller than a pixel the smallest shares would be lost.
        if not all(1 <= v < FARTHEST for v in size):
            raise InputError(f"found size `{','.join(stated)}`, expected two numbers from 1", path=path, place=place)
    return ImageRow(cells["file"], cells.get("name") or None, size, _id(cells.get("id", ""), kind, path, place))


def _id(text: str, kind: str, path: Path, place: str) -> int | str | None:
    if text == "":
        return None
    if kind == "str":
        return text
    try:
        value = json.loads(text) if kind == "json" else int(text)
    except ValueError:
        value = text
    if type(value) not in (int, str):
        raise InputError(f"found id `{text}`, expected a number or text", path=path, place=place)
    return value


def _check_ids(rows: Mapping[str, ImageRow], path: Path) -> None:
    seen: dict[int | str, str] = {}
    for row in rows.values():
        if row.id is None:
            continue
        if row.id in seen:
            raise InputError(f"`{seen[row.id]}` and `{row.file}` have the same id {row.id}", path=path)
        seen[row.id] = row.file


def _text(path: Path) -> str:
    """Text with undecodable bytes of file names kept."""
    try:
        return files.read_small(path).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error


def _id_kind(images: Images) -> str:
    kinds = {type(_plain(i)) for i in images.ids}
    return "int" if kinds <= {int} else "str" if kinds == {str} else "json"


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, np.integer) else value


def _number(value: Any) -> int | float | str:
    value = float(value)
    if value != value:
        return ""
    return int(value) if value.is_integer() else repr(value)
