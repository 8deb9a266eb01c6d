"""The quick way through large files: bytes to columns without a record in between.

Only the plain shape goes this way; anything else gives None and is read, or refused, by the library reader, with the
same columns wherever both can read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._coco_json import truth_decoder
from detkit.formats._coco_rows import Rows
from detkit.formats._json_bytes import LARGE
from detkit.tables import Ragged, Shapes

if TYPE_CHECKING:
    from detkit.formats._coco_outlines import Outlines
    from detkit.kernels.json_rows import Columns, Layout
    from detkit.kernels.rle import Measured

__all__ = ["ScannedRows", "ScannedTruth", "scan_results", "scan_truth"]

#: Smaller texts are decoded by the library sooner than the kernel is loaded.
_WORTHWHILE = LARGE
_BOM = b"\xef\xbb\xbf"
_ANNOTATIONS = re.compile(rb'"annotations"[ \t\r\n]*:[ \t\r\n]*\[')
_LIST = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[")
_END = re.compile(rb"[ \t\r\n]*\Z")
_SPANS = ("segmentation", "keypoints")
#: Stands for the annotations that were scanned, where the rest of the file is decoded by the library.
_STAND_IN = "annotations scanned by detkit"


class ScannedRows(Rows):
    """Rows whose columns are arrays already and all usable."""

    def __init__(
        self, columns: Columns, layout: Layout, section: str, file: str, outlines: Outlines | None = None
    ) -> None:
        super().__init__((), section, file)
        self._columns, self._layout, self._outlines = columns, layout, outlines

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

    def may_say_more(self) -> bool:
        """Whether records may hold something that no column has."""
        return not self._layout.is_closed

    def holds(self, name: str) -> bool:
        """Whether any record states the field."""
        return bool(self._stated(name).any())

    def values(self, name: str) -> list[Any]:
        """The flag of every record, None where it is missing."""
        pairs = zip(self.flags(name).tolist(), self._stated(name).tolist(), strict=True)
        return [int(flag) if stated else None for flag, stated in pairs]

    def counts(self, name: str) -> NDArray[np.int64]:
        """A column of numbers of something, -1 where the record states none."""
        values, stated = self.ids(name)
        return np.asarray(np.where(stated & (values >= 0) & (values < 2**31), values, -1))

    def stated_by(self) -> str:
        """What the first record states its place by, `none` where by nothing."""
        if self._stated("bbox")[0]:
            return "bbox"
        return "none" if self._outlines is None else self._outlines.first

    def shapes(self, report: Callable[[int, str], None]) -> Shapes | None:
        """The outlines, all of them usable."""
        return None if self._outlines is None else self._outlines.shapes

    def keypoints(self, report: Callable[[int, str], None]) -> Ragged | None:
        """The keypoints, all of them usable."""
        return None if self._outlines is None else self._outlines.keypoints

    @property
    def measured(self) -> Measured | None:
        """Area and box of the masks, where every row has one."""
        return None if self._outlines is None else self._outlines.measured

    def _stated(self, name: str) -> NDArray[np.bool_]:
        keys = self._layout.keys()
        bit = 1 << keys.index(name) if name in keys else 0
        return np.asarray((self._columns.stated & np.uint16(bit)) != 0)


@dataclass(frozen=True)
class ScannedTruth:
    """Annotations as columns, and the file with all but these: a typed record, or a dictionary of all it says."""

    rows: ScannedRows
    rest: Any


def scan_results(
    text: Any, file: str, jobs: int, *, with_shapes: bool = False, with_extra: bool = False
) -> ScannedRows | None:
    """The rows of a large and plain results list, None where the library reader is to be asked.

    Parameters
    ----------
    text : bytes or mmap
    file : str
    jobs : int
    with_shapes : bool
        Whether masks and keypoints are wanted; boxes then need not be there.
    with_extra : bool
        Whether fields without a column are wanted: only rows that have none are plain then.
    """
    start = _LIST.match(text) if len(text) >= _least(with_shapes) else None
    if start is None:
        return None
    from detkit.kernels.json_rows import Layout, scan_rows

    ids, numbers = ("image_id", "category_id"), ("score",)
    required = frozenset((*ids, *numbers) if with_shapes else (*ids, *numbers, "bbox"))
    spans = _SPANS if with_shapes else ()
    layout = Layout(ids, numbers, required=required, spans=spans, is_closed=with_extra)
    columns = scan_rows(text, start.end() - 1, layout, jobs)
    if columns is None or not _END.match(text, columns.end):
        return None
    return _scanned(text, columns, layout, "", file, jobs)


def scan_truth(
    text: Any, file: str, jobs: int, *, with_shapes: bool = False, with_extra: bool = False
) -> ScannedTruth | None:
    """The annotations of a large COCO object, where they are plain, and the rest of it; None as in `scan_results`.

    The place of the annotations is a guess until the library has read the file with a stand-in there: only where it
    finds this as the annotations were they the top-level ones, and the last of that name.
    """
    import msgspec

    start = _ANNOTATIONS.search(text) if len(text) >= _least(with_shapes) else None
    if start is None:
        return None
    from detkit.kernels.json_rows import Layout, scan_rows

    required = ("image_id", "category_id")
    refused = ("is_group_of", "is_oriented")
    ids, spans = (("id", *required, "num_keypoints"), _SPANS) if with_shapes else (("id", *required), ())
    must = frozenset((*required, "bbox"))
    flags = ("iscrowd",) if with_extra else ("iscrowd", "ignore")
    layout = Layout(ids, ("area",), flags, must, refused, spans=spans, is_closed=with_extra)
    columns = scan_rows(text, start.end() - 1, layout, jobs)
    if columns is None:
        return None
    stand_in = msgspec.json.encode([{"id": _STAND_IN}])
    rest = (text[: start.end() - 1] + stand_in + text[columns.end :]).removeprefix(_BOM)
    try:
        rest.decode("utf-8")
        found = msgspec.json.decode(rest) if with_extra else truth_decoder(False).decode(rest)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if with_extra:
        stood_in = isinstance(found, dict) and found.get("annotations") == [{"id": _STAND_IN}]
    else:
        stood_in = [record.id for record in found.annotations or ()] == [_STAND_IN]
    if not stood_in:
        return None
    rows = _scanned(text, columns, layout, "annotations", file, jobs)
    if rows is None or (with_extra and with_shapes and _has_odd_counts(rows)):
        return None
    return ScannedTruth(rows, found)


def _has_odd_counts(rows: ScannedRows) -> bool:
    """Whether a record states a number of keypoints that is none, which is kept as it stands."""
    _, stated = rows.ids("num_keypoints")
    return bool((rows.counts("num_keypoints")[stated] < 0).any())


def _least(with_shapes: bool) -> int:
    """Size of a text from which on scanning it is worthwhile: outlines are many more values a record."""
    return _WORTHWHILE >> 4 if with_shapes else _WORTHWHILE


def _scanned(text: Any, columns: Columns, layout: Layout, section: str, file: str, jobs: int) -> ScannedRows | None:
    if not layout.spans:
        return ScannedRows(columns, layout, section, file)
    from detkit.formats._coco_outlines import read_outlines

    outlines = read_outlines(text, columns, jobs)
    if outlines is None:
        return None
    rows = ScannedRows(columns, layout, section, file, outlines)
    # A results file of masks is read mask by mask where one of them is written in another way.
    return None if rows.stated_by() == "segmentation" and outlines.measured is None else rows
