"""pycocotools' own classes, whatever stands at their names in `sys.modules` later on."""

from __future__ import annotations

import pycocotools.coco
import pycocotools.cocoeval

__all__ = ["COCO", "COCOeval", "Params"]

COCO = pycocotools.coco.COCO
COCOeval = pycocotools.cocoeval.COCOeval
Params = pycocotools.cocoeval.Params

for _found in (COCO, COCOeval):
    if not _found.__module__.startswith("pycocotools."):
        raise ImportError(
            f"`{_found.__module__}` stands in for pycocotools already: import detkit.compat before it is put there"
        )
