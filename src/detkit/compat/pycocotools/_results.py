"""Results as `loadRes` takes them: prepared record by record, or kept as columns until somebody asks for records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detkit.compat.pycocotools import mask
from detkit.garbage import gc_paused

__all__ = ["Unread", "decode_json", "prepare_records", "scan_array", "scan_file"]

Record = dict[str, Any]

#: Shorter lists are decoded sooner than the kernel that scans them is loaded.
_WORTHWHILE = 4 << 20
_LIST = re.compile(rb"[ \t\r\n]*\[")


@dataclass(frozen=True, eq=False)
class Unread:
    """Box results as columns in file order, and what records are made of should somebody want them.

    Parameters
    ----------
    image_ids, category_ids : (N,) int64
    xywh : (N, 4) float64
    score : (N,) float64
    source : bytes or (N, 7) float64
        The text of the file, or the array that was given.
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    source: bytes | NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)

    def records(self) -> list[Record]:
        """The records, as if they had been read and prepared at once."""
        with gc_paused():
            if isinstance(self.source, bytes):
                records: list[Record] = decode_json(self.source)
            else:
                records = [
                    {"image_id": int(row[0]), "bbox": list(row[1:5]), "score": row[5], "category_id": int(row[6])}
                    for row in self.source
                ]
            _prepare_boxes(records)
        return records


def scan_file(data: bytes) -> Unread | None:
    """Columns of a large and plain list of box results; None where the records have to be read one by one."""
    opening = _LIST.match(data)
    if len(data) < _WORTHWHILE or opening is None:
        return None
    from detkit.kernels.json_rows import Layout, scan_rows

    ids, numbers = ("image_id", "category_id"), ("score",)
    layout = Layout(ids, numbers, required=frozenset((*ids, *numbers)), refused=("caption",))
    columns = scan_rows(data, opening.end() - 1, layout)
    if columns is None or data[columns.end :].strip(b" \t\r\n"):
        return None
    return Unread(columns.ids[0], columns.ids[1], columns.boxes, columns.numbers[0], data)


def scan_array(data: NDArray[Any]) -> Unread | None:
    """Columns of an array of rows image, x, y, width, height, score, class; None where it is no plain one."""
    if data.dtype != np.float64 or data.ndim != 2 or data.shape[1] != 7 or not len(data):
        return None
    if not np.isfinite(data).all() or (np.abs(data[:, [0, 6]]) >= 2**53).any():
        return None
    data = data.copy()
    images, classes = data[:, 0].astype(np.int64), data[:, 6].astype(np.int64)
    return Unread(images, classes, data[:, 1:5].copy(), data[:, 5].copy(), data)


def decode_json(data: bytes) -> Any:
    """A JSON document; what the quick decoder does not take, NaN among it, the standard library reads or refuses."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(data)


def prepare_records(records: list[Record]) -> bool:
    """Give results the fields of annotations, in place; whether the results have classes (captions have none).

    The first record tells what all of them are: captions, boxes, masks or keypoints.

    Parameters
    ----------
    records : list of dict

    Returns
    -------
    bool

    Raises
    ------
    KeyError, IndexError, TypeError
        Records are not what the first one is; `IndexError` if there is none.
    """
    if not records:
        raise IndexError("list index out of range: there are no results")
    first = records[0]
    if "caption" in first:
        for number, record in enumerate(records, 1):
            record["id"] = number
        return False
    if "bbox" in first and not first["bbox"] == []:  # noqa: SIM201  # an array is no empty list
        _prepare_boxes(records)
    elif "segmentation" in first:
        _prepare_masks(records)
    elif "keypoints" in first:
        _prepare_keypoints(records)
    else:
        return False
    return True


def _prepare_boxes(records: list[Record]) -> None:
    for number, record in enumerate(records, 1):
        box = record["bbox"]
        x, y, width, height = box[0], box[1], box[2], box[3]
        right, bottom = x + width, y + height
        if "segmentation" not in record:
            record["segmentation"] = [[x, y, x, bottom, right, bottom, right, y]]
        record["area"] = width * height
        record["id"] = number
        record["iscrowd"] = 0


def _prepare_masks(records: list[Record]) -> None:
    for number, record in enumerate(records, 1):
        record["area"] = mask.area(record["segmentation"])
        if "bbox" not in record:
            record["bbox"] = mask.toBbox(record["segmentation"])
        record["id"] = number
        record["iscrowd"] = 0


def _prepare_keypoints(records: list[Record]) -> None:
    for number, record in enumerate(records, 1):
        points = record["keypoints"]
        x, y = points[0::3], points[1::3]
        left, right, top, bottom = np.min(x), np.max(x), np.min(y), np.max(y)
        record["area"] = (right - left) * (bottom - top)
        record["id"] = number
        record["bbox"] = [left, top, right - left, bottom - top]
