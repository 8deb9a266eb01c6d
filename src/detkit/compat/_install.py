"""Put the drop-ins where imports look for the originals, and take them away again."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["install", "uninstall"]

#: What stood at a name of `sys.modules` before, None for nothing; empty while nothing is installed.
_BEFORE: dict[str, ModuleType | None] = {}


def install() -> None:
    """Let imports of pycocotools and faster_coco_eval find detkit's drop-ins from now on.

    `pycocotools.coco` and `pycocotools.cocoeval` are replaced, `pycocotools.mask` stays the original.
    `faster_coco_eval` is stood in for whether or not it is installed, and so are the modules that hold the compiled
    evaluators of Detectron2 and YOLOX. Modules that have imported the originals already keep them, and so does any
    other process. Twice is as good as once.

    Raises
    ------
    ImportError
        Another package has put itself in the place of pycocotools already.

    Examples
    --------
    >>> install()
    >>> from pycocotools.cocoeval import COCOeval
    >>> COCOeval.__module__
    'detkit.compat.pycocotools.cocoeval'
    >>> uninstall()
    """
    if _BEFORE:
        return
    for name, module in _stand_ins().items():
        _BEFORE[name] = sys.modules.get(name)
        _put(name, module)


def uninstall() -> None:
    """Let imports find again what they found before `install`; nothing happens where nothing is installed."""
    while _BEFORE:
        _put(*_BEFORE.popitem())


def _stand_ins() -> dict[str, ModuleType]:
    names = ("faster_coco_eval", "fast_eval", "pycocotools.coco", "pycocotools.cocoeval", "pycocotools.mask")
    faster_coco_eval, fast_eval, coco, cocoeval, mask = (import_module(f"detkit.compat.{name}") for name in names)
    ours = ("", ".core", ".core.coco", ".core.cocoeval", ".core.faster_eval_api")
    return {
        "pycocotools.coco": coco,
        "pycocotools.cocoeval": cocoeval,
        **{f"faster_coco_eval{name}": faster_coco_eval for name in ours},
        "faster_coco_eval.core.mask": mask,
        "detectron2.evaluation.fast_eval_api": fast_eval,
        "yolox.layers.fast_coco_eval_api": fast_eval,
    }


def _put(name: str, module: ModuleType | None) -> None:
    """The module at its name, and as attribute of the original package that holds it."""
    package, _, child = name.rpartition(".")
    if module is None:
        sys.modules.pop(name, None)
        return
    sys.modules[name] = module
    if package == "pycocotools":
        setattr(sys.modules[package], child, module)
