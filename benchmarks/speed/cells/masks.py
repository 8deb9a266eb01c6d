"""COCO metrics of masks: polygons as truth, compressed RLE as predictions."""

from speed.cell import Cell, Data
from speed.evaluators import REFERENCE, evaluators

CELLS = (
    Cell(
        "segm",
        "masks, 1,000 images with 58,500 masks",
        evaluators("segm"),
        Data(
            images=1000,
            realistic=("--preset", "val2017-like", "--segm", "--per-image", "52"),
            synthetic=("--kind", "masks", "--detections", "51"),
        ),
        REFERENCE,
    ),
    Cell(
        "coco14-segm",
        "masks, 100 real images",
        evaluators("segm"),
        Data({"truth": "instances.json", "predictions": "segm_results.json"}, "coco14_100"),
        REFERENCE,
    ),
)
