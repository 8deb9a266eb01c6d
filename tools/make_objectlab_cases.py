"""Write fixtures/objectlab/cases.json: random labels and predictions of our own, and the scores cleanlab gives them.

Needs the package in an environment of its own, apart from the project's:

    python -m venv /tmp/objectlab && /tmp/objectlab/bin/pip install cleanlab==2.9.0
    /tmp/objectlab/bin/python tools/make_objectlab_cases.py
"""

import json
from pathlib import Path

import numpy as np
from cleanlab.object_detection import rank

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "objectlab" / "cases.json"
CASES = 40
SCORES = (0.2, 0.5, 0.51, 0.94, 0.95, 0.96, 0.99)


def draw_box(rng):
    return [*rng.integers(0, 300, 2).tolist(), *rng.integers(8, 120, 2).tolist()]


def near(rng, box):
    """The same box, one a little off, or one far off."""
    off = rng.choice([0, 3, 25, 200])
    moved = np.array(box) + rng.integers(-off, off + 1, 4)
    return [int(moved[0]), int(moved[1]), *np.maximum(moved[2:], 4).tolist()]


def draw(rng):
    """Images with labels (class, box) and predictions (class, box, score)."""
    classes = int(rng.integers(1, 4))
    images = []
    for _ in range(int(rng.integers(1, 5))):
        labels = [[int(rng.integers(classes)), draw_box(rng)] for _ in range(int(rng.integers(0, 5)))]
        if labels and rng.random() < 0.2:
            labels.append([int(rng.integers(classes)), list(labels[0][1])])
        found = []
        for k, box in labels:
            for _ in range(int(rng.integers(0, 3))):
                other = k if rng.random() < 0.6 else int(rng.integers(classes))
                found.append([other, near(rng, box), float(rng.choice(SCORES))])
        for _ in range(int(rng.integers(0, 3))):
            found.append([int(rng.integers(classes)), draw_box(rng), float(rng.choice(SCORES))])
        # The package lists predictions class by class.
        images.append({"labels": labels, "found": sorted(found, key=lambda row: row[0])})
    return classes, images


def corners(boxes):
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def inputs(classes, images):
    labels, predictions = [], []
    for image in images:
        labels.append(
            {
                "bboxes": corners([box for _, box in image["labels"]]),
                "labels": np.array([k for k, _ in image["labels"]], dtype=int),
            }
        )
        of_class = [[row for row in image["found"] if row[0] == k] for k in range(classes)]
        held = np.empty(classes, dtype=object)
        for k, rows in enumerate(of_class):
            held[k] = np.hstack([corners([r[1] for r in rows]), np.array([r[2] for r in rows]).reshape(-1, 1)])
        predictions.append(held)
    return labels, predictions


def plain(parts):
    return [[None if np.isnan(v) else float(v) for v in part] for part in parts]


def case(seed):
    rng = np.random.default_rng(seed)
    classes, images = draw(rng)
    labels, predictions = inputs(classes, images)
    given = {"labels": labels, "predictions": predictions}
    overlooked = rank.compute_overlooked_box_scores(**given)
    swapped = rank.compute_swap_box_scores(**given)
    located = rank.compute_badloc_box_scores(**given)
    return {
        "seed": seed,
        "classes": classes,
        "images": images,
        "overlooked": plain(overlooked),
        "swapped": plain(swapped),
        "located": plain(located),
        "pooled": {
            "overlooked": rank.pool_box_scores_per_image(overlooked).tolist(),
            "swapped": rank.pool_box_scores_per_image(swapped).tolist(),
            "located": rank.pool_box_scores_per_image(located).tolist(),
        },
        "image": rank.get_label_quality_scores(verbose=False, **given).tolist(),
    }


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    made = {"package": "cleanlab 2.9.0", "cases": [case(seed) for seed in range(CASES)]}
    TARGET.write_text(json.dumps(made, separators=(",", ":")).replace('{"seed"', '\n{"seed"') + "\n", encoding="utf-8")
    print(TARGET, TARGET.stat().st_size, "bytes")
