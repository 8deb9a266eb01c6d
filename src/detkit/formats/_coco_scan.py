"""The quick way through a large results list: bytes to columns without a record in between.

Only the plain shape goes this way; anything else gives None and is read, or refused, by the library reader, with the
same columns wherever both can read it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._coco_rows import Rows

__all__ = ["ScannedRows", "scan"]

#: Smaller files are decoded by the library sooner than the kernel is loaded.
_WORTHWHILE = 4 << 20


class ScannedRows(Rows):
    """Rows whose columns are arrays already and all usable."""

    def __init__(self, ids: NDArray[np.int64], numbers: NDArray[np.float64], file: str) -> None:
        super().__init__((), "", file)
        self._ids, self._numbers = ids, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def ids(self, name: str, *, required: bool = True) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """`image_id` or `category_id`."""
        return self._ids[("image_id", "category_id").index(name)], np.ones(len(self), np.bool_)

    def numbers(self, name: str, *, required: bool = False) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """`score`."""
        return np.ascontiguousarray(self._numbers[:, 4]), np.ones(len(self), np.bool_)

    def boxes(self, name: str = "bbox") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """`bbox`."""
        return np.ascontiguousarray(self._numbers[:, :4]), np.ones(len(self), np.bool_)


def scan(data: bytes, file: str, jobs: int) -> ScannedRows | None:
    """The rows of a large and plain results list, None where the library reader is to be asked."""
    if len(data) < _WORTHWHILE:
        return None
    from detkit.kernels.json_rows import scan_results

    columns = scan_results(data, jobs)
    return None if columns is None else ScannedRows(*columns, file)
