"""Drop-ins for other evaluators: their names and their answers, detkit's engine behind them.

`detkit.compat.pycocotools` has the modules `coco`, `cocoeval` and `mask`. `install` puts them in the place of
pycocotools' own, and of `faster_coco_eval`, for every import that follows; `python -m detkit.compat script.py` does so
for a script that nobody edits. As its models do, this room prints what it is doing.
"""

from __future__ import annotations

from detkit.compat._install import install, uninstall

__all__ = ["install", "uninstall"]
