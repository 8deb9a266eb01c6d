"""Where rows and images of a dataset stand in its source: file and line, or the id of the record.

Only findings that are listed ask for it, so label files are read again only for these.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from detkit import files, formats
from detkit.ragged import python_value
from detkit.tables import Dataset

__all__ = ["Places", "label_file"]

_OBJECT = re.compile(rb"<object[\s>]")
#: Findings of rows that a reader left out: the lines between which the others stand.
_LEFT_OUT = ("DK102", "DK301")


class Places:
    """Places in the source of a dataset.

    Parameters
    ----------
    dataset : Dataset
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._format = dataset.source.format if dataset.source else ""
        self._lines = lru_cache(maxsize=512)(self._kept_lines)

    @cached_property
    def source(self) -> str | None:
        """Path of the source."""
        return self._dataset.source.path if self._dataset.source else None

    @cached_property
    def is_archive(self) -> bool:
        """Whether the source is unpacked somewhere nobody knows of: its inner files are not named."""
        return Path(self.source or "").suffix.lower() in (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")

    @cached_property
    def image_paths(self) -> list[str | None]:
        """Image files that are there: those of an archive are gone once it is read."""
        paths = list(self._dataset.images.paths)
        first = next((path for path in paths if path is not None), None)
        return paths if first is None or os.path.exists(first) else [None] * len(paths)  # noqa: PTH110

    def of_image(self, position: int) -> dict[str, Any]:
        """`file` and `image` of an image: its own file, else the source's."""
        images = self._dataset.images
        name = images.file_names[position] or images.ids[position]
        file = self.source if self.is_archive else self.image_paths[position] or self.source
        return {"file": file, "image": python_value(name)}

    def of_row(self, row: int) -> dict[str, Any]:
        """`file`, `line`, `image` and `annotation` of an annotation row, as far as they can be told."""
        rows = self._dataset.annotations
        position = int(rows.image_index[row])
        images = self._dataset.images
        image = python_value(images.file_names[position] or images.ids[position])
        if self._format in ("yolo", "voc"):
            file = self.label_of(position)
            if file is not None:
                number = row - int(self._dataset.offsets[position])
                lines = self._lines(file)
                line, index = lines[number] if number < len(lines) else (None, None)
                return {"file": file, "line": line, "image": image, "annotation": index}
        held = self._format and "annotation_ids" in formats.capabilities(self._format).holds
        annotation = python_value(rows.ids[row]) if held else int(rows.source_row[row])
        return {"file": self.source, "image": image, "annotation": annotation}

    def label_of(self, position: int) -> str | None:
        """The label file of an image, where the format has one for each image and it is found."""
        return label_file(self._dataset, position)

    @cached_property
    def _left_out(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for finding in self._dataset.findings:
            if finding.code in _LEFT_OUT and finding.file is not None:
                place = finding.line if self._format == "yolo" else finding.annotation
                if isinstance(place, int):
                    found[finding.file].add(place)
        return found

    def _kept_lines(self, file: str) -> list[tuple[int | None, int | None]]:
        """(line, index of the object) of each row of a label file that the reader kept."""
        try:
            content = files.read_small(file)
        except OSError:
            return []
        gone = self._left_out.get(file, set())
        if self._format == "voc":
            starts = [match.start() for match in _OBJECT.finditer(content)]
            lines = [(content.count(b"\n", 0, start) + 1, index) for index, start in enumerate(starts)]
            return [(line, index) for line, index in lines if index not in gone]
        rows = enumerate(content.decode("utf-8", "replace").lstrip("\ufeff").splitlines(), 1)
        return [(number, None) for number, text in rows if text.strip() and number not in gone]


def label_file(dataset: Dataset, position: int) -> str | None:
    """The label file of one image of a YOLO or VOC set, None where there is none.

    Parameters
    ----------
    dataset : Dataset
    position : int
    """
    source = dataset.source
    if source is None or source.format not in ("yolo", "voc"):
        return None
    root, name = Path(source.path), dataset.images.file_names[position]
    image = dataset.images.paths[position]
    candidates = _voc_files(root, name) if source.format == "voc" else _yolo_files(root, name, image, dataset, position)
    return next((c for c in candidates if os.path.isfile(c)), None)  # noqa: PTH113


def _voc_files(root: Path, name: str) -> list[str]:
    stem = str(PurePosixPath(name).with_suffix("")) if name else ""
    first, _, rest = stem.partition("/")
    parts = [root, root / "Annotations" / f"{stem}.xml", root / f"{stem}.xml"]
    if rest:
        parts.append(root / first / "Annotations" / f"{rest}.xml")
    return [str(part) for part in parts]


def _yolo_files(root: Path, name: str, image: str | None, dataset: Dataset, position: int) -> list[str]:
    found = []
    if image is not None:
        head, separator, tail = Path(image).absolute().as_posix().rpartition("/images/")
        twin = f"{head}/labels/{tail}" if separator else image
        found += [_as_text(twin), _as_text(image)]
    folder = (root if root.is_dir() else root.parent).absolute()
    splits = [split for split, members in dataset.splits.items() if position in members]
    for split in (*splits, ""):
        found += [_as_text(str(place / name)) for place in (folder / "labels" / split, folder / split / "labels")]
    return [*found, _as_text(str(folder / name))]


def _as_text(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(".txt"))
