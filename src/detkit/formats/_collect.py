"""Collects images and rows while a reader walks through files, and makes the table of them in the end.

What is alike in all annotation tools' formats stands here: finding image files, sizes, class order, findings.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._images import ImageFinder, displayed_sizes
from detkit.formats._object_columns import object_column
from detkit.formats._text_classes import case_twins, ordered_names
from detkit.tables import Categories, Dataset, Detections, Images, Shapes, Source, id_array
from detkit.wording import examples

__all__ = ["Collector", "Item", "columns_of"]

#: Attributes that are numbers in every format: NaN where they are not stated.
_NUMERIC = frozenset(("truncated", "occluded"))


@dataclass(slots=True)
class Item:
    """One object while its file is read.

    Parameters
    ----------
    name : str
        Class.
    xywh : 4-tuple of float
        Pixels.
    shape : list of flat rings, mapping or None
        As `Shapes.from_rows` takes it.
    score : float
        NaN where none is stated.
    """

    name: str
    xywh: tuple[float, float, float, float]
    shape: Any = None
    is_oriented: bool = False
    is_ignored: bool = False
    is_crowd: bool = False
    score: float = float("nan")
    attributes: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Images and rows in file order.

    Parameters
    ----------
    path : Path
        What is read, for messages and the content hash.
    format : str
    options : ReadOptions
    folders : iterable of Path
        Where image files may lie, after the one the user names.
    """

    def __init__(self, path: Path, format: str, options: ReadOptions, folders: Iterable[Path] = ()) -> None:
        self.path, self.format, self.options = path, format, options
        own = [options.images_dir] if options.images_dir is not None else []
        self.finder = ImageFinder([*own, *folders])
        self.names: list[str] = []
        self.paths: list[str | None] = []
        self.sizes: list[tuple[float, float]] = []
        self.ids: list[int | str] | None = None
        self.image_extra: dict[int, Mapping[str, Any]] = {}
        self.rows: list[Item] = []
        self.row_images: list[int] = []
        self.splits: dict[str, list[int]] = {}
        self.sources: list[Path] = []
        self.findings: list[Finding] = []
        self.skipped: Counter[str] = Counter()
        self.from_shapes = 0
        self.positions: dict[str, int] = {}

    def image(
        self, name: str, size: tuple[float, float] | None = None, path: str | None = None, split: str | None = None
    ) -> int:
        """Position of the image of that name; a name that was met before is the same image, and is reported."""
        if name in self.positions:
            position = self.positions[name]
            message = f"image `{name}` is described twice; both are read as one image"
            self.findings.append(Finding("DK502", message, file=str(self.path), image=name))
        else:
            position = self.positions[name] = len(self.names)
            self.names.append(name)
            self.paths.append(path if path is not None else self.finder.find(name))
            self.sizes.append((np.nan, np.nan))
        if size is not None and np.isnan(self.sizes[position][0]):
            self.sizes[position] = size
        if split is not None:
            self.splits.setdefault(split, []).append(position)
        return position

    def add(self, image: int, item: Item) -> None:
        """One row."""
        self.row_images.append(image)
        self.rows.append(item)

    def bad(self, message: str, file: Path | str, **place: Any) -> None:
        """Report a row that cannot be used and is left out."""
        self.findings.append(Finding("DK102", message, file=str(file), **place))

    def suspicious(self, item: Item, file: Path | str, **place: Any) -> None:
        """Report a box without width or height; it is kept."""
        if item.xywh[2] <= 0 or item.xywh[3] <= 0:
            message = f"width {item.xywh[2]:g} and height {item.xywh[3]:g}, expected both above zero"
            self.findings.append(Finding("DK201", message, file=str(file), **place))

    def dataset(self, stated: Categories | Sequence[str] | None = None, **info: Any) -> Dataset:
        """The dataset of everything that was collected.

        Parameters
        ----------
        stated : Categories or sequence of str, optional
            Classes that the source lists, in its order; classes of rows beyond them follow.
        **info
            Further columns of `Dataset.build`.

        Returns
        -------
        Dataset
        """
        self._leave_out_endless()
        images = self._images()
        categories, index = self._categories(stated)
        oriented = [row.is_oriented for row in self.rows]
        return Dataset.build(
            images,
            categories,
            image_index=self.row_images,
            category_index=index,
            xywh=[row.xywh for row in self.rows],
            is_crowd=[row.is_crowd for row in self.rows],
            is_ignored=[row.is_ignored for row in self.rows],
            shapes=self._shapes(),
            is_oriented=oriented if any(oriented) and self.options.with_shapes else None,
            attributes=columns_of([row.attributes for row in self.rows]),
            extra={i: row.extra for i, row in enumerate(self.rows) if row.extra},
            splits={name: np.unique(np.array(members, np.int64)) for name, members in self.splits.items()},
            source=self._source(),
            findings=(*self.findings, *self._summaries()),
            **info,
        )

    def detections(self, stated: Categories | Sequence[str] | None = None) -> Detections:
        """The rows with a score as predictions; parameters as `dataset`."""
        scored = [i for i, row in enumerate(self.rows) if not np.isnan(row.score)]
        if len(scored) < len(self.rows):
            count = len(self.rows) - len(scored)
            message = "objects without a score are no predictions and are left out"
            self.findings.append(Finding("DK109", message, file=str(self.path), count=count))
        self._keep_rows(scored)
        self._leave_out_endless()
        for row in self.rows:
            if not 0 <= row.score <= 1:
                message = f"score {row.score:g}, expected 0 to 1"
                self.findings.append(Finding("DK708", message, file=str(self.path)))
        images = self._images()
        categories, index = self._categories(stated)
        return Detections.build(
            images,
            categories,
            image_index=self.row_images,
            category_index=index,
            xywh=[row.xywh for row in self.rows],
            score=[row.score for row in self.rows],
            shapes=self._shapes(),
            source=self._source(),
            findings=(*self.findings, *self._summaries()),
        )

    def _keep_rows(self, kept: Sequence[int]) -> None:
        self.rows, self.row_images = [self.rows[i] for i in kept], [self.row_images[i] for i in kept]

    def _leave_out_endless(self) -> None:
        """Leave out boxes whose corners are finite and further apart than a number can say."""
        boxes = np.array([row.xywh for row in self.rows], np.float64).reshape(-1, 4)
        endless = ~np.isfinite(boxes).all(axis=1)
        for i in np.flatnonzero(endless).tolist():
            self.bad("width and height are not finite", self.path, image=self.names[self.row_images[i]])
        if endless.any():
            self._keep_rows(np.flatnonzero(~endless).tolist())

    def keep_split(self, split: str | None) -> None:
        """Only the images of one split; None keeps all.

        Raises
        ------
        InputError
            No split of that name.
        """
        if split is None:
            return
        if split not in self.splits:
            known = ", ".join(f"`{name}`" for name in self.splits) or "none"
            raise InputError(f"no split `{split}`; there are: {known}", path=self.path)
        kept = sorted(set(self.splits[split]))
        new = {old: n for n, old in enumerate(kept)}
        self.names = [self.names[i] for i in kept]
        self.paths = [self.paths[i] for i in kept]
        self.sizes = [self.sizes[i] for i in kept]
        self.ids = None if self.ids is None else [self.ids[i] for i in kept]
        self.image_extra = {new[i]: fields for i, fields in self.image_extra.items() if i in new}
        pairs = [(new[i], row) for i, row in zip(self.row_images, self.rows, strict=True) if i in new]
        self.row_images, self.rows = [i for i, _ in pairs], [row for _, row in pairs]
        members = {name: [new[i] for i in index if i in new] for name, index in self.splits.items()}
        self.splits = {name: index for name, index in members.items() if index}

    def _images(self) -> Images:
        sizes = np.array(self.sizes, np.float64).reshape(-1, 2)
        self._fill(sizes)
        ids = np.arange(1, len(self.names) + 1) if self.ids is None else id_array(self.ids)
        extra = self.image_extra if self.options.with_extra else {}
        return Images(ids, tuple(self.names), sizes, tuple(self.paths), has_own_ids=self.ids is not None, extra=extra)

    def _fill(self, sizes: NDArray[np.float64]) -> None:
        """Sizes that the labels do not state: from the options, the truth's images, then the image files."""

        def missing() -> list[int]:
            return [int(i) for i in np.flatnonzero(np.isnan(sizes).any(axis=1))]

        if self.options.image_sizes is not None:
            for i in missing():
                sizes[i] = self.options.image_sizes.find(self.names[i]) or (np.nan, np.nan)
        if self.options.reference_images is not None and missing():
            from detkit.formats._stems import ImageLookup

            lookup = ImageLookup(self.options.reference_images)
            for i in missing():
                position = lookup.find(self.names[i])
                if position >= 0:
                    sizes[i] = self.options.reference_images.sizes[position]
        if self.options.read_sizes and missing():
            left = missing()
            found, problems = displayed_sizes([self.paths[i] for i in left], self.options.jobs)
            self.findings += problems
            for i, size in zip(left, found, strict=True):
                sizes[i] = size or (np.nan, np.nan)
        left = missing()
        if left and self.options.reference_images is None:
            message = f"no size is stated and no image was read: {examples([self.names[i] for i in left])}"
            self.findings.append(Finding("DK403", message, file=str(self.path), count=len(left)))

    def _categories(self, stated: Categories | Sequence[str] | None) -> tuple[Categories, NDArray[np.int64]]:
        used = {row.name for row in self.rows}
        if isinstance(stated, Categories) and used <= set(stated.names) and self.options.names is None:
            categories = stated
        else:
            listed = stated.names if isinstance(stated, Categories) else tuple(dict.fromkeys(stated or ()))
            if self.options.names is None and listed:
                names = (*listed, *sorted(used - set(listed)))
            else:
                names, findings = ordered_names(used, self.path, self.options)
                self.findings += findings
            self.findings += case_twins(names, self.path)
            categories = Categories.from_names(names)
        position = {name: i for i, name in enumerate(categories.names)}
        return categories, np.array([position[row.name] for row in self.rows], np.int64)

    def _shapes(self) -> Shapes | None:
        if not self.options.with_shapes or all(row.shape is None for row in self.rows):
            return None
        return Shapes.from_rows([row.shape for row in self.rows])

    def _summaries(self) -> list[Finding]:
        """One finding for each kind of thing that was passed over or found elsewhere."""
        found = self.finder.finding()
        for what, count in self.skipped.items():
            found.append(Finding("DK109", f"{what}: not read", file=str(self.path), count=count))
        if self.from_shapes:
            message = "boxes are drawn around shapes that are no boxes"
            found.append(Finding("DK206", message, file=str(self.path), count=self.from_shapes))
        return found

    def _source(self) -> Source:
        root = self.path if self.path.is_dir() else None
        return Source(str(self.path), self.format, files.sha256_of(self.sources or [self.path], root=root))


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Attribute columns of rows that state some each: None, or NaN in numeric ones, where a row states none."""
    columns: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(name) for row in rows]
        if name in _NUMERIC and all(v is None or _is_number(v) for v in values):
            columns[name] = np.array([np.nan if v is None else float(v) for v in values], np.float64)
        else:
            columns[name] = object_column(values)
    return columns


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can be; JSON's whole numbers have no end."""
    return isinstance(value, (bool, int, float)) and not abs(value) > sys.float_info.max


def named_like(found: str | None, stated: str) -> str:
    """The stated name with the found file's suffix where it has none of its own."""
    if found is None or PurePosixPath(stated).suffix.lower() == Path(found).suffix.lower():
        return stated
    if PurePosixPath(stated).name == Path(found).stem:
        return f"{stated}{Path(found).suffix}"
    return stated
