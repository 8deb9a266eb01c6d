"""Arithmetic of inclusive pixel corners, free of the rounding noise of binary fractions."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FARTHEST", "corner_texts", "corner_values", "difference", "exact_box", "number_text", "parse_exact"]

#: Coordinates and sizes beyond this are damage; sums and products of two that are not are finite.
FARTHEST = 1e100
_EXACT = Context(prec=60)
_DECIMALS = 9


def difference(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """`a - b`, exact where both have at most 9 decimals.

    Parameters
    ----------
    a, b : array_like of float

    Returns
    -------
    float64 array
        `1.1 - 1` is `0.1` here, not `0.10000000000000009`; values with more decimals are subtracted as floats.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    out = np.asarray(a - b, np.float64)
    if np.array_equal(out, np.rint(out)):
        return out
    short = (np.round(a, _DECIMALS) == a) & (np.round(b, _DECIMALS) == b)
    return np.where(short, np.round(out, _DECIMALS), out)


def parse_exact(text: str) -> int | Decimal | None:
    """A number as written, or None where the text is none or not finite."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if "_" not in text and value.is_finite() and abs(float(value)) < float("inf") else None


def exact_box(
    xmin: int | Decimal, ymin: int | Decimal, xmax: int | Decimal, ymax: int | Decimal, voc_offset: int
) -> tuple[float, float, float, float]:
    """The xywh of inclusive corners, subtracted in decimal: `[xmin - offset, ymin - offset, xmax, ymax]` as edges."""
    if type(xmin) is int and type(ymin) is int and type(xmax) is int and type(ymax) is int:
        left, top = xmin - voc_offset, ymin - voc_offset
        return float(left), float(top), float(xmax - left), float(ymax - top)
    x1, y1, x2, y2 = map(Decimal, (xmin, ymin, xmax, ymax))
    one = Decimal(voc_offset)
    left_exact, top_exact = _EXACT.subtract(x1, one), _EXACT.subtract(y1, one)
    return (
        float(left_exact),
        float(top_exact),
        float(_EXACT.subtract(x2, left_exact)),
        float(_EXACT.subtract(y2, top_exact)),
    )


def corner_texts(xywh: NDArray[np.float64], voc_offset: int) -> list[tuple[str, str, str, str]]:
    """Texts of xmin, ymin, xmax, ymax of each box, which `exact_box` turns back into the same floats.

    Parameters
    ----------
    xywh : (N, 4) float64
        Pixels.
    voc_offset : {0, 1}

    Returns
    -------
    list of 4-tuples of str
        Integers where they are integers within 1e-9.
    """
    values, is_plain, is_whole = _corner_values(xywh, voc_offset)
    texts: list[tuple[str, str, str, str]] = [("", "", "", "")] * len(xywh)
    for i, (a, b, c, d) in zip(
        np.flatnonzero(is_whole).tolist(), values[is_whole].astype(np.int64).tolist(), strict=True
    ):
        texts[i] = str(a), str(b), str(c), str(d)
    short = is_plain & ~is_whole
    for i, row in zip(np.flatnonzero(short).tolist(), values[short].tolist(), strict=True):
        a, b, c, d = map(number_text, row)
        texts[i] = a, b, c, d
    for i in np.flatnonzero(~is_plain).tolist():
        texts[i] = _exact_texts(xywh[i].tolist(), voc_offset)
    return texts


def corner_values(xywh: NDArray[np.float64], voc_offset: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Corners as the numbers whose shortest texts `corner_texts` gives, where there are such.

    Parameters
    ----------
    xywh : (N, 4) float64
        Pixels.
    voc_offset : {0, 1}

    Returns
    -------
    values : (N, 4) float64
        xmin, ymin, xmax, ymax: whole and below 2**53, or below a million with at most nine decimals.
    is_plain : (N,) bool
        False where only decimal arithmetic gives the texts; the values mean nothing there.
    """
    return _corner_values(xywh, voc_offset)[:2]


def _corner_values(
    xywh: NDArray[np.float64], voc_offset: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """What `corner_values` gives, and (N,) bool: corners that are all whole."""
    edges = np.hstack([xywh[:, :2] + voc_offset, xywh[:, :2] + xywh[:, 2:]])
    whole = np.rint(edges)
    near = np.abs(edges - whole) <= 1e-9
    is_whole = np.asarray((near & (np.abs(edges) < 2**53)).all(axis=1), np.bool_)
    short = ~is_whole & _are_short(xywh, edges, whole)
    whole[short] = np.round(edges[short], _DECIMALS)
    return whole, is_whole | short, is_whole


def _are_short(xywh: NDArray[np.float64], edges: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) bool: boxes with at most 9 decimals and 15 digits, whose edges are exact once they are rounded."""
    tiny = (np.abs(edges) < 1e-3) & (edges != 0)
    distance = np.abs(edges - whole)
    # Within a unit of the last decimal of a whole number the exact path decides.
    doubtful = ((distance > 0) & (distance < 3e-9)) | tiny | (np.abs(edges) >= 1e6)
    short = (np.round(xywh, _DECIMALS) == xywh) & (np.abs(xywh) < 1e6)
    return np.asarray(short.all(axis=1) & ~doubtful.any(axis=1), np.bool_)


def _exact_texts(xywh: list[float], voc_offset: int) -> tuple[str, str, str, str]:
    x, y, w, h = (Decimal(repr(v)) for v in xywh)
    one = Decimal(voc_offset)
    return (
        _plain(_EXACT.add(x, one)),
        _plain(_EXACT.add(y, one)),
        _plain(_EXACT.add(x, w)),
        _plain(_EXACT.add(y, h)),
    )


def _plain(value: Decimal) -> str:
    nearest = value.to_integral_value()
    if abs(value - nearest) <= Decimal("1e-9"):
        return format(nearest, "f")
    return format(value.normalize(_EXACT), "f")


def number_text(value: float) -> str:
    """Shortest text that reads back as the same float; integers without a fraction."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
