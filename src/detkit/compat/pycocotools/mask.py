"""pycocotools' own `mask`, under the drop-in's name."""

from __future__ import annotations

from pycocotools.mask import area, decode, encode, frPyObjects, iou, merge, toBbox

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]
