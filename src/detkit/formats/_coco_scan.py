"""The quick way through large files: bytes to columns without a record in between.

Only the plain shape goes this way; anything else gives None and is read, or refused, by the library reader, with the
same columns wherever both can read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._coco_bytes import LARGE
from detkit.formats._coco_json import truth_decoder
from detkit.formats._coco_rows import Rows

if TYPE_CHECKING:
    from detkit.kernels.json_rows import Columns, Layout

__all__ = ["ScannedRows", "ScannedTruth", "scan_results", "scan_truth"]

#: Smaller texts are decoded by the library sooner than the kernel is loaded.
_WORTHWHILE = LARGE
_BOM = b"\xef\xbb\xbf"
_ANNOTATIONS = re.compile(rb'"annotations"[ \t\r\n]*:[ \t\r\n]*\[')
_LIST = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[")
_END = re.compile(rb"[ \t\r\n]*\Z")
#: Stands for the annotations that were scanned, where the rest of the file is decoded by the library.
_STAND_IN = "annotations scanned by detkit"


class ScannedRows(Rows):
    """Rows whose columns are arrays already and all usable."""

    def __init__(self, columns: Columns, layout: Layout, section: str, file: str) -> None:
        super().__init__((), section, file)
        self._columns, self._layout = columns, layout

    def __len__(self) -> int:
        return len(self._columns.stated)

    def ids(self, name: str, *, required: bool = True) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A column of whole numbers, and whether each is stated."""
        return self._columns.ids[self._layout.ids.index(name)], self._stated(name)

    def numbers(self, name: str, *, required: bool = False) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A column of finite numbers (NaN where missing), and whether each is stated."""
        return self._columns.numbers[self._layout.numbers.index(name)], self._stated(name)

    def boxes(self, name: str = "bbox") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The boxes, all of them stated."""
        return self._columns.boxes, self._stated(name)

    def flags(self, name: str) -> NDArray[np.bool_]:
        """(N,) bool, whether the flag is 1."""
        if name not in self._layout.flags:
            return np.zeros(len(self), np.bool_)
        return np.asarray(self._columns.flags[self._layout.flags.index(name)], dtype=np.bool_)

    def truths(self, name: str) -> NDArray[np.bool_]:
        """As `flags`: there are no other values."""
        return self.flags(name)

    def holds(self, name: str) -> bool:
        """Whether any record states the field."""
        return bool(self._stated(name).any())

    def values(self, name: str) -> list[Any]:
        """The flag of every record, None where it is missing."""
        pairs = zip(self.flags(name).tolist(), self._stated(name).tolist(), strict=True)
        return [int(flag) if stated else None for flag, stated in pairs]

    def _stated(self, name: str) -> NDArray[np.bool_]:
        keys = self._layout.keys()
        bit = 1 << keys.index(name) if name in keys else 0
        return np.asarray((self._columns.stated & np.uint16(bit)) != 0)


@dataclass(frozen=True)
class ScannedTruth:
    """Annotations as columns, and the typed record of the file with all but these."""

    rows: ScannedRows
    rest: Any


def scan_results(text: Any, file: str, jobs: int) -> ScannedRows | None:
    """The rows of a large and plain results list, None where the library reader is to be asked.

    Parameters
    ----------
    text : bytes or mmap
    file : str
    jobs : int
    """
    start = _LIST.match(text) if len(text) >= _WORTHWHILE else None
    if start is None:
        return None
    from detkit.kernels.json_rows import Layout, scan_rows

    ids, numbers = ("image_id", "category_id"), ("score",)
    layout = Layout(ids, numbers, required=frozenset((*ids, *numbers)))
    columns = scan_rows(text, start.end() - 1, layout, jobs)
    if columns is None or not _END.match(text, columns.end):
        return None
    return ScannedRows(columns, layout, "", file)


def scan_truth(text: Any, file: str, jobs: int) -> ScannedTruth | None:
    """The annotations of a large COCO object, where they are plain, and the rest of it; None as in `scan_results`.

    The place of the annotations is a guess until the library has read the file with a stand-in there: only where it
    finds this as the annotations were they the top-level ones, and the last of that name.
    """
    import msgspec

    start = _ANNOTATIONS.search(text) if len(text) >= _WORTHWHILE else None
    if start is None:
        return None
    from detkit.kernels.json_rows import Layout, scan_rows

    required = ("image_id", "category_id")
    refused = ("is_group_of", "is_oriented")
    layout = Layout(("id", *required), ("area",), ("iscrowd", "ignore"), frozenset(required), refused)
    columns = scan_rows(text, start.end() - 1, layout, jobs)
    if columns is None:
        return None
    stand_in = msgspec.json.encode([{"id": _STAND_IN}])
    rest = (text[: start.end() - 1] + stand_in + text[columns.end :]).removeprefix(_BOM)
    try:
        rest.decode("utf-8")
        found = truth_decoder(False).decode(rest)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if [record.id for record in found.annotations or ()] != [_STAND_IN]:
        return None
    return ScannedTruth(ScannedRows(columns, layout, "annotations", file), found)
