"""Write fixtures/ensemble/cases.json: random predictions of our own, and what ensemble-boxes makes of them.

Needs the package in an environment of its own, apart from the project's:

    python -m venv /tmp/boxes && /tmp/boxes/bin/pip install ensemble-boxes==1.0.9
    /tmp/boxes/bin/python tools/make_ensemble_cases.py
"""

import contextlib
import io
import json
import warnings
from pathlib import Path

import ensemble_boxes
import numpy as np

SIZE = (640, 480)
TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "ensemble" / "cases.json"
CONFIDENCES = ("avg", "max", "box_and_model_avg", "absent_model_aware_avg")
METHODS = {
    "nms": {"method": 3},
    "soft-nms": {"method": 2, "sigma": 0.5, "thresh": 0.001},
    "soft-linear": {"method": 1, "thresh": 0.3},
}


def draw(rng):
    """Boxes, scores and classes of one to four models that look at the same few objects; some stick out."""
    models, classes = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    objects = rng.random((int(rng.integers(1, 5)), 4))
    found = []
    for _ in range(models):
        picked = rng.integers(0, len(objects), int(rng.integers(1, 9)))
        corner = objects[picked, :2] * 0.9 - 0.05 + rng.normal(0, 0.02, (len(picked), 2))
        side = np.maximum(objects[picked, 2:] * 0.4 + 0.05 + rng.normal(0, 0.02, (len(picked), 2)), 0.01)
        xywh = (np.concatenate([corner, side], axis=1) * [*SIZE, *SIZE]).round(2)
        scores, labels = rng.random(len(picked)).round(4), rng.integers(0, classes, len(picked))
        found.append({"boxes": xywh.tolist(), "scores": scores.tolist(), "labels": labels.tolist()})
    return found


def shares(model):
    xywh = np.array(model["boxes"])
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) / [*SIZE, *SIZE]


def rows(answer):
    """Rows [class, score, left, top, right, bottom], shares of the image, sorted."""
    boxes, scores, labels = answer
    return sorted([int(c), float(s), *map(float, b)] for c, s, b in zip(labels, scores, boxes, strict=True))


def case(seed):
    rng = np.random.default_rng(seed)
    models = draw(rng)
    made = {
        "seed": seed,
        "models": models,
        "weights": [None, rng.uniform(0.5, 3, len(models)).round(2).tolist()][seed % 2],
        "iou_threshold": float(rng.choice([0.3, 0.5, 0.55, 0.7])),
        "skip_box_threshold": float(rng.choice([0.0, 0.2])),
        "confidence": CONFIDENCES[seed % 4],
        "allows_overflow": bool(seed // 4 % 2),
    }
    boxes = [shares(m) for m in models]
    scores, labels = ([np.array(m[k]) for m in models] for k in ("scores", "labels"))
    common = {"weights": made["weights"], "iou_thr": made["iou_threshold"]}
    with contextlib.redirect_stdout(io.StringIO()):
        fused = ensemble_boxes.weighted_boxes_fusion(
            boxes,
            scores,
            labels,
            skip_box_thr=made["skip_box_threshold"],
            conf_type=made["confidence"],
            allows_overflow=made["allows_overflow"],
            **common,
        )
        made["expected"] = {"wbf": rows(fused)}
        for name, options in METHODS.items():
            # The package writes weighted scores into the arrays it is given.
            answer = ensemble_boxes.ensemble_boxes_nms.nms_method(
                [b.copy() for b in boxes], [s.copy() for s in scores], labels, **options, **common
            )
            made["expected"][name] = rows(answer)
    return made


def main():
    warnings.simplefilter("ignore")
    lines = ",\n".join(json.dumps(case(seed)) for seed in range(16))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(f'{{"size": {list(SIZE)}, "made_with": "ensemble-boxes 1.0.9", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
