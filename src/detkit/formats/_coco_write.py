"""Tables to COCO JSON: the same values come back, in the same order, and memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._json_text import encode
from detkit.tables import Annotations, Dataset, Detections, Images, Ragged, Shapes

__all__ = ["detection_records", "write_list", "write_object"]

_CHUNK = 20_000
_ROW_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str"}


def write_object(
    dataset: Dataset, image_positions: NDArray[np.int64], category_ids: Sequence[Any], shapes: str, target: Path
) -> None:
    """Write one COCO object with these images and their annotations.

    Parameters
    ----------
    dataset : Dataset
    image_positions : (M,) int64
    category_ids : sequence of K
        The id of each category.
    shapes : {"keep", "box", "drop"}
    target : Path
    """
    table = dataset.annotations
    chosen = np.zeros(len(dataset.images), np.bool_)
    chosen[image_positions] = True
    rows = np.flatnonzero(chosen[table.image_index])
    rows = rows[np.argsort(table.source_row[rows], kind="stable")]
    head = {str(k): v for k, v in dataset.info.items() if k not in ("images", "annotations", "categories", "detkit")}
    mark = _mark(table, shapes)
    if mark:
        head["detkit"] = mark
    with target.open("wb") as handle:
        handle.write(b"{")
        for name, value in head.items():
            handle.write(encode(name) + b":" + encode(value) + b",\n")
        handle.write(b'"images":')
        _write_records(handle.write, _image_records(dataset.images, image_positions))
        handle.write(b',\n"categories":')
        _write_records(handle.write, _category_records(dataset, category_ids))
        handle.write(b',\n"annotations":')
        _write_records(handle.write, _annotation_records(dataset, rows, category_ids, shapes == "keep"))
        handle.write(b"}\n")


def write_list(records: Iterable[dict[str, Any]], target: Path) -> None:
    """Write records as one JSON list."""
    with target.open("wb") as handle:
        _write_records(handle.write, records)
        handle.write(b"\n")


def _write_records(write: Callable[[bytes], Any], records: Iterable[Any]) -> None:
    write(b"[")
    lead, rest = b"\n", iter(records)
    while chunk := list(islice(rest, _CHUNK)):
        write(lead + encode(chunk)[1:-1])
        lead = b",\n"
    write(b"]")


def _image_records(images: Images, index: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    ids = images.ids.tolist()
    for i in index.tolist():
        record: dict[str, Any] = dict(images.extra.get(i, ()))
        record["id"] = ids[i]
        if images.file_names[i]:
            record["file_name"] = images.file_names[i]
        for name, length in zip(("width", "height"), images.sizes[i].tolist(), strict=True):
            if length == length:
                record[name] = _number(length)
        yield record


def _category_records(dataset: Dataset, ids: Sequence[Any]) -> Iterator[dict[str, Any]]:
    categories = dataset.categories
    for i, name in enumerate(categories.names):
        record = {**categories.extra.get(i, {}), "id": ids[i], "name": name}
        if categories.supercategories[i] is not None:
            record["supercategory"] = categories.supercategories[i]
        yield record


def _annotation_records(
    dataset: Dataset, rows: NDArray[np.int64], category_ids: Sequence[Any], with_shapes: bool
) -> Iterator[Any]:
    table = dataset.annotations
    image_ids = dataset.images.ids.tolist()
    is_plain = _plain_rows(table, with_shapes)
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        if is_plain[some].all():
            yield from _plain_records(table, some, image_ids, category_ids)
            continue
        part = zip(
            some.tolist(),
            table.ids[some].tolist(),
            table.image_index[some].tolist(),
            table.category_index[some].tolist(),
            _numbers(table.xywh[some].tolist()),
            table.area[some].tolist(),
            table.is_crowd[some].tolist(),
            strict=True,
        )
        for row, key, image, category, box, area, crowd in part:
            record: dict[str, Any] = dict(table.extra.get(row, ()))
            record.update(id=key, image_id=image_ids[image], category_id=category_ids[category], bbox=box)
            if area == area:
                record["area"] = _number(area)
            record["iscrowd"] = int(crowd)
            _add_columns(record, table, row, with_shapes)
            yield record


def _plain_rows(table: Annotations, with_shapes: bool) -> NDArray[np.bool_]:
    """(N,) bool: rows with a box, an area, flags and attributes, and nothing else to write."""
    plain = ~np.isnan(table.area)
    if any(values.dtype.kind == "f" and values.dtype != np.float64 for values in table.attributes.values()):
        plain &= False
    if with_shapes and table.shapes is not None:
        plain &= table.shapes.kind == Shapes.NONE
    if with_shapes and table.is_oriented is not None:
        plain &= ~table.is_oriented
    if table.keypoints is not None:
        plain &= table.keypoints.lengths() == 0
    if table.num_keypoints is not None:
        plain &= table.num_keypoints < 0
    plain[list(table.extra)] = False
    return plain


def _plain_records(
    table: Annotations, rows: NDArray[np.int64], image_ids: Sequence[Any], category_ids: Sequence[Any]
) -> Iterator[Any]:
    """The records of plain rows, without a mapping a row for all of their fields."""
    return map(
        _plain_type(),
        table.ids[rows].tolist(),
        map(image_ids.__getitem__, table.image_index[rows].tolist()),
        map(category_ids.__getitem__, table.category_index[rows].tolist()),
        _short(table.xywh[rows]).tolist(),
        _short(table.area[rows]).tolist(),
        table.is_crowd[rows].astype(np.int64).tolist(),
        table.is_ignored[rows].astype(np.int64).tolist(),
        _attributes(table, rows),
    )


def _attributes(table: Annotations, rows: NDArray[np.int64]) -> Iterator[dict[str, Any] | None]:
    """The attributes that each row states, None for a row that states none."""
    if not table.attributes:
        return repeat(None, len(rows))
    held: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    for name, values in table.attributes.items():
        for record, value in zip(held, values[rows].tolist(), strict=True):
            if _stated(value):
                record[name] = value
    return (record or None for record in held)


@cache
def _plain_type() -> Callable[..., Any]:
    """The type of a plain record: its fields in order; `ignore` and `attributes` are written where they are set."""
    import msgspec

    names = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    fields: list[Any] = [*names, ("ignore", int, 0), ("attributes", Any, None)]
    return msgspec.defstruct("Annotation", fields, omit_defaults=True, gc=False)


def _short(values: NDArray[np.float64]) -> NDArray[Any]:
    """The same numbers, whole ones as integers where there are any, see `_number`."""
    whole = (values == np.rint(values)) & (np.abs(values) < 2**53)
    if not whole.any():
        return values
    mixed = values.astype(object)
    mixed[whole] = values[whole].astype(np.int64)
    return mixed


def _add_columns(record: dict[str, Any], table: Annotations, row: int, with_shapes: bool) -> None:
    _add_outline(record, table.shapes if with_shapes else None, table.keypoints, row)
    if table.num_keypoints is not None and table.num_keypoints[row] >= 0:
        record["num_keypoints"] = int(table.num_keypoints[row])
    if table.is_ignored[row]:
        record["ignore"] = 1
    if with_shapes and table.is_oriented is not None and table.is_oriented[row]:
        record["is_oriented"] = True
    held = {name: value for name in table.attributes if _stated(value := table.attributes[name][row])}
    if held:
        own = record.get("attributes")
        record["attributes"] = {**(own if isinstance(own, Mapping) else {}), **held}


def _add_outline(record: dict[str, Any], shapes: Shapes | None, keypoints: Ragged | None, row: int) -> None:
    if shapes is not None and shapes.kind[row] == Shapes.POLYGONS:
        rings = shapes.polygons(row)
        record["segmentation"] = [[_number(c) for c in ring.reshape(-1).tolist()] for ring in rings]
    elif shapes is not None and shapes.kind[row] == Shapes.RLE:
        mask = dict(shapes.rle[row])
        if isinstance(mask["counts"], bytes):
            mask["counts"] = mask["counts"].decode("ascii")
        record["segmentation"] = mask
    if keypoints is not None and keypoints.offsets[row + 1] > keypoints.offsets[row]:
        record["keypoints"] = [_number(c) for c in keypoints[row].reshape(-1).tolist()]


def detection_records(
    detections: Detections, image_ids: Sequence[Any], category_ids: Sequence[Any], with_shapes: bool
) -> Iterator[dict[str, Any]]:
    """Results records in the source's order.

    Parameters
    ----------
    detections : Detections
    image_ids, category_ids : sequences of I and K
        The ids to write.
    with_shapes : bool

    Yields
    ------
    dict
    """
    rows = np.argsort(detections.source_row, kind="stable")
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        part = zip(
            some.tolist(),
            detections.image_index[some].tolist(),
            detections.category_index[some].tolist(),
            _numbers(detections.xywh[some].tolist()),
            detections.score[some].tolist(),
            strict=True,
        )
        for row, image, category, box, score in part:
            record: dict[str, Any] = {"image_id": image_ids[image], "category_id": category_ids[category]}
            if detections.has_boxes:
                record["bbox"] = box
            record["score"] = score
            _add_outline(record, detections.shapes if with_shapes else None, detections.keypoints, row)
            yield {**detections.extra.get(row, {}), **record}


def _mark(table: Annotations, shapes: str) -> dict[str, Any]:
    """What a reader has to know to restore columns that COCO has no field for."""
    from detkit._version import __version__

    mark: dict[str, Any] = {}
    if table.attributes:
        mark["attributes"] = {n: _ROW_KINDS.get(v.dtype.kind, "object") for n, v in table.attributes.items()}
    if table.is_ignored.any():
        mark["ignored"] = True
    if table.is_oriented is not None and shapes == "keep":
        mark["oriented"] = True
    return {"version": __version__, **mark} if mark else {}


def _stated(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and value != value) and value != ""


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _numbers(rows: list[list[float]]) -> Iterator[list[int | float]]:
    return ([int(v) if v.is_integer() and abs(v) < 2**53 else v for v in row] for row in rows)
