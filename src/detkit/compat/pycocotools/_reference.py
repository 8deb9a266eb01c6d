"""pycocotools' own classes, whatever stands at their names in `sys.modules` later on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pycocotools.coco
import pycocotools.cocoeval

__all__ = ["COCO", "COCOeval", "Params", "others_of"]

#: The modules themselves, which `install` takes out of `sys.modules`.
_MODULES = {"coco": pycocotools.coco, "cocoeval": pycocotools.cocoeval}

COCO = pycocotools.coco.COCO
COCOeval = pycocotools.cocoeval.COCOeval
Params = pycocotools.cocoeval.Params

for _found in (COCO, COCOeval):
    if not _found.__module__.startswith("pycocotools."):
        raise ImportError(
            f"`{_found.__module__}` stands in for pycocotools already: import detkit.compat before it is put there"
        )


def others_of(name: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that answers with what stands at that name in pycocotools' module.

    Programs import more than the classes: `from pycocotools.coco import maskUtils, _isArrayLike`.
    """
    module: ModuleType = _MODULES[name]

    def look_up(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
        return getattr(module, attribute)

    return look_up
