"""COCO metrics of boxes, in the shapes that data sets have: usual, small, dense, uniform, large."""

from speed.cell import Cell, Data
from speed.evaluators import REFERENCE, evaluators

_VAL = ("--preset", "val2017-like")
_SLOW = ("faster-coco-eval", "pycocotools", "hotcoco CLI")
#: hotcoco's own benchmark draws about one detection a truth of val2017, everything about it evenly spread.
_UNIFORM_DETECTIONS = 36_781 / 5000


def _uniform(times: int) -> tuple[str, ...]:
    return ("--kind", "uniform", "--detections", f"{times * _UNIFORM_DETECTIONS:.4f}")


CELLS = (
    Cell(
        "val2017",
        "boxes, the size of COCO val2017",
        evaluators("bbox"),
        Data(images=5000, realistic=_VAL),
        REFERENCE,
    ),
    Cell(
        "val2017-small",
        "boxes, 100 images of the same kind",
        evaluators("bbox"),
        Data(images=100, realistic=_VAL),
        REFERENCE,
    ),
    Cell(
        "coco14-bbox",
        "boxes, 100 real images",
        evaluators("bbox"),
        Data({"truth": "instances.json", "predictions": "bbox_results.json"}, "coco14_100"),
        REFERENCE,
    ),
    Cell(
        "dense",
        "boxes, 200 images with 320 objects each",
        evaluators("bbox"),
        Data(images=200, synthetic=("--truths", "320", "--detections", "500", "--classes", "10")),
        REFERENCE,
    ),
    Cell(
        "uniform",
        "boxes, the distribution of hotcoco's benchmark",
        evaluators("bbox"),
        Data(images=5000, synthetic=_uniform(1)),
        REFERENCE,
    ),
    Cell(
        "uniform-x10",
        "boxes, the distribution of hotcoco's benchmark with `--scale 10`",
        evaluators("bbox"),
        Data(images=5000, synthetic=_uniform(10)),
        REFERENCE,
        is_default=False,
    ),
    Cell(
        "o365",
        "boxes, the size of Objects365 val: 3.2 million detections",
        evaluators("bbox", without=_SLOW),
        Data(
            images=80_000,
            realistic=("--preset", "o365-like"),
            synthetic=("--truths", "15", "--detections", "40", "--classes", "365"),
        ),
        "ultrafast-pycocotools API",
        is_default=False,
    ),
)
