"""Masks: run-length encodings, polygons, their areas, boxes and overlaps. The only importer of pycocotools.

A compressed mask is pycocotools' `{"size": [height, width], "counts": str | bytes}`. Everything here is silent, and
what pycocotools cannot take is an `InputError`, never a crash inside its C code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.errors import InputError

__all__ = [
    "areas",
    "boxes",
    "decode",
    "overlaps",
    "problem_of",
    "to_rle",
    "to_rles",
    "valid_rles",
]

Rle = Mapping[str, Any]

_CHUNK = 1 << 21
#: The reference takes 80 bytes for each pixel that it walks along.
_LONGEST = 1e7


def to_rle(shape_value: Any, height: int, width: int) -> dict[str, Any]:
    """The compressed mask of a COCO `segmentation`, as `COCO.annToRLE` of pycocotools 2.0.11 makes it.

    Parameters
    ----------
    shape_value : list or mapping
        Flat polygons `[[x, y, x, y, ...], ...]` in pixels (all parts are merged into one mask), an uncompressed mask
        (`counts` a list) or a compressed one, which is returned as it is.
    height, width : int
        Of the image, in pixels; used for polygons only, a mask carries its own size.

    Returns
    -------
    dict
        `{"size": [height, width], "counts": str or bytes}`.

    Raises
    ------
    InputError
        Not a mask: no polygon, an odd number of coordinates, a first polygon of fewer than three points, values that
        are not finite, run lengths that do not add up to height times width.

    Examples
    --------
    >>> areas([to_rle([[0, 0, 4, 0, 4, 3, 0, 3]], 10, 10)]).tolist()
    [12.0]
    """
    problem = problem_of(shape_value) or _problem_for_reference(shape_value)
    if problem is None and _is_compressed(shape_value) and not valid_rles([shape_value])[0]:
        problem = "run lengths that do not add up to height times width"
    if problem is not None:
        raise InputError(f"not a usable mask: {problem}")
    return _encode(shape_value, height, width)


def to_rles(values: Sequence[Any], sizes: ArrayLike) -> list[dict[str, Any]]:
    """Compressed masks of many COCO `segmentation` values; `to_rle` with the checks done for all at once.

    Parameters
    ----------
    values : sequence of N
        As `to_rle` takes them.
    sizes : (N, 2) array_like
        Width and height of each value's image in pixels; used for polygons only.

    Returns
    -------
    list of N dict

    Raises
    ------
    InputError
        As `to_rle`; the place says which value.
    """
    for i, value in enumerate(values):
        problem = problem_of(value) or _problem_for_reference(value)
        if problem is not None:
            raise InputError(f"not a usable mask: {problem}", path="masks", place=f"[{i}]")
    compressed = [i for i, value in enumerate(values) if _is_compressed(value)]
    wrong = np.flatnonzero(~valid_rles([values[i] for i in compressed]))
    if len(wrong):
        place = f"[{compressed[int(wrong[0])]}]"
        message = "not a usable mask: run lengths that do not add up to height times width"
        raise InputError(message, path="masks", place=place)
    pixels = np.nan_to_num(np.asarray(sizes, dtype=np.float64).reshape(-1, 2)).astype(np.int64).tolist()
    return [_encode(value, size[1], size[0]) for value, size in zip(values, pixels, strict=True)]


def areas(rles: Sequence[Rle]) -> NDArray[np.float64]:
    """Pixels set in each mask.

    Parameters
    ----------
    rles : sequence of N compressed masks

    Returns
    -------
    (N,) float64
    """
    # pycocotools 2.0.11 (_mask.pyx, area) puts the number of masks into a uint8: NumPy 2 refuses more than 255.
    parts = [_call("area", rles[i : i + 255]) for i in range(0, len(rles), 255)]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def boxes(rles: Sequence[Rle]) -> NDArray[np.float64]:
    """Bounding box of each mask, x, y, width, height in pixels; zeros for an empty mask.

    Parameters
    ----------
    rles : sequence of N compressed masks

    Returns
    -------
    (N, 4) float64
    """
    return np.asarray(_call("toBbox", rles), dtype=np.float64).reshape(-1, 4) if len(rles) else np.zeros((0, 4))


def overlaps(dt_rles: Sequence[Rle], gt_rles: Sequence[Rle], is_crowd: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of masks; over the detection's own area where the truth is a crowd.

    Parameters
    ----------
    dt_rles, gt_rles : sequences of D and G compressed masks
    is_crowd : (G,) array_like of bool

    Returns
    -------
    (D, G) float64
        As pycocotools' `mask.iou`: -1 for two masks of different size; zeros where one side is empty.
    """
    return _iou(list(dt_rles), list(gt_rles), is_crowd)


def decode(rle: Rle) -> NDArray[np.uint8]:
    """The mask as pixels.

    Parameters
    ----------
    rle : compressed mask

    Returns
    -------
    (height, width) uint8
        1 inside, 0 outside.
    """
    with warnings.catch_warnings():
        # pycocotools' array wrapper predates NumPy 2's `copy` keyword.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(_call("decode", rle), dtype=np.uint8)


def problem_of(value: Any) -> str | None:
    """What keeps a `segmentation` value from being polygons or a mask, or None; compressed runs are not followed.

    Parameters
    ----------
    value : object
        List of flat polygons (an empty list, and empty polygons, are well formed) or a mapping with `size`, `counts`.

    Returns
    -------
    str or None
        Lower-case phrase for a message.
    """
    if isinstance(value, Mapping):
        return _problem_of_rle(value)
    if not isinstance(value, (list, tuple)):
        return f"found {type(value).__name__}, expected a list of polygons or a run-length mask"
    for number, ring in enumerate(value):
        if not isinstance(ring, (list, tuple, np.ndarray)):
            return f"polygon {number} is no list of numbers"
        if len(ring) % 2:
            return f"polygon {number} has {len(ring)} numbers, expected an even count"
        if not _all_numbers(ring):
            return f"polygon {number} has a coordinate that is no finite number"
    return None


def valid_rles(rles: Sequence[Rle]) -> NDArray[np.bool_]:
    """Whether the run lengths of each compressed mask are well formed and add up to height times width.

    Parameters
    ----------
    rles : sequence of N compressed masks
        `size` two whole numbers, `counts` str or bytes (see `problem_of`).

    Returns
    -------
    (N,) bool
    """
    parts = [_valid_chunk(chunk) for chunk in _chunks(rles)]
    return np.concatenate(parts) if parts else np.zeros(0, np.bool_)


def _chunks(rles: Sequence[Rle]) -> Iterator[Sequence[Rle]]:
    start = size = 0
    for i, rle in enumerate(rles):
        size += len(rle["counts"])
        if size > _CHUNK:
            yield rles[start : i + 1]
            start, size = i + 1, 0
    if start < len(rles):
        yield rles[start:]


def _valid_chunk(rles: Sequence[Rle]) -> NDArray[np.bool_]:
    texts = [c.encode("latin-1", "replace") if isinstance(c, str) else bytes(c) for c in (r["counts"] for r in rles)]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    code = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - 48
    owner = np.repeat(np.arange(len(texts)), lengths)
    ends_run = (code & 32) == 0
    valid = np.bincount(owner[(code < 0) | (code > 63)], minlength=len(texts)) == 0
    last = np.cumsum(lengths)[lengths > 0] - 1
    valid[owner[last]] &= ends_run[last]
    # A run may not reach over from one mask into the next, whatever its last byte says.
    ends_run[last] = True
    stop = np.flatnonzero(ends_run)
    start = np.concatenate([[0], stop[:-1] + 1]) if len(stop) else stop
    digit = np.arange(len(code)) - np.repeat(start, stop - start + 1)
    valid[owner[digit > 11]] = False
    runs = np.add.reduceat((code & 31) << (5 * np.minimum(digit, 11)), start) if len(start) else start
    runs = np.where(code[stop] & 16, runs - (np.int64(1) << (5 * np.minimum(digit[stop], 11) + 5)), runs)
    totals = np.zeros(len(texts), np.int64)
    for lengths_of_runs, owners in _undo_deltas(runs, owner[stop], len(texts)):
        valid[owners[lengths_of_runs < 0]] = False
        np.add.at(totals, owners, lengths_of_runs)
    pixels = np.array([int(r["size"][0]) * int(r["size"][1]) for r in rles], dtype=np.float64)
    return np.asarray(valid & (totals == pixels))


def _undo_deltas(
    runs: NDArray[np.int64], owner: NDArray[np.int64], masks: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Run lengths from the third on are stored as differences to the run before the previous one."""
    counts = np.bincount(owner, minlength=masks)
    position = np.arange(len(runs)) - np.repeat(np.cumsum(counts) - counts, counts)
    yield runs[position == 0], owner[position == 0]
    for chain in ((position > 0) & (position % 2 == 1), (position > 0) & (position % 2 == 0)):
        values, owners = runs[chain], owner[chain]
        total = np.cumsum(values)
        first = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]])) if len(owners) else owners
        repeats = np.diff(np.concatenate([first, [len(owners)]])) if len(owners) else owners
        yield total - np.repeat(total[first] - values[first], repeats), owners


def _problem_of_rle(value: Mapping[str, Any]) -> str | None:
    size, counts = value.get("size"), value.get("counts")
    if not (isinstance(size, (list, tuple)) and len(size) == 2 and all(_is_count(s) for s in size)):
        return f"`size` is {size!r}, expected [height, width]"
    if isinstance(counts, (str, bytes)):
        return None
    if not isinstance(counts, (list, tuple)) or not _are_counts(counts):
        return "`counts` is neither a string nor a list of run lengths"
    if sum(counts) != size[0] * size[1]:
        return f"run lengths add up to {sum(counts)}, expected height times width, {size[0] * size[1]}"
    return None


def _problem_for_reference(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return None
    if not len(value):
        return "no polygon"
    points = len(value[0]) // 2
    # pycocotools looks at the first polygon only to tell polygons from boxes.
    if points < 3:
        return f"the first polygon has {points} points, expected at least 3"
    longest = max(_length(ring) for ring in value)
    return f"an outline of {longest:.3g} pixels, expected at most {_LONGEST:g}" if longest > _LONGEST else None


def _length(ring: Sequence[float]) -> float:
    """Pixels that a ring is walked along."""
    points = np.asarray(ring, dtype=np.float64).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()) if len(points) else 0.0


def _is_compressed(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value["counts"], (str, bytes))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _are_counts(values: Sequence[Any]) -> bool:
    return not values or (set(map(type, values)) <= {int} and min(values) >= 0 and max(values) < 2**31)


def _all_numbers(ring: Any) -> bool:
    if not isinstance(ring, np.ndarray) and not set(map(type, ring)) <= {int, float, np.float64, np.int64}:
        return False
    try:
        return bool(np.isfinite(np.asarray(ring, dtype=np.float64)).all())
    except (OverflowError, ValueError, TypeError):
        return False


def _encode(value: Any, height: int, width: int) -> dict[str, Any]:
    from pycocotools import mask

    try:
        if not isinstance(value, Mapping):
            return dict(mask.merge(mask.frPyObjects([list(ring) for ring in value], height, width)))
        if isinstance(value["counts"], (str, bytes)):
            return dict(value)
        size = [int(s) for s in value["size"]]
        return dict(mask.frPyObjects({"size": size, "counts": list(value["counts"])}, *size))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise InputError(f"not a usable mask: {error}") from error


def _call(name: str, argument: Any) -> Any:
    from pycocotools import mask

    try:
        return getattr(mask, name)(argument if isinstance(argument, Mapping) else list(argument))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise InputError(f"not a usable mask: {error}") from error


def _iou(dt: Any, gt: Any, is_crowd: ArrayLike) -> NDArray[np.float64]:
    from pycocotools import mask

    if not (len(dt) and len(gt)):
        return np.zeros((len(dt), len(gt)))
    crowd = np.asarray(is_crowd).astype(np.uint8).tolist()
    try:
        return np.asarray(mask.iou(dt, gt, crowd), dtype=np.float64).reshape(len(dt), len(gt))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise InputError(f"not usable masks: {error}") from error
