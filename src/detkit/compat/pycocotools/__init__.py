"""pycocotools' modules `coco`, `cocoeval` and `mask`, with detkit's engine behind them."""

__author__ = "detkit"
