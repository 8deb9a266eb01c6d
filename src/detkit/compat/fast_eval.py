"""The name of Detectron2's module `evaluation.fast_eval_api`, and of YOLOX's `layers.fast_coco_eval_api`.

Both subclass pycocotools' evaluation with C++ of their own behind `evaluate` and `accumulate`, which `install` alone
would not reach.
"""

from __future__ import annotations

from detkit.compat.pycocotools import cocoeval

__all__ = ["COCOeval_opt"]


class COCOeval_opt(cocoeval.COCOeval):  # noqa: N801
    """`detkit.compat.pycocotools.cocoeval.COCOeval`; a class of its own, by which Detectron2 knows that it is fast."""
