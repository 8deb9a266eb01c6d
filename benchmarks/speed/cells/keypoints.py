"""COCO metrics of keypoints."""

from speed.cell import Cell, Data
from speed.evaluators import REFERENCE, evaluators

CELLS = (
    Cell(
        "keypoints",
        "keypoints of persons, 5,000 images",
        evaluators("keypoints"),
        Data(images=5000, synthetic=("--kind", "keypoints", "--truths", "2.2", "--detections", "20")),
        REFERENCE,
    ),
    Cell(
        "coco14-keypoints",
        "keypoints, 100 real images",
        evaluators("keypoints"),
        Data({"truth": "person_keypoints.json", "predictions": "keypoints_results.json"}, "coco14_100"),
        REFERENCE,
    ),
)
