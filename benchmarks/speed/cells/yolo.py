"""Scoring YOLO text files directly: a label file and a prediction file for each image."""

from speed.cell import METRICS, Cell, Data, Tool, metrics_of, read_last, runner

_PLACES = ("{truth}", "{predictions}")

CELLS = (
    Cell(
        "yolo",
        "COCO metrics of YOLO text files, 5,000 images",
        (
            Tool(
                "detkit CLI",
                ("detkit",),
                ("{scripts}/detkit", "eval", "--format", "json", *_PLACES),
                metrics_of(METRICS["bbox"]),
            ),
            Tool("globox", ("globox",), runner("globox_yolo.py", *_PLACES), read_last),
        ),
        Data(
            {"truth": "data.yaml", "predictions": "predictions"},
            images=5000,
            synthetic=("--kind", "yolo", "--detections", "30"),
        ),
        "globox",
        is_exact=False,
    ),
)
