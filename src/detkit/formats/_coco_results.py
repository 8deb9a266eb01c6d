"""COCO results (predictions) to `Detections`, with the boxes and areas that pycocotools' `loadRes` would give them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files, masks
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._coco_ids import distinct_of, first_seen, positions
from detkit.formats._coco_json import decode, not_finite_finding, read_document, results_decoder
from detkit.formats._coco_rows import Rows, box_areas, note_flat
from detkit.formats._coco_scan import ScannedRows, scan_results
from detkit.formats._coco_tables import category_columns, image_columns
from detkit.formats._json_bytes import contents
from detkit.garbage import gc_paused
from detkit.tables import Categories, Detections, Images, Ragged, Shapes, Source

__all__ = ["read_results"]

#: Distinct ids, and the position of each row's among them.
Distinct = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[np.int64]]]

_KNOWN = frozenset(("image_id", "category_id", "bbox", "score", "segmentation", "keypoints"))


def read_results(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a results list, or of a COCO object whose annotations have scores.

    Raises
    ------
    InputError
        Not JSON, or neither of the two.
    """
    with gc_paused(), ThreadPoolExecutor(1) as pool:
        digest = pool.submit(files.sha256_of, [path])
        detections = _read(path, options)
        return replace(detections, source=Source(str(path), "coco", digest.result()))


def _read(path: Path, options: ReadOptions) -> Detections:
    text = contents(path)
    wanted = {"with_shapes": options.with_shapes, "with_extra": options.with_extra}
    scanned = scan_results(text, str(path), options.jobs, **wanted)
    if scanned is not None:
        return _build(scanned, scanned.stated_by(), {}, options)
    document = read_document(path, text)
    del text
    content, not_finite = decode(document, None if options.with_extra else results_decoder(options.with_shapes))
    items, section = _records(content, path)
    rows = Rows(items, section, str(path))
    by = rows.stated_by()
    if by == "none" and not options.with_shapes:
        # Boxes come from masks or keypoints, which these typed records do not hold.
        content, not_finite = decode(document)
        items, section = _records(content, path)
        rows = Rows(items, section, str(path))
        by = rows.stated_by()
    del document
    detections = _build(rows, by, content if isinstance(content, dict) else {}, options)
    return replace(detections, findings=(*detections.findings, *not_finite_finding(not_finite, path)))


def _records(content: Any, path: Path) -> tuple[list[Any], str]:
    if isinstance(content, list):
        return content, ""
    found = f"`{content}`"[:60] if not isinstance(content, dict) else "an object without `annotations`"
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"found {found}, expected a list of results", path=path)
    if annotations and not any(isinstance(a, dict) and "score" in a for a in annotations):
        message = "annotations have no `score`: this looks like a truth"
        raise InputError(message, path=path, hint="give the predictions file, a list of results")
    return annotations, "annotations"


def _build(rows: Rows, by: str, whole: dict[str, Any], options: ReadOptions) -> Detections:
    findings: list[Finding] = []
    image_ids, _ = rows.ids("image_id")
    category_ids, _ = rows.ids("category_id")
    score, _ = rows.numbers("score", required=True)
    xywh, area = _PLACES[by](rows, image_ids, options)
    images, image_index = _images(rows, image_ids, whole, options, findings)
    categories, category_index = _categories(rows, category_ids, whole, options, findings)
    keep = rows.keep()
    keep &= _known(rows, image_index, image_ids, keep, "image", findings)
    keep &= _known(rows, category_index, category_ids, keep, "category", findings)
    kept = np.flatnonzero(keep)
    some = slice(None) if len(kept) == len(rows) else kept
    shapes, keypoints = _outlines(rows, kept, options)
    outside = (score[some] < 0) | (score[some] > 1)
    if outside.any():
        first = int(kept[np.flatnonzero(outside)[0]])
        message = f"scores outside [0, 1], first {rows.place(first, 'score')}; kept"
        rows.note("DK708", message, int(outside.sum()), row=first)
    note_flat(rows, xywh[some], kept, by)
    return Detections.build(
        images,
        categories,
        image_index=image_index[some],
        category_index=category_index[some],
        xywh=xywh[some],
        score=score[some],
        area=area[some],
        source_row=kept,
        shapes=shapes,
        keypoints=keypoints,
        has_boxes=by in ("bbox", "none"),
        extra=_extra(rows, kept) if options.with_extra and rows.may_say_more() else {},
        findings=(*findings, *rows.findings()),
    )


def _by_box(rows: Rows, image_ids: NDArray[Any], options: ReadOptions) -> tuple[NDArray[Any], NDArray[Any]]:
    xywh, stated = rows.boxes()
    for i in np.flatnonzero(~stated).tolist():
        rows.reject(i, "bbox", "is missing, expected 4 finite numbers")
    return xywh, box_areas(xywh)


def _by_mask(rows: Rows, image_ids: NDArray[Any], options: ReadOptions) -> tuple[NDArray[Any], NDArray[Any]]:
    xywh, stated = rows.boxes()
    xywh, area = np.array(xywh), np.zeros(len(rows))
    if isinstance(rows, ScannedRows) and rows.measured is not None:
        return np.where(stated[:, None], xywh, rows.measured.xywh), rows.measured.area
    values = rows.values("segmentation")
    sizes = _reference_sizes(image_ids, options)
    for i, value in enumerate(values):
        problem = "is missing, expected a mask" if value is None else masks.problem_of(value)
        if problem is None and not isinstance(value, dict) and not np.isfinite(sizes[i]).all():
            problem = "polygons need the image's size, which is not known here; give results as run-length masks"
        if problem is not None:
            rows.reject(i, "segmentation", problem)
    good = np.flatnonzero(rows.keep())
    coded = [i for i in good.tolist() if isinstance(values[i], dict) and isinstance(values[i]["counts"], str)]
    for i in np.array(coded, np.int64)[~masks.valid_rles([values[i] for i in coded])].tolist():
        rows.reject(i, "segmentation", "run lengths do not add up to height times width")
    good = np.flatnonzero(rows.keep())
    for start in range(0, len(good), _CHUNK):
        some = good[start : start + _CHUNK]
        rles = []
        for i in some.tolist():
            try:
                width, height = np.nan_to_num(sizes[i]).astype(int).tolist()
                value = values[i]
                ready = isinstance(value, dict) and isinstance(value["counts"], str)
                rles.append(value if ready else masks.to_rle(value, height, width))
            except InputError as error:
                rows.reject(i, "segmentation", error.message)
                rles.append({"size": [0, 0], "counts": b""})
        area[some] = masks.areas(rles)
        xywh[some] = np.where(stated[some, None], xywh[some], masks.boxes(rles))
    return xywh, area


def _by_keypoints(rows: Rows, image_ids: NDArray[Any], options: ReadOptions) -> tuple[NDArray[Any], NDArray[Any]]:
    def report(row: int, reason: str) -> None:
        rows.reject(row, "keypoints", reason)

    points = rows.keypoints(report)
    lengths = np.zeros(len(rows), np.int64) if points is None else points.lengths()
    for i in np.flatnonzero(lengths == 0).tolist():
        rows.reject(i, "keypoints", "is missing, expected numbers in threes")
    xywh = np.zeros((len(rows), 4))
    some = np.flatnonzero(lengths)
    if points is not None and len(some):
        starts = points.offsets[:-1][some]
        low = np.minimum.reduceat(points.values[:, :2], starts)
        xywh[some] = np.hstack([low, np.maximum.reduceat(points.values[:, :2], starts) - low])
        for i in np.flatnonzero(~np.isfinite(xywh).all(axis=1)).tolist():
            rows.reject(i, "keypoints", "lie further apart than a number can say")
    return xywh, box_areas(xywh)


_CHUNK = 10_000
_PLACES = {"bbox": _by_box, "none": _by_box, "segmentation": _by_mask, "keypoints": _by_keypoints}


def _reference_sizes(image_ids: NDArray[Any], options: ReadOptions) -> NDArray[np.float64]:
    known = options.reference_images
    if known is None or not len(known):
        return np.full((len(image_ids), 2), np.nan)
    at = positions(image_ids, known.ids)
    return np.where(at[:, None] >= 0, known.sizes[at], np.nan)


def _images(
    rows: Rows, ids: NDArray[Any], whole: dict[str, Any], options: ReadOptions, findings: list[Finding]
) -> tuple[Images, NDArray[np.int64]]:
    stated = whole.get("images")
    if isinstance(stated, list) and stated:
        own = image_columns(stated, rows.file, options.with_extra, findings)
        return Images(own.ids, tuple(own.file_names), own.sizes, extra=own.extra), positions(ids, own.ids)
    distinct, index = _distinct(ids, rows.keep(), first_seen)
    return Images(distinct, ("",) * len(distinct), np.full((len(distinct), 2), np.nan)), index


def _categories(
    rows: Rows, ids: NDArray[Any], whole: dict[str, Any], options: ReadOptions, findings: list[Finding]
) -> tuple[Categories, NDArray[np.int64]]:
    stated = whole.get("categories")
    if isinstance(stated, list) and stated:
        own = category_columns(stated, rows.file, options.with_extra, findings)
        names, above = tuple(own.names), tuple(own.supercategories)
        return Categories(own.ids, names, above, has_names=own.has_names, extra=own.extra), positions(ids, own.ids)
    distinct, index = _distinct(ids, rows.keep(), distinct_of)
    return Categories(distinct, tuple(map(str, distinct.tolist())), has_names=False), index


def _distinct(ids: NDArray[Any], keep: NDArray[np.bool_], find: Distinct) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct ids of the usable rows, in the order they are found in, and each row's position, -1 where unusable."""
    if keep.all():
        return find(ids)
    index = np.full(len(ids), -1, np.int64)
    distinct, index[keep] = find(ids[keep])
    return distinct, index


def _known(
    rows: Rows,
    index: NDArray[np.int64],
    ids: NDArray[Any],
    keep: NDArray[np.bool_],
    what: str,
    findings: list[Finding],
) -> NDArray[np.bool_]:
    code = {"image": "DK104", "category": "DK105"}[what]
    for i in np.flatnonzero(keep & (index < 0)).tolist():
        message = f"{rows.place(i, f'{what}_id')}: found {ids[i]!r}, which is no {what} of this file"
        findings.append(Finding(code, message, file=rows.file, annotation=i))
    return np.asarray(index >= 0)


def _outlines(rows: Rows, kept: NDArray[np.int64], options: ReadOptions) -> tuple[Shapes | None, Ragged | None]:
    if not options.with_shapes:
        return None, None

    used = np.zeros(len(rows), np.bool_)
    used[kept] = True

    def report(name: str) -> Any:
        def note(row: int, reason: str) -> None:
            if used[row]:
                rows.note("DK109", f"{rows.place(row, name)}: {reason}; left out, the box is kept", row=row)

        return note

    shapes, keypoints = rows.shapes(report("segmentation")), rows.keypoints(report("keypoints"))
    shapes = None if shapes is None else shapes.take(kept)
    keypoints = None if keypoints is None else keypoints.take(kept)
    # What only rows left out had is nothing.
    return (
        shapes if shapes is not None and shapes.kind.any() else None,
        keypoints if keypoints is not None and len(keypoints.values) else None,
    )


def _extra(rows: Rows, kept: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    extra = {}
    for position, row in enumerate(kept.tolist()):
        item = rows.items[row]
        if not item.keys() <= _KNOWN:
            extra[position] = {k: v for k, v in item.items() if k not in _KNOWN}
    return extra
