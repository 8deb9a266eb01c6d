"""COCO objects to a `Dataset`: one file is one part, several parts (splits) are joined by image id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._coco_json import decode, not_finite_finding, read_document, truth_decoder
from detkit.formats._coco_rows import Rows, duplicates, first_seen, id_column, keypoint_rows, positions, shape_rows
from detkit.tables import Ragged, Shapes

__all__ = ["MARK", "ImageColumns", "Part", "category_columns", "image_columns", "read_part"]

#: Top-level key of files written by detkit that say what else they carry.
MARK = "detkit"

_SECTIONS = ("images", "annotations", "categories")
_IMAGE_FIELDS = ("id", "file_name", "width", "height")
#: Fields of an image, a class and a box that scoring partly labelled truth reads, whatever else is left out.
_LABEL_FIELDS = ("neg_category_ids", "pos_category_ids", "not_exhaustive_category_ids")
_GROUP_FIELDS = ("frequency", "freebase_id")
_FLAG_FIELDS = ("ignore", "is_group_of")
_CATEGORY_FIELDS = ("id", "name", "supercategory")
_ROW_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
_SHAPE_FIELDS = ("segmentation", "keypoints", "num_keypoints")


@dataclass
class ImageColumns:
    """Images of one file."""

    ids: NDArray[Any]
    file_names: list[str]
    sizes: NDArray[np.float64]
    extra: dict[int, dict[str, Any]]


@dataclass
class CategoryColumns:
    """Categories of one file."""

    ids: NDArray[Any]
    names: list[str]
    supercategories: list[str | None]
    extra: dict[int, dict[str, Any]]
    has_names: bool = True


@dataclass
class Part:
    """One file's columns, rows in file order; `image_index` and `category_index` are positions in this part."""

    path: str
    images: ImageColumns
    categories: CategoryColumns
    columns: dict[str, NDArray[Any]]
    shapes: Shapes | None
    keypoints: Ragged | None
    extra: dict[int, dict[str, Any]]
    info: dict[str, Any]
    mark: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)


def read_part(path: Any, options: ReadOptions) -> Part:
    """The columns of one COCO file.

    Raises
    ------
    InputError
        Not JSON, or not a COCO object.
    """
    document = read_document(path)
    decoder = None if options.with_extra else truth_decoder(options.with_shapes)
    content, not_finite = decode(document, decoder)
    typed = hasattr(content, "annotations")
    if typed and any(a.bbox is None for a in content.annotations or ()):
        # Some box has to come from its outline, which the typed records do not hold.
        content, not_finite = decode(document)
        typed = False
    if typed:
        sections: dict[str, Any] = {name: getattr(content, name) for name in (*_SECTIONS, MARK)}
    elif isinstance(content, dict):
        sections = content
    else:
        found = "a list" if isinstance(content, list) else type(content).__name__
        hint = "this looks like results (predictions), not like a dataset" if isinstance(content, list) else None
        raise InputError(f"found {found}, expected an object with `images` and `annotations`", path=path, hint=hint)
    for name in _SECTIONS:
        value = sections.get(name)
        if not isinstance(value, (list, type(None))) or (name == "images" and value is None):
            found = "nothing" if value is None else type(value).__name__
            raise InputError(f"`{name}`: found {found}, expected a list", path=path)
    part = _part(sections, str(path), options)
    part.findings += not_finite_finding(not_finite, path)
    return part


def _part(sections: Mapping[str, Any], path: str, options: ReadOptions) -> Part:
    findings: list[Finding] = []
    images = image_columns(sections["images"], path, options.with_extra, findings)
    stated = sections.get("categories") or []
    categories = category_columns(stated, path, options.with_extra, findings)
    rows = Rows(sections.get("annotations") or [], "annotations", path)
    mark = sections.get(MARK)
    mark = mark if isinstance(mark, dict) else {}
    columns, shapes, keypoints = _row_columns(rows, mark, images, options)
    category_ids = columns.pop("category_id")
    if not stated and len(rows):
        categories = _assumed_categories(category_ids[rows.keep()])
        message = f"no `categories`; the {len(categories.ids)} class numbers used serve as names"
        findings.append(Finding("DK303", message, file=path, count=len(categories.ids)))
    columns["category_index"] = positions(category_ids, categories.ids)
    dangling = _dangling(rows, columns, category_ids)
    keep = rows.keep()
    keep[[int(f.annotation or 0) for f in dangling]] = False
    kept = np.flatnonzero(keep)
    _note_values(rows, columns, kept)
    columns = {name: values[kept] for name, values in columns.items()}
    findings += [*rows.findings(), *dangling]
    whole = len(kept) == len(rows)
    extra = _row_extra(rows, kept, mark, columns, options) if options.with_extra else _stated(rows, kept, _FLAG_FIELDS)
    return Part(
        path,
        images,
        categories,
        columns,
        shapes if shapes is None or whole else shapes.take(kept),
        keypoints if keypoints is None or whole else keypoints.take(kept),
        extra,
        {k: v for k, v in sections.items() if k not in (*_SECTIONS, MARK)} if options.with_extra else {},
        mark,
        findings,
    )


def image_columns(items: Sequence[Any], path: str, with_extra: bool, findings: list[Finding]) -> ImageColumns:
    """Images as columns; of a repeated id the first place and the last content stay, as in pycocotools."""
    rows = Rows(items, "images", path)
    ids, _ = rows.ids("id")
    names = _texts(rows, "file_name")
    sizes = np.column_stack([_sizes(rows, "width"), _sizes(rows, "height")])
    usable = np.flatnonzero(rows.keep())
    count, example = duplicates(ids[usable])
    rows.note("DK103", f"image id {example!r} is there more than once; the last one counts", count)
    distinct, last = _last_of_each(ids, usable)
    unknown = int(np.count_nonzero(~np.isfinite(sizes[last]).all(axis=1)))
    rows.note("DK403", "images without a usable `width` and `height`", unknown)
    findings += rows.findings()
    extra: dict[int, dict[str, Any]] = {} if with_extra else _stated(rows, last, _LABEL_FIELDS)
    if with_extra:
        for position, row in enumerate(last.tolist()):
            own = {k: v for k, v in rows.items[row].items() if k not in _IMAGE_FIELDS}
            # A field that is there but says nothing usable is kept as it is, so that it comes back when written.
            if not names[row] and "file_name" in rows.items[row]:
                own["file_name"] = rows.items[row]["file_name"]
            for at, name in enumerate(("width", "height")):
                if name in rows.items[row] and np.isnan(sizes[row, at]):
                    own[name] = rows.items[row][name]
            if own:
                extra[position] = own
    return ImageColumns(distinct, [names[i] for i in last.tolist()], sizes[last], extra)


def category_columns(items: Sequence[Any], path: str, with_extra: bool, findings: list[Finding]) -> CategoryColumns:
    """Categories as columns in file order; of a repeated id the first place and the last content stay."""
    rows = Rows(items, "categories", path)
    ids, _ = rows.ids("id")
    names = _texts(rows, "name")
    usable = np.flatnonzero(rows.keep())
    count, example = duplicates(ids[usable])
    rows.note("DK103", f"category id {example!r} is there more than once; the last one counts", count)
    distinct, last = _last_of_each(ids, usable)
    unnamed = [i for i in last.tolist() if not names[i]]
    for i in unnamed:
        names[i] = str(ids[i])
    rows.note("DK303", "categories without a name; their ids serve as names", len(unnamed))
    kept = [names[i] for i in last.tolist()]
    twins = sorted({n for n in kept if kept.count(n) > 1}) if len(set(kept)) < len(kept) else []
    rows.note("DK103", f"category names with several ids: {', '.join(f'`{t}`' for t in twins)}", len(twins))
    findings += rows.findings()
    above = rows.values("supercategory")
    supers = [above[i] if isinstance(above[i], str) else None for i in last.tolist()]
    extra = {} if with_extra else _stated(rows, last, _GROUP_FIELDS)
    for position, row in enumerate(last.tolist() if with_extra else ()):
        own = {k: v for k, v in rows.items[row].items() if k not in _CATEGORY_FIELDS}
        if supers[position] is None and "supercategory" in rows.items[row]:
            own["supercategory"] = above[row]
        if own:
            extra[position] = own
    return CategoryColumns(distinct, kept, supers, extra, has_names=len(unnamed) < len(kept) or not kept)


def _stated(rows: Rows, kept: NDArray[np.int64], names: Sequence[str]) -> dict[int, dict[str, Any]]:
    """These fields of the kept records, by position, where they say something."""
    extra: dict[int, dict[str, Any]] = {}
    for name in names:
        values = rows.values(name)
        if not any(v is not None for v in values):
            continue
        for position, row in enumerate(kept.tolist()):
            if values[row] is not None:
                extra.setdefault(position, {})[name] = values[row]
    return extra


def _last_of_each(ids: NDArray[Any], usable: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    distinct, index = first_seen(ids[usable])
    if distinct.dtype == object:
        distinct = id_column(distinct.tolist())
    last = np.zeros(len(distinct), np.int64)
    last[index] = usable
    return distinct, last


def _texts(rows: Rows, name: str) -> list[str]:
    values = rows.values(name)
    if not set(map(type, values)) <= {str}:
        odd = [i for i, v in enumerate(values) if v is not None and not isinstance(v, str)]
        if odd:
            rows.note("DK106", f"{rows.place(odd[0], name)}: found {values[odd[0]]!r}, read as text", len(odd))
        values = [v if isinstance(v, str) else "" if v is None else str(v) for v in values]
    return values


def _sizes(rows: Rows, name: str) -> NDArray[np.float64]:
    """A stated length that is no positive number is as good as none."""
    with np.errstate(invalid="ignore"):
        values = np.array([v if type(v) in (int, float) and 0 < v < 2**53 else np.nan for v in rows.values(name)])
    return values.astype(np.float64)


def _row_columns(
    rows: Rows, mark: Mapping[str, Any], images: ImageColumns, options: ReadOptions
) -> tuple[dict[str, NDArray[Any]], Shapes | None, Ragged | None]:
    columns: dict[str, NDArray[Any]] = {}
    image_ids, _ = rows.ids("image_id")
    columns["image_index"] = positions(image_ids, images.ids)
    columns["image_id"] = image_ids
    columns["category_id"], _ = rows.ids("category_id")
    columns["xywh"], boxed = rows.boxes()
    columns["ids"], numbered = rows.ids("id", required=False)
    columns["area"], stated = rows.numbers("area")
    columns["is_crowd"] = _crowd(rows)
    ignored = rows.values("ignore")
    columns["is_ignored"] = np.fromiter(map(bool, ignored), np.bool_, len(rows))
    oriented = rows.values("is_oriented") if mark.get("oriented") else []
    if any(oriented):
        columns["is_oriented"] = np.fromiter(map(bool, oriented), np.bool_, len(rows))
    if not boxed.all():
        _boxes_from_shapes(rows, columns, np.flatnonzero(~boxed), images)
    _number_missing(rows, columns, numbered)
    bare = ~stated & rows.keep()
    columns["area"] = np.where(stated, columns["area"], columns["xywh"][:, 2] * columns["xywh"][:, 3])
    rows.note("DK205", "annotations without `area`; width times height is taken", int(np.count_nonzero(bare)))
    if not mark.get("ignored"):
        message = "`ignore` is overwritten by `iscrowd`, as in pycocotools"
        rows.note("DK109", message, int(np.count_nonzero(columns["is_ignored"] & rows.keep())))
        columns["is_ignored"] = np.zeros(len(rows), np.bool_)
    if not options.with_shapes:
        return columns, None, None
    columns["num_keypoints"] = _counts(rows)
    shapes = shape_rows(rows.values("segmentation"), _leaves_out(rows, "segmentation"))
    return columns, shapes, keypoint_rows(rows.values("keypoints"), _leaves_out(rows, "keypoints"))


def _leaves_out(rows: Rows, name: str) -> Any:
    def report(row: int, reason: str) -> None:
        if row not in rows.bad:
            rows.note("DK109", f"{rows.place(row, name)}: {reason}; left out, the box is kept", row=row)

    return report


def _crowd(rows: Rows) -> NDArray[np.bool_]:
    values = rows.values("iscrowd")
    if not set(map(type, values)) <= {int, bool, type(None)} or not set(values) <= {0, 1, None}:
        odd = 0
        for i, value in enumerate(values):
            if not (isinstance(value, (int, float, type(None))) and value == value):
                rows.reject(i, "iscrowd", f"found {value!r}, expected 0 or 1")
            odd += isinstance(value, (int, float)) and value not in (0, 1)
        rows.note("DK106", "`iscrowd` is neither 0 nor 1 and is read as 1", odd)
    return np.fromiter(map(bool, values), np.bool_, len(values))


def _counts(rows: Rows) -> NDArray[np.int64]:
    values = rows.values("num_keypoints")
    return np.array([v if type(v) is int and 0 <= v < 2**31 else -1 for v in values], dtype=np.int64)


def _number_missing(rows: Rows, columns: dict[str, NDArray[Any]], stated: NDArray[np.bool_]) -> None:
    missing = np.flatnonzero(~stated & rows.keep())
    if len(missing):
        ids = columns["ids"].tolist()
        known = [ids[i] for i in np.flatnonzero(stated).tolist() if type(ids[i]) is int and ids[i] < 2**62]
        for number, row in enumerate(missing.tolist(), max(known, default=0) + 1):
            ids[row] = number
        columns["ids"] = id_column(ids)
        rows.note("DK106", "annotations without `id`; numbered in file order", len(missing))


def _boxes_from_shapes(
    rows: Rows, columns: dict[str, NDArray[Any]], unboxed: NDArray[np.int64], images: ImageColumns
) -> None:
    segmentations, keep = rows.values("segmentation"), rows.keep()
    boxes = columns["xywh"].copy()
    found = 0
    for row in unboxed[keep[unboxed]].tolist():
        box = _bounds(segmentations[row])
        if box is None:
            rows.reject(row, "bbox", "is missing, expected 4 finite numbers (and no outline gives them)")
        else:
            boxes[row] = box
            found += 1
    columns["xywh"] = boxes
    rows.note("DK206", "annotations without `bbox`; the bounds of `segmentation` are taken", found)


def _bounds(value: Any) -> Sequence[float] | NDArray[np.float64] | None:
    if value is None or masks.problem_of(value) is not None:
        return None
    if isinstance(value, dict):
        try:
            return np.asarray(masks.boxes([masks.to_rle(value, 0, 0)])[0])
        except InputError:
            return None
    points = np.array([c for ring in value for c in ring], dtype=np.float64).reshape(-1, 2)
    if not len(points):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _assumed_categories(ids: NDArray[Any]) -> CategoryColumns:
    distinct, _ = first_seen(ids)
    if distinct.dtype != object:
        distinct = np.sort(distinct)
    count = len(distinct)
    return CategoryColumns(distinct, [str(i) for i in distinct.tolist()], [None] * count, {}, has_names=False)


def _dangling(rows: Rows, columns: dict[str, NDArray[Any]], category_ids: NDArray[Any]) -> list[Finding]:
    image_ids, class_ids = columns.pop("image_id").tolist(), category_ids.tolist()
    keep = rows.keep()
    findings = []
    for i in np.flatnonzero(keep & (columns["image_index"] < 0)).tolist():
        message = f"{rows.place(i, 'image_id')}: found {image_ids[i]!r}, which is no image of this file"
        findings.append(Finding("DK104", message, file=rows.file, annotation=i))
    keep &= columns["image_index"] >= 0
    for i in np.flatnonzero(keep & (columns["category_index"] < 0)).tolist():
        message = f"{rows.place(i, 'category_id')}: found {class_ids[i]!r}, which is no category of this file"
        findings.append(Finding("DK105", message, file=rows.file, annotation=i))
    return findings


def _note_values(rows: Rows, columns: dict[str, NDArray[Any]], kept: NDArray[np.int64]) -> None:
    count, example = duplicates(columns["ids"][kept])
    rows.note("DK103", f"annotation id {example!r} is there more than once; all rows are kept", count)
    flat = np.flatnonzero((columns["xywh"][kept, 2:] <= 0).any(axis=1))
    if len(flat):
        row = int(kept[flat[0]])
        message = f"boxes without positive width and height, first {rows.place(row, 'bbox')}; kept"
        rows.note("DK201", message, len(flat), row=row)
    columns["source_row"] = np.arange(len(rows))


def _row_extra(
    rows: Rows, kept: NDArray[np.int64], mark: Mapping[str, Any], columns: Mapping[str, Any], options: ReadOptions
) -> dict[int, dict[str, Any]]:
    known = {*_ROW_FIELDS, *_SHAPE_FIELDS}
    known |= {"ignore"} if mark.get("ignored") else set()
    known |= {"is_oriented"} if mark.get("oriented") else set()
    extra: dict[int, dict[str, Any]] = {}
    counts = columns.get("num_keypoints")
    for position, row in enumerate(kept.tolist()):
        item = rows.items[row]
        if item.keys() <= known and None not in item.values():
            continue
        own = {k: v for k, v in item.items() if k not in known or (v is None and k in _SHAPE_FIELDS)}
        if "num_keypoints" in item and counts is not None and counts[position] < 0:
            own["num_keypoints"] = item["num_keypoints"]
        if own:
            extra[position] = own
    return extra
