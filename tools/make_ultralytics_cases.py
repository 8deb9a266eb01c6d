"""Write fixtures/ultralytics/cases.json (random truth and predictions of our own) and what a version makes of them.

Needs two versions of the package, each in a folder of its own, and an environment with what they import:

    python -m venv /tmp/ultra
    /tmp/ultra/bin/pip install torch opencv-python-headless matplotlib requests pyyaml scipy psutil
    /tmp/ultra/bin/pip install --no-deps --target /tmp/ultra-8.4.190 ultralytics==8.4.190
    /tmp/ultra/bin/pip install --no-deps --target /tmp/ultra-8.3.253 ultralytics==8.3.253
    PYTHONPATH=/tmp/ultra-8.4.190 /tmp/ultra/bin/python tools/make_ultralytics_cases.py
    PYTHONPATH=/tmp/ultra-8.3.253 /tmp/ultra/bin/python tools/make_ultralytics_cases.py

With arguments `TRUTH PREDICTIONS` (COCO files) it prints the figures of these instead.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import ultralytics
from ultralytics.engine.validator import BaseValidator
from ultralytics.utils.metrics import ap_per_class, box_iou

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "ultralytics"
SEEDS = range(12)


def draw(seed):
    """Crowded boxes of one to five classes, several close detections for each, some wrong class, some beside all."""
    rng = np.random.default_rng(seed)
    classes, images = int(rng.integers(1, 6)), int(rng.integers(2, 7))
    truth, found = [], []
    for image in range(1, images + 1):
        for _ in range(int(rng.integers(0, 7))):
            label = int(rng.integers(1, classes + 1))
            box = [*rng.uniform(0, 200, 2), *rng.uniform(10, 120, 2)]
            truth.append([image, label, *np.round(box, 3).tolist()])
            for _ in range(int(rng.integers(0, 5))):
                near = np.array(box) + rng.normal(0, 0.09, 4) * np.tile(box[2:], 2)
                other = int(rng.integers(1, classes + 1)) if rng.random() < 0.15 else label
                found.append([image, other, *np.round(near, 3).tolist(), float(np.round(rng.beta(1.2, 2), 7))])
        for _ in range(int(rng.integers(0, 12))):
            box = np.round([*rng.uniform(0, 200, 2), *rng.uniform(10, 120, 2)], 3).tolist()
            found.append([image, int(rng.integers(1, classes + 1)), *box, float(np.round(rng.beta(1, 5), 7))])
    if seed % 4 == 3:  # more than an image may have
        for _ in range(400):
            box = np.round([*rng.uniform(0, 200, 2), *rng.uniform(10, 120, 2)], 3).tolist()
            found.append([1, int(rng.integers(1, classes + 1)), *box, float(np.round(rng.beta(1, 3), 7))])
    return truth, found


def corners(xywh):
    xywh = torch.tensor(np.array(xywh, dtype=np.float64).reshape(-1, 4), dtype=torch.float64)
    return torch.cat([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], dim=1).float()


class Matcher:
    """The one method of the validator, without the rest of it."""

    iouv = torch.linspace(0.5, 0.95, 10)
    match_predictions = BaseValidator.match_predictions


def answer(truth, found):
    """Its figures; detections as its NMS leaves them: at least 0.001, best first, at most 300 an image."""
    parts = {"tp": [], "conf": [], "pred_cls": [], "target_cls": []}
    of_image = {image: ([], []) for image in sorted({row[0] for row in truth} | {row[0] for row in found})}
    for row in truth:
        of_image[row[0]][0].append(row)
    for row in found:
        of_image[row[0]][1].append(row)
    for labels, boxes in of_image.values():
        boxes = sorted((row for row in boxes if row[6] >= 0.001), key=lambda row: -row[6])[:300]
        target, predicted = (torch.tensor([float(row[1]) for row in rows]) for rows in (labels, boxes))
        tp = torch.zeros(len(boxes), 10, dtype=torch.bool)
        if labels and boxes:
            iou = box_iou(corners([row[2:6] for row in labels]), corners([row[2:6] for row in boxes]))
            tp = Matcher().match_predictions(predicted, target, iou)
        parts["tp"].append(np.asarray(tp))
        parts["conf"].append(np.array([row[6] for row in boxes]))
        parts["pred_cls"].append(predicted.numpy())
        parts["target_cls"].append(target.numpy())
    _, _, p, r, _, ap, classes, *_ = ap_per_class(**{name: np.concatenate(part) for name, part in parts.items()})
    return {
        "AP": float(ap.mean()),
        "AP50": float(ap[:, 0].mean()),
        "AP75": float(ap[:, 5].mean()),
        "P": float(p.mean()),
        "R": float(r.mean()),
        "classes": {
            str(c): {"AP": float(a.mean()), "AP50": float(a[0]), "P": float(x), "R": float(y)}
            for c, a, x, y in zip(classes.tolist(), ap, p, r, strict=True)
        },
    }


def from_files(truth, found):
    """Rows of COCO files as the package's own converter takes them: no crowds, no empty boxes, nothing twice."""
    rows = {}
    for a in json.loads(Path(truth).read_text())["annotations"]:
        if not a.get("iscrowd") and min(a["bbox"][2:]) > 0:
            rows[a["image_id"], a["category_id"], *a["bbox"]] = None
    detections = [
        [d["image_id"], d["category_id"], *d["bbox"], d["score"]] for d in json.loads(Path(found).read_text())
    ]
    return [list(row) for row in rows], detections


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(answer(*from_files(*sys.argv[1:3])), indent=1))
    else:
        cases = [draw(seed) for seed in SEEDS]
        expected = [answer(truth, found) for truth, found in cases]
        plain = [{"truth": truth, "found": found} for truth, found in cases]
        TARGET.mkdir(parents=True, exist_ok=True)
        (TARGET / "cases.json").write_text(json.dumps(plain) + "\n")
        (TARGET / f"{ultralytics.__version__}.json").write_text(json.dumps(expected) + "\n")
