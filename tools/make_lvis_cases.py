"""Write fixtures/lvis/cases.json: random partly labelled datasets of our own, and what lvis makes of them.

Needs the package in an environment of its own, apart from the project's:

    python -m venv /tmp/lvis && /tmp/lvis/bin/pip install lvis==0.5.3 pycocotools==2.0.11 'numpy<2.3'
    /tmp/lvis/bin/python tools/make_lvis_cases.py

lvis 0.5.3 calls `np.float`, which NumPy no longer has: it is put back here before the package runs.
"""

import copy
import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from lvis import LVIS, LVISEval, LVISResults
from pycocotools import mask as mask_utils

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "lvis" / "cases.json"
SIZE = (400, 300)
#: Name, number of images, of classes, of detections about an image, and the step scores are rounded to.
PLANS = (
    ("sparse", 6, 5, 6, 0.0001),
    ("ties", 6, 4, 14, 0.1),
    ("all_tied", 4, 3, 10, 1.0),
    ("many_classes", 8, 12, 20, 0.01),
    ("more_than_300", 2, 3, 420, 0.02),
    ("one_image", 1, 3, 30, 0.05),
    ("one_frequency", 5, 4, 12, 0.05),
    ("masks", 5, 4, 12, 0.05),
)


class InMemory(LVIS):
    """A truth that is not read from a file."""

    def __init__(self, truth):
        self.logger = logging.getLogger(__name__)
        self.dataset = truth
        self._create_index()


def box(rng):
    """A whole-numbered box; one in eight stands on a size limit, one in thirty has no width."""
    w, h = (int(v) for v in rng.integers(4, 140, 2))
    chance = rng.random()
    if chance < 0.12:
        w, h = [(32, 32), (96, 96), (16, 64)][int(rng.integers(3))]
    elif chance < 0.15:
        w = 0
    return [int(rng.integers(0, SIZE[0] - w)), int(rng.integers(0, SIZE[1] - h)), w, h]


def outline(rng, bbox):
    """A four-cornered polygon in a box, and sometimes a second one."""
    x, y, w, h = bbox
    cut = int(rng.integers(0, max(1, w // 3)))
    rings = [[x + cut, y, x + w, y, x + w - cut, y + h, x, y + h]]
    if rng.random() < 0.2:
        rings.append([x, y, x + w // 3 + 1, y, x, y + h // 3 + 1])
    return rings


def near(rng, bbox):
    x, y, w, h = bbox
    jitter = rng.integers(-6, 7, 4)
    return [
        max(0, x + int(jitter[0])),
        max(0, y + int(jitter[1])),
        max(0, w + int(jitter[2])),
        max(1, h + int(jitter[3])),
    ]


def draw(seed, plan):
    """Truth and detections as COCO dictionaries; lists, crowds, ignored and empty boxes included."""
    name, images, classes, dets, step = plan
    rng = np.random.default_rng(seed)
    ids = sorted(int(i) for i in rng.choice(np.arange(1, 90), classes, replace=False))
    frequencies = "f" if name == "one_frequency" else "rcf"
    categories = [
        {"id": i, "name": f"class {i}", "frequency": frequencies[int(rng.integers(len(frequencies)))]} for i in ids
    ]
    rng.shuffle(categories)
    image_ids = [int(i) for i in rng.permutation(np.arange(10, 10 + 3 * images))[:images]]
    records, annotations, results = [], [], []
    for image in image_ids:
        # The last class never has a truth.
        present = sorted({int(i) for i in rng.choice(ids[:-1], int(rng.integers(0, 4)))})
        others = [i for i in ids if i not in present]
        absent = [int(i) for i in others if rng.random() < 0.5]
        partial = [int(i) for i in ids if rng.random() < 0.25]
        records.append({
            "id": image, "file_name": f"{image}.jpg", "width": SIZE[0], "height": SIZE[1],
            "neg_category_ids": absent, "not_exhaustive_category_ids": partial,
        })  # fmt: skip
        truths = [(c, box(rng)) for c in present for _ in range(int(rng.integers(1, 5)))]
        for category, bbox in truths:
            annotation = {
                "id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": bbox,
                "area": bbox[2] * bbox[3] if rng.random() < 0.7 else int(bbox[2] * bbox[3] * 0.6),
                "segmentation": outline(rng, bbox),
            }  # fmt: skip
            if rng.random() < 0.1:
                annotation["iscrowd"] = 1
            if rng.random() < 0.1:
                annotation["ignore"] = 1
            annotations.append(annotation)
        for _ in range(int(rng.integers(dets // 2, dets + 1)) if dets < 300 else dets):
            if truths and rng.random() < 0.6:
                category, bbox = truths[int(rng.integers(len(truths)))]
                bbox = near(rng, bbox)
                category = category if rng.random() < 0.8 else int(rng.choice(ids))
            else:
                category, bbox = int(rng.choice(ids)), box(rng)
            score = round(float(np.round(rng.random() / step) * step), 6)
            results.append({"image_id": image, "category_id": category, "bbox": bbox, "score": score})
    if name.startswith("masks"):
        for row in results:
            row["segmentation"] = encoded(outline(rng, row.pop("bbox")))
    else:
        for row in annotations:
            del row["segmentation"]
    order = rng.permutation(len(results))
    truth = {"images": records, "categories": categories, "annotations": annotations}
    return truth, [results[i] for i in order]


def encoded(rings):
    rle = mask_utils.merge(mask_utils.frPyObjects(rings, SIZE[1], SIZE[0]))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def answer(truth, results, iou_type):
    """The thirteen numbers, recall, and a digest of precision, all as lvis has them."""
    gt = InMemory(copy.deepcopy(truth))
    evaluation = LVISEval(gt, LVISResults(gt, copy.deepcopy(results)), iou_type)
    evaluation.run()
    precision = np.ascontiguousarray(evaluation.eval["precision"])
    return {
        "results": {name: float(value) for name, value in evaluation.results.items()},
        "recall": evaluation.eval["recall"].tolist(),
        "precision_shape": list(precision.shape),
        "precision_sha256": hashlib.sha256(precision.astype("<f8").tobytes()).hexdigest(),
    }


def main():
    np.float = float
    cases = []
    for plan in PLANS:
        iou_type = "segm" if plan[0].startswith("masks") else "bbox"
        for seed in range(1 if plan[3] > 300 else 3):
            truth, results = draw(seed, plan)
            expected = answer(truth, results, iou_type)
            cases.append({
                "name": f"{plan[0]}-{seed}", "iou_type": iou_type, "truth": truth, "results": results, "lvis": expected,
            })  # fmt: skip
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    TARGET.write_text(f'{{"reference": "lvis 0.5.3", "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
