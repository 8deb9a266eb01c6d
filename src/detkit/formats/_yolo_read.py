"""A YOLO dataset as a table: images, classes and sizes from around the labels, rows from within."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import boxes, files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._data_yaml import split_name
from detkit.formats._images import displayed_sizes
from detkit.formats._names import find_names
from detkit.formats._yolo_columns import Columns, interpret
from detkit.formats._yolo_files import Listing, list_images
from detkit.formats._yolo_layout import Layout, find_layout
from detkit.formats._yolo_rows import read_rows
from detkit.tables import Categories, Dataset, Images, Ragged, Shapes, Source, freeze, id_array
from detkit.wording import examples

__all__ = ["read_dataset"]

_HINT_SIZES = "give the images with `--images`, or their sizes with `--image-sizes`"


def read_dataset(path: Path, options: ReadOptions) -> Dataset:
    """The dataset at a path, see `formats.yolo.read`."""
    layout = _of_split(find_layout(path), options)
    listing = list_images(layout, options)
    if not listing.names and (layout.description is None or not layout.description.entries):
        raise InputError("no images and no label files", path=path)
    named = _names(layout, options)
    position, files = _label_positions(listing)
    raw = read_rows(files, options.jobs)
    if files and raw.unreadable == len(files):
        raise InputError(f"none of its {len(files)} label files is text", path=path)
    description = layout.description
    columns = interpret(
        raw,
        files,
        classes=None if named is None else len(named),
        kpt_shape=None if description is None else description.kpt_shape,
        task=_task(layout),
        with_shapes=options.with_shapes,
        may_be_pixels=layout.sidecar.manifest.get("format") != "yolo",
    )
    findings = [*layout.findings, *layout.sidecar.findings, *listing.findings, *raw.findings, *columns.findings]
    categories = _categories(layout, named, columns, findings)
    image_index = np.asarray(position, np.int64)[columns.file]
    sizes = _sizes(listing, options, findings)
    images = _images(listing, layout, sizes, findings)
    in_pixels = _are_in_pixels(images, image_index, path, findings)
    if in_pixels:
        columns = _to_pixels(columns, sizes[image_index])
    return Dataset.build(
        images,
        categories,
        image_index=image_index,
        category_index=columns.category,
        xywh=columns.xywh,
        shapes=columns.shapes,
        keypoints=columns.keypoints,
        is_oriented=columns.is_oriented,
        splits={name: freeze(members, np.int64) for name, members in listing.splits.items()},
        units="pixels" if in_pixels else "normalised",
        info=_info(layout, columns),
        source=Source(str(path), "yolo", _digest(layout, listing, files, raw.digests)),
        findings=tuple(findings),
    )


def _of_split(layout: Layout, options: ReadOptions) -> Layout:
    """The layout cut to the split asked for."""
    if options.split is None:
        return layout
    wanted = options.split if options.split in layout.splits else split_name(options.split)
    if wanted not in layout.splits:
        known = ", ".join(layout.splits) if layout.splits else "none, the dataset is not split"
        raise UsageError(f"no split `{options.split}`; known: {known}")
    entries = tuple(e for e in layout.entries if e.split == wanted)
    if not entries:
        raise InputError(f"the images of split `{wanted}` do not exist", path=layout.root)
    return replace(layout, entries=entries, splits=(wanted,))


def _names(layout: Layout, options: ReadOptions) -> tuple[str, ...] | None:
    if options.names is not None:
        return options.names
    if layout.description is not None and layout.description.names is not None:
        return layout.description.names
    found = find_names(layout.root)
    return None if found is None else found[0]


def _task(layout: Layout) -> str | None:
    if layout.description is not None and layout.description.task:
        return layout.description.task
    stated = layout.sidecar.manifest.get("task")
    return stated if isinstance(stated, str) else None


def _label_positions(listing: Listing) -> tuple[list[int], list[str]]:
    """Image positions and label files, of the images that have one."""
    pairs = [(i, label) for i, label in enumerate(listing.labels) if label is not None]
    return [i for i, _ in pairs], [label for _, label in pairs]


def _categories(layout: Layout, named: tuple[str, ...] | None, columns: Columns, findings: list[Finding]) -> Categories:
    if named is None:
        count = int(columns.category.max()) + 1 if len(columns.category) else 0
        text = "no class names (data.yaml, *.names, classes.txt): class numbers stand for them"
        findings.append(Finding("DK303", text, file=str(layout.root), count=max(count, 1)))
        return Categories.from_names([str(i) for i in range(count)], has_names=False)
    stated = layout.sidecar.categories(named)
    if stated is None and layout.sidecar.manifest.get("categories"):
        text = "its classes are not those in use: class ids are numbered from 1"
        findings.append(Finding("DK109", text, file=layout.sidecar.files[0]))
    return stated or Categories.from_names(named)


def _sizes(listing: Listing, options: ReadOptions, findings: list[Finding]) -> NDArray[np.float64]:
    """(I, 2) sizes: as given, else the images table's, else the truth's, else from the files' headers."""
    sizes = np.full((len(listing.names), 2), np.nan)
    reference = {}
    if options.reference_images is not None:
        stated = zip(options.reference_images.file_names, options.reference_images.sizes.tolist(), strict=True)
        reference = dict(stated)
    for i, name in enumerate(listing.names):
        row = listing.rows[i]
        given = options.image_sizes.find(name) if options.image_sizes is not None else None
        size = given or (row.size if row is not None else None) or reference.get(name)
        if size is not None:
            sizes[i] = size
    unknown = np.isnan(sizes[:, 0])
    if options.read_sizes and unknown.any():
        wanted = [path if unknown[i] else None for i, path in enumerate(listing.paths)]
        read, problems = displayed_sizes(wanted, options.jobs)
        findings += problems
        for i, size in enumerate(read):
            if size is not None:
                sizes[i] = size
    return sizes


def _images(listing: Listing, layout: Layout, sizes: NDArray[np.float64], findings: list[Finding]) -> Images:
    stated = [None if row is None else row.id for row in listing.rows]
    unstated = sum(i is None for i in stated)
    own = layout.sidecar.manifest.get("image_ids") is True and unstated < len(stated)
    if unstated == len(stated):
        ids = id_array(range(1, len(stated) + 1))
    else:
        next_id = max((i for i in stated if isinstance(i, int)), default=0) + 1
        filled = []
        for i in stated:
            filled.append(next_id if i is None else i)
            next_id += i is None
        ids = id_array(filled)
        if unstated:
            text = "images without an id in detkit-images.csv: numbered after the others"
            findings.append(Finding("DK110", text, file=str(layout.sidecar.root), count=unstated))
    return Images(ids, tuple(listing.names), sizes, tuple(listing.paths), has_own_ids=own)


def _are_in_pixels(images: Images, image_index: NDArray[np.int64], path: Path, findings: list[Finding]) -> bool:
    """Whether all boxes can be given in pixels; none can where no image with boxes has a size."""
    known = ~np.isnan(images.sizes[:, 0])
    with_rows = np.unique(image_index)
    lacking = with_rows[~known[with_rows]]
    if len(lacking) and len(lacking) < len(with_rows):
        names = examples([images.file_names[i] for i in lacking])
        raise InputError(
            f"the size of {len(lacking)} of {len(with_rows)} images with boxes is unknown: {names}",
            path=path,
            hint=_HINT_SIZES,
        )
    if not known.all():
        text = "image sizes are unknown"
        text += "; boxes stay shares of the image" if len(lacking) else " (of images without boxes)"
        findings.append(Finding("DK403", text, file=str(path), count=int((~known).sum())))
    return not len(lacking)


def _to_pixels(columns: Columns, sizes: NDArray[np.float64]) -> Columns:
    shapes, keypoints = columns.shapes, columns.keypoints
    if shapes is not None:
        scale = np.repeat(sizes, shapes.points.lengths(), axis=0)
        # Rounded as boxes are, so that coordinates with up to 9 decimals come back exactly.
        points = np.round(shapes.points.values * scale, 9)
        shapes = Shapes(shapes.kind, shapes.rings, Ragged(shapes.points.offsets, points))
    if keypoints is not None:
        moved = keypoints.values.copy()
        moved[:, :2] = np.round(moved[:, :2] * np.repeat(sizes, keypoints.lengths(), axis=0), 9)
        keypoints = Ragged(keypoints.offsets, moved)
    return replace(columns, xywh=boxes.denormalise(columns.xywh, sizes), shapes=shapes, keypoints=keypoints)


def _info(layout: Layout, columns: Columns) -> dict[str, object]:
    info = dict(layout.description.info) if layout.description is not None else {}
    if columns.kpt_shape is not None:
        info["kpt_shape"] = list(columns.kpt_shape)
    return info


def _digest(layout: Layout, listing: Listing, labels: Sequence[str], digests: Sequence[bytes]) -> str:
    """SHA-256 over names and contents of all files read, and over the names of images without a label."""
    more = [*layout.sidecar.files, *listing.read_files]
    if layout.description is not None:
        more.append(str(layout.description.path))
    parts = [*zip(labels, digests, strict=True)]
    parts += [(file, hashlib.sha256(files.read_small(file)).digest()) for file in dict.fromkeys(more)]
    total = hashlib.sha256()
    root = f"{layout.root.as_posix()}/"
    for file, digest in sorted((_relative(f, root), d) for f, d in parts):
        total.update(file.encode("utf-8", "surrogateescape") + b"\0" + digest)
    for name, label in sorted((n, lab or "") for n, lab in zip(listing.names, listing.labels, strict=True)):
        if not label:
            total.update(name.encode("utf-8", "surrogateescape") + b"\0\0")
    return total.hexdigest()


def _relative(file: str, root: str) -> str:
    """The path below the root; `relpath` for files elsewhere only, it is slow."""
    return file[len(root) :] if file.startswith(root) else os.path.relpath(file, root)
