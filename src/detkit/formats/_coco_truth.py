"""COCO objects to a `Dataset`: one file is one part, several parts (splits) are joined by image id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError
from detkit.findings import Finding, RoughFinding
from detkit.formats._base import ReadOptions
from detkit.formats._coco_ids import duplicates, first_seen, id_column, positions
from detkit.formats._coco_json import Document, decode, not_finite_finding, read_document, truth_decoder
from detkit.formats._coco_rows import Rows, box_areas, note_flat
from detkit.formats._coco_scan import scan_truth
from detkit.formats._coco_tables import CategoryColumns, ImageColumns, category_columns, image_columns, stated_fields
from detkit.formats._json_bytes import contents
from detkit.tables import Ragged, Shapes

__all__ = ["MARK", "Part", "read_part"]

#: Top-level key of files written by detkit that say what else they carry.
MARK = "detkit"

_SECTIONS = ("images", "annotations", "categories")
#: Fields of a box that scoring partly labelled truth reads, whatever else is left out.
_FLAG_FIELDS = ("ignore", "is_group_of")
_ROW_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
_SHAPE_FIELDS = ("segmentation", "keypoints", "num_keypoints")


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
    text = contents(path)
    rows: Rows | None = None
    wanted = {"with_shapes": options.with_shapes, "with_extra": options.with_extra}
    scanned = scan_truth(text, str(path), options.jobs, **wanted)
    if scanned is not None:
        sections = scanned.rest if options.with_extra else _typed_sections(scanned.rest)
        rows, not_finite = scanned.rows, 0
    else:
        sections, not_finite = _sections(read_document(path, text), options)
    del text
    for name in _SECTIONS:
        value = sections.get(name)
        if not isinstance(value, (list, type(None))) or (name == "images" and value is None):
            found = "nothing" if value is None else type(value).__name__
            raise InputError(f"`{name}`: found {found}, expected a list", path=path)
    rows = Rows(sections.get("annotations") or [], "annotations", str(path)) if rows is None else rows
    part = _part(sections, rows, str(path), options)
    part.findings += not_finite_finding(not_finite, path)
    return part


def _sections(document: Document, options: ReadOptions) -> tuple[dict[str, Any], int]:
    """The top-level object's fields, and how many values of the file are no JSON."""
    content, not_finite = decode(document, None if options.with_extra else truth_decoder(options.with_shapes))
    typed = hasattr(content, "annotations")
    if typed and any(a.bbox is None for a in content.annotations or ()):
        # Some box has to come from its outline, which the typed records do not hold.
        content, not_finite = decode(document)
        typed = False
    if typed:
        return _typed_sections(content), not_finite
    if isinstance(content, dict):
        return content, not_finite
    found = "a list" if isinstance(content, list) else type(content).__name__
    hint = "this looks like results (predictions), not like a dataset" if isinstance(content, list) else None
    message = f"found {found}, expected an object with `images` and `annotations`"
    raise InputError(message, path=document.path, hint=hint)


def _typed_sections(content: Any) -> dict[str, Any]:
    return {name: getattr(content, name) for name in (*_SECTIONS, MARK)}


def _part(sections: Mapping[str, Any], rows: Rows, path: str, options: ReadOptions) -> Part:
    findings: list[Finding] = []
    images = image_columns(sections["images"], path, options.with_extra, findings)
    stated = sections.get("categories") or []
    categories = category_columns(stated, path, options.with_extra, findings)
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
    columns["source_row"] = np.arange(len(rows))
    whole = len(kept) == len(rows)
    columns = columns if whole else {name: values[kept] for name, values in columns.items()}
    _note_values(rows, columns)
    findings += [*rows.findings(), *dangling]
    extra = _row_extra(rows, kept, mark, columns) if options.with_extra else stated_fields(rows, kept, _FLAG_FIELDS)
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
    columns["is_crowd"] = rows.flags("iscrowd")
    columns["is_ignored"] = rows.truths("ignore") if mark.get("ignored") else np.zeros(len(rows), np.bool_)
    oriented = rows.truths("is_oriented") if mark.get("oriented") else np.zeros(0, np.bool_)
    if oriented.any():
        columns["is_oriented"] = oriented
    if not boxed.all():
        _boxes_from_shapes(rows, columns, np.flatnonzero(~boxed), images)
    _number_missing(rows, columns, numbered)
    bare = ~stated & rows.keep()
    columns["area"] = np.where(stated, columns["area"], box_areas(columns["xywh"]))
    rows.note("DK205", "annotations without `area`; width times height is taken", int(np.count_nonzero(bare)))
    if not options.with_shapes:
        return columns, None, None
    columns["num_keypoints"] = rows.counts("num_keypoints")
    shapes = rows.shapes(_leaves_out(rows, "segmentation"))
    return columns, shapes, rows.keypoints(_leaves_out(rows, "keypoints"))


def _leaves_out(rows: Rows, name: str) -> Any:
    def report(row: int, reason: str) -> None:
        if row not in rows.bad:
            rows.note("DK109", f"{rows.place(row, name)}: {reason}; left out, the box is kept", row=row)

    return report


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
    low = points.min(axis=0)
    span = points.max(axis=0) - low
    return [*low.tolist(), *span.tolist()] if np.isfinite(span).all() else None


def _assumed_categories(ids: NDArray[Any]) -> CategoryColumns:
    distinct, _ = first_seen(ids)
    if distinct.dtype != object:
        distinct = np.sort(distinct)
    count = len(distinct)
    return CategoryColumns(distinct, [str(i) for i in distinct.tolist()], [None] * count, {}, has_names=False)


def _dangling(rows: Rows, columns: dict[str, NDArray[Any]], category_ids: NDArray[Any]) -> list[Finding]:
    image_ids = columns.pop("image_id")
    keep = rows.keep()
    findings = []
    for i in np.flatnonzero(keep & (columns["image_index"] < 0)).tolist():
        found = image_ids[i : i + 1].tolist()[0]
        message = f"{rows.place(i, 'image_id')}: found {found!r}, which is no image of this file"
        findings.append(Finding("DK104", message, file=rows.file, annotation=i))
    keep &= columns["image_index"] >= 0
    for i in np.flatnonzero(keep & (columns["category_index"] < 0)).tolist():
        found = category_ids[i : i + 1].tolist()[0]
        message = f"{rows.place(i, 'category_id')}: found {found!r}, which is no category of this file"
        findings.append(Finding("DK105", message, file=rows.file, annotation=i))
    return findings


def _note_values(rows: Rows, columns: dict[str, NDArray[Any]]) -> None:
    count, example = duplicates(columns["ids"])
    message = f"annotation id {example!r} is there more than once; all rows are kept"
    rows.note("DK103", message, count, kind=RoughFinding)
    note_flat(rows, columns["xywh"], columns["source_row"], "bbox")


def _row_extra(
    rows: Rows, kept: NDArray[np.int64], mark: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[int, dict[str, Any]]:
    if not rows.may_say_more():
        return {}
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
