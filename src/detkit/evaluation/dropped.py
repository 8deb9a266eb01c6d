"""Truths that a protocol does not read at all: neither objects nor regions to ignore."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detkit.columns import repeats
from detkit.evaluation.protocols import Protocol
from detkit.findings import Finding
from detkit.tables import Annotations, Dataset
from detkit.wording import plural

__all__ = ["drop_truths", "dropped_findings"]

_WORDS = {"ignored": "crowds or difficult", "empty": "without width or height", "duplicates": "repeated"}


def drop_truths(truth: Dataset, protocol: Protocol) -> Dataset:
    """The truth without the rows that `Protocol.drop_truths` names; the same one where there are none.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    Dataset
    """
    dropped = np.zeros(len(truth.annotations), np.bool_)
    for rows in _by_reason(truth.annotations, protocol).values():
        dropped |= rows
    return truth.take_rows(np.flatnonzero(~dropped)) if dropped.any() else truth


def dropped_findings(truth: Dataset, protocol: Protocol) -> list[Finding]:
    """A finding `DK707` that counts what `drop_truths` leaves out, by reason.

    Parameters
    ----------
    truth : Dataset
        Before anything was dropped.
    protocol : Protocol

    Returns
    -------
    list of Finding
    """
    counts = {reason: int(np.count_nonzero(rows)) for reason, rows in _by_reason(truth.annotations, protocol).items()}
    told = ", ".join(f"{count} {_WORDS[reason]}" for reason, count in counts.items() if count)
    if not told:
        return []
    total = sum(counts.values())
    return [Finding("DK707", f"{plural(total, 'truth')} not read by protocol `{protocol.name}`: {told}", count=total)]


def _by_reason(rows: Annotations, protocol: Protocol) -> dict[str, NDArray[np.bool_]]:
    """(N,) bool by reason: each row under the first one that fits."""
    found: dict[str, NDArray[np.bool_]] = {}
    rest = np.ones(len(rows), np.bool_)
    for reason in protocol.drop_truths:
        if reason == "ignored":
            fits = rest & (rows.is_crowd | rows.is_ignored)
        elif reason == "empty":
            fits = rest & ~(rows.xywh[:, 2:] > 0).all(axis=1)
        else:
            fits = _repeated(rows, rest)
        found[reason] = fits
        rest = rest & ~fits
    return found


def _repeated(rows: Annotations, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) bool: rows that repeat image, class and box of an earlier one of those looked at."""
    places = np.flatnonzero(among)
    again = among.copy()
    again[places] = repeats(rows.image_index[places], rows.category_index[places], rows.xywh[places])
    return again
