"""Instance masks of kept boxes as run lengths over the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks as coco
from detkit.detectors._base import Dense, Output, Sparse
from detkit.detectors._prepare import Frame
from detkit.detectors._rows import Rows
from detkit.detectors._views import View

__all__ = ["has_masks", "masks_of"]


def has_masks(output: Output) -> bool:
    """Whether an answer holds masks, or what they are made of."""
    whole = isinstance(output, Sparse) and output.masks is not None
    return whole or (output.coefficients is not None and output.prototypes is not None)


def masks_of(
    output: Output, rows: Rows, frame: Frame, view: View | None = None, image_size: tuple[int, int] | None = None
) -> list[dict[str, Any]]:
    """Compressed masks of the kept rows, each cut to its box.

    Parameters
    ----------
    output : Dense or Sparse
        With `masks`, or with `coefficients` and `prototypes`: the mask is then sigmoid(coefficients @ prototypes).
    rows : Rows
        What was kept of it; `source` says which rows.
    frame : Frame
    view : View, optional
        The part of an image that the frame is of, maybe mirrored; rows are in its pixels.
    image_size : (width, height), optional
        Of the whole image, with `view`.

    Returns
    -------
    list of N dict
        `{"size": [height, width], "counts": str or bytes}` of the displayed image; a pixel is inside where the
        interpolated probability at its centre is above one half.
    """
    width, height = frame.image_size
    whole = image_size or frame.image_size
    found = []
    for row, (x, y, w, h) in enumerate(rows.xywh):
        box = (int(np.floor(x)), int(np.floor(y)), int(np.ceil(x + w)), int(np.ceil(y + h)))
        box = (max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height))
        if w <= 0 or h <= 0 or box[2] <= box[0] or box[3] <= box[1]:
            counts = [whole[0] * whole[1]]
        else:
            inside = _sampled(output, int(rows.source[row]), frame, box) > 0.5
            counts = _counts(*_placed(inside, box, view), *whole)
        found.append(coco.to_rle({"size": [whole[1], whole[0]], "counts": counts}, whole[1], whole[0]))
    return found


def _placed(
    inside: NDArray[np.bool_], box: tuple[int, int, int, int], view: View | None
) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
    """A bitmap and its box in the pixels of the whole image."""
    if view is None:
        return inside, box
    left, top, right, bottom = box
    if view.flip:
        inside, left, right = inside[:, ::-1], view.size[0] - right, view.size[0] - left
    return inside, (left + view.box[0], top + view.box[1], right + view.box[0], bottom + view.box[1])


def _sampled(output: Output, source: int, frame: Frame, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Probabilities at the pixels of a box of the image."""
    from PIL import Image

    left, top, right, bottom = box
    if isinstance(output, Sparse) and output.masks is not None:
        values = np.asarray(output.masks[source], dtype=np.float32)
        if output.masks_of_boxes:
            # The mask lies over its own box, before that was cut to the image.
            own = np.asarray(output.xyxy[source : source + 1], dtype=np.float64)
            xyxy = (own if output.in_image_pixels else frame.to_image(own, clip=False))[0]
            scale = (values.shape[1] / (xyxy[2] - xyxy[0]), values.shape[0] / (xyxy[3] - xyxy[1]))
            area = tuple(float((e - xyxy[i % 2]) * scale[i % 2]) for i, e in enumerate((left, top, right, bottom)))
            return _resized(Image.fromarray(values), area, (right - left, bottom - top))
    else:
        values = _from_prototypes(output, source)
    to_mask = (values.shape[1] / frame.network_size[0], values.shape[0] / frame.network_size[1])
    area = tuple(
        (e * frame.scale[i % 2] + frame.offset[i % 2]) * to_mask[i % 2]
        for i, e in enumerate((left, top, right, bottom))
    )
    return _resized(Image.fromarray(values), area, (right - left, bottom - top))


def _from_prototypes(output: Dense | Sparse, source: int) -> NDArray[np.float32]:
    assert output.coefficients is not None
    assert output.prototypes is not None
    prototypes = np.asarray(output.prototypes, dtype=np.float32)
    logits = np.tensordot(np.asarray(output.coefficients[source], np.float32), prototypes, axes=1)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), dtype=np.float32)


def _resized(image: Any, area: tuple[float, ...], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear samples of an area of a one-channel float image; parts of the area outside it count as empty."""
    from PIL import Image

    inside = (max(area[0], 0.0), max(area[1], 0.0), min(area[2], image.width), min(area[3], image.height))
    if inside != area:
        border = 2 + int(
            np.ceil(max(inside[0] - area[0], inside[1] - area[1], area[2] - inside[2], area[3] - inside[3]))
        )
        wider = Image.new("F", (image.width + 2 * border, image.height + 2 * border))
        wider.paste(image, (border, border))
        image, area = wider, tuple(edge + border for edge in area)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=area), dtype=np.float32)


def _counts(inside: NDArray[np.bool_], box: tuple[int, int, int, int], width: int, height: int) -> list[int]:
    """Run lengths in column order over the whole image of a bitmap that lies at a box of it."""
    rows, columns = inside.shape
    padded = np.zeros((columns, rows + 2), np.int8)
    padded[:, 1:-1] = inside.T
    step = np.diff(padded, axis=1)
    column, row = np.nonzero(step == 1)
    start = (column + box[0]) * height + row + box[1]
    column, row = np.nonzero(step == -1)
    end = (column + box[0]) * height + row + box[1]
    # A run that ends at the bottom goes on where the next column starts set.
    joined = np.flatnonzero(start[1:] == end[:-1])
    start, end = np.delete(start, joined + 1), np.delete(end, joined)
    edges = np.stack([start, end], axis=1).reshape(-1)
    return [int(n) for n in np.diff(np.concatenate([[0], edges, [width * height]]))]
