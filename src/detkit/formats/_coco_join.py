"""Parts of a COCO dataset (one a file) to one `Dataset`: images found, splits named, ids made unique."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Finding, RoughFinding
from detkit.formats._base import ReadOptions
from detkit.formats._coco_files import SplitFile, find_images
from detkit.formats._coco_ids import duplicates, id_column
from detkit.formats._coco_truth import Part
from detkit.formats._images import displayed_sizes
from detkit.formats._object_columns import object_column
from detkit.tables import Categories, Dataset, Images, Ragged, Shapes

__all__ = ["join"]


def join(parts: Sequence[Part], files: Sequence[SplitFile], options: ReadOptions, **rest: Any) -> Dataset:
    """One dataset of all parts.

    An image that several parts list under the same id and file name is one image in several splits, and its
    annotations with equal ids are taken once. Where one id names different files, everything is numbered anew.

    Parameters
    ----------
    parts : sequence of Part
    files : sequence of SplitFile
        Of the same length; a split name of ``""`` names no split.
    options : ReadOptions
    **rest
        Further fields of `Dataset`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        One category id has two names.
    """
    categories, category_maps = _categories(parts)
    merging: list[Finding] = []
    images, image_maps, renumbered = _images(parts, files, options, merging)
    findings = [*(f for part in parts for f in part.findings), *merging]
    columns = _columns(parts)
    image_index = _mapped(parts, image_maps, "image_index")
    repeated = _repeated(image_index, columns["ids"], parts) if len(parts) > 1 else None
    if renumbered:
        columns["ids"] = np.arange(1, len(image_index) + 1)
    elif len(parts) > 1:
        once = columns["ids"] if repeated is None else columns["ids"][~repeated]
        count, example = duplicates(once)
        if count > sum(duplicates(p.columns["ids"])[0] for p in parts):
            message = f"annotation id {example!r} is used in several files; all rows are kept"
            findings.append(RoughFinding("DK103", message, count=count))
    extra = _shifted([p.extra for p in parts], [len(p.columns["ids"]) for p in parts])
    attributes, extra = _attributes(parts, extra, len(image_index))
    dataset = Dataset.build(
        images,
        categories,
        image_index=image_index,
        category_index=_mapped(parts, category_maps, "category_index"),
        shapes=_shapes(parts),
        keypoints=_keypoints(parts),
        attributes=attributes,
        extra=extra,
        splits={f.split: np.unique(m) for f, m in zip(files, image_maps, strict=True) if f.split},
        info=_info(parts, findings),
        findings=tuple(findings),
        **_optional(columns, _keypoints(parts) is not None),
        **rest,
    )
    if repeated is None or not repeated.any():
        return dataset
    dropped = set(columns["source_row"][repeated].tolist())
    return dataset.take_rows([i for i, row in enumerate(dataset.annotations.source_row.tolist()) if row not in dropped])


def _optional(columns: dict[str, NDArray[Any]], has_keypoints: bool) -> dict[str, NDArray[Any]]:
    counts = columns.get("num_keypoints")
    if counts is not None and not has_keypoints and (counts < 0).all():
        del columns["num_keypoints"]
    return {k: v for k, v in columns.items() if k not in ("image_index", "category_index")}


def _categories(parts: Sequence[Part]) -> tuple[Categories, list[NDArray[np.int64]]]:
    at: dict[Any, int] = {}
    names: list[str] = []
    supers: list[str | None] = []
    extra: dict[int, Mapping[str, Any]] = {}
    maps = []
    for part in parts:
        own = part.categories
        for i, key in enumerate(own.ids.tolist()):
            position = at.setdefault(key, len(at))
            if position == len(names):
                names.append(own.names[i])
                supers.append(own.supercategories[i])
                if i in own.extra:
                    extra[position] = own.extra[i]
            elif names[position] != own.names[i]:
                message = f"category {key!r} is `{own.names[i]}` here and `{names[position]}` in another file"
                raise InputError(message, path=part.path, hint="make the categories of all splits agree")
        maps.append(np.array([at[key] for key in own.ids.tolist()], dtype=np.int64))
    has_names = any(p.categories.has_names for p in parts)
    return Categories(id_column(list(at)), tuple(names), tuple(supers), has_names=has_names, extra=extra), maps


def _images(
    parts: Sequence[Part], files: Sequence[SplitFile], options: ReadOptions, findings: list[Finding]
) -> tuple[Images, list[NDArray[np.int64]], bool]:
    prefixed = _prefixed(parts, files, findings)
    if len(parts) == 1 and not prefixed:
        own = parts[0].images
        table, found = _found(parts[0], files[0], options)
        everything = np.arange(len(own.ids))
        return Images(own.ids, tuple(own.file_names), table, tuple(found), extra=own.extra), [everything], False
    at: dict[tuple[Any, ...], int] = {}
    maps: list[NDArray[np.int64]] = []
    ids: list[Any] = []
    names: list[str] = []
    sizes: list[NDArray[np.float64]] = []
    paths: list[str | None] = []
    extra: dict[int, Mapping[str, Any]] = {}
    for number, (part, file) in enumerate(zip(parts, files, strict=True)):
        own = part.images
        own_sizes, own_paths = _found(part, file, options)
        own_ids = own.ids.tolist()
        keys = [(number if file.own_folder else -1, *pair) for pair in zip(own_ids, own.file_names, strict=True)]
        maps.append(np.array([at.setdefault(key, len(at)) for key in keys], dtype=np.int64))
        for i in np.flatnonzero(maps[-1] >= len(ids)).tolist():
            if i in own.extra:
                extra[len(ids)] = own.extra[i]
            ids.append(own_ids[i])
            names.append(f"{file.path.parent.name}/{own.file_names[i]}" if prefixed else own.file_names[i])
            sizes.append(own_sizes[i])
            paths.append(own_paths[i])
    column = id_column(ids)
    count, example = duplicates(column)
    if count:
        message = f"image id {example!r} names different files in several splits; images and annotations are renumbered"
        findings.append(Finding("DK103", message, count=count))
        column = np.arange(1, len(ids) + 1)
    table = np.array(sizes, dtype=np.float64).reshape(-1, 2)
    return Images(column, tuple(names), table, tuple(paths), not count, extra), maps, bool(count)


def _prefixed(parts: Sequence[Part], files: Sequence[SplitFile], findings: list[Finding]) -> bool:
    """Whether file names need their folder, because two folders hold a file of the same name."""
    if not all(f.own_folder for f in files):
        return False
    total = sum(len(p.images.file_names) for p in parts)
    distinct = len({name for p in parts for name in p.images.file_names})
    if distinct == total:
        return False
    message = "file names that several split folders share; each gets its folder in front"
    findings.append(Finding("DK110", message, count=total - distinct))
    return True


def _found(part: Part, file: SplitFile, options: ReadOptions) -> tuple[NDArray[np.float64], list[str | None]]:
    """Sizes filled from the options or from image headers, and the image files, looked for only when needed."""
    names, sizes = part.images.file_names, part.images.sizes.copy()
    unknown = np.flatnonzero(~np.isfinite(sizes).all(axis=1)).tolist()
    if options.image_sizes is not None:
        for i in unknown:
            sizes[i] = options.image_sizes.find(names[i]) or sizes[i]
        unknown = [i for i in unknown if not np.isfinite(sizes[i]).all()]
    needs_headers = bool(unknown) and options.read_sizes
    paths: list[str | None] = [None] * len(names)
    if options.with_extra or options.find_images or needs_headers:
        paths, notes = find_images(names, file.path, file.split, options)
        part.findings.extend(notes)
    if needs_headers:
        headers, notes = displayed_sizes([paths[i] for i in unknown], options.jobs)
        part.findings.extend(notes)
        for i, size in zip(unknown, headers, strict=True):
            sizes[i] = size or sizes[i]
    return sizes, paths


def _columns(parts: Sequence[Part]) -> dict[str, NDArray[Any]]:
    fill = {"is_oriented": False, "num_keypoints": -1}
    out: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(n for p in parts for n in p.columns):
        pieces = [p.columns.get(name, np.full(len(p.columns["ids"]), fill.get(name, 0))) for p in parts]
        if name == "source_row":
            starts = np.cumsum([0, *(int(p.max()) + 1 if len(p) else 0 for p in pieces[:-1])])
            pieces = [piece + start for piece, start in zip(pieces, starts.tolist(), strict=True)]
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        out[name] = id_column(joined.tolist()) if joined.dtype == object else joined
    return out


def _mapped(parts: Sequence[Part], maps: Sequence[NDArray[np.int64]], name: str) -> NDArray[np.int64]:
    return np.concatenate([m[p.columns[name]] for p, m in zip(parts, maps, strict=True)])


def _repeated(image_index: NDArray[np.int64], ids: NDArray[Any], parts: Sequence[Part]) -> NDArray[np.bool_]:
    """Rows of a later part that an earlier part has too: same image, same annotation id."""
    owner = np.repeat(np.arange(len(parts)), [len(p.columns["ids"]) for p in parts])
    first: dict[tuple[int, Any], int] = {}
    keys = zip(image_index.tolist(), ids.tolist(), strict=True)
    return np.array([first.setdefault(k, p) != p for k, p in zip(keys, owner.tolist(), strict=True)], dtype=np.bool_)


def _shapes(parts: Sequence[Part]) -> Shapes | None:
    if all(p.shapes is None for p in parts):
        return None
    whole = [p.shapes or Shapes.from_rows([None] * len(p.columns["ids"])) for p in parts]
    if len(whole) == 1:
        return whole[0]
    return Shapes(
        np.concatenate([s.kind for s in whole]),
        _stack([s.rings for s in whole]),
        _stack([s.points for s in whole]),
        _shifted([s.rle for s in whole], [len(s) for s in whole]),
    )


def _keypoints(parts: Sequence[Part]) -> Ragged | None:
    if all(p.keypoints is None for p in parts):
        return None
    return _stack([p.keypoints or Ragged.from_rows([()] * len(p.columns["ids"]), (3,)) for p in parts])


def _stack(pieces: Sequence[Ragged]) -> Ragged:
    if len(pieces) == 1:
        return pieces[0]
    lengths = np.concatenate([p.lengths() for p in pieces])
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([p.values for p in pieces]))


def _shifted(tables: Sequence[Mapping[int, Any]], lengths: Sequence[int]) -> dict[int, Any]:
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    return {row + start: value for table, start in zip(tables, starts, strict=True) for row, value in table.items()}


def _info(parts: Sequence[Part], findings: list[Finding]) -> dict[str, Any]:
    info: dict[str, Any] = {}
    for part in parts:
        for name, value in part.info.items():
            if name in info and info[name] != value:
                message = f"top-level `{name}` differs between the files; the first one is kept"
                findings.append(Finding("DK109", message, file=part.path))
            info.setdefault(name, value)
    return info


def _attributes(
    parts: Sequence[Part], extra: dict[int, dict[str, Any]], rows: int
) -> tuple[dict[str, NDArray[Any]], dict[int, dict[str, Any]]]:
    """Columns that detkit wrote as `attributes` of each annotation; all other attributes stay where they are."""
    kinds: dict[str, str] = {}
    for part in parts:
        stated = part.mark.get("attributes")
        kinds.update({str(k): str(v) for k, v in stated.items()} if isinstance(stated, dict) else {})
    if not kinds or not extra:
        return {}, extra
    values: dict[str, list[Any]] = {name: [None] * rows for name in kinds}
    rest: dict[int, dict[str, Any]] = {}
    for row, fields in extra.items():
        held = fields.get("attributes")
        if isinstance(held, dict):
            for name in kinds.keys() & held.keys():
                values[name][row] = held[name]
            left = {k: v for k, v in held.items() if k not in kinds}
            fields = {k: v for k, v in fields.items() if k != "attributes"} | ({"attributes": left} if left else {})
        if fields:
            rest[row] = fields
    return {name: _typed(column, kinds[name]) for name, column in values.items()}, rest


def _typed(values: list[Any], kind: str) -> NDArray[Any]:
    absent: dict[str, Any] = {"bool": False, "str": "", "float": np.nan}
    filled = [absent.get(kind) if v is None else v for v in values]
    kinds: dict[str, set[type]] = {"bool": {bool}, "int": {int}, "float": {float, int}, "str": {str}}
    if kind in kinds and set(map(type, filled)) <= kinds[kind]:
        try:
            return np.array(
                filled, dtype={"bool": np.bool_, "int": np.int64, "float": np.float64, "str": np.str_}[kind]
            )
        except OverflowError:
            pass
    return object_column(values)


def single(path: Path, split: str) -> SplitFile:
    """A dataset's only file."""
    return SplitFile(path, split, own_folder=False)
